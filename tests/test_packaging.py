"""What a wheel would hold: every package, and every file that is data."""

from __future__ import annotations

import tomllib
import venv
from pathlib import Path

import pytest

from vitobench.tests.checkout import own_modules

ROOT = Path(__file__).parent.parent
IGNORED = ("tests", "build", "docs", "examples")


def own_packages(root: Path) -> list[Path]:
    """Folders of packages below a checkout, relative to it."""
    folders = [path.parent.relative_to(root) for path in own_modules(root) if path.name == "__init__.py"]
    return [folder for folder in folders if not folder.parts or folder.parts[0] not in IGNORED]


@pytest.fixture(scope="module")
def setuptools() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_listed(setuptools: dict) -> None:
    names = [".".join(("vitobench", *folder.parts)) for folder in own_packages(ROOT)]
    assert sorted(names) == sorted(setuptools["packages"])


@pytest.mark.parametrize("name", ["venv", ".venv", "env", "tools/any-name"])
def test_an_environment_in_the_checkout_is_none_of_its_packages(name: str, tmp_path: Path) -> None:
    for package in (".", "models", "models/env", "tests"):  # a package may be called like an environment
        (tmp_path / package).mkdir(parents=True, exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    venv.create(tmp_path / name)
    (site,) = (tmp_path / name).rglob("site-packages")
    (site / "numpy").mkdir()
    (site / "numpy" / "__init__.py").touch()
    assert own_packages(tmp_path) == [Path(), Path("models"), Path("models/env")]


def test_every_file_of_data_is_listed(setuptools: dict) -> None:
    shipped = set()
    for package, patterns in setuptools["package-data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        shipped |= {path for pattern in patterns for path in folder.glob(pattern)}
    for package in setuptools["packages"]:
        folder = ROOT.joinpath(*package.split(".")[1:])
        if package == "vitobench":
            continue
        data = {path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"}
        assert data <= shipped, sorted(map(str, data - shipped))
