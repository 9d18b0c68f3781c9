import json
import os
import pickle
import zipfile
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from vitobench.errors import CheckpointError, UnknownNameError
from vitobench.identity import file_digest
from vitobench.models import registry
from vitobench.models.networks import ARCHITECTURES, build

ARCHITECTURE = ARCHITECTURES[0]
CARD = {
    "name": "mine",
    "architecture": ARCHITECTURE,
    "preprocessing": {"size": 64, "resize": 72, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
    "label_space": "microworld-16",
    "num_classes": 16,
    "baseline": "supervised",
}


class Malice:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.target}",)


def resnet(num_classes: int = 16) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet10t", pretrained=False, num_classes=num_classes).eval()


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return resnet().state_dict()


@pytest.fixture(scope="module")
def expected() -> torch.Tensor:
    """Logits of the same network on the same images, by way of timm and plain arithmetic."""
    cfg = timm.models.get_pretrained_cfg("resnet10t")
    x = (images(cfg.test_input_size[1]) / 255 - torch.tensor(cfg.mean).view(3, 1, 1)) / torch.tensor(cfg.std).view(
        3, 1, 1
    )
    with torch.inference_mode():
        return resnet()(x)


def images(size: int) -> torch.Tensor:
    return torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def name(path: Path) -> str:
    return f"file:{path}?arch=timm:resnet10t"


