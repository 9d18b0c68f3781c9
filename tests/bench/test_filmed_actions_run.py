"""Filmed actions from the command line to scores: UCF101, HMDB51 and Something-Something v2 in small."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitobench.tasks.readers import filmed_clips
from vitobench.tasks.understanding.actions import COLOURS
from vitobench.tests.tasks.readers.filmed import of_few_classes, write_hmdb, write_ssv2, write_ucf

WAYS = ("Right", "Left")
THINGS = ("Pulling something from left to right", "Pulling something from right to left")

Scores = dict[tuple[str, str, str], dict[str, Any]]


@pytest.fixture
def run(bench_here: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    monkeypatch.setattr(filmed_clips, "SIDE", 64)

    def call(task: str, root: Path, *more: object) -> tuple[Any, Scores]:
        asked = ("--task", task, "--data", f"{task}={root}", "--model", "vito", "--baseline", "none")
        done = bench_here("run", *asked, "--device", "cpu", "--quiet", "--json", "scores.json", *more)
        file = tmp_path / "scores.json"
        rows = json.loads(file.read_text())["scores"] if file.exists() else []
        return done, {(row["model"], row["condition"], row["metric"]): row for row in rows}

    return call


def test_ucf101_has_a_mean_of_three_splits_each_split_and_each_class(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_few_classes(monkeypatch, "ucf101", WAYS)
    root = write_ucf(tmp_path / "ucf", WAYS)
    (root / "UCF-101/Left/v_Left_g03_c02.avi").write_bytes(b"no video")
    for split in ("1", "2"):  # where it would stop the models, which is tried next
        listing = root / f"ucfTrainTestlist/trainlist0{split}.txt"
        listing.write_text(listing.read_text().replace("Left/v_Left_g03_c02.avi 2\n", ""))
    done, found = run("ucf101", root)
    assert "v_Left_g03_c02.avi: cannot be decoded" in done.out + done.err
    for model in ("vito", COLOURS):
        of_splits = [found[model, f"split {n}", "ordered_accuracy"] for n in (1, 2, 3)]
        overall = found[model, "overall", "ordered_accuracy"]
        assert [row["n"] for row in of_splits] == [4, 4, 3]
        assert overall["n"] == 11
        assert overall["value"] == pytest.approx(sum(row["value"] for row in of_splits) / 3)
        assert [found[model, name, "ordered_accuracy"]["n"] for name in WAYS] == [6, 5]
        assert found[model, "overall", "order_gain"]["value"] == pytest.approx(
            overall["value"] - found[model, "overall", "averaged_accuracy"]["value"]
        )
    _, repeated = run("ucf101", root)
    assert repeated == found
    listing.write_text(listing.read_text() + "Left/v_Left_g03_c02.avi 2\n")
    assert "have changed since the last run" in run("ucf101", root)[0].err  # other heads, other numbers
    done, found = run("ucf101", root, "--new-data")
    assert "v_Left_g03_c02.avi: cannot be decoded" in done.out + done.err
    assert found["vito", "overall", "ordered_accuracy"]["value"] is None


def test_a_list_that_is_wrong_is_said_without_a_traceback(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_few_classes(monkeypatch, "ucf101", WAYS)
    root = write_ucf(tmp_path / "ucf", WAYS, lambda path, action, number: None)
    done, _ = run("ucf101", root)
    assert done.code
    assert "there is no folder UCF-101" in done.out + done.err
    assert "ucfTrainTestlist/classInd.txt" in done.out + done.err  # the form
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize(
    ("name", "write", "classes", "clips"),
    [("hmdb51", write_hmdb, WAYS, 16), ("ssv2", write_ssv2, THINGS, 7)],
)
def test_the_other_sets_run_as_well(
    name: str,
    write: Callable[..., Path],
    classes: tuple[str, ...],
    clips: int,
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_few_classes(monkeypatch, name, classes)
    done, found = run(name, write(tmp_path / "set", classes))
    assert done.code == 0, done.err
    for head in ("ordered", "averaged", "middle", "first"):
        row = found[COLOURS, "overall", f"{head}_accuracy"]
        assert row["n"] == clips
        assert 0 <= row["value"] <= 1
        assert name == "hmdb51" or row["ci_low"] <= row["value"] <= row["ci_high"]  # some draws lack a split
    assert found["vito", "overall", "ordered_accuracy"]["value"] > 0.5
