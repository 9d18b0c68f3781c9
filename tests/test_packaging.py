"""What a wheel would hold: every package, and every file that is data."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
IGNORED = ("tests", "build", "docs", "examples")


@pytest.fixture(scope="module")
def setuptools() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_listed(setuptools: dict) -> None:
    folders = [path.parent.relative_to(ROOT) for path in ROOT.rglob("__init__.py")]
    own = [f for f in folders if not f.parts or (f.parts[0] not in IGNORED and not f.parts[0].startswith("."))]
    assert sorted(".".join(("vitobench", *folder.parts)) for folder in own) == sorted(setuptools["packages"])


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
