"""Comparisons of answers: which test, which images, and runs of a method."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vitobench.results.schema import MethodComparison
from vitobench.results.statistics import two_sided_p
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.compare import compare, contests
from vitobench.tasks.scoring.samples import Answers, Prepared, errors_by_unit, estimate, prepare
from vitobench.tasks.task import Task

Rows = Callable[..., pd.DataFrame]
Make = Callable[..., Prepared]
VAL = TASKS["micro-val"]


@pytest.fixture
def make(make_rows: Rows, collected: Callable[..., Answers]) -> Make:
    def prepared(task: Task, hits: dict[str, np.ndarray], ids: dict[str, list[str]] | None = None) -> Prepared:
        answers = {n: collected(task, n, make_rows(task, h, (ids or {}).get(n))) for n, h in hits.items()}
        return prepare(task, answers, replicates=1000)

    return prepared


def hits(seed: int, n: int, columns: int = 1, rate: float = 0.6) -> np.ndarray:
    return np.random.default_rng(seed).random((n, columns)) < rate


def test_single_conditions_are_tested_by_mcnemar_and_means_by_the_bootstrap(make: Make, corrupted: Task) -> None:
    a, b = hits(1, 300, 4, 0.7), hits(2, 300, 4, 0.6)
    rows = {(r.condition, r.metric): r for r in compare(make(corrupted, {"a": a, "b": b}), "a", "b")}
    for number, condition in enumerate(corrupted.conditions):
        row = rows[(condition.key, "top1")]
        wins, losses = int((a & ~b)[:, number].sum()), int((b & ~a)[:, number].sum())
        k, n = min(wins, losses), wins + losses
        assert row.test == "mcnemar-mid-p"
        assert row.p == pytest.approx(2 * stats.binom.cdf(k, n, 0.5) - stats.binom.pmf(k, n, 0.5))
    overall = rows[("overall", "top1")]
    theirs = stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    assert overall.test == "clustered-bootstrap"
    assert math.log10(overall.p) == pytest.approx(math.log10(theirs.pvalue), rel=0.15)
    assert overall.p < two_sided_p(np.full(1000, 0.1))  # beyond the floor that counting draws has
    error = (a.mean(axis=1) - b.mean(axis=1)).std(ddof=1) / math.sqrt(300)
    assert overall.minimum_detectable == pytest.approx(2.8016 * error, rel=0.1)


def test_only_common_images_are_compared_and_the_others_are_counted(make: Make) -> None:
    names = [f"i{n:03d}" for n in range(40)]
    a, b = hits(1, 30), hits(2, 25)
    rows = compare(make(VAL, {"a": a, "b": b}, {"a": names[:30], "b": names[15:]}), "a", "b")
    (row,) = [r for r in rows if r.metric == "top1"]
    assert (row.n, row.n_a, row.n_b) == (15, 30, 25)
    assert row.difference == pytest.approx(a[15:].mean() - b[:15].mean())


def test_equal_models_never_differ(make: Make, corrupted: Task) -> None:
    same = hits(1, 50, 4)
    for row in compare(make(corrupted, {"a": same, "b": same}), "a", "b"):
        assert (row.difference, row.p) == (0.0, 1.0)
        assert math.isnan(row.minimum_detectable)


def test_a_method_is_the_mean_of_its_runs(make: Make) -> None:
    runs = {f"a{n}": hits(n, 200, 1, 0.7) for n in range(3)} | {f"b{n}": hits(10 + n, 200, 1, 0.6) for n in range(4)}
    methods = {"a": [n for n in runs if n[0] == "a"], "b": [n for n in runs if n[0] == "b"]}
    (row,) = [r for r in compare(make(VAL, runs), "a", "b", methods) if r.metric == "top1"]
    assert isinstance(row, MethodComparison)
    of_a, of_b = ([runs[n].mean() for n in methods[m]] for m in "ab")
    assert row.difference == pytest.approx(np.mean(of_a) - np.mean(of_b))
    theirs = stats.ttest_ind(of_a, of_b, equal_var=False).confidence_interval()
    assert (row.runs_ci_low, row.runs_ci_high) == pytest.approx((theirs.low, theirs.high))
    # The images alone: the percentile interval of per-image means is near that of a paired t-test.
    apart = np.mean([runs[n] for n in methods["a"]], axis=0) - np.mean([runs[n] for n in methods["b"]], axis=0)
    images = stats.ttest_1samp(apart[:, 0], 0).confidence_interval()
    assert (row.ci_low, row.ci_high) == pytest.approx((images.low, images.high), abs=0.01)
    assert row.both_ci_low <= max(row.ci_low, row.runs_ci_low)
    assert (row.runs_a, row.runs_b, row.test) == (3, 4, "two-way-t")


def test_runs_that_are_all_alike_add_nothing(make: Make) -> None:
    a, b = hits(1, 150, 1, 0.7), hits(2, 150, 1, 0.6)
    prepared = make(VAL, {"a0": a, "a1": a, "b": b})
    plain = next(r for r in compare(prepared, "a0", "b") if r.metric == "top1")
    (row,) = [r for r in compare(prepared, "a", "b", {"a": ["a0", "a1"]}) if r.metric == "top1"]
    assert isinstance(row, MethodComparison)
    assert (row.difference, row.ci_low, row.ci_high) == pytest.approx((plain.difference, plain.ci_low, plain.ci_high))
    assert (row.runs_ci_low, row.runs_ci_high) == pytest.approx((row.difference, row.difference))
    assert (row.both_ci_low, row.both_ci_high) == pytest.approx((row.ci_low, row.ci_high), abs=0.002)


def test_a_method_that_lacks_a_run_is_not_compared(make: Make) -> None:
    prepared = make(VAL, {"a0": hits(1, 20), "b": hits(2, 20)})
    assert compare(prepared, "a", "b", {"a": ["a0", "a1"]}) == []
    main, counted = contests(prepared, ["a", "b"], {"a": ["a0", "a1"]}, ("top1",))
    assert main is None
    assert counted is not None
    assert (counted.models, dict(counted.lacking)) == (("b",), {"a": "not measured"})


def test_numbers_for_ranks_are_of_the_images_that_all_have(make: Make) -> None:
    names = [f"i{n:03d}" for n in range(40)]
    models = {"a": hits(1, 40), "b": hits(2, 40), "c": hits(3, 38), "few": hits(4, 10)}
    prepared = make(VAL, models, {"c": names[:38], "few": names[:10]})
    main, counted = contests(prepared, ["a", "b", "c"], counts_by=("pm10", "top1"))
    assert main is not None
    assert counted is main  # the same number
    assert (main.n, main.errors.shape) == (38, (3, 1000))
    assert main.values == pytest.approx([models[name][:38].mean() for name in "abc"])
    # One that lacks most images does not take them from the others.
    main, counted = contests(prepared, ["a", "few", "b"], counts_by=("top1",))
    assert main is None
    assert counted is not None
    assert (counted.models, counted.n) == (("a", "b"), 40)
    assert dict(counted.lacking) == {"few": "only 10 of 40 images"}
    assert contests(prepared, ["a"]) == contests(prepared, [], counts_by=("top1",)) == (None, None)
    main, counted = contests(prepared, ["a"], counts_by=("top1",))
    assert main is None
    assert counted is not None
    assert (counted.models, counted.n) == (("a",), 40)


def test_the_main_number_alone_on_request(make: Make, corrupted: Task) -> None:
    columns = len(corrupted.conditions)
    prepared = make(corrupted, {"a": hits(1, 60, columns, 0.7), "reference": hits(2, 60, columns, 0.4)})
    every = compare(prepared, "a", "reference")
    assert len(every) > 1
    main = [row for row in every if (row.condition, row.metric) == ("overall", corrupted.metric)]
    assert compare(prepared, "a", "reference", main_only=True) == main
    assert len(main) == 1


def test_errors_of_ranks_are_those_of_a_paired_test(make: Make) -> None:
    a, b = hits(1, 500), hits(2, 500)
    main, _ = contests(make(VAL, {"a": a, "b": b}), ["a", "b"])
    assert main is not None
    found = (main.errors[0] - main.errors[1]).std()
    assert found == pytest.approx(stats.sem((a.astype(float) - b)[:, 0]), rel=0.08)  # of 1,000 draws


def test_errors_of_a_ratio_are_those_of_its_bootstrap(make: Make, corrupted: Task) -> None:
    columns = len(corrupted.conditions)
    models = {"a": hits(1, 300, columns, 0.7), "moclr": hits(2, 300, columns, 0.4)}
    prepared = make(corrupted, models)
    measure = next(m for m in prepared.measures if m.metric == "mce")
    sampled, ids = prepared.resampler.together(["a", "moclr"]) or ({}, np.empty(0))
    errors = errors_by_unit(measure, sampled["a"], sampled["moclr"])
    assert errors.shape == (300,) == ids.shape
    assert errors.mean() == pytest.approx(0, abs=1e-9)
    _, draws = estimate(measure, sampled["a"], sampled["moclr"])
    assert errors.std(ddof=1) / math.sqrt(300) == pytest.approx(draws.std(), rel=0.08)


def test_every_number_of_means_names_all_that_it_reads(make: Make) -> None:
    prepared = make(VAL, {"a": hits(1, 300)})
    sampled, _ = prepared.resampler.together(["a"]) or ({}, np.empty(0))
    errors = {m.metric: errors_by_unit(m, sampled["a"], None) for m in prepared.measures if not m.beyond}
    assert {"top1", "ece"} <= errors.keys()
    assert errors["top1"] == pytest.approx(hits(1, 300)[:, 0] - hits(1, 300).mean(), abs=1e-6)
