"""What is asked of other packages, and what is said where it is not there."""

from __future__ import annotations

import email
import importlib.metadata
import tomllib
from pathlib import Path

import pytest

from vitobench.bench.doctor import packages as requirements
from vitobench.bench.doctor.check import FAIL, OK, WARN
from vitobench.bench.doctor.packages import (
    FOR_DEVELOPMENT,
    PURPOSES,
    Needed,
    check_optional,
    check_plugins,
    check_python,
    check_required,
    check_torchcodec,
    installed,
    wants,
)

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

METADATA = """Metadata-Version: 2.4
Name: vitobench
Version: 1.2
Requires-Python: >=3.11
Requires-Dist: click>=8.1
Requires-Dist: other>=1; sys_platform == "nowhere"
Requires-Dist: ray>=2.9; extra == "ray"
Requires-Dist: pytest<9,>=8; extra == "test"
Provides-Extra: ray
Provides-Extra: test
"""


def test_every_extra_of_a_user_has_a_purpose() -> None:
    assert {*PURPOSES, *FOR_DEVELOPMENT} == set(PROJECT["optional-dependencies"])


def test_a_checkout_comes_before_what_was_installed() -> None:
    found = wants(ROOT)
    assert found is not None
    assert list(found.required) == PROJECT["dependencies"]
    assert list(found.extras["ray"]) == PROJECT["optional-dependencies"]["ray"]


def test_an_installation_says_what_it_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: email.message_from_string(METADATA))
    found = wants(tmp_path)
    assert found is not None
    assert (found.version, found.python, found.required) == ("1.2", ">=3.11", ("click>=8.1",))
    assert found.extras == {"ray": ("ray>=2.9",), "test": ("pytest<9,>=8",)}


def test_neither_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "NAME", "no-such-distribution")
    assert wants(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'something-else'\n")
    assert wants(tmp_path) is None


def test_installed_versions_are_those_of_the_environment() -> None:
    found = installed(["pytest>=8", "no-such-distribution>=1", 'click>=8; sys_platform == "nowhere"'])
    assert [(need.name, need.installed) for need in found] == [
        ("pytest", pytest.__version__), ("no-such-distribution", None),
    ]  # fmt: skip
    assert [need.fits for need in found] == [True, False]


def test_what_is_absent_or_out_of_bounds_fails_with_the_command() -> None:
    needed = [
        Needed("a", ">=2", "2.1"),
        Needed("b", ">=2,<3", "3.0"),
        Needed("c", ">=1", None),
        Needed("d", "", "0.1rc1"),
    ]
    rows = {row.name: row for row in check_required(needed, "0.1", Path("here"))}
    assert (rows["dependencies"].status, rows["dependencies"].found) == (OK, "2 of 4 have a supported version")
    assert [rows[name].status for name in ("b", "c")] == [FAIL, FAIL]
    assert (rows["b"].found, rows["b"].advice) == ("3.0, not >=2,<3", "pip install 'b>=2,<3'")
    assert rows["c"].found == "not installed"


def test_python_too_old_fails() -> None:
    assert check_python(">=3.11", "3.11.7", "CPython").status == OK
    old = check_python(">=3.11", "3.10.1", "CPython")
    assert (old.status, old.found) == (FAIL, "3.10.1, not >=3.11")


def test_an_absent_extra_is_no_fault_and_names_its_command() -> None:
    extras = {
        "ray": [Needed("ray", ">=2.9", None)],
        "wandb": [Needed("wandb", ">=0.16", "0.10")],
        "tensorboard": [Needed("tensorboard", ">=2", "2.5")],
        "test": [Needed("pytest", ">=8", None)],
    }
    ray, wandb, tensorboard = check_optional(extras)
    assert (ray.status, ray.advice) == (OK, "pip install 'vitobench[ray]'")
    assert ray.found == "ray not installed; for --executor ray"
    assert (wandb.status, wandb.advice) == (WARN, "pip install 'vitobench[wandb]'")
    assert "0.10, not >=0.16" in wandb.found
    assert (tensorboard.status, tensorboard.found, tensorboard.advice) == (OK, "tensorboard 2.5", "")


def test_torchcodec_that_does_not_load_is_a_warning() -> None:
    assert check_torchcodec("") == []
    (row,) = check_torchcodec("no libavutil")
    assert (row.status, row.found) == (WARN, "no libavutil")


def test_plugins_are_listed_and_broken_ones_are_warnings() -> None:
    (row,) = check_plugins([], [])
    assert (row.status, row.found) == (OK, "none installed")
    plugged = [("rain", "mine 1.0", ""), ("snow", "odd 2.1", "it has no kernel"), ("hub:NAME", "mine 1.0", "")]
    good, bad, unreadable = check_plugins(plugged, ["The entry points of x cannot be read"])
    assert good.found == "rain (mine 1.0), hub:NAME (mine 1.0)"
    assert (bad.name, bad.status, bad.found, bad.advice) == (
        "snow",
        WARN,
        "it has no kernel",
        "update or uninstall odd",
    )
    assert (unreadable.status, unreadable.found) == (WARN, "The entry points of x cannot be read")
    assert check_plugins(plugged[1:2], [])[0].found == "none can be used"
