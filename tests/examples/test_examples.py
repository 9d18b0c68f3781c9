"""The examples run as their docstrings say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
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


def installed(tmp_path: Path, package: str) -> Path:
    """The folder that an example's package is installed in."""
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLES / package, source)  # a build writes into its source
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", site, source], check=True, timeout=200)
    return site


def test_a_custom_task_is_installed_and_run(tmp_path: Path) -> None:
    out = example(tmp_path, EXAMPLES / "custom_task.py", "--limit", 8, site=installed(tmp_path, "upside_down_plugin"))
    assert "upside-down" in out
    assert "upside-down 0.1" in (tmp_path / "report.html").read_text(encoding="utf-8")


LITERT_TOP1 = {"mobilenet_v1_0.25_128_quant": 0.448, "mobilenet_v2_1.0_224_quant": 0.904}
"""On the 250 photographs, by an independent script that cuts the square out first and scales it then."""


@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="the package ai-edge-litert is not installed")
def test_networks_of_another_framework_are_run(tmp_path: Path, photographs: Path) -> None:
    folder = photographs.parent / "mobilenets" / "test_data"
    if not folder.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA holds no networks of TensorFlow Lite (mobilenets/test_data/*.tflite)")
    site = installed(tmp_path, "litert_plugin")
    models = [part for name in LITERT_TOP1 for part in ("--model", f"litert:{folder / name}.tflite")]
    task = ("--baseline", "none", "--task", "imagenet-val", "--data", f"imagenet={photographs}", "--json", "out.json")
    script = [sys.executable, "-c", "from vitobench.bench.cli import main; main()", "run"]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])}
    done = subprocess.run(
        [*script, *models, *task], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["scores"]
    top1 = {Path(s["model"]).stem: s["value"] for s in scores if s["metric"] == "top1" and s["condition"] == "overall"}
    # Several classes may share the largest of 256 values, and which of them counts as the first is arbitrary.
    assert top1 == pytest.approx(LITERT_TOP1, abs=0.03)
