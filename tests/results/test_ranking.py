"""Ranks against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata

from vitobench.results.ranking import Contest, mean_ranks, ranked, ranks_of


def test_ranks_are_scipys() -> None:
    values = np.random.default_rng(0).integers(0, 4, (6, 50)).astype(float)
    np.testing.assert_array_equal(ranks_of(values, -1), rankdata(values, axis=0))
    np.testing.assert_array_equal(ranks_of(values, 1), rankdata(-values, axis=0))


def test_places_are_sure_where_models_lie_apart_and_open_where_they_do_not() -> None:
    rng = np.random.default_rng(1)
    values = np.array([0.7, 0.9, 0.71])
    draws = values[:, None] + 0.02 * rng.standard_normal((3, 2000))
    rows = ranked(Contest("t", "top1", ("a", "b", "c"), values, draws, 100), better=1)
    assert [(row.model, row.rank) for row in rows] == [("b", 1), ("c", 2), ("a", 3)]
    assert (rows[0].ci_low, rows[0].ci_high) == (1, 1)
    assert [(row.ci_low, row.ci_high) for row in rows[1:]] == [(2, 3), (2, 3)]
    assert [row.model for row in ranked(Contest("t", "mce", ("a", "b", "c"), values, draws, 100), better=-1)] == list(
        "acb"
    )
    assert mean_ranks(rows) == pytest.approx({"b": 1, "c": 2, "a": 3})


def test_undefined_draws_are_left_out() -> None:
    draws = np.tile([[0.2], [0.1]], (1, 100))
    draws[0, :3] = np.nan
    rows = ranked(Contest("t", "mce", ("a", "b"), np.array([0.2, 0.1]), draws, 9), better=1)
    assert [(row.model, row.ci_low, row.ci_high) for row in rows] == [("a", 1, 1), ("b", 2, 2)]