def test_a_checkpoint_with_a_card_loads_by_itself(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build(ARCHITECTURE, 16)
    path = tmp_path / "mine.safetensors"
    tensors = {k: v.contiguous() for k, v in network.state_dict().items()}
    save_file(tensors, path, metadata={"vitobench": json.dumps(CARD)})
    model = registry.load(f"file:{path}")
    assert model.spec.name == f"file:{path}"
    assert model.spec.weights_hash == file_digest(path)
    assert (model.spec.baseline, model.spec.preprocessing.resize) == ("supervised", 72)
    expected = network.eval()(images(64).float() / 255 * 2 - 1)
    torch.testing.assert_close(model.logits(images(64)), expected, rtol=1e-3, atol=1e-4)


def test_a_card_says_how_an_image_becomes_a_square(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    tensors = {k: v.contiguous() for k, v in build(ARCHITECTURE, 16).state_dict().items()}
    shown = CARD["preprocessing"]
    for crop_mode in ("squash", "border"):
        card = CARD | {"preprocessing": shown | {"crop_mode": crop_mode}}
        save_file(tensors, path, metadata={"vitobench": json.dumps(card)})
        assert registry.resolve(f"file:{path}").preprocessing.crop_mode == crop_mode
    for wrong, said in (
        ({"crop_mode": "stretch"}, "crop_mode = 'stretch' must be 'center', 'squash', 'border' or 'center-down'"),
        ({"interpolation": "nearest"}, "interpolation = 'nearest' must be 'bilinear' or 'bicubic'"),
        ({"resize": 63}, "resize = 63 must be a whole number from 64"),
    ):
        card = CARD | {"preprocessing": shown | wrong}
        save_file(tensors, path, metadata={"vitobench": json.dumps(card)})
        with pytest.raises(CheckpointError, match=said):
            registry.resolve(f"file:{path}")


def test_a_description_that_lacks_the_crop_mode_no_longer_holds(tmp_path: Path) -> None:
    """Earlier versions took squashing models for cropping ones, and kept that in the store."""
    path = tmp_path / "c.pt"
    torch.save(resnet(1000).state_dict(), path)
    spec = registry.resolve(name(path))
    assert registry.still_describes(spec)
    without = {key: value for key, value in spec.extra.items() if key != "crop_mode"}
    assert not registry.still_describes(replace(spec, extra=without))
    # Earlier versions took the size of training, where timm evaluates at another.
    without = {key: value for key, value in spec.extra.items() if key != "size"}
    assert not registry.still_describes(replace(spec, extra=without))
    assert not registry.still_describes(replace(spec, preprocessing=replace(spec.preprocessing, crop_mode="squash")))


@pytest.mark.parametrize("wrapped", ["plain", "state_dict", "model", "prefixed", "nested", "legacy", "safetensors"])
def test_the_usual_wrappings_are_taken_off(
    tmp_path: Path, state: dict[str, torch.Tensor], expected: torch.Tensor, wrapped: str
) -> None:
    path = tmp_path / ("c.safetensors" if wrapped == "safetensors" else "c.pth")
    prefixed = {f"module.model.{k}": v for k, v in state.items()}
    content = {
        "plain": state,
        "legacy": state,
        "state_dict": {"epoch": 3, "state_dict": state},
        "model": {"model": state, "optimizer": {"lr": 0.1}},
        "prefixed": prefixed,
        "nested": {"model": {"state_dict": prefixed}},
    }
    if wrapped == "safetensors":
        save_file(state, path)
    else:
        torch.save(content[wrapped], path, _use_new_zipfile_serialization=wrapped != "legacy")
    model = registry.load(name(path))
    cfg = timm.models.get_pretrained_cfg("resnet10t")
    assert model.spec.label_space == "microworld-16"
    assert model.spec.architecture == "timm:resnet10t"
    assert model.spec.preprocessing.mean == cfg.mean
    assert model.spec.preprocessing.interpolation == cfg.interpolation
    assert model.spec.preprocessing.resize == int(model.spec.preprocessing.size / cfg.test_crop_pct)
    size = model.spec.preprocessing.size
    torch.testing.assert_close(model.logits(images(size)), expected, rtol=1e-3, atol=1e-4)


def test_the_label_space_follows_the_number_of_outputs(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    torch.save(resnet(1000).state_dict(), path)
    assert registry.resolve(name(path)).label_space == "imagenet-1k"
    torch.save(resnet(10).state_dict(), path)
    assert registry.resolve(name(path)).label_space == "cifar-10"
    torch.save(resnet(11).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"11 outputs.*1000 \(imagenet-1k\), 16 \(microworld-16\)"):
        registry.resolve(name(path))


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    ran = tmp_path / "ran"
    bad = tmp_path / "bad.pth"
    for legacy in (False, True):
        torch.save({"state_dict": state, "x": Malice(ran)}, bad, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(CheckpointError, match=r"(?s)bad\.pth was refused.*any code.*weights_only=False"):
            registry.load(name(bad))
    bad.write_bytes(pickle.dumps(Malice(ran)))
    with pytest.raises(CheckpointError, match=r"bad\.pth"):
        registry.load(name(bad))
    torch.save({"state_dict": state, "args": Namespace(lr=0.1)}, bad)
    with pytest.raises(CheckpointError, match=r"refused.*\n?.*Namespace"):
        registry.load(name(bad))
    assert not ran.exists()


@pytest.mark.parametrize("extension", ["pth", "safetensors"])
def test_damaged_files_are_explained(tmp_path: Path, state: dict[str, torch.Tensor], extension: str) -> None:
    path = tmp_path / f"c.{extension}"
    for content in (b"", b"<html>404 Not Found</html>", b"\x80\x02", b"PK\x03\x04 not really", b"0" * 4096):
        path.write_bytes(content)
        for asked in (name(path), f"file:{path}"):
            with pytest.raises(CheckpointError, match=rf"c\.{extension}"):
                registry.load(asked)
    if extension == "pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    whole = path.read_bytes()
    for part in (len(whole) // 2, len(whole) - 1, 100):
        path.write_bytes(whole[:part])
        with pytest.raises(CheckpointError, match=r"truncated|damaged|not a"):
            registry.load(name(path))
    with pytest.raises(CheckpointError, match="is a folder"):
        registry.load(name(tmp_path))
    with pytest.raises(CheckpointError, match="does not exist"):
        registry.load(f"file:{tmp_path / 'absent.safetensors'}")


def test_other_things_that_torch_can_open_are_explained(tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    for content in (torch.zeros(3), {"teacher": {"w": torch.zeros(2)}, "student": {}}, [1, 2], {}):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="holds no state dict"):
            registry.load(name(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="not a torch checkpoint"):
        registry.load(name(path))


def test_weights_of_another_architecture_are_explained(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "c.pth"
    wrong = {k: v for k, v in state.items() if not k.startswith("layer4.0.conv")}
    wrong |= {"extra.weight": torch.zeros(1), "layer1.0.conv1.weight": torch.zeros(1, 2, 3, 3)}
    torch.save(wrong, path)
    with pytest.raises(CheckpointError) as caught:
        registry.load(name(path))
    message = str(caught.value)
    for words in (
        "2 missing (layer4.0.conv1.weight, layer4.0.conv2.weight)",
        "1 unexpected (extra.weight)",
        "1 mis-shaped (layer1.0.conv1.weight (1, 2, 3, 3) instead of (64, 64, 3, 3))",
    ):
        assert words in message
    torch.save({k: v for k, v in state.items() if not k.startswith("fc.")}, path)
    with pytest.raises(CheckpointError, match=r"no classifier \(fc\.weight\)"):
        registry.load(name(path))
    torch.save({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, path)
    registry.load(name(path))


def test_a_file_without_card_or_architecture_is_explained(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, tmp_path / "c.safetensors")
    torch.save(state, tmp_path / "c.pth")
    for path in (tmp_path / "c.safetensors", tmp_path / "c.pth"):
        with pytest.raises(CheckpointError, match=r"no vitobench card.*\?arch=timm:NAME"):
            registry.resolve(f"file:{path}")
    with pytest.raises(CheckpointError, match=r"arch=timm:NAME"):
        registry.resolve(f"file:{tmp_path / 'c.pth'}?arch=resnet10t")
    with pytest.raises(UnknownNameError, match="resnet10t"):
        registry.resolve(f"file:{tmp_path / 'c.pth'}?arch=timm:resnet10tt")
    with pytest.raises(CheckpointError, match="names no file"):
        registry.resolve("file:?arch=timm:resnet10t")


def test_a_file_that_changes_after_resolving_is_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "c.pth"
    torch.save(state, path)
    spec = registry.resolve(name(path))
    torch.save({k: v + 1 for k, v in state.items()}, path)
    with pytest.raises(CheckpointError, match="changed after"):
        registry.load(spec)
