"""Images that are drawn with a class for each pixel, and features that know these."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

COLOURS = np.array([[40, 200, 40], [220, 30, 30], [30, 30, 220]], np.uint8)


@dataclass
class Drawn:
    """Images of squares in plain colours, one of each class, 32 pixels wide."""

    image_ids: tuple[str, ...] = ("a", "b")
    memory_ids: tuple[str, ...] = ("m0", "m1", "m2")
    digest: str = "drawn"
    square: int = 8
    name: str = "drawn"
    changed: dict[str, np.ndarray] = field(default_factory=dict)

    def classes_of(self, image_id: str) -> np.ndarray:
        if image_id in self.changed:
            return self.changed[image_id]
        side = 32 // self.square
        cells = np.random.default_rng(sum(image_id.encode())).integers(0, 3, (side, side))
        return np.kron(cells, np.ones((self.square, self.square))).astype(np.uint8)

    def picture(self, image_id: str) -> np.ndarray:
        return COLOURS[replace(self, changed={}).classes_of(image_id)]


@dataclass(eq=False)
class Colours:
    """Features that are the colour of a cell; they know the classes of `Drawn` exactly."""

    name: str = "colours"
    side: int = 0
    seen: int = 0

    def patch(self, height: int, width: int) -> int:
        return self.side

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        self.seen += len(images)
        pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() - 96
        return torch.nn.functional.avg_pool2d(pixels, stride)


@dataclass(eq=False)
class OneHot(Colours):
    """Features that are the true classes of `Drawn`: the share of each in a cell, times a number a channel."""

    scale: float = 1.0

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        self.seen += len(images)
        far = np.abs(images[:, :, :, None].astype(int) - COLOURS.astype(int)).sum(axis=4)
        classes = torch.from_numpy(far.argmin(axis=3))
        shares = torch.nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2).float()
        return torch.nn.functional.avg_pool2d(shares, stride) * self.scale
