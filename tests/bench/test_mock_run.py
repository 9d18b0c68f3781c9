"""Models with one fault each, and the check that has to name it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vitobench.bench import mock_run as mock_module
from vitobench.bench.mock_run import check_channels, check_labels, check_outputs, check_preprocessing
from vitobench.bench.planning.plan import geometry_of
from vitobench.errors import VitobenchError
from vitobench.models import registry
from vitobench.models.model import Model
from vitobench.models.spec import ModelSpec, Preprocessing

SPEC = ModelSpec("toy", "file", "toy 1", Preprocessing(16, 16), "microworld-16", "0" * 64)


class Toy(nn.Module):
    """A linear network, with one fault."""

    def __init__(self, fault: str = "", classes: int = 16) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(3 * 16 * 16, classes)
        self.fault = fault

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.head(self.features(x))
        if self.fault == "random":
            return out + torch.rand_like(out)
        if self.fault == "batch":
            return out - out.mean(dim=0)
        if self.fault == "constant":
            return out * 0 + torch.arange(16.0)
        if self.fault == "nan":
            return out / 0 * 0
        return out


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)


def statuses(network: nn.Module, images: np.ndarray) -> dict[str, str]:
    return {check.name: check.status for check in check_outputs(Model(SPEC, network), images)}


def test_a_sound_model_passes(images: np.ndarray) -> None:
    assert set(statuses(Toy(), images).values()) == {"pass"}


@pytest.mark.parametrize(
    ("fault", "check"),
    [("random", "same image twice"), ("batch", "batch of 1 and of 8"), ("constant", "variation"), ("nan", "finite")],
)
def test_each_fault_is_named(fault: str, check: str, images: np.ndarray) -> None:
    assert statuses(Toy(fault), images)[check] == "fail"


def test_a_head_of_another_size_is_named(images: np.ndarray) -> None:
    assert statuses(Toy(classes=10), images) == {"logits": "fail"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "pass"),
        ({"mean": (123.7, 116.3, 103.5)}, "fail"),
        ({"std": (58.4, 57.1, 57.4)}, "fail"),
        ({"std": (1.0, 1.0, 1.0)}, "warn"),
        ({"resize": 8}, "warn"),
        ({"resize": 0}, "fail"),
        ({"interpolation": "nearest"}, "fail"),
        ({"crop_mode": "squash"}, "pass"),
        ({"crop_mode": "stretch"}, "fail"),
    ],
)
def test_preprocessing_has_to_be_plausible(change: dict[str, Any], status: str) -> None:
    spec = replace(SPEC, preprocessing=replace(SPEC.preprocessing, **change))
    assert check_preprocessing(spec).status == status


def test_a_preprocessing_that_cannot_be_done_is_named_with_its_model() -> None:
    spec = replace(SPEC, preprocessing=replace(SPEC.preprocessing, crop_mode="stretch"))
    with pytest.raises(
        VitobenchError, match=r"preprocessing of toy .*center, squash, border, center-down, not 'stretch'"
    ):
        geometry_of(spec)


def test_label_orders_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 16
    good = np.where(rng.random(160) < 0.8, labels, rng.integers(0, 16, 160))
    assert check_labels(good, labels, 16).status == "pass"
    permuted = check_labels(rng.permutation(16)[good], labels, 16)
    assert permuted.status == "fail"
    assert "permuted" in permuted.mend


def test_random_answers_do_not_look_permuted() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 16
    found = [check_labels(rng.integers(0, 16, 160), labels, 16).status for _ in range(200)]
    assert found.count("fail") == 0
    assert found.count("warn") >= 195


def test_swapped_channels_are_told() -> None:
    labels = np.arange(160) % 16
    wrong = (labels + 1) % 16
    assert check_channels(labels, wrong, labels).status == "pass"
    assert check_channels(wrong, labels, labels).status == "warn"
    assert check_channels(wrong, wrong, labels).status == "pass"


def test_a_permuted_checkpoint_fails_and_the_shipped_one_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = registry.load("vito")
    passed = {check.name: check.status for check in mock_module._labels(model, {})}
    assert passed == {"label order": "pass", "channel order": "pass"}
    logits = model.logits
    order = torch.roll(torch.arange(16), 3)
    monkeypatch.setattr(model, "logits", lambda images: logits(images)[:, order])
    failed = {check.name: check.status for check in mock_module._labels(model, {})}
    assert failed["label order"] == "fail"


def test_the_command_runs_every_task_and_exits_with_3_if_any_check_fails(
    bench_here: Callable[..., Any], small_tasks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ("micro-val", "micro-light", "micro-cue-conflict", "micro-alignment-contrast", "imagenet-val")
    few = {name: task for name, task in mock_module.all_tasks().items() if name in kept}
    monkeypatch.setattr(mock_module, "all_tasks", lambda: few)
    done = bench_here("mock-run", "--model", "other", "--device", "cpu", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert done.code == 0, done.out
    for name in kept[:-1]:
        assert rows[name]["status"] == "pass", rows[name]
    assert rows["label order"]["status"] == "warn"  # it is untrained

    def broken(name: Any) -> Model:
        raise OSError("no weights")

    monkeypatch.setattr(mock_module.registry, "load", broken)
    done = bench_here("mock-run", "--model", "other", "--device", "cpu")
    assert done.code == 3
    assert "no weights" in done.out
    assert bench_here("mock-run", "--model", "nothing").code == 2
