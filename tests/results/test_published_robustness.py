"""Published numbers of robustness against the other tables of this package, which have sources of their own."""

from __future__ import annotations

import pytest

from vitobench.results.published.tables import (
    published_for,
    published_robustness,
    resnet50_3dcc_corruption_errors,
    resnet50_3dcc_errors,
    resnet50_corruption_errors,
)
from vitobench.results.published.timm import timm_rows
from vitobench.tasks.registry import TASKS

SUPERVISED = "ResNet-50, supervised (torchvision V1)"


def value(task, metric):
    return next(row.value for row in published_for(task) if (row.model, row.metric) == (SUPERVISED, metric))


def mean(values):
    return sum(values) / len(values)


def test_the_supervised_row_is_the_mean_of_its_single_corruptions():
    assert value("imagenet-c", "mce") == pytest.approx(mean(list(resnet50_corruption_errors().values())), abs=6e-4)
    assert value("imagenet-3dcc", "top1") == pytest.approx(1 - mean(list(resnet50_3dcc_errors().values())), abs=6e-4)
    assert value("imagenet-3dcc", "mce") == pytest.approx(
        mean(list(resnet50_3dcc_corruption_errors().values())), abs=6e-4
    )


def test_its_clean_accuracy_is_that_of_the_other_table():
    row = timm_rows()["resnet50.tv_in1k", 224]
    assert value("imagenet-val", "top1") == pytest.approx(row.top1["imagenet-val"], abs=6e-4)


def test_every_number_is_on_photographs_and_bears_source_and_licence():
    for row in published_robustness():
        assert TASKS[row.data_set].world == "photographs"
        assert 0 <= row.value <= 1
        assert "(MIT)" in row.source
        assert row.protocol
    keys = [(row.model, row.data_set, row.metric) for row in published_robustness()]
    assert len(keys) == len(set(keys))


def test_the_micro_world_has_none():
    assert not [name for name, task in TASKS.items() if task.world == "microworld" and published_for(name)]
    assert published_for("imagenet-c-folders") == published_for("imagenet-c")
    assert not published_for("imagenet-c-raw")
