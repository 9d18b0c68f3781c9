"""Scores are functions of stored numbers; baselines against plain loops."""

from dataclasses import replace

import numpy as np
import pytest

from vitobench.results.schema import Comparison, Score
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.registry import TASKS
from vitobench.tasks.saliency.agreement import agreement, blind_maps, reference_of, total_map
from vitobench.tasks.saliency.preparation import Preparation
from vitobench.tasks.saliency.protocol import CENTRE, MASKS, MEAN_MAP
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import score_task
from vitobench.tasks.task import Task, with_samples

MICRO = TASKS["micro-saliency"]


def with_ceiling(ceiling: float) -> Task:
    return replace(MICRO, maps=replace(MASKS, ceiling=ceiling))


def answers(model: str, first: int = 0, **maps: np.ndarray) -> Answers:
    """Stored numbers of a model; the map ``any`` is that of a baseline."""
    n = len(next(iter(maps.values())))
    numbers = {}
    for name, spearman in maps.items():
        prefix = "" if name == "any" else f"{name} "
        for measure, values in (("spearman", spearman), ("dice", spearman / 2), ("iou", spearman / 3)):
            numbers[f"{prefix}{measure}"] = np.asarray(values, np.float32)[:, None]
    ids = np.array([f"i{k:04d}" for k in range(first, first + n)])
    nothing = np.full((n, 1), -1, np.int16)
    blank = np.full((n, 1), np.nan, np.float32)
    return Answers(model, ids, nothing, blank, np.zeros(n, np.int64), blank, None, numbers)


def of(rows: tuple[Score, ...]) -> dict[tuple[str, str, str], Score]:
    return {(row.model, row.condition, row.metric): row for row in rows}


def test_means_intervals_and_counts() -> None:
    values = np.random.default_rng(0).normal(0.4, 0.2, 400)
    values[:3] = np.nan
    scored = score_task(with_ceiling(0.5), {"m": answers("m", gradient=values)}, [])
    found = {metric: row for (_, _, metric), row in of(scored.scores).items()}
    assert list(found) == ["alignment", "spearman", "dice", "iou"]
    good = values[3:]
    assert found["spearman"].value == pytest.approx(good.mean())
    assert found["alignment"].value == pytest.approx(good.mean() / 0.5)
    assert found["spearman"].n == 397
    error = good.std() / np.sqrt(397)
    assert found["spearman"].ci_low == pytest.approx(good.mean() - 1.96 * error, abs=0.2 * error)
    assert found["spearman"].ci_high == pytest.approx(good.mean() + 1.96 * error, abs=0.2 * error)
    reason = scored.reasons["m", "micro-saliency", "gradient", "spearman"]
    assert reason == "undefined on 3 images whose object mask or own map is constant; these are left out"


def test_a_map_without_a_defined_value_has_none() -> None:
    scored = score_task(MICRO, {"m": answers("m", gradient=np.full(4, np.nan))}, [])
    for row in scored.scores:
        assert np.isnan([row.value, row.ci_low, row.ci_high]).all()
        assert row.n == 0
        assert "undefined on 4 images" in scored.reasons["m", "micro-saliency", "gradient", row.metric]


def test_differences_are_paired_by_image_and_tested() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(0.4, 0.3, 300)
    a, b = common + 0.05 + rng.normal(0, 0.02, 300), common.copy()
    b[7] = np.nan
    both = {"a": answers("a", gradient=a), "b": answers("b", gradient=b)}
    row: Comparison
    (row,) = [r for r in score_task(MICRO, both, [("a", "b")]).comparisons if r.metric == "spearman"]
    assert (row.n, row.n_a, row.n_b) == (299, 300, 300)
    assert row.difference == pytest.approx(np.nanmean(a - b))
    assert row.ci_low > 0.04
    assert row.ci_high < 0.06
    assert (row.p < 1e-6, row.test) == (True, "clustered-bootstrap")
    apart = {"a": answers("a", gradient=a), "b": answers("b", 1000, gradient=b)}
    assert score_task(MICRO, apart, [("a", "b")]).comparisons == ()


