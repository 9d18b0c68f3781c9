"""Videos, perturbation sequences and accepted sets as scores: units, holes and what is undefined."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from vitobench.results.predictions import gather
from vitobench.results.schema import Score
from vitobench.results.statistics import wilson
from vitobench.results.unit_file import decode, encode, table_of
from vitobench.tasks import kinds
from vitobench.tasks.labels import Truth
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers, collect
from vitobench.tasks.scoring.score import Scored, score_task
from vitobench.tasks.task import Condition, Task

BASE = TASKS["micro-val"]
VIDEO = replace(BASE, name="video", kind=kinds.VIDEO, conditions=(Condition("video"),))
REAL = replace(BASE, name="real", kind=kinds.MULTI_LABEL)
PERTURBATIONS = ("gaussian_noise", "tilt", "spatter")
STABILITY = replace(
    BASE,
    name="stability",
    kind=kinds.SEQUENCES,
    conditions=tuple(Condition(name) for name in PERTURBATIONS),
    reference="reference",
)


def answers(task: Task, ids: Sequence[str], top: np.ndarray, labels: Sequence[int], leave_out: str = "") -> Answers:
    """Stored answers, top (images, conditions, 5), as they come back; one condition can be left out."""
    rows = [
        (condition.name, image, column)
        for image in range(len(ids))
        for column, condition in enumerate(task.conditions)
        if condition.name != leave_out
    ]
    columns = {
        "condition": [name for name, _, _ in rows],
        "severity": [0] * len(rows),
        "image_id": [ids[image] for _, image, _ in rows],
        "label": [int(labels[image]) for _, image, _ in rows],
        "top": np.array([top[image, column] for _, image, column in rows], np.int16),
        "confidence": [0.5] * len(rows),
        "error": [None] * len(rows),
    }
    name = "predictions/task@0/m@0/0000000-0000001.parquet"
    return collect(task, "m", gather([decode(encode(table_of("task@0", "m@0", columns), name), name)]))


def ranked(first: np.ndarray) -> np.ndarray:
    """Five classes with these as the best, the others following in order."""
    return (first[..., None] + np.arange(5)) % 16


def without(own: Answers, image: str) -> Answers:
    """The same answers but for those of one image."""
    kept = own.image_ids != image
    names = ("image_ids", "decisions", "correct", "labels", "confidence", "top")
    parts = {name: getattr(own, name) for name in names}
    return replace(own, **{name: None if part is None else part[kept] for name, part in parts.items()})


def table(scored: Scored, name: str = "m") -> dict[tuple[str, str], Score]:
    return {(s.condition, s.metric): s for s in scored.scores if s.model == name}


# Videos -------------------------------------------------------------------------------------------------------------

FRAMES = [f"v{video:02d}/{frame:02d}" for video in range(40) for frame in range(7)]
ANCHORS = {f"v{video:02d}/03": [f"v{video:02d}/{f:02d}" for f in range(7) if f != 3] for video in range(40)}


def frames(seed: int, rate: float = 0.93) -> tuple[Answers, dict[str, bool]]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, 16, 40), 7)
    right = rng.random(len(FRAMES)) < rate
    own = answers(VIDEO, FRAMES, ranked(np.where(right, labels, (labels + 9) % 16))[:, None], labels)
    return own, dict(zip(FRAMES, right.tolist(), strict=True))


def test_anchors_are_counted_with_all_their_neighbours() -> None:
    own, right = frames(0)
    found = table(score_task(VIDEO, {"m": own}, [], truth=Truth(anchors=ANCHORS), replicates=50))
    alone = sum(right[anchor] for anchor in ANCHORS)
    together = sum(right[anchor] and all(right[f] for f in near) for anchor, near in ANCHORS.items())
    assert 0 < together < alone < 40
    for metric, hits in (("pm0", alone), ("pm10", together)):
        score = found[("overall", metric)]
        assert score.value == pytest.approx(hits / 40)
        assert (score.ci_low, score.ci_high) == wilson(hits, 40)
        assert score.n == 40


def test_an_anchor_that_lacks_a_frame_is_left_out() -> None:
    own, right = frames(1)
    cut = without(own, "v00/05")
    found = table(score_task(VIDEO, {"m": cut}, [], truth=Truth(anchors=ANCHORS), replicates=50))
    assert {score.n for score in found.values()} == {39}
    rest = [anchor for anchor in ANCHORS if not anchor.startswith("v00")]
    assert found[("overall", "pm0")].value == pytest.approx(np.mean([right[a] for a in rest]))


def test_differences_of_videos_are_paired_by_anchor() -> None:
    (a, right_a), (b, right_b) = frames(2, 0.97), frames(2, 0.6)
    scored = score_task(VIDEO, {"a": a, "b": b}, [("a", "b")], truth=Truth(anchors=ANCHORS), replicates=200)
    row = next(c for c in scored.comparisons if c.metric == "pm0")
    assert row.n == 40
    assert row.difference == pytest.approx(np.mean([right_a[k] - right_b[k] for k in ANCHORS]))
    assert row.ci_low > 0


def test_frames_can_have_several_labels() -> None:
    own, right = frames(3)
    both = {frame: (int(c), (int(c) + 9) % 16) for frame, c in zip(FRAMES, own.labels, strict=True)}
    found = table(score_task(VIDEO, {"m": own}, [], truth=Truth(anchors=ANCHORS, accepted=both), replicates=50))
    assert {score.value for score in found.values()} == {1.0}
    assert not all(right.values())


def test_videos_without_anchors_are_not_measured() -> None:
    scored = score_task(VIDEO, {"m": frames(4)[0]}, [], replicates=50)
    assert all(math.isnan(score.value) and score.n == 0 for score in scored.scores)
    assert not scored.reasons


# Accepted sets ------------------------------------------------------------------------------------------------------


def test_a_decision_in_the_accepted_set_is_right_and_an_empty_set_says_nothing() -> None:
    ids = [f"i{n}" for n in range(6)]
    own = answers(REAL, ids, ranked(np.array([1, 2, 3, 4, 5, 6]))[:, None], [0] * 6)
    accepted = {"i0": [1, 9], "i1": [2], "i2": [9], "i3": [], "i4": {5, 6}}  # i5 is not known
    scored = score_task(REAL, {"m": own}, [], truth=Truth(accepted=accepted), replicates=50)
    (score,) = scored.scores
    assert (score.metric, score.value, score.n) == ("top1", 0.75, 4)
    assert (score.ci_low, score.ci_high) == wilson(3, 4)


# Sequences ----------------------------------------------------------------------------------------------------------

SOURCES = [f"s{n:02d}" for n in range(30)]
TRUTH = Truth(sequences={name: {s: [f"{s}/{f}" for f in range(6)] for s in SOURCES} for name in PERTURBATIONS})
SHOWN = [f"{s}/{f}" for s in SOURCES for f in range(6)]


def decisions(seed: int, rate: float) -> np.ndarray:
    """Decisions (sources, frames, perturbations) that change now and then."""
    rng = np.random.default_rng(seed)
    changes = rng.random((30, 6, 3)) < rate
    changes[:, 0] = False
    return (rng.integers(0, 16, (30, 1, 3)) + np.cumsum(changes * rng.integers(1, 4, changes.shape), axis=1)) % 16


def stability(decided: np.ndarray, leave_out: str = "") -> Answers:
    return answers(STABILITY, SHOWN, ranked(decided.reshape(180, 3)), [0] * 180, leave_out)


def flips(decided: np.ndarray) -> np.ndarray:
    """Share of flips of each source under each perturbation: noise against the first frame."""
    found = np.zeros((30, 3))
    for source in range(30):
        for number, name in enumerate(PERTURBATIONS):
            frame = decided[source, :, number]
            pairs = [(frame[0] if "noise" in name else frame[t - 1], frame[t]) for t in range(1, 6)]
            found[source, number] = np.mean([before != after for before, after in pairs])
    return found


def distances(decided: np.ndarray) -> np.ndarray:
    found = np.zeros((30, 3))
    for source in range(30):
        for number, name in enumerate(PERTURBATIONS):
            frame = ranked(decided[source, :, number]).tolist()
            total = 0
            for t in range(1, 6):
                before = frame[0] if "noise" in name else frame[t - 1]
                for place, wanted in enumerate(before):
                    total += abs(place - (frame[t].index(wanted) if wanted in frame[t] else 5))
            found[source, number] = total / 5
    return found


def test_flips_and_distances_are_normalised_by_the_reference() -> None:
    own, other = decisions(0, 0.1), decisions(1, 0.5)
    models = {"m": stability(own), "reference": stability(other)}
    scored = score_task(STABILITY, models, [("m", "reference")], truth=TRUTH, replicates=200)
    found = table(scored)
    for metric, normalised, each in (
        ("flip_probability", "mean_flip_rate", flips),
        ("top5_distance", "mean_top5_distance", distances),
    ):
        mine, theirs = each(own).mean(axis=0), each(other).mean(axis=0)
        for number, name in enumerate(PERTURBATIONS):
            assert found[(name, metric)].value == pytest.approx(mine[number])
        assert found[("overall", metric)].value == pytest.approx(mine.mean())
        score = found[("overall", normalised)]
        assert score.value == pytest.approx((mine / theirs).mean())
        assert score.ci_low < score.value < score.ci_high
        assert score.n == 30
        unit = table(scored, "reference")[("overall", normalised)]
        assert (unit.value, unit.ci_low, unit.ci_high) == (1.0, 1.0, 1.0)
        row = next(c for c in scored.comparisons if c.metric == normalised)
        assert row.difference == pytest.approx(score.value - 1.0)
        assert row.ci_high < 0
    assert not scored.reasons


def test_frames_with_ids_of_their_own_give_the_same() -> None:
    own, other = decisions(2, 0.2), decisions(3, 0.5)
    together = score_task(
        STABILITY, {"m": stability(own), "reference": stability(other)}, [], truth=TRUTH, replicates=100
    )
    task = replace(STABILITY, conditions=(Condition("perturbed"),))
    ids = [f"{name}/{frame}" for name in PERTURBATIONS for frame in SHOWN]
    apart = {
        name: {source: [f"{name}/{frame}" for frame in shown] for source, shown in by_source.items()}
        for name, by_source in TRUTH.sequences.items()
    }
    models = {
        name: answers(task, ids, ranked(np.moveaxis(made.reshape(180, 3), 1, 0).reshape(540, 1)), [0] * 540)
        for name, made in (("m", own), ("reference", other))
    }
    scored = score_task(task, models, [], truth=Truth(sequences=apart), replicates=100)
    assert table(scored) == table(together)
    # Without one frame under one perturbation its source is left out of the others too.
    cut = without(models["m"], "tilt/s07/3")
    found = table(score_task(task, {"m": cut}, [], truth=Truth(sequences=apart), replicates=50))
    expected = np.delete(flips(own), 7, axis=0).mean(axis=0)
    assert [found[(name, "flip_probability")].value for name in PERTURBATIONS] == pytest.approx(expected)
    assert {score.n for score in found.values()} == {29}


def test_a_missing_perturbation_is_a_hole_and_no_rate_is_shown() -> None:
    own, other = decisions(4, 0.2), stability(decisions(5, 0.5))
    whole = table(score_task(STABILITY, {"m": stability(own), "reference": other}, [], truth=TRUTH, replicates=100))
    holed = {"m": stability(own, leave_out="tilt"), "reference": other}
    scored = score_task(STABILITY, holed, [("m", "reference")], truth=TRUTH, replicates=100)
    found = table(scored)
    undefined = {key for key, score in found.items() if math.isnan(score.value)}
    assert undefined == {
        *((name, metric) for name in ("overall", "tilt") for metric in ("flip_probability", "top5_distance")),
        ("overall", "mean_flip_rate"),
        ("overall", "mean_top5_distance"),
    }
    for key in set(found) - undefined:
        assert found[key] == whole[key]
    assert not scored.reasons
    assert not {(c.condition, c.metric) for c in scored.comparisons} & undefined


def test_a_source_that_lacks_a_frame_is_left_out_of_all_perturbations() -> None:
    own = stability(decisions(6, 0.3))
    cut = without(own, "s04/2")
    found = table(score_task(STABILITY, {"m": cut}, [], truth=TRUTH, replicates=50))
    expected = np.delete(flips(decisions(6, 0.3)), 4, axis=0).mean(axis=0)
    assert {score.n for score in found.values()} == {29}
    assert [found[(name, "flip_probability")].value for name in PERTURBATIONS] == pytest.approx(expected)


def test_a_reference_that_never_flips_makes_the_rate_undefined_and_not_missing() -> None:
    own, still = stability(decisions(7, 0.2)), decisions(8, 0.4)
    still[:, :, 1] = still[:, :1, 1]
    scored = score_task(STABILITY, {"m": own, "reference": stability(still)}, [], truth=TRUTH, replicates=50)
    key = ("m", STABILITY.name, "overall", "mean_flip_rate")
    assert math.isnan(table(scored)[("overall", "mean_flip_rate")].value)
    assert "reference never changes" in scored.reasons[key]
    alone = score_task(STABILITY, {"m": own}, [], truth=TRUTH, replicates=50)
    assert math.isnan(table(alone)[("overall", "mean_flip_rate")].value)
    assert not alone.reasons


def test_extra_perturbations_enter_no_mean() -> None:
    task = replace(STABILITY, families={"extra": ("spatter",)})
    own, other = decisions(9, 0.2), decisions(10, 0.5)
    models = {"m": stability(own), "reference": stability(other)}
    found = table(score_task(task, models, [], truth=TRUTH, replicates=50))
    ratio = flips(own).mean(axis=0) / flips(other).mean(axis=0)
    assert found[("overall", "mean_flip_rate")].value == pytest.approx(ratio[:2].mean())
    assert found[("spatter", "flip_probability")].value == pytest.approx(flips(own)[:, 2].mean())
