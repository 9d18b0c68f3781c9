"""Published numbers of human alignment, against the means and ranks that their sources give."""

from __future__ import annotations

import math

import pytest

from vitobench.results.published.tables import published_alignment
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS
from vitobench.tasks.alignment.measures import RANKED, mean_ranks


def published_value(model: str, metric: str, data_set: str = "all") -> float:
    """The first value of this kind; NaN where there is none."""
    for row in published_alignment():
        if (row.model, row.metric, row.data_set) == (model, metric, data_set):
            return row.value
    return math.nan


def test_every_number_says_where_it_stands_and_what_was_done_otherwise() -> None:
    rows = published_alignment()
    assert len(rows) == 101
    for row in rows:
        assert row.source
        assert row.protocol
        assert 0 < row.value < 1
        assert row.data_set == "all" or row.data_set in ALIGNMENT_SETS
    assert len(rows) == len({(row.model, row.data_set, row.metric, row.source) for row in rows})


@pytest.mark.parametrize(("metric", "mean"), [("accuracy", 0.55882), ("error_consistency", 0.20834)])
def test_resnet50s_columns_have_the_means_that_are_published_elsewhere(metric: str, mean: float) -> None:
    values = [published_value("ResNet-50", metric, name) for name in ALIGNMENT_SETS]
    assert sum(values) / 17 == pytest.approx(mean, abs=6e-6)
    assert published_value("ResNet-50", metric) == pytest.approx(mean, abs=6e-4)


def test_of_two_sources_the_one_with_our_rule_comes_first() -> None:
    assert published_value("ResNet-50", "shape_bias", "cue-conflict") == 0.214
    assert math.isnan(published_value("ResNet-50", "shape_bias"))


def test_mean_ranks_are_those_of_the_published_report() -> None:
    names = ("SimCLR-x1", "ResNet-50", "BagNet-33")
    found = mean_ranks({name: {metric: published_value(name, metric) for metric in RANKED} for name in names})
    assert [round(found[name], 3) for name in names] == [1.333, 1.667, 3.0]
