"""Human alignment through a run and a store: made-up stimuli and trials; the micro-world and simulated observers."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.tasks.alignment.experiments import CATEGORIES
from vitobench.tasks.alignment.micro_stimuli import AlignmentStimuli

Bench = Callable[..., Any]
HEAD = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")
SETS = ("edge", "silhouette", "cue-conflict")


def _names(data_set: str) -> list[tuple[str, str]]:
    """(category, file name) of two stimuli for each category."""
    rows = []
    for number, category in enumerate(CATEGORIES):
        for k in (1, 2):
            other = CATEGORIES[(number + 3 * k) % 16]
            rows.append(
                (category, f"{category}{k}-{other}{k}.png" if data_set == "cue-conflict" else f"{category}{k}.png")
            )
    return rows


@pytest.fixture
def checkout(once: Callable[..., Any], tmp_path: Path) -> Path:
    """Stimuli and trials of three people as in model-vs-human's repository."""
    once("model-vs-human", tmp_path / "checkout", lambda: write_checkout(tmp_path / "checkout"))
    return tmp_path / "checkout"


def write_checkout(root: Path) -> None:
    rng = np.random.default_rng(0)
    for data_set in SETS:
        names = _names(data_set)
        for category, name in names:
            folder = root / "datasets" / data_set / category
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(folder / name)
        (root / "raw-data" / data_set).mkdir(parents=True)
        for person in range(1, 4):
            path = root / "raw-data" / data_set / f"{data_set}_subject-{person:02d}_session_1.csv"
            with path.open("w", newline="", encoding="utf-8") as handle:
                writer = csv.writer(handle)
                writer.writerow(HEAD)
                for row, (category, name) in enumerate(names, 1):
                    answer = category if rng.random() < 0.8 else CATEGORIES[rng.integers(16)]
                    image = f"{row:04d}_x_s{person:02d}_0_{category}_00_{name}"
                    writer.writerow([f"subject-{person:02d}", 1, row, 0.7, answer, category, 0, image])


def _load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _value(found: dict[str, Any], task: str, metric: str, model: str | None = None) -> float:
    rows = [r for r in found["scores"] if (r["task"], r["metric"], r["condition"]) == (task, metric, "overall")]
    (row,) = [r for r in rows if model in (None, r["model"])]
    return float(row["value"])


def test_real_stimuli_and_people(
    figures: None, bench_here: Bench, checkout: Path, classifier: str, tmp_path: Path
) -> None:
    done = bench_here(
        "run", "--model", classifier, "--suite", "human-alignment", "--data", f"model-vs-human={checkout}",
        "--json", "run.json",
    )  # fmt: skip
    # The other 14 sets are not there, so there is no mean over all; that is said and is no failure of what is there.
    assert done.code == 0, done.err
    assert "humans" in done.out
    assert "simulated" not in done.out
    found = _load(tmp_path / "run.json")
    tasks = {row["task"] for row in found["scores"]}
    assert tasks == {f"alignment-{name}" for name in SETS}
    (aligned,) = found["alignment"]
    assert aligned["reference"] == "humans"
    people = {row["observer"] for row in aligned["scores"]}
    assert {"humans", "subject-01", "subject-02", "subject-03"} < people

    # The same through the folder of CSV files that model-vs-human would read.
    done = bench_here("results", "responses", "raw")
    assert done.code == 0, done.err
    assert "3 files" in done.out
    assert bench_here("score", "--human", checkout / "raw-data", "--responses", "raw", "--json", "csv.json").code == 3
    by_file = {
        (r["data_set"], r["condition"], r["metric"]): r
        for r in _load(tmp_path / "csv.json")["scores"]
        if not r["observer"].startswith(("subject", "humans"))
    }
    for row in found["scores"]:
        twin = by_file[(row["task"].removeprefix("alignment-"), row["condition"], row["metric"])]
        assert row["value"] == twin["value"], (row, twin)
        assert (row["ci_low"], row["ci_high"], row["n"]) == (twin["ci_low"], twin["ci_high"], twin["n"])

    # And from the store alone, when stimuli and people are gone.
    shutil.rmtree(checkout)
    done = bench_here("score", "--suite", "human-alignment", "--json", "score.json")
    again = _load(tmp_path / "score.json")
    assert again["scores"] == found["scores"]
    assert again["alignment"] == found["alignment"]


def test_without_people_it_says_how_to_bring_them(bench_here: Bench, checkout: Path, classifier: str) -> None:
    shutil.rmtree(checkout / "raw-data")
    done = bench_here(
        "run", "--model", classifier, "--task", "alignment-edge", "--task", "alignment-silhouette",
        "--data", f"model-vs-human={checkout}",
    )  # fmt: skip
    assert done.code == 2
    assert "model-vs-human-answers=DIR" in done.out + done.err


