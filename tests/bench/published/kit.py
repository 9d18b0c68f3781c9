"""A classifier that is asked directly, pictures for it, and what a run has written: for the tests of this folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torchvision import transforms

Bench = Callable[..., Any]
Groups = Sequence[Sequence[int]]

INFO = Path(timm.__file__).parent / "data" / "_info"
SIDE, RESIZED = 160, 168  # of timm's test_resnet
HALF = [0.5, 0.5, 0.5]


def listed(name: str) -> list[str]:
    return (INFO / name).read_text(encoding="utf-8").split()


WNIDS = listed("imagenet_synsets.txt")
ALL: Groups = [(k,) for k in range(1000)]


@dataclass(frozen=True)
class Classifier:
    """A network under its name for the command line, and asked directly."""

    name: str
    network: torch.nn.Module

    def logits(self, images: Iterable[Image.Image], whole: bool = False) -> np.ndarray:
        """float (n, K); ``whole`` images are squeezed to the input, others resized and cut."""
        resize = transforms.Resize((SIDE, SIDE) if whole else RESIZED)
        steps = transforms.Compose(
            [resize, transforms.CenterCrop(SIDE), transforms.ToTensor(), transforms.Normalize(HALF, HALF)]
        )
        with torch.inference_mode():
            return self.network(torch.stack([steps(image.convert("RGB")) for image in images])).numpy()

    def decisions(self, images: Iterable[Image.Image], groups: Groups = ALL, whole: bool = False) -> list[int]:
        """The best class of each image, where the best logit of a group stands for it."""
        rows = self.logits(images, whole)
        return [int(np.argmax([max(row[k] for k in group) for group in groups])) for row in rows]


def make_classifier(folder: Path, classes: int) -> Classifier:
    torch.manual_seed(classes)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=classes)
    with torch.no_grad():
        # Statistics of real activations, and features on one scale: else one class would always win.
        network.train()(torch.stack([transforms.ToTensor()(picture(n)) * 2 - 1 for n in range(32)]))
        network.eval()
        seen = network.forward_head(
            network.forward_features(torch.stack([transforms.ToTensor()(picture(n)) * 2 - 1 for n in range(32)])), True
        )
        network.fc.weight.normal_().div_(seen.std(0).clamp(min=1e-4))
        network.fc.bias.copy_(-network.fc.weight @ seen.mean(0))
    torch.save(network.state_dict(), folder / f"{classes}.pth")
    return Classifier(f"file:{folder / f'{classes}.pth'}?arch=timm:test_resnet", network)


def picture(seed: int, size: tuple[int, int] = (200, 180)) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR)


def opened(paths: Iterable[Path]) -> list[Image.Image]:
    return [Image.open(path) for path in paths]


def placed(path: Path, folder: Path, name: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(path, folder / (name or path.name)))


def half_right(decided: Sequence[int], classes: int) -> list[int]:
    """Labels of which those at even positions are what was decided."""
    return [k if n % 2 == 0 else (k + 1) % classes for n, k in enumerate(decided)]


def share(decided: Sequence[int], labels: Sequence[int]) -> float:
    return float(np.mean(np.array(decided) == np.array(labels)))


def numbers(file: Path) -> dict[tuple[str, str, str], tuple[float | None, int]]:
    rows = json.loads(file.read_text())["scores"]
    return {(r["task"], r["condition"], r["metric"]): (r["value"], r["n"]) for r in rows}


Run = Callable[..., dict[tuple[str, str, str], tuple[float | None, int]]]


def failures(tmp_path: Path) -> list[dict[str, str]]:
    return json.loads((tmp_path / "run.json").read_text())["failures"]
