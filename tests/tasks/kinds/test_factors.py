"""Error ratios of annotated factors, against pandas and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vitobench.results.schema import Score
from vitobench.tasks.kinds.factors import factors_of
from vitobench.tasks.labels import Truth
from vitobench.tasks.registry import SUITES, TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import Scored, score_task

TASK = TASKS["imagenet-x"]
NAMES = factors_of(TASK)


def answers(labels: np.ndarray, right: np.ndarray, name: str = "m", ids: list[str] | None = None) -> Answers:
    chosen = np.array(ids or [f"n{label:04d}/val_{n:05d}.JPEG" for n, label in enumerate(labels)])
    order = np.argsort(chosen)
    decided = np.where(right, labels, (labels + 1) % 1000).astype(np.int16)[order, None]
    correct = right.astype(np.float32)[order, None]
    return Answers(name, chosen[order], decided, correct, labels[order], np.full((len(labels), 1), 0.5, np.float32))


def rows(scored: Scored, name: str = "m") -> dict[tuple[str, str], Score]:
    return {(s.condition, s.metric): s for s in scored.scores if s.model == name}


@pytest.fixture
def world() -> tuple[pd.DataFrame, Truth]:
    """500 images, of which 50 are not annotated; up to three factors each, and errors that depend on the first."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"label": rng.integers(0, 1000, 500), "hard": rng.random(500) < 0.3})
    frame["right"] = rng.random(500) < np.where(frame["hard"], 0.4, 0.85)
    for place, name in enumerate(NAMES):
        frame[name] = frame["hard"] if place == 0 else rng.random(500) < 0.12
    frame.loc[:, "style"] = False
    frame["known"] = np.arange(500) % 10 > 0
    facts = {
        f"val_{n:05d}": (int(row["label"]), tuple(place for place, name in enumerate(NAMES) if row[name]))
        for n, row in frame.iterrows()
        if row["known"]
    }
    return frame, Truth(factors=facts)


def test_ratios_are_those_of_pandas(world: tuple[pd.DataFrame, Truth]) -> None:
    frame, truth = world
    own = answers(frame["label"].to_numpy(), frame["right"].to_numpy())
    scored = score_task(TASK, {"m": own}, [], truth=truth, replicates=200)
    found, known = rows(scored), frame[frame["known"]]
    whole = found["overall", "top1"]
    assert (whole.n, whole.value) == (450, pytest.approx(known["right"].mean()))
    accuracies = {}
    for name in NAMES:
        part = known[known[name]]
        ratio, top1 = found[name, "error_ratio"], found[name, "top1"]
        assert ratio.n == top1.n == len(part)
        if name == "style":
            assert math.isnan(ratio.value)
            continue
        accuracies[name] = part["right"].mean()
        assert top1.value == pytest.approx(accuracies[name], abs=1e-7)
        assert ratio.value == pytest.approx((1 - part["right"].mean()) / (1 - known["right"].mean()), abs=1e-6)
        assert ratio.ci_low < ratio.value < ratio.ci_high
    assert found["overall", "worst_factor"].value == pytest.approx(min(accuracies.values()), abs=1e-7)
    assert found["pose", "error_ratio"].ci_low > 1.2
    assert scored.reasons["m", "imagenet-x", "style", "error_ratio"].startswith("no image has the factor style")


def test_two_models_are_paired_on_the_annotated_images(world: tuple[pd.DataFrame, Truth]) -> None:
    frame, truth = world
    labels, right = frame["label"].to_numpy(), frame["right"].to_numpy()
    even = np.random.default_rng(1).random(500) < 0.7
    a, b = answers(labels, right, "a"), answers(labels, even, "b")
    scored = score_task(TASK, {"a": a, "b": b}, [("a", "b")], truth=truth, replicates=200)
    pairs = {(c.condition, c.metric): c for c in scored.comparisons}
    row = pairs["pose", "error_ratio"]
    assert row.n == 450
    assert row.difference == pytest.approx(
        rows(scored, "a")["pose", "error_ratio"].value - rows(scored, "b")["pose", "error_ratio"].value
    )
    assert row.ci_low > 0  # the first model alone is affected
    assert abs(pairs["background", "error_ratio"].difference) < row.difference


def test_a_model_without_errors_has_no_ratio() -> None:
    truth = Truth(factors={f"val_{n:05d}": (n, (n % 2,)) for n in range(20)})
    scored = score_task(TASK, {"m": answers(np.arange(20), np.ones(20, bool))}, [], truth=truth, replicates=20)
    found = rows(scored)
    assert math.isnan(found["pose", "error_ratio"].value)
    assert found["pose", "top1"].value == found["overall", "worst_factor"].value == 1.0
    assert "no error at all" in scored.reasons["m", "imagenet-x", "pose", "error_ratio"]


def test_annotations_of_other_images_or_other_classes_are_told() -> None:
    truth = Truth(factors={f"val_{n:05d}": (n, (0,)) for n in range(10)})
    own = answers(np.arange(10), np.ones(10, bool))
    assert TASK.kind.mismatch(TASK, own, truth) == ""
    other = answers(np.arange(10), np.ones(10, bool), ids=[f"cat/{n}.png" for n in range(10)])
    message = TASK.kind.mismatch(TASK, other, truth)
    assert message.startswith("none of the 10 images is annotated: names such as cat/0.png")
    moved = answers((np.arange(10) + 1) % 10, np.ones(10, bool), ids=[f"x/val_{n:05d}.JPEG" for n in range(10)])
    message = TASK.kind.mismatch(TASK, moved, truth)
    assert message.startswith("10 of 10 annotated images have another class here than in the annotations, such as")
    assert "1 here, 0 there" in message
    nobody = replace(own, image_ids=own.image_ids[:0], labels=own.labels[:0])
    assert TASK.kind.mismatch(TASK, nobody, truth) == ""


def test_the_suite_has_the_top_factor_and_not_both() -> None:
    assert "imagenet-x" in SUITES["robustness"].tasks
    assert "imagenet-x-multi" not in SUITES["robustness"].tasks
    assert {TASKS[name].made_of for name in ("imagenet-x", "imagenet-x-multi")} == {"imagenet-val"}
