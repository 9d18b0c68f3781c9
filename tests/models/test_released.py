"""The published VITO, loaded from a state dict of the same names and shapes."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from vitobench.errors import CheckpointError, DataError
from vitobench.models import registry
from vitobench.models.sources import released


def published(attention: bool) -> dict[str, torch.Tensor]:
    """torchvision's ResNet-50 and the attention of the published code."""
    torch.manual_seed(0)
    state = {name: torch.randn(value.shape) * 0.02 if value.is_floating_point() else value
             for name, value in resnet50().state_dict().items()}  # fmt: skip
    state = {name: value.abs() + 0.1 if "running_var" in name else value for name, value in state.items()}
    if attention:
        layers = {0: nn.Conv2d(2048, 4096, 1), 2: nn.Conv2d(4096, 2048, 1), 4: nn.Conv2d(2048, 1, 1, bias=False)}
        for number, layer in layers.items():
            for name, value in layer.state_dict().items():
                state[f"avgpool.module_list.{number}.{name}"] = value
    return state


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITOBENCH_CACHE", str(tmp_path))
    return tmp_path


def bring(name: str, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a file where the download would, and make it the published one."""
    path = released.weights_file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    sha1 = hashlib.sha1(path.read_bytes()).hexdigest()
    known = released.RELEASED[name]
    monkeypatch.setitem(released.RELEASED, name, replace(known, file=replace(known.file, sha1=sha1)))
    return path


@pytest.mark.parametrize(("name", "attention"), [("vito-videonet", True), ("moclr-imagenet", False)])
def test_published_weights_give_the_published_function(
    name: str, attention: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = published(attention)
    bring(name, state, monkeypatch)
    model = registry.load(name)
    assert (model.spec.source, model.spec.label_space, model.spec.preprocessing.size) == (
        "released",
        "imagenet-1k",
        224,
    )
    network = model.network
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == (42_342_440 if attention else 25_557_032)
    own = network.state_dict()
    assert torch.equal(own["backbone.layer3.2.bn2.running_mean"], state["layer3.2.bn2.running_mean"])
    assert torch.equal(own["head.weight"], state["fc.weight"])
    # The same arithmetic written out: pad as TensorFlow does, pool as the published code does.
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        features = _body(state, x)
        if attention:
            score = features
            for number in (0, 2, 4):
                place = f"avgpool.module_list.{number}"
                score = nn.functional.conv2d(score, state[f"{place}.weight"], state.get(f"{place}.bias"))
                score = score.relu() if number < 4 else score
            mask = score.flatten(2).softmax(-1).view_as(score)
            pooled = (mask * features).sum((-1, -2))
        else:
            pooled = features.mean((-1, -2))
        expected = pooled @ state["fc.weight"].T + state["fc.bias"]
        torch.testing.assert_close(network(x), expected, rtol=1e-3, atol=1e-4)


def _body(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    def conv(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        total = [max((-(-side // stride) - 1) * stride + weight.shape[-1] - side, 0) for side in x.shape[-2:]]
        (h, w) = total
        x = nn.functional.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2))
        return nn.functional.conv2d(x, weight, stride=stride)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return nn.functional.batch_norm(x, *parts)

    x = nn.functional.max_pool2d(norm(conv(x, "conv1", 2), "bn1").relu(), 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            y = norm(conv(x, f"{name}.conv1"), f"{name}.bn1").relu()
            y = norm(conv(y, f"{name}.conv2", stride), f"{name}.bn2").relu()
            y = norm(conv(y, f"{name}.conv3"), f"{name}.bn3")
            if f"{name}.downsample.0.weight" in state:
                x = norm(conv(x, f"{name}.downsample.0", stride), f"{name}.downsample.1")
            x = (x + y).relu()
    return x


def test_other_spellings_and_extra_entries_are_understood() -> None:
    own = {
        "backbone.conv1.weight": torch.zeros(64, 3, 7, 7),
        "pool.scales.0.score.0.weight": torch.zeros(4, 2, 1, 1),
        "pool.scales.0.score.2.bias": torch.zeros(2),
        "head.bias": torch.zeros(5),
    }
    state = {
        "resnet.conv1.weight": torch.ones(64, 3, 7, 7),
        "attnpool.layers.0.weight": torch.ones(4, 2),
        "attnpool.layers.1.bias": torch.ones(2),
        "classifier.bias": torch.ones(5),
        "something.else": torch.ones(1),
    }
    found = released.translated(state, own)
    assert {name: value.shape for name, value in found.items()} == {name: value.shape for name, value in own.items()}


def test_what_does_not_fit_or_is_not_the_published_file_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = published(False)
    del state["layer1.0.conv1.weight"]
    path = bring("moclr-imagenet", state, monkeypatch)
    with pytest.raises(CheckpointError, match="1 missing"):
        registry.load("moclr-imagenet")
    monkeypatch.undo()
    monkeypatch.setenv("VITOBENCH_CACHE", str(cache))
    with pytest.raises(DataError, match=r"its sha1 is .*, but the published one is e09f117c8e"):
        registry.resolve("moclr-imagenet")
    assert path.exists()


def test_they_are_listed_without_a_network(cache: Path) -> None:
    rows = {row.name: row for row in registry.list_models()}
    assert rows["vito-videonet"].baseline == "moclr-imagenet"
    assert "fetched when it is first used" in rows["vito-videonet"].description
    assert not rows["vito-videonet"].problem
