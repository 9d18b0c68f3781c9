"""Read-only homes and installations: caches go elsewhere, and nobody else's folder is trusted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vitobench import caches

VARIABLES = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
ROOT = Path(caches.__file__).parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")  # so that it is put back whatever is set here
        monkeypatch.delenv(variable)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for cached in (caches.prepare_caches, caches._fallback):
        cached.cache_clear()
    yield
    for cached in (caches.prepare_caches, caches._fallback):
        cached.cache_clear()


def test_every_compiled_module_is_in_a_folder_that_is_tried() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / "tasks").rglob("*.py")
        if re.search(r"^(import|from) numba\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert folders == set(caches.COMPILED)


def test_nothing_is_changed_where_everything_can_be_written(tmp_path: Path) -> None:
    before = dict(os.environ)
    assert caches.prepare_caches() == ""
    assert dict(os.environ) == before
    assert not (tmp_path / "home").exists()  # nor made
    assert caches.user_cache() == tmp_path / "home/.cache"


def test_without_a_home_caches_are_in_a_folder_of_this_user_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "/dev/null/x")
    monkeypatch.setattr(caches, "_ROOT", Path("/proc/installed"))
    note = caches.prepare_caches()
    (folder,) = (tmp_path / "tmp").iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert str(folder) in note
    assert {variable: os.environ[variable] for variable in VARIABLES[:4]} == {
        "NUMBA_CACHE_DIR": f"{folder}/numba",
        "MPLCONFIGDIR": f"{folder}/mplconfigdir",
        "HF_HOME": f"{folder}/hf",
        "TORCH_HOME": f"{folder}/torch",
    }
    assert caches.user_cache() == folder


def test_a_package_whose_cache_is_a_file_needs_the_home_folder_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in caches.COMPILED:
        (tmp_path / "installed" / folder).mkdir(parents=True)
        (tmp_path / "installed" / folder / "__pycache__").touch()
    monkeypatch.setattr(caches, "_ROOT", tmp_path / "installed")
    assert caches.prepare_caches() == ""  # numba falls back to ~/.cache/numba itself
    caches.prepare_caches.cache_clear()
    monkeypatch.setenv("HOME", "/dev/null/x")
    assert "NUMBA_CACHE_DIR" in caches.prepare_caches()


def test_what_the_user_set_stays_and_what_was_fetched_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".cache/huggingface").mkdir(parents=True)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/mine")
    monkeypatch.setattr(caches, "_can_keep", lambda folder, name: folder == tmp_path / "tmp/vitobench-0")
    note = caches.prepare_caches()
    assert os.environ["NUMBA_CACHE_DIR"] == "/mine"
    assert "HF_HOME" not in os.environ
    assert "TORCH_HOME" in note
    assert "HF_HOME" not in note


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no user numbers")
@pytest.mark.parametrize("trap", ["open to all", "a link", "a file"])
def test_a_folder_that_somebody_else_laid_is_not_trusted(trap: str, tmp_path: Path) -> None:
    laid = tmp_path / "tmp" / f"vitobench-{os.getuid()}"
    if trap == "open to all":
        laid.mkdir()
        laid.chmod(0o777)
    elif trap == "a link":
        (tmp_path / "elsewhere").mkdir()
        laid.symlink_to(tmp_path / "elsewhere")
    else:
        laid.touch()
    found = caches._fallback()
    assert found is not None
    assert found != laid
    assert found.stat().st_mode & 0o077 == 0


RENDERS = """
import sys
from vitobench import caches
caches._ROOT = caches.Path("/proc/installed")
if "nowhere" in sys.argv:
    caches._fallback = lambda: None
from numba.core import caching
def refuse(self):
    raise OSError(30, "Read-only file system")
for name, locator in vars(caching).items():
    if "InTree" in name:
        locator.ensure_cache_path = refuse
from vitobench.tasks.corruptions.imagenet_c.colour import njit
@njit(cache=True)
def twice(x):
    return 2 * x
print(twice(21))
"""


@pytest.mark.parametrize("where", ["temporary", "nowhere"])
def test_kernels_compile_where_nothing_else_can_be_written(where: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(RENDERS)
    variables = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    variables |= {"HOME": "/dev/null/x", "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, str(script), where]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "42\n"
    assert bool(list((tmp_path / "tmp").rglob("*.nbi"))) == (where == "temporary")
