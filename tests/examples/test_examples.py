"""The examples run as their docstrings say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(folder: Path, *args: object, site: Path | None = None, strict: bool = True) -> str:
    paths = [str(path) for path in (site, os.environ.get("PYTHONPATH")) if path]
    variables = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": ":".join(paths)}
    command = [sys.executable, *(("-W", "error") if strict else ()), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=variables, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are in a checkout only")
def test_a_new_checkpoint_is_compared_with_its_baselines(tmp_path: Path) -> None:
    out = run(tmp_path, EXAMPLES / "new_checkpoint.py", "--limit", 8)
    assert "micro-cue-conflict" in out
    assert "supervised" in out
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are in a checkout only")
def test_a_custom_model_stands_beside_its_baseline(tmp_path: Path) -> None:
    out = run(tmp_path, EXAMPLES / "custom_model.py", "--limit", 8)
    assert {line.split()[1] for line in out.splitlines()[1:]} == {"ensemble", "vito"}


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are in a checkout only")
def test_a_custom_task_is_installed_and_run(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLES / "upside_down_plugin", source)  # a build writes into its source
    pip = (
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        site,
        source,
    )
    run(tmp_path, *pip, strict=False)  # its warnings are its own
    out = run(tmp_path, EXAMPLES / "custom_task.py", "--limit", 8, site=site)
    assert "upside-down" in out
    assert "upside-down 0.1" in (tmp_path / "report.html").read_text(encoding="utf-8")