def test_people_are_found_where_they_are_named(
    bench_here: Bench, checkout: Path, classifier: str, tmp_path: Path
) -> None:
    shutil.move(checkout / "raw-data", tmp_path / "elsewhere")
    done = bench_here(
        "run", "--model", classifier, "--task", "alignment-edge", "--data", f"model-vs-human={checkout}",
        "--data", f"model-vs-human-answers={tmp_path / 'elsewhere'}", "--json", "run.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert 0 <= _value(_load(tmp_path / "run.json"), "alignment-edge", "observed_consistency") <= 1


def test_another_rule_of_decision_is_another_task(
    bench_here: Bench, checkout: Path, classifier: str, tmp_path: Path
) -> None:
    common = ("run", "--model", classifier, "--task", "alignment-edge", "--data", f"model-vs-human={checkout}")
    identities = set()
    for rule in ("mean", "max", "sum"):
        assert bench_here(*common, "--decisions", rule, "--json", f"{rule}.json").code == 0
        identities |= {row["identity"] for row in _load(tmp_path / f"{rule}.json")["tasks"] if "identity" in row}
        # What was run last is what is scored.
        assert bench_here("score", "--task", "alignment-edge", "--json", "score.json").code == 0
        assert _load(tmp_path / "score.json")["scores"] == _load(tmp_path / f"{rule}.json")["scores"]
    assert len(identities) == 3


def test_part_of_a_set_is_compared_with_people_on_that_part(
    bench_here: Bench, checkout: Path, classifier: str, tmp_path: Path
) -> None:
    for path in (checkout / "datasets" / "edge").glob("*/*2.png"):
        path.unlink()
    done = bench_here(
        "run", "--model", classifier, "--task", "alignment-edge", "--data", f"model-vs-human={checkout}",
        "--json", "run.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "16 stimuli" in done.out
    assert {row["n"] for row in _load(tmp_path / "run.json")["scores"]} == {16}


def test_trials_that_do_not_match_cost_their_own_set_alone(
    bench_here: Bench, checkout: Path, classifier: str, tmp_path: Path
) -> None:
    odd = checkout / "raw-data" / "edge" / "edge_subject-02_session_1.csv"
    odd.write_text(odd.read_text().replace("_bear1.png", "_bear9.png"))
    done = bench_here(
        "run", "--model", classifier, "--suite", "human-alignment", "--data", f"model-vs-human={checkout}",
        "--json", "run.json",
    )  # fmt: skip
    assert done.code == 3
    found = _load(tmp_path / "run.json")
    assert {row["task"] for row in found["scores"]} == {"alignment-silhouette", "alignment-cue-conflict"}
    (failure,) = found["failures"]
    assert failure["task"] == "alignment-edge"
    assert "bear" in failure["reason"]


def test_a_folder_without_any_set_is_refused(bench_here: Bench, classifier: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = bench_here(
        "run", "--model", classifier, "--suite", "human-alignment", "--data", f"model-vs-human={tmp_path / 'empty'}"
    )
    assert done.code == 2
    assert "empty" in done.err
    assert "model-vs-human" in done.err


def test_the_micro_world_and_its_simulated_observers(
    figures: None, bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rendered = AlignmentStimuli._made, []

    def counted(self: AlignmentStimuli, indices: Sequence[int], size: int) -> np.ndarray:
        rendered.extend(indices)
        return made(self, indices, size)

    monkeypatch.setattr(AlignmentStimuli, "_made", counted)
    tasks = ("micro-alignment-contrast", "micro-alignment-silhouette", "micro-alignment-cue-conflict")
    chosen = [part for task in tasks for part in ("--task", task)]
    done = bench_here("run", "--model", "vito", *chosen, "--limit", "256", "--json", "run.json")
    assert done.code == 0, done.err
    assert "simulated" in done.out
    assert "humans" not in done.out
    found = _load(tmp_path / "run.json")
    assert {row["model"] for row in found["scores"]} >= {"vito", "moclr"}
    assert {row["task"] for row in found["comparisons"]} == set(tasks)
    (aligned,) = found["alignment"]
    kinds = {row["observer"] for row in aligned["scores"]}
    assert {"simulated observers", "simulated-texture-1", "simulated-shape-1"} < kinds
    # Nothing about simulated observers is a score of a model.
    assert not any("simulated" in row["model"] for row in found["scores"])
    assert _in_order(found["scores"]) == _in_order(_rescored(bench_here, tmp_path))
    _renders_nothing_again(bench_here, tmp_path, monkeypatch, rendered)


def _renders_nothing_again(
    bench_here: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch, rendered: list[int]
) -> None:
    """The run measured what observers see and stored it; where that is lost, scoring measures it and says the same."""
    wanted = (
        "score",
        "--model",
        "vito",
        "--task",
        "micro-alignment-contrast",
        "--recompute-scores",
        "--json",
        "s.json",
    )
    (kept,) = (folder / "bench-results" / "truths").glob("*contrast*evidence*")

    def values() -> list[Any]:
        done = bench_here(*wanted)
        assert done.code == 0, done.err
        return sorted(
            (row["observer"], row["condition"], row["metric"], row["value"])
            for row in _load(folder / "s.json")["alignment"][0]["scores"]
        )

    assert len(rendered) == 256 + 160 + 256  # once, for the models and the observers
    rendered.clear()
    stored = values()
    assert rendered == []
    kept.unlink()
    assert values() == stored
    assert sorted(rendered) == list(range(256))
    # Evidence of stimuli that another version rendered is never mixed in.
    monkeypatch.setattr(AlignmentStimuli, "digest", "0" * 64)
    done = bench_here(*wanted)
    assert done.code == 2
    assert "another version of the micro-world rendered them. Run the task again" in " ".join(done.err.split())


def _rescored(bench_here: Bench, folder: Path) -> list[Any]:
    assert bench_here("score", "--model", "vito", "--suite", "human-alignment", "--json", "score.json").code == 3
    scores: list[Any] = _load(folder / "score.json")["scores"]
    return scores


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["model"], row["task"], row["metric"], row["condition"]))