def test_a_model_has_scores_of_the_maps_that_it_has_and_baselines_of_all() -> None:
    rng = np.random.default_rng(2)
    numbers = {
        "pools": answers("pools", gradient=rng.random(50), attention=rng.random(50)),
        "plain": answers("plain", gradient=rng.random(50)),
        CENTRE: answers(CENTRE, any=rng.random(50)),
    }
    pairs = [("pools", "plain"), ("pools", CENTRE), ("plain", CENTRE)]
    scored = score_task(MICRO, numbers, pairs)
    keys = {(row.model, row.condition) for row in scored.scores}
    assert keys == {
        ("pools", "attention"), ("pools", "gradient"), ("plain", "gradient"),
        (CENTRE, "attention"), (CENTRE, "gradient"),
    }  # fmt: skip
    found = of(scored.scores)
    assert found[CENTRE, "attention", "dice"].value == found[CENTRE, "gradient", "dice"].value
    compared = {(row.a, row.b, row.condition) for row in scored.comparisons}
    assert compared == {
        ("pools", "plain", "gradient"), ("pools", CENTRE, "attention"), ("pools", CENTRE, "gradient"),
        ("plain", CENTRE, "gradient"),
    }  # fmt: skip


def test_the_mean_map_leaves_its_own_image_out() -> None:
    source, protocol = MicroSet("val", 6), replace(MASKS, preparation=Preparation(side=32, centred=True))
    reference = reference_of(source, range(6), protocol)
    total = total_map(source, protocol.preparation, 6)
    assert total[1] == 6
    for k, found in enumerate(blind_maps(MEAN_MAP, reference, total)):
        others = [reference.maps[i] / reference.maps[i].max() for i in range(6) if i != k]
        assert found == pytest.approx(np.mean(others, axis=0), abs=1e-6)


def test_the_reference_agrees_with_itself() -> None:
    reference = reference_of(MicroSet("val", 8), range(8), MASKS)
    found = agreement(reference, {"same": reference.maps, "": reference.maps})
    assert sorted(found) == ["dice", "iou", "same dice", "same iou", "same spearman", "spearman"]
    assert found["same spearman"] == pytest.approx([1.0] * 8)
    # A blurred mask is highest on the mask, but for thin parts of it.
    assert found["dice"].min() > 0.7
    some = agreement(reference.on(np.array([1, 5])), {"": reference.maps[[1, 5]]})
    assert some["iou"].tolist() == found["iou"][[1, 5]].tolist()


def test_masks_are_those_of_the_scenes() -> None:
    source = MicroSet("val", 20)
    masks, failed = source.maps([3, 17])
    assert not failed
    frames = source.frames([3, 17])
    assert all(np.array_equal(ours > 0, theirs) for ours, theirs in zip(masks, frames.mask, strict=True))


def test_what_changes_numbers_changes_the_identity_and_the_ceiling_does_not() -> None:
    own = MICRO.identity("x", 0)
    assert with_ceiling(0.5).identity("x", 0) == own
    assert replace(MICRO, maps=replace(MASKS, title="other")).identity("x", 0) == own
    assert replace(MICRO, maps=replace(MASKS, preparation=Preparation())).identity("x", 0) != own
    assert replace(MICRO, version=99).identity("x", 0) != own
    assert replace(MICRO, images=100).identity("x", 0) != own  # the mean map is of other images
    assert MICRO.identity("y", 0) != own
    smooth = TASKS["micro-saliency-smoothgrad"]
    assert (
        with_samples(smooth, 4).identity("x", 0) != smooth.identity("x", 0) == with_samples(smooth, 16).identity("x", 0)
    )
    assert with_samples(MICRO, 4) == MICRO


CENTRED = ([0.8236664, 0.7083063, 0.6023121], [0.8231225, 0.5964643, 0.5496063], [0.6994123, 0.4249726, 0.3789359])
MEAN = ([0.8275497, 0.6908831, 0.5900998], [0.826087, 0.5788668, 0.5282132], [0.7037037, 0.4073276, 0.3588924])


@pytest.mark.parametrize(("name", "spearman", "dice", "iou"), [(CENTRE, *CENTRED), (MEAN_MAP, *MEAN)])
def test_baselines_have_the_numbers_that_stores_of_this_world_hold(
    name: str, spearman: list[float], dice: list[float], iou: list[float]
) -> None:
    source = MicroSet("val", 3)  # the mean map is of all images of the task, whatever the limit
    total = total_map(source, MASKS.preparation, 480) if name == MEAN_MAP else (np.zeros(()), 0)
    reference = reference_of(source, range(3), MASKS)
    found = agreement(reference, {"": blind_maps(name, reference, total)})
    assert found["spearman"] == pytest.approx(spearman, abs=1e-6)
    assert found["dice"] == pytest.approx(dice, abs=1e-6)
    assert found["iou"] == pytest.approx(iou, abs=1e-6)


def test_identities_of_saliency_tasks_stay() -> None:
    data = MicroSet("val", 480).digest
    names = ("micro-saliency", "micro-saliency-smoothgrad")
    assert [TASKS[name].identity(data, 0) for name in names] == [
        "micro-saliency@fab5d393bb43d6fb",
        "micro-saliency-smoothgrad@f4262ee2640e7743",
    ]
