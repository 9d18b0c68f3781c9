"""The script that is meant for a GPU, on the CPU: every part runs, and what is wrong is noticed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vitobench.tests.benchmarks import gpu, stages
from vitobench.tests.processes import AS_SCRIPT, run

SCRIPT = Path(gpu.__file__)


def test_every_part_runs_on_a_cpu_with_small_networks(tmp_path: Path) -> None:
    asked = ("--small", "--seconds", 250, "--json", "gpu.json")  # time for a busy machine
    done = run(AS_SCRIPT, SCRIPT, *asked, cwd=tmp_path, strict=False)
    assert done.code == 0, done.out + done.err
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["complete"]
    assert report["facts"]["device"] == "cpu"
    parts = report["parts"]
    assert list(parts) == list(gpu.PARTS)
    assert all(part["rows"] and not part["error"] and not part["left_out"] for part in parts.values())
    agreement = {(row["network"], row["precision"]): row for row in parts["predictions"]["rows"]}
    assert agreement["vito", "float32"]["top1 agrees"] == 1.0
    assert 0.0 < agreement["vito", "bfloat16"]["confidence differs"] < 0.2
    (halved,) = parts["memory"]["rows"]
    assert (halved["asked"], halved["used"], halved["bits equal"]) == (24, 3, True)
    (shared,) = parts["workers"]["rows"]
    assert shared["top1 agrees"] == 1.0
    for row in parts["training"]["rows"]:
        assert row["step / passes"] == pytest.approx(row["step ms"] / row["passes ms"])
    assert {row["stage"] for row in parts["rates"]["rows"]} == {"decode", "corrupt", "forward", "network alone"}
    assert {(row["task"], row["workers"]) for row in parts["runs"]["rows"]} == {("imagenet-val", 1), ("imagenet-c", 1)}
    assert all(row["images/s"] > 0 for row in parts["runs"]["rows"])


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (lambda setup, part: 1 / 0, "FAILED: ZeroDivisionError"),
        (lambda setup, part: part.held.update({"two are equal": False}), "NOT EQUAL: two are equal"),
        (lambda setup, part: part.fits("something slow", 1e9), "left out for lack of time: something slow"),
    ],
    ids=["a failure", "a difference", "no time"],
)
def test_a_part_that_is_wrong_is_reported_and_stops_no_other(
    own: Callable[[stages.Setup, gpu.Part], None],
    line: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gpu, "PARTS", {"mine": own, "other": lambda setup, part: part.row(next_one="ran")})
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--small", "--json", str(tmp_path / "gpu.json")])
    monkeypatch.setattr(stages, "prepare", lambda device, small, folder: stages.Setup(device, small, folder, (), 0))
    assert gpu.main() == 1
    out = capsys.readouterr().out
    assert line in out
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["parts"]["other"]["rows"] == [{"next one": "ran"}]
    assert not report["complete"]


def test_work_is_limited_to_some_cores_and_given_back() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not limit threads to cores")
    before = os.sched_getaffinity(0)
    with stages.only_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
        assert stages.core_counts() == [1]
    assert os.sched_getaffinity(0) == before
