"""The parts of an image that a prediction depends on: gradients of a logit, and the masks of attention pooling."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .arithmetic import arithmetic
from .model import PIXELS_AT_ONCE, Model
from .vito import AttentionPooling

SAMPLES = 16
NOISE = 0.15
"""Noise of SmoothGrad, as a share of the range of an image's normalised values; its authors advise 0.1 to 0.2."""

_SMOOTHED_AT_ONCE = 8
_ON_OTHER_DEVICES = 8  # a GPU takes this many times the pixels of a CPU at once


def gradient_saliency(model: Model, images: Tensor, labels: Tensor, batch: int | None = None) -> Tensor:
    """Largest magnitude over channels of the gradient of the true class's logit (Simonyan et al. 2014).

    The gradient is taken at the model's own normalised input, in its plain network.

    Args:
        model: Any model.
        images: uint8 (N, 3, size, size), N >= 1.
        labels: int64 (N,), classes of the model's label space.
        batch: Images at once; by default what fits.

    Returns:
        float32 (N, size, size) on the CPU, not negative. An image's map depends on the others only by rounding.

    Raises:
        ValueError: As for `Model.logits`, or labels that do not fit.
    """
    _check(images, labels)
    maps = [
        _gradient(model, images[part], labels[part]).abs().amax(dim=1).cpu() for part in _parts(model, images, batch)
    ]
    return torch.cat(maps)


def smooth_gradient_saliency(
    model: Model,
    images: Tensor,
    labels: Tensor,
    image_ids: Sequence[str],
    samples: int = SAMPLES,
    noise: float = NOISE,
    seed: int = 0,
) -> Tensor:
    """SmoothGrad (Smilkov et al. 2017): gradients of noisy copies are averaged, then taken as in `gradient_saliency`.

    Args:
        model: Any model.
        images: uint8 (N, 3, size, size), N >= 1.
        labels: int64 (N,), classes of the model's label space.
        image_ids: N ids; the noise of an image depends on its id and ``seed`` alone.
        samples: Noisy copies of an image.
        noise: Standard deviation of the noise, as a share of the range of the image's normalised values.
        seed: Of the noise.

    Returns:
        float32 (N, size, size) on the CPU, not negative.

    Raises:
        ValueError: As for `gradient_saliency`, or less than one sample.
    """
    _check(images, labels)
    if samples < 1 or len(image_ids) != len(images):
        raise ValueError(f"{samples} samples and {len(image_ids)} ids for {len(images)} images")
    maps = []
    for position, image_id in enumerate(image_ids):
        rng = _generator(seed, image_id)
        image, label = images[position : position + 1], labels[position : position + 1]
        total = torch.zeros(image.shape[1:], device=model.device)
        for start in range(0, samples, _SMOOTHED_AT_ONCE):
            copies = min(_SMOOTHED_AT_ONCE, samples - start)
            draws = torch.from_numpy(rng.standard_normal((copies, *image.shape[1:]), dtype=np.float32))

            def disturb(x: Tensor, draws: Tensor = draws) -> Tensor:
                # The size of the noise is a constant of the image: no gradient goes through its extreme pixels.
                return x + noise * (x.amax() - x.amin()).detach() * draws.to(x.device)

            total += _gradient(model, image.expand(copies, -1, -1, -1), label.expand(copies), disturb).sum(dim=0)
        maps.append((total / samples).abs().amax(dim=0).cpu())
    return torch.stack(maps)


def attention_maps(model: Model, images: Tensor, batch: int | None = None) -> dict[str, Tensor]:
    """The masks with which a model pools its features, enlarged to the image (bilinear).

    A mask is scaled by its number of positions, so that 1 is what plain averaging would give.

    Args:
        model: Any model; masks are those of `AttentionPooling`.
        images: uint8 (N, 3, size, size), N >= 1.
        batch: Images at once; by default what fits.

    Returns:
        float32 (N, size, size) on the CPU by name: ``"attention"``, the mean over the scales, and where there are
        several ``"attention 8x8"`` and so on, each by the grid of its mask. Empty for a model without attention
        pooling.

    Raises:
        ValueError: As for `Model.logits`.
    """
    network, _ = model.differentiable(images[:1])
    poolings = [module for module in network.modules() if isinstance(module, AttentionPooling)]
    if not poolings:
        return {}
    by_name: dict[str, list[Tensor]] = {}
    for part in _parts(model, images, batch):
        seen: dict[int, Tensor] = {}

        def keep(module: AttentionPooling, inputs: tuple[Tensor, ...], seen: dict[int, Tensor] = seen) -> None:
            seen[id(module)] = module.mask(inputs[0])

        hooks = [pooling.register_forward_pre_hook(keep) for pooling in poolings]
        try:
            network, x = model.differentiable(images[part])
            with torch.no_grad(), arithmetic(model.spec.precision, model.device):
                network(x)
        finally:
            for hook in hooks:
                hook.remove()
        size = x.shape[-2:]
        masks = [seen[id(pooling)] for pooling in poolings if id(pooling) in seen]
        if not masks:
            return {}  # a head that reads tokens passes the encoder's pooling by
        enlarged = [_enlarged(mask, size[0]) for mask in masks]
        by_name.setdefault("attention", []).append(torch.stack(enlarged).mean(dim=0).cpu())
        for mask, map_ in zip(masks, enlarged, strict=True):
            if len(masks) > 1:
                by_name.setdefault(f"attention {mask.shape[1]}x{mask.shape[2]}", []).append(map_.cpu())
    return {name: torch.cat(parts) for name, parts in by_name.items()}


def _enlarged(mask: Tensor, size: int) -> Tensor:
    scaled = mask.float() * (mask.shape[1] * mask.shape[2])
    return functional.interpolate(scaled[:, None], size=(size, size), mode="bilinear", align_corners=False)[:, 0]


def _gradient(
    model: Model, images: Tensor, labels: Tensor, disturb: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Gradient of each image's logit with respect to its normalised pixels, float32 (N, 3, size, size)."""
    with torch.enable_grad(), arithmetic(model.spec.precision, model.device):
        network, x = model.differentiable(images)
        logits = network(x if disturb is None else disturb(x)).float()
        if int(labels.max()) >= logits.shape[1]:
            raise ValueError(f"label {int(labels.max())} for {model.spec.name}, which has {logits.shape[1]} classes")
        # In evaluation mode no image enters another's logit: the gradient of the sum is that of each.
        own = logits.gather(1, labels.to(logits.device)[:, None]).sum()
        return torch.autograd.grad(own, x)[0].float()


def _parts(model: Model, images: Tensor, batch: int | None) -> Iterator[slice]:
    if batch is None:
        pixels = PIXELS_AT_ONCE * (1 if model.device.type == "cpu" else _ON_OTHER_DEVICES)
        batch = max(1, pixels // model.spec.preprocessing.size**2)
    return (slice(start, start + batch) for start in range(0, len(images), batch))


def _check(images: Tensor, labels: Tensor) -> None:
    if labels.shape != (len(images),) or labels.is_floating_point() or (len(labels) and int(labels.min()) < 0):
        raise ValueError(f"labels must be {len(images)} classes, whole numbers from 0; got {tuple(labels.shape)}")


def _generator(seed: int, image_id: str) -> np.random.Generator:
    text = json.dumps([int(seed), str(image_id), "smoothgrad"])
    key = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
