"""Random views of single frames of any size, with torchvision; see `views` for whole batches of small frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.transforms import v2

from .augmentation import Augmentation


def frame_view(augmentation: Augmentation, number: int, size: int) -> v2.Transform:
    """The transform from uint8 (3, H, W) to a view, float32 (3, S, S) in [0, 1].

    Args:
        augmentation: Strengths and probabilities.
        number: 0 for the first view, 1 for the second.
        size: Side S of the view. Blur is scaled to it from 224 pixels; its kernel is a tenth of the side.
    """
    a = augmentation
    kernel = 2 * max(1, round(size / 20)) + 1
    sigma = [max(0.05, s * size / 224.0) for s in a.sigma]
    steps: list[v2.Transform] = [
        v2.RandomResizedCrop(size, (a.min_area, 1.0), (1.0 / a.aspect, a.aspect), antialias=True),
        v2.RandomHorizontalFlip(a.flip),
        v2.ToDtype(torch.float32, scale=True),
    ]
    if a.jitter:
        steps.append(v2.RandomApply([v2.ColorJitter(a.brightness, a.contrast, a.saturation, a.hue)], a.jitter))
    if a.grey:
        steps.append(v2.RandomGrayscale(a.grey))
    if a.blur[number]:
        steps.append(v2.RandomApply([v2.GaussianBlur(kernel, sigma)], a.blur[number]))
    if a.solarise[number]:
        steps.append(v2.RandomSolarize(0.5, a.solarise[number]))
    return v2.Compose(steps)


def centre_view(frame: Tensor, size: int) -> Tensor:
    """The centre of a frame, uint8 (3, H, W), resized and cropped to (3, S, S)."""
    cropped: Tensor = v2.functional.center_crop(v2.functional.resize(frame, [size], antialias=True), [size, size])
    return cropped


def stored_side(augmentation: Augmentation, size: int) -> int:
    """Shorter side at which to read frames, so that even the smallest crop has as many pixels as a view."""
    return math.ceil(size / math.sqrt(augmentation.min_area))
