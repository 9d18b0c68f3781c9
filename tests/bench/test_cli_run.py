"""The command line from end to end; what must not load torch runs in a process of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from vitobench.results.schema import Score

Bench = Callable[..., Any]
SCORE_FIELDS = ["model", "task", "condition", "metric", "value", "ci_low", "ci_high", "n"]
TASKS = ("--task", "micro-val", "--task", "micro-light", "--task", "micro-cue-conflict")


def test_a_run_of_files_ends_with_table_page_and_json_and_needs_no_second_run(
    figures: None, bench: Bench, bench_here: Bench, zoo_folder: Path, tmp_path: Path
) -> None:
    mine, theirs = f"file:{zoo_folder / 'other.safetensors'}", f"file:{zoo_folder / 'vito.safetensors'}"
    common = ("--model", mine, "--baseline", theirs, *TASKS, "--limit", 6, "--json", "out/scores.json")
    done = bench_here("run", *common, "--device", "cpu")
    assert done.code == 0, done.err
    assert "6 of 6 units to run" in done.out
    assert "6 units computed" in done.out
    assert "Micro-world, clean" in done.out
    assert f"{mine} against {theirs}" in " ".join(done.out.split())  # in the headline, though not declared
    assert "bench-results/report.html" in done.out

    found = json.loads((tmp_path / "out/scores.json").read_text())
    assert [f.name for f in fields(Score)] == SCORE_FIELDS
    assert found["scores"]
    for row in found["scores"]:
        assert list(row) == SCORE_FIELDS
        assert row["model"] in (mine, theirs)
        assert row["n"] <= 6
    overall = [row for row in found["scores"] if row["condition"] == "overall" and row["metric"] == "top1"]
    assert {(row["task"], row["n"]) for row in overall} == {
        ("micro-val", 6), ("micro-light", 6), ("micro-cue-conflict", 6),
    }  # fmt: skip
    assert all(0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1 for row in overall)
    assert {(row["a"], row["b"]) for row in found["comparisons"]} == {(mine, theirs)}
    assert found["failures"] == []
    assert found["run"]["seed"] == 0

    page = (tmp_path / "bench-results/report.html").read_text(encoding="utf-8")
    assert "other.safetensors" in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:)""", page)
    assert not re.search(r"url\((?!#|data:)", page)

    again = bench("run", *common)
    assert again.code == 0, again.err
    assert "Nothing to run: all 6 units are stored" in again.out
    assert "nothing computed" in again.out
    assert not {"torch", "timm"} & again.loaded
    repeated = json.loads((tmp_path / "out/scores.json").read_text())
    assert repeated["scores"] == found["scores"]
    assert repeated["comparisons"] == found["comparisons"]

    (tmp_path / "bench-results/report.html").unlink()
    report = bench("report", *common, "--report", "page.html", "--quiet")
    assert (report.code, report.out) == (0, "")
    assert not {"torch", "timm"} & report.loaded
    assert (tmp_path / "page.html").is_file()
    assert json.loads((tmp_path / "out/scores.json").read_text())["scores"] == found["scores"]


def test_a_suite_of_the_zoo_runs_with_its_baselines(figures: None, bench_here: Bench, tmp_path: Path) -> None:
    asked = ("--model", "vito", "--suite", "robustness", "--limit", 2)
    done = bench_here("run", *asked, "--json", "s.json", "--device", "cpu")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "s.json").read_text())
    assert [m["name"] for m in found["models"]] == ["vito", "moclr", "supervised"]
    assert (
        len([r for r in found["scores"] if r["task"] == "micro-c" and re.search(r"[a-z]/\d", r["condition"])]) > 3 * 75
    )
    assert {(c["a"], c["b"]) for c in found["comparisons"]} == {("vito", "moclr"), ("moclr", "supervised")}
    reference = [r for r in found["scores"] if r["model"] == "supervised" and r["metric"] == "mce"]
    assert [(r["task"], r["value"]) for r in reference] == [("micro-c", 1.0), ("micro-3dcc", 1.0)]
    hard = [r for r in found["scores"] if r["task"] == "micro-a" and r["metric"] == "top1"]
    assert len(hard) == 3
    video = {r["metric"] for r in found["scores"] if r["task"] == "micro-vid-robust"}
    assert video == {"pm0", "pm10"}


def test_what_a_store_lacks_is_said_and_exits_with_3(bench_here: Bench, tmp_path: Path) -> None:
    common = ("--model", "other", "--task", "micro-val", "--limit", 120)
    assert bench_here("run", *common[:-1], 100, "--quiet").code == 0
    done = bench_here("report", *common, "--json", "s.json")
    assert done.code == 3
    assert "images 100 to 119 were not run" in " ".join(done.out.split())
    found = json.loads((tmp_path / "s.json").read_text())
    assert {row["n"] for row in found["scores"]} == {100}
    assert len(found["failures"]) == 1
    quiet = bench_here("report", *common, "--quiet")
    assert quiet.code == 3
    assert "images 100 to 119 were not run" in quiet.err


def test_one_wrong_model_of_several_exits_with_3_and_the_others_are_there(bench_here: Bench, tmp_path: Path) -> None:
    done = bench_here(
        "run", "--model", "othr", "--model", "other", "--task", "micro-val", "--limit", 3, "--json", "s.json"
    )
    assert done.code == 3
    assert "Did you mean 'other'" in " ".join(done.out.split())
    found = json.loads((tmp_path / "s.json").read_text())
    assert {(row["model"], row["n"]) for row in found["scores"]} == {("other", 3)}
    assert [row["model"] for row in found["failures"]] == ["othr"]
