"""Weighted sums of methods: a difference is one of them, effects of a factorial are others."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.compare import averaged, compare, contrast, effect
from vitobench.tasks.scoring.samples import Answers, Prepared, prepare

Rows = Callable[..., pd.DataFrame]
Make = Callable[..., Prepared]
VAL = TASKS["micro-val"]
CELLS = tuple(itertools.product((0, 1), (0, 1)))


@pytest.fixture
def make(make_rows: Rows, collected: Callable[..., Answers]) -> Make:
    def prepared(hits: dict[str, np.ndarray]) -> Prepared:
        answers = {name: collected(VAL, name, make_rows(VAL, h)) for name, h in hits.items()}
        return prepare(VAL, answers, replicates=1000)

    return prepared


def factorial(runs: int, n: int, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    """Answers of a 2 x 2 design whose cells differ in ability, every run a little beside its cell."""
    rng = np.random.default_rng(seed)
    hits, methods = {}, {}
    for a, b in CELLS:
        names = tuple(f"{a}{b}-s{run}" for run in range(runs))
        methods[f"{a}{b}"] = names
        for name in names:
            hits[name] = rng.random((n, 1)) < 0.4 + 0.2 * a + 0.1 * b + 0.02 * rng.standard_normal()
    return hits, methods


def test_a_difference_of_two_is_what_a_comparison_says(make: Make) -> None:
    hits, methods = factorial(3, 200)
    prepared = make(hits)
    theirs = {row.metric: asdict(row) for row in compare(prepared, "11", "01", methods)}
    ours = {row.metric: asdict(row) for row in contrast(prepared, "first", {"11": 1, "01": -1}, methods)}
    assert set(ours) == set(theirs)
    shared = [key for key in theirs["top1"] if key in ours["top1"] and key not in ("p_adjusted", "name")]
    assert {"ci_low", "runs_ci_low", "both_ci_high", "p", "df", "minimum_detectable"} <= set(shared)
    for metric, row in ours.items():
        assert row["value"] == theirs[metric]["difference"]
        assert [row[key] for key in shared] == pytest.approx([theirs[metric][key] for key in shared], nan_ok=True)


def test_effects_of_a_factorial_are_those_of_least_squares(make: Make) -> None:
    hits, methods = factorial(3, 400)
    prepared = make(hits)
    signs = {"first": [1, 0], "second": [0, 1], "together": [1, 1]}
    design = []
    outcome = []
    for (a, b), names in zip(CELLS, methods.values(), strict=True):
        for name in names:
            x, y = a - 0.5, b - 0.5
            design.append([1, x, y, x * y])
            outcome.append(hits[name].mean())
    coefficients = np.linalg.lstsq(np.array(design), np.array(outcome), rcond=None)[0]
    for number, (name, (by_a, by_b)) in enumerate(signs.items(), start=1):
        scale = 1.0 if by_a and by_b else 0.5  # an interaction is the difference of two effects
        weights = {f"{a}{b}": scale * ((2 * a - 1) if by_a else 1) * ((2 * b - 1) if by_b else 1) for a, b in CELLS}
        (row,) = [row for row in contrast(prepared, name, weights, methods) if row.metric == "top1"]
        assert row.value == pytest.approx(coefficients[number])
        assert (row.runs, row.n) == (12, 400)
        parts = [
            weights[f"{a}{b}"] ** 2 * np.var([hits[run].mean() for run in methods[f"{a}{b}"]], ddof=1) / 3
            for a, b in CELLS
        ]
        df = sum(parts) ** 2 / sum(part**2 / 2 for part in parts)
        half = stats.t.ppf(0.975, df) * math.sqrt(sum(parts))
        assert (row.runs_ci_low, row.runs_ci_high) == pytest.approx((row.value - half, row.value + half))
        assert row.both_ci_low <= min(row.ci_low, row.runs_ci_low) + 0.02
        assert row.p < 0.001 or name == "together"


def test_the_interval_over_both_holds_a_known_effect(make: Make) -> None:
    # Both factors change nothing: 12 designs, of which an interval of 95 % may miss a few.
    held = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        methods = {f"{a}{b}": tuple(f"{a}{b}-s{run}" for run in range(3)) for a, b in CELLS}
        difficulty = rng.standard_normal((150, 1))
        hits = {
            run: difficulty + 0.3 * rng.standard_normal() + rng.standard_normal((150, 1)) > 0
            for names in methods.values()
            for run in names
        }
        weights = {f"{a}{b}": 0.5 * (2 * a - 1) for a, b in CELLS}
        (row,) = [row for row in contrast(make(hits), "nothing", weights, methods) if row.metric == "top1"]
        held += row.both_ci_low <= 0 <= row.both_ci_high
    assert held >= 9


def test_a_run_without_answers_leaves_no_effect(make: Make) -> None:
    hits, methods = factorial(2, 50)
    del hits["11-s1"]
    prepared = make(hits)
    assert contrast(prepared, "first", {"11": 1, "01": -1}, methods) == []
    assert contrast(prepared, "second", {"01": 1, "00": -1}, methods)


def test_units_that_are_no_answers_of_a_task_get_the_same_intervals(make: Make) -> None:
    hits, methods = factorial(3, 300)
    (theirs,) = [r for r in contrast(make(hits), "first", {"11": 1, "00": -1}, methods) if r.metric == "top1"]
    parts = [
        (weight, averaged(np.array([hits[run][:, 0] for run in methods[name]], float)))
        for name, weight in (("11", 1.0), ("00", -1.0))
    ]
    ours = effect("first", "apart", "overall", "top1", parts, 300)
    assert (ours.value, ours.n, ours.runs) == (pytest.approx(theirs.value), 300, 6)
    for key in ("ci_low", "ci_high", "runs_ci_low", "runs_ci_high", "both_ci_low", "both_ci_high"):
        assert getattr(ours, key) == pytest.approx(getattr(theirs, key), abs=0.01), key
    assert ours.p == pytest.approx(theirs.p, rel=0.5)
