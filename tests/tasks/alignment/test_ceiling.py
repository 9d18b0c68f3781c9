"""Shares of a ceiling and mean ranks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from vitobench.tasks.alignment.consistency import ceiled
from vitobench.tasks.alignment.measures import RANKED, mean_ranks


def test_a_share_is_that_of_the_reference_with_its_mirrored_interval() -> None:
    draws = np.array([0.2, 0.1, 0.2, 0.3, 0.4])
    ceiling = np.array([0.4, 0.4, 0.5, 0.5, 0.5])
    found = ceiled(draws, ceiling)
    # Shares of the samples: .25, .4, .6, .8; mirrored at .5: .75, .6, .4, .2.
    assert found.value == pytest.approx(0.5)
    assert found.ci_low == pytest.approx(np.quantile([0.75, 0.6, 0.4, 0.2], 0.025))
    assert found.ci_high == pytest.approx(np.quantile([0.75, 0.6, 0.4, 0.2], 0.975))


def test_the_ceiling_is_all_of_itself_without_doubt() -> None:
    draws = 0.4 + np.random.default_rng(0).normal(0, 0.01, 200)
    found = ceiled(draws, draws)
    assert (found.value, found.ci_low, found.ci_high) == (1, 1, 1)


def test_the_same_samples_make_the_interval_narrower_than_other_samples_do() -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 0.02, 1001)
    ceiling, draws = 0.4 + shared, 0.2 + shared / 2 + rng.normal(0, 0.002, 1001)
    joint, apart = ceiled(draws, ceiling), ceiled(draws, np.append(ceiling[0], rng.permutation(ceiling[1:])))
    assert joint.ci_high - joint.ci_low < 0.5 * (apart.ci_high - apart.ci_low)


@pytest.mark.parametrize("ceiling", [0.0, -0.1, math.nan])
def test_there_is_no_share_of_nothing(ceiling: float) -> None:
    found = ceiled(np.array([0.2, 0.1, 0.3]), np.array([ceiling, 0.4, 0.4]))
    assert math.isnan(found.value)
    assert math.isnan(found.ci_low)


def test_without_samples_there_is_a_value_and_no_interval() -> None:
    found = ceiled(np.array([0.20834]), np.array([0.43122]))
    assert found.value == pytest.approx(0.48314, abs=1e-5)
    assert math.isnan(found.ci_low)
    assert math.isnan(found.ci_high)
    with pytest.raises(ValueError, match="same samples"):
        ceiled(np.zeros(3), np.zeros(4))


def test_mean_ranks_are_those_of_pandas() -> None:
    # One decimal makes ties.
    values = pd.DataFrame(np.random.default_rng(2).random((40, 3)).round(1), columns=list(RANKED))
    values.index = values.index.map(lambda row: f"model {row}")
    ascending = pd.Series({"accuracy_difference": True, "observed_consistency": False, "error_consistency": False})
    expected = sum(values[metric].rank(ascending=bool(ascending[metric])) for metric in RANKED) / 3
    found = mean_ranks({str(name): row.to_dict() for name, row in values.iterrows()})
    assert found == pytest.approx(expected.to_dict())


def test_whoever_lacks_a_metric_has_no_rank_and_takes_none() -> None:
    whole = dict.fromkeys(RANKED, 0.5)
    found = mean_ranks({"a": whole, "b": {**whole, "accuracy_difference": 0.1}, "c": {"error_consistency": 0.9},
                        "d": {**whole, "error_consistency": math.nan}})  # fmt: skip
    assert found["a"] == pytest.approx((2 + 1.5 + 1.5) / 3)
    assert found["b"] == pytest.approx((1 + 1.5 + 1.5) / 3)
    assert math.isnan(found["c"])
    assert math.isnan(found["d"])
    assert mean_ranks({}) == {}
