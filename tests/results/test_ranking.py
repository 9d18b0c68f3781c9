"""Ranks against scipy's, and their intervals against what is known of simulated models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vitobench.results.rank_sets import better_on_images, better_on_tasks, chance_of_gaps, groups_of, rank_intervals
from vitobench.results.ranking import Contest, ranked, ranks_of
from vitobench.results.statistics import sign_draws
from vitobench.results.suite_ranking import rank_over_tasks


def test_ranks_are_scipys() -> None:
    values = np.random.default_rng(0).integers(0, 4, (6, 50)).astype(float)
    np.testing.assert_array_equal(ranks_of(values, -1), stats.rankdata(values, axis=0))
    np.testing.assert_array_equal(ranks_of(values, 1), stats.rankdata(-values, axis=0))


def contest(task: str, models: dict[str, float], n: int = 400, seed: int = 0, metric: str = "top1", **more) -> Contest:
    """Models that differ by what is given, with independent errors of a point of accuracy each."""
    rng = np.random.default_rng([seed, n])
    names = tuple(models)
    errors = 0.01 * rng.standard_normal((len(names), 2000))
    return Contest(task, metric, names, np.array([*models.values()]), errors, n, more)


def test_places_are_sure_where_models_are_apart_and_open_where_they_are_not() -> None:
    values = {"a": 0.70, "b": 0.90, "c": 0.71}
    rows = ranked(contest("t", values), better=1)
    assert [(row.model, row.rank, row.group) for row in rows] == [("b", 1, 1), ("c", 2, 2), ("a", 3, 2)]
    assert (rows[0].ci_low, rows[0].ci_high) == (1, 1)
    assert [(row.ci_low, row.ci_high) for row in rows[1:]] == [(2, 3), (2, 3)]
    lower_is_better = ranked(contest("t", values, metric="mce"), better=-1)
    assert [(row.model, row.group) for row in lower_is_better] == [("a", 1), ("c", 1), ("b", 2)]


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6, 7, 30])
def test_few_images_are_no_certainty(n: int) -> None:
    """Every image speaks for the same model, so that the spread of their difference is nil; the sign test decides."""
    rows = ranked(Contest("t", "top1", ("a", "b"), np.array([1.0, 0.0]), np.zeros((2, 2000)), n), better=1)
    assert (rows[0].ci_high == 1) == (stats.binomtest(n, n).pvalue < 0.05)
    same = ranked(Contest("t", "top1", ("a", "b"), np.array([0.5, 0.5]), np.zeros((2, 500)), n), better=1)
    assert [(row.rank, row.ci_low, row.ci_high, row.group) for row in same] == [(1.5, 1, 2, 1)] * 2


def test_signs_of_images_give_the_covariance_of_means_within_and_across_tasks() -> None:
    rng = np.random.default_rng(3)
    n = 800
    ids = [f"image-{k}" for k in range(n)]
    one = rng.standard_normal((2, n))
    other = 0.7 * one + rng.standard_normal((2, n))
    centred = [part - part.mean(axis=1, keepdims=True) for part in (one, other)]
    first, second = (sign_draws(part, ids, 20_000) for part in centred)
    np.testing.assert_allclose(first @ first.T / 20_000, np.cov(one) / n, atol=0.05 / n)
    across = first @ second.T / 20_000
    np.testing.assert_allclose(across, np.cov(one, other)[:2, 2:] / n, atol=0.05 / n)
    # Part of the images, in another order and number: what is shared still counts once.
    part = rng.permutation(n)[:200]
    apart = other[:, part] - other[:, part].mean(axis=1, keepdims=True)
    shared = first @ sign_draws(apart, [ids[k] for k in part], 20_000).T / 20_000
    expected = centred[0][:, part] @ apart.T / (np.sqrt(n * (n - 1)) * np.sqrt(200 * 199))
    np.testing.assert_allclose(shared, expected, atol=0.1 / n)
    # Other images are independent.
    strangers = sign_draws(centred[1], [f"other-{k}" for k in range(n)], 20_000)
    np.testing.assert_allclose(first @ strangers.T / 20_000, 0, atol=0.05 / n)
    assert sign_draws(one[:, :1], ids[:1], 16).tolist() == [[0.0] * 16] * 2


def test_two_models_are_apart_just_where_a_paired_test_says_so() -> None:
    rng = np.random.default_rng(5)
    n, agreed = 300, 0
    ids = [str(k) for k in range(n)]
    for shift in np.linspace(0, 0.12, 60):
        hits = (rng.random((2, n)) < np.array([[0.7 + shift], [0.7]])).astype(float)
        means = hits.mean(axis=1)
        errors = sign_draws(hits - means[:, None], ids)
        found = better_on_images(means, errors, chance_of_gaps(means, n))
        agreed += found[0, 1] == (stats.ttest_rel(*hits, alternative="greater").pvalue < 0.025)
    assert agreed >= 57  # the two differ where p is within a thousandth of the level


@pytest.mark.parametrize("tasks", [5, 6, 9])
def test_over_tasks_two_models_are_apart_just_where_wilcoxons_signs_say_so(tasks: int) -> None:
    rng = np.random.default_rng(tasks)
    for _ in range(40):
        gaps = rng.normal(0.8, 1.0, tasks)
        found = better_on_tasks(np.column_stack([gaps, np.zeros(tasks)]))
        # scipy's test over all signs of the mean; studentised as ours, the patterns of two models have the same order.
        test = stats.permutation_test((gaps, np.zeros(tasks)), lambda a, b, axis: (a - b).mean(axis=axis),
                                      permutation_type="samples", vectorized=True, n_resamples=np.inf)  # fmt: skip
        assert (found[0, 1] or found[1, 0]) == (test.pvalue <= 0.05)
    assert better_on_tasks(np.tile([0.9, 0.1], (tasks, 1)))[0, 1] == (tasks > 5)
    assert not better_on_tasks(np.array([[0.9, 0.1]])).any()


def test_models_that_do_not_differ_keep_the_promised_error() -> None:
    """300 experiments with ten equal models; 5 % may go wrong in any way, with a standard error of 1.3 points."""
    rng = np.random.default_rng(8)
    n, wrong = 150, {"images": 0, "tasks": 0}
    ids = [str(k) for k in range(n)]
    for _ in range(300):
        hits = (rng.standard_normal(n) + rng.standard_normal((10, n)) < 0.8).astype(float)
        means = hits.mean(axis=1)
        errors = sign_draws(hits - means[:, None], ids, 400)
        wrong["images"] += better_on_images(means, errors, chance_of_gaps(means, n)).any()
        wrong["tasks"] += better_on_tasks(rng.standard_normal((7, 10))).any()
    assert all(count <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95) for count in wrong.values())
    assert wrong["images"] > 0


def test_intervals_hold_true_ranks_and_groups_hold_the_best() -> None:
    """Twelve models, 0.8 points apart, on 1,500 images: the intervals of all must hold, in 95 % of experiments."""
    rng = np.random.default_rng(9)
    levels = stats.norm.ppf(0.8 - 0.008 * np.arange(12))
    n, held, best, told = 1500, 0, 0, []
    ids = [str(k) for k in range(n)]
    for _ in range(60):
        latent = np.sqrt(0.6) * rng.standard_normal(n) + np.sqrt(0.4) * rng.standard_normal((12, n))
        hits = (latent < levels[:, None]).astype(float)
        means = hits.mean(axis=1)
        errors = sign_draws(hits - means[:, None], ids, 400)
        better = better_on_images(means, errors, chance_of_gaps(means, n))
        low, high = rank_intervals(better)
        truth = np.arange(1, 13)
        held += bool(((low <= truth) & (truth <= high)).all())
        best += groups_of(better)[0] == 1
        told.append(better[0, 6])
    assert held >= 54
    assert best >= 57
    assert np.mean(told) > 0.55  # ranks are not wide open either: the seventh is 4.8 points behind the first


def test_groups_are_those_level_with_the_best_of_the_rest() -> None:
    better = np.zeros((4, 4), bool)
    better[0, 2] = better[0, 3] = better[2, 3] = True  # 1 is level with all
    assert groups_of(better).tolist() == [1, 1, 2, 3]
    low, high = rank_intervals(better)
    assert list(zip(low, high, strict=True)) == [(1, 2), (1, 4), (2, 3), (3, 4)]
    with pytest.raises(ValueError, match="circle"):
        groups_of(np.array([[False, True], [True, False]]))


def test_the_order_in_which_models_are_named_changes_nothing() -> None:
    rng = np.random.default_rng(12)
    n, models = 120, 30
    ids = [str(k) for k in range(n)]
    hits = (rng.random((models, n)) < np.linspace(0.5, 0.9, models)[:, None]).astype(float)
    means = hits.mean(axis=1)
    errors = sign_draws(hits - means[:, None], ids, 200)
    found = better_on_images(means, errors, chance_of_gaps(means, n))
    assert 0 < found.sum() < models * (models - 1) / 2
    for _ in range(20):
        order = rng.permutation(models)
        again = better_on_images(means[order], errors[order], chance_of_gaps(means[order], n))
        np.testing.assert_array_equal(again, found[np.ix_(order, order)])


def test_values_that_are_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="missing or not finite"):
        better_on_images(np.array([0.1, np.nan]), np.zeros((2, 8)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="missing or not finite"):
        better_on_tasks(np.array([[0.1, np.inf]]))


# One rank over several tasks.


def many(tasks: int, seed: int = 0) -> dict[str, Contest]:
    values = {"best": 0.9, "next": 0.895, "last": 0.5}
    rng = np.random.default_rng(seed)
    return {
        f"t{k}": contest(f"t{k}", {m: v + 0.02 * rng.standard_normal() for m, v in values.items()}, 100 + k, k)
        for k in range(tasks)
    }


def test_the_mean_over_tasks_is_ranked_over_images_and_over_tasks() -> None:
    contests = many(8)
    found = rank_over_tasks("w", "mean accuracy", [(name,) for name in contests], contests, ["best", "next", "last"])
    assert found is not None
    assert [one.task for one in found.tasks] == [f"t{k}" for k in range(8)]
    assert (found.left_out, found.unranked) == ((), ())
    assert [row.model for row in found.rows][2] == "last"
    last = found.rows[2]
    assert last.value == pytest.approx(np.mean([one.values[2] for one in contests.values()]))
    # The error of a mean of eight independent numbers of one point each.
    assert last.ci_high - last.value == pytest.approx(1.96 * 0.01 / np.sqrt(8), rel=0.08)
    assert (last.low, last.high, last.tasks_low, last.tasks_high, last.group) == (3, 3, 3, 3, 2)
    assert [(row.low, row.high, row.group) for row in found.rows[:2]] == [(1, 2, 1), (1, 2, 1)]
    few = rank_over_tasks("w", "", [("t0",), ("t1",)], contests, ["best", "next", "last"])
    assert few is not None
    assert (few.rows[2].low, few.rows[2].tasks_low) == (3, 1)  # two tasks say nothing of others


def test_what_is_missing_is_said_and_never_averaged_over() -> None:
    contests = many(3)
    contests["t1"] = contest("t1", {"best": 0.9, "last": 0.4}, next="only 5 of 100 images")
    contests["rare"] = contest("rare", {"last": 0.99}, best="not measured", next="not measured")
    contests["t2-drawn"] = contest("t2-drawn", {"best": 0.1, "last": 0.2}, next="not measured")
    members = [("t0",), ("t1",), ("t2-drawn", "t2"), ("rare",), ("absent",)]
    found = rank_over_tasks("w", "", members, contests, ["best", "next", "last"])
    assert found is not None
    assert [one.task for one in found.tasks] == ["t0", "t1", "t2"]  # of two forms, the one that more models have
    assert found.left_out == (("rare", "only 1 of 3 models have it"), ("absent", "not measured here"))
    assert found.unranked == (("next", "lacks t1 (only 5 of 100 images)"),)
    assert [row.model for row in found.rows] == ["best", "last"]
    assert rank_over_tasks("w", "", [("rare",), ("absent",)], contests, ["best", "next", "last"]) is None
    contests["t2"] = contest("t2", {"best": 1.0, "next": 1.0, "last": 1.0}, metric="mce")
    with pytest.raises(ValueError, match="no one scale"):
        rank_over_tasks("w", "", [("t0",), ("t2",)], contests, ["best", "next", "last"])
