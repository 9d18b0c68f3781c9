"""Random views of frames: VITO's crop and the BYOL colour set, for batches and for single frames of any size."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

from .methods import Augmentation

# Random views of a batch of frames: VITO's crop and the BYOL colour set, every image with its own numbers.
#
# Whole batches are transformed at once, because on a CPU sixty calls per image cost more than the pixels they touch.
# The single steps are torchvision's functions (the tests hold them to it), with a parameter per image.


_GREY = (0.299, 0.587, 0.114)


def random_crops(images: Tensor, settings: Augmentation, rng: torch.Generator) -> Tensor:
    """Random resized crops with flips, at the input's size.

    Args:
        images: float (N, 3, S, S) in [0, 1].
        settings: Strengths and probabilities.
        rng: Source of all randomness.
    """
    n = len(images)
    area = torch.empty(n).uniform_(settings.min_area, 1.0, generator=rng)
    ratio = torch.empty(n).uniform_(-math.log(settings.aspect), math.log(settings.aspect), generator=rng).exp()
    width = (area * ratio).sqrt().clamp(max=1.0)
    height = (area / ratio).sqrt().clamp(max=1.0)
    x = (torch.rand(n, generator=rng) * 2 - 1) * (1 - width)
    y = (torch.rand(n, generator=rng) * 2 - 1) * (1 - height)
    sign = 1.0 - 2.0 * (torch.rand(n, generator=rng) < settings.flip).float()
    # What affine_grid gives, which would multiply matrices for every pixel.
    side = images.shape[-1]
    centres = torch.linspace(-1, 1, side) * (side - 1) / side
    columns = (centres * (width * sign)[:, None] + x[:, None])[:, None, :].expand(n, side, side)
    rows = (centres * height[:, None] + y[:, None])[:, :, None].expand(n, side, side)
    grid = torch.stack([columns, rows], dim=3).to(images.dtype)
    # A crop ends less than half a pixel beyond the centres of the outer pixels, where the edge goes on.
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _luma(images: Tensor) -> Tensor:
    r, g, b = images.unbind(1)
    return (_GREY[0] * r + _GREY[1] * g + _GREY[2] * b).unsqueeze(1)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(other.expand_as(images), images, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Scale (N, 3, H, W) by factor (N,)."""
    return (images * factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Blend (N, 3, H, W) with its mean grey by factor (N,)."""
    means = images.mean(dim=(2, 3))  # of the channels first, because the grey image is not needed
    return _blend(images, (means @ torch.tensor(_GREY, dtype=images.dtype)).view(-1, 1, 1, 1), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Blend (N, 3, H, W) with its greyscale by factor (N,)."""
    return _blend(images, _luma(images), factor)


def adjust_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of (N, 3, H, W) by turns (N,) of the colour circle, in HSV."""
    r, g, b = images.unbind(1)
    high = torch.maximum(torch.maximum(r, g), b)
    chroma = high - torch.minimum(torch.minimum(r, g), b)
    # Sums weighted by zeros and ones, and floors: torch's `where` and `%` are slow on a CPU.
    red = (high == r).to(images.dtype)
    green = (high == g).to(images.dtype) * (1.0 - red)
    blue = 1.0 - red - green
    hue = ((g - b) * red + (b - r) * green + (r - g) * blue) / chroma.clamp(min=torch.finfo(images.dtype).tiny)
    hue = (hue + 2.0 * green + 4.0 * blue) / 6.0 + turns.view(-1, 1, 1)
    hue = 6.0 * (hue - hue.floor())
    # Back from HSV: each channel is V - C * clamp(min(k, 4 - k), 0, 1) with k = (n + 6 h) mod 6.
    turned = torch.empty_like(images)
    for channel, n in enumerate((5.0, 3.0, 1.0)):
        k = n + hue
        k -= 6.0 * (k / 6.0).floor_()
        torch.sub(high, torch.minimum(k, 4.0 - k).clamp_(0, 1).mul_(chroma), out=turned[:, channel])
    return turned


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of (N, 3, H, W) with a standard deviation (N,) in pixels; kernel a tenth of the side, reflected."""
    side = images.shape[-1]
    radius = max(1, round(side / 20))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma.view(-1, 1)) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    term = torch.empty_like(images)
    for axis in (2, 3):
        pad = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        padded = F.pad(images, pad, mode="reflect")
        images = padded.narrow(axis, 0, side) * kernel[:, 0].view(-1, 1, 1, 1)
        for i in range(1, 2 * radius + 1):
            torch.mul(padded.narrow(axis, i, side), kernel[:, i].view(-1, 1, 1, 1), out=term)
            images += term
    return images


def _chosen(n: int, probability: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(n, generator=rng) < probability).nonzero().flatten()


def _strength(n: int, strength: float, rng: torch.Generator) -> Tensor:
    return torch.empty(n).uniform_(1 - strength, 1 + strength, generator=rng)


def random_view(images: Tensor, settings: Augmentation, number: int, rng: torch.Generator) -> Tensor:
    """One random view of every image.

    Args:
        images: uint8 (N, 3, S, S).
        settings: Strengths and probabilities.
        number: 0 for the first view, 1 for the second.
        rng: Source of all randomness; the same state gives the same views.

    Returns:
        float32 (N, 3, S, S) in [0, 1].
    """
    views = random_crops(images.float().div_(255.0), settings, rng)
    n, side = len(views), views.shape[-1]
    chosen = _chosen(n, settings.jitter, rng)
    if len(chosen):
        part, m = views[chosen], len(chosen)
        # The order of the four steps is random for the batch, as it is for each image in BYOL.
        for step in torch.randperm(4, generator=rng).tolist():
            if step == 0 and settings.brightness:
                part = adjust_brightness(part, _strength(m, settings.brightness, rng))
            elif step == 1 and settings.contrast:
                part = adjust_contrast(part, _strength(m, settings.contrast, rng))
            elif step == 2 and settings.saturation:
                part = adjust_saturation(part, _strength(m, settings.saturation, rng))
            elif step == 3 and settings.hue:
                part = adjust_hue(part, _strength(m, settings.hue, rng) - 1.0)
        views[chosen] = part
    chosen = _chosen(n, settings.grey, rng)
    if len(chosen):
        views[chosen] = _luma(views[chosen]).expand(-1, 3, -1, -1)
    chosen = _chosen(n, settings.blur[number], rng)
    if len(chosen):
        sigma = torch.empty(len(chosen)).uniform_(*settings.sigma, generator=rng) * (side / 224.0)
        sigma = sigma.clamp(min=0.05)
        if len(chosen) == n:
            views = blur(views, sigma)
        else:
            views[chosen] = blur(views[chosen], sigma)
    chosen = _chosen(n, settings.solarise[number], rng)
    if len(chosen):
        part = views[chosen]
        views[chosen] = torch.where(part >= 0.5, 1.0 - part, part)
    return views


# Random views of single frames of any size, with torchvision.


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
