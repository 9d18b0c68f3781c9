"""The examples run as their docstrings say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vitobench.tests.processes import AS_SCRIPT, run

EXAMPLES = Path(__file__).parents[2] / "examples"


pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are in a checkout only")


def example(folder: Path, *args: object, site: Path | None = None) -> str:
    """What an example prints."""
    paths = [str(path) for path in (site, os.environ.get("PYTHONPATH")) if path]
    done = run(AS_SCRIPT, *args, cwd=folder, variables={"PYTHONPATH": os.pathsep.join(paths)})
    assert done.code == 0, done.err
    return done.out


def test_a_new_checkpoint_is_compared_with_its_baselines(tmp_path: Path) -> None:
    out = example(tmp_path, EXAMPLES / "new_checkpoint.py", "--limit", 8)
    assert "micro-cue-conflict" in out
    assert "supervised" in out
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_custom_model_stands_beside_its_baseline(tmp_path: Path) -> None:
    out = example(tmp_path, EXAMPLES / "custom_model.py", "--limit", 8)
    assert {line.split()[1] for line in out.splitlines()[1:]} == {"ensemble", "vito"}


def test_a_custom_task_is_installed_and_run(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLES / "upside_down_plugin", source)  # a build writes into its source
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", site, source], check=True, timeout=200)
    out = example(tmp_path, EXAMPLES / "custom_task.py", "--limit", 8, site=site)
    assert "upside-down" in out
    assert "upside-down 0.1" in (tmp_path / "report.html").read_text(encoding="utf-8")
