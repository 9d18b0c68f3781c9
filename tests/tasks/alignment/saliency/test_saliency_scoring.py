"""Scores are functions of rows; baselines against plain loops."""

import numpy as np
import pytest

from vitobench.results.saliency import MapRows
from vitobench.tasks.alignment.saliency.baselines import mean_maps, total_map
from vitobench.tasks.alignment.saliency.preparation import Preparation
from vitobench.tasks.alignment.saliency.rows import reference_of, rows_of
from vitobench.tasks.alignment.saliency.scoring import compare, score
from vitobench.tasks.alignment.saliency.tasks import MICRO, ObjectMasks
from vitobench.tasks.data.microworld.sets import MicroSet
from vitobench.tasks.data.source import LoadFailure


def rows(spearman: np.ndarray, first: int = 0) -> MapRows:
    ids = np.array([f"i{k:04d}" for k in range(first, first + len(spearman))])
    return MapRows(ids, np.stack([spearman, spearman / 2, spearman / 3], axis=1), {})


def test_means_intervals_and_counts() -> None:
    values = np.random.default_rng(0).normal(0.4, 0.2, 400)
    values[:3] = np.nan
    found = {row.metric: row for row in score({("m", "gradient"): rows(values)}, 0.5)}
    good = values[3:]
    assert found["spearman"].value == pytest.approx(good.mean())
    assert found["alignment"].value == pytest.approx(good.mean() / 0.5)
    assert (found["spearman"].n, found["spearman"].undefined) == (397, 3)
    error = good.std() / np.sqrt(397)
    assert found["spearman"].ci_low == pytest.approx(good.mean() - 1.96 * error, abs=0.2 * error)
    assert found["spearman"].ci_high == pytest.approx(good.mean() + 1.96 * error, abs=0.2 * error)


def test_a_map_without_a_defined_value_has_none() -> None:
    for row in score({("m", "gradient"): rows(np.full(4, np.nan))}, 1.0):
        assert np.isnan([row.value, row.ci_low, row.ci_high]).all()
        assert (row.n, row.undefined) == (0, 4)


def test_differences_are_paired_by_image() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(0.4, 0.3, 300)
    a, b = common + 0.05 + rng.normal(0, 0.02, 300), common.copy()
    b[7] = np.nan
    of = {("a", "g"): rows(a), ("b", "g"): rows(b, 0)}
    of[("b", "g")] = MapRows(of[("b", "g")].image_ids[::-1], of[("b", "g")].values[::-1], {})
    (row,) = [r for r in compare(of, [(("a", "g"), ("b", "g"))], 1.0) if r.metric == "spearman"]
    assert row.n == 299
    assert row.difference == pytest.approx(np.nanmean(a - b))
    assert row.ci_low > 0.04
    assert row.ci_high < 0.06
    assert row.p < 0.01
    assert compare({("a", "g"): rows(a), ("b", "g"): rows(b, 1000)}, [(("a", "g"), ("b", "g"))], 1.0) == []


def test_the_mean_map_leaves_its_own_image_out() -> None:
    source, preparation = ObjectMasks(6), Preparation(side=32, centred=True)
    reference = reference_of(source, range(6), preparation, exact=True)
    total, count = total_map(source, preparation)
    assert count == 6
    for k, found in enumerate(mean_maps(reference, total, count)):
        others = [reference.maps[i] / reference.maps[i].max() for i in range(6) if i != k]
        assert found == pytest.approx(np.mean(others, axis=0), abs=1e-6)


def test_the_reference_agrees_with_itself_and_failures_are_rows_without_values() -> None:
    source = ObjectMasks(8)
    reference = reference_of(source, range(8), MICRO.preparation, exact=True)
    found = rows_of(
        source.image_ids, source.labels, reference, {"same": reference.maps}, {2: LoadFailure("damaged", False)}
    )
    assert [row["image_id"] for row in found if row.get("error")] == [source.image_ids[2]]
    good = [row for row in found if not row.get("error")]
    assert len(good) == 7
    assert [row["spearman"] for row in good] == pytest.approx([1.0] * 7)
    # A blurred mask is highest on the mask, but for thin parts of it.
    assert min(row["dice"] for row in good) > 0.7


def test_masks_are_those_of_the_scenes() -> None:
    source = ObjectMasks(20)
    masks, failed = source.maps([3, 17])
    assert not failed
    frames = MicroSet("val", 20).frames([3, 17])
    assert all(np.array_equal(ours > 0, theirs) for ours, theirs in zip(masks, frames.mask, strict=True))


def test_what_changes_rows_changes_the_identity_and_the_ceiling_does_not() -> None:
    from dataclasses import replace

    own = MICRO.identity("x")
    assert replace(MICRO, ceiling=0.5, title="other").identity("x") == own
    assert replace(MICRO, preparation=Preparation()).identity("x") != own
    assert replace(MICRO, version=2).identity("x") != own
    assert MICRO.identity("y") != own
