"""Segmentation by a linear head on frozen features, as DINOv2 and DINOv3 try encoders (Oquab et al., 2023).

The published head is a batch norm and a 1 x 1 convolution on the last map. Here it is fitted to single cells of the
labelled images, which are kept, in place of whole images that are encoded again in each epoch: the encoder is frozen,
and a bounded sample of its cells is what a linear classifier needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...errors import DataError
from .segmentation import OBSERVERS as WITHOUT_FEATURES
from .segmentation import ClassesOfPixels, Learner, Reader, seeded_by

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .protocol import Mapper

COLOURS = "colour and place of cells"
OBSERVERS = {**WITHOUT_FEATURES, COLOURS: "colour-and-place@1"}
"""Baselines, with their versions: those of all protocols on pixels, and a head on no features but the colour of a cell
and where it is."""

_HELD_OUT = 5
"""Every fifth labelled image is held out to choose a learning rate."""

_WARM_UP = 0.0375
"""Share of the steps in which the learning rate rises: 1,500 of 40,000, as published."""

_CHUNK = 8192
"""Cells that are standardised or classified at once."""

_LEAST_SPREAD = 1e-6
"""A channel whose standard deviation is less than this, of its largest value, is constant but for rounding."""


class Colours:
    """The colour of each cell and where it is, in place of features; see `protocol.Mapper`."""

    name, identity = COLOURS, OBSERVERS[COLOURS]

    def patch(self, height: int, width: int) -> int:
        """It has none."""
        return 0

    def maps(self, images: np.ndarray, within: int, stride: int) -> Tensor:
        """float32 (N, 7, h, w): mean red, green and blue, the place along each axis, and its square, all in 0..1."""
        import torch

        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
        colours = torch.nn.functional.avg_pool2d(pixels, stride, ceil_mode=True)
        count, _, rows, columns = colours.shape
        down, right = (((torch.arange(n) + 0.5) / n) for n in (rows, columns))
        places = torch.stack(torch.meshgrid(down, right, indexing="ij"))
        return torch.cat([colours, torch.cat([places, places**2]).expand(count, -1, -1, -1)], dim=1)


@dataclass(frozen=True)
class LinearHead(ClassesOfPixels):
    """How the head is fitted: AdamW on the cross-entropy of pixels, with a warm-up and a cosine.

    Attributes:
        rates: Learning rates, of which the one with the best mIoU on held-out labelled images is taken: the same for
            every encoder, because a fixed rate favours some.
        decay: Weight decay, as published.
        steps: Of each fit.
        batch: Cells in a step.
        cells: Most cells that it is fitted to, shared equally by the labelled images.
    """

    kind: ClassVar[str] = "linear head"
    version: ClassVar[int] = 1
    stand_ins: ClassVar[Mapping[str, Mapper]] = MappingProxyType({COLOURS: Colours()})

    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    decay: float = 1e-3
    steps: int = 1_000
    batch: int = 2_048
    cells: int = 102_400

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        return {**super().facts(), "rates": list(self.rates), "held_out": _HELD_OUT, "warm_up": _WARM_UP}

    def brief(self) -> Self:
        """See `FeatureProtocol.brief`."""
        return replace(super().brief(), steps=1)

    def learner(self, images: int) -> Fitting:
        """See `ClassesOfPixels.learner`."""
        if images < _HELD_OUT:
            raise DataError(
                f"a head needs {_HELD_OUT} labelled images or more, to choose a learning rate; there are {images}"
            )
        return Fitting(self, max(1, self.cells // images))


@dataclass(frozen=True)
class Cells:
    """Cells that a head is fitted to.

    Attributes:
        values: float16 (n, C): features over the largest of their cell, so that those of any encoder fit.
        largest: float32 (n, 1): what they were divided by.
        shares: float32 (n, classes): how much of each cell has each class. A row sums to less than 1 where pixels have
            none.
    """

    values: Tensor
    largest: Tensor
    shares: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def features(self, where: Tensor) -> Tensor:
        """float32 (m, C) of some cells, int64 (m,)."""
        return self.values[where].float() * self.largest[where]


@dataclass(frozen=True)
class PixelHead:
    """A linear classifier of cells.

    Attributes:
        mean: float32 (C,), taken off the features: with ``scale``, a batch norm whose statistics are exact.
        scale: float32 (C,), multiplied with the rest; 0 for a channel that is constant.
        weights: float32 (C, classes).
        bias: float32 (classes,).
        rate: Learning rate of the fit.
    """

    mean: Tensor
    scale: Tensor
    weights: Tensor
    bias: Tensor
    rate: float

    def logits(self, features: Tensor) -> Tensor:
        """float32 (m, classes) for float32 (m, C)."""
        return (features - self.mean) * self.scale @ self.weights + self.bias

    def __call__(self, features: Tensor) -> Tensor:
        """See `segmentation.Reader`."""
        return self.logits(features.flatten(1).T).T.reshape(-1, *features.shape[1:])


class Fitting(Learner):
    """The cells while they are gathered.

    Args:
        how: The protocol.
        each: Most cells of an image.
    """

    def __init__(self, how: LinearHead, each: int) -> None:
        self._how, self._each, self._images = how, each, 0
        self._values: list[Tensor] = []
        self._largest: list[Tensor] = []
        self._shares: list[Tensor] = []
        self._held_out: list[Tensor] = []

    def see(self, name: str, features: Tensor, counts: np.ndarray, area: float) -> None:
        """Take cells of an image at random; those without a class are left out."""
        import numpy as np
        import torch

        possible = np.flatnonzero(counts.any(axis=1))
        if len(possible) > self._each:
            possible = np.sort(seeded_by(f"head {name}").choice(possible, self._each, replace=False))
        values = features.flatten(1).T[torch.from_numpy(possible).to(features.device)]
        largest = values.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        self._values.append((values / largest).half())
        self._largest.append(largest)
        self._shares.append(torch.from_numpy((counts[possible] / area).astype(np.float32)).to(features.device))
        self._held_out.append(torch.full((len(possible),), self._images % _HELD_OUT == _HELD_OUT - 1))
        self._images += 1

    def gathered(self) -> tuple[Cells, Tensor]:
        """All cells, and which of them are of held-out images: bool (n,)."""
        import torch

        parts = (self._values, self._largest, self._shares)
        cells = Cells(*(torch.cat(part) for part in parts))
        for part in parts:
            part.clear()
        return cells, torch.cat(self._held_out)

    def reader(self) -> Reader:
        """See `Learner.reader`."""
        cells, held_out = self.gathered()
        if not (held_out.any() and not held_out.all()):
            which = "others" if held_out.any() else f"every {_HELD_OUT}th of them"
            raise DataError(f"no pixel of the labelled images has a class ({which}), so no head can be fitted")
        return fitted(cells, held_out, self._how)


def fitted(cells: Cells, held_out: Tensor, how: LinearHead) -> PixelHead:
    """Fit a head to all cells, with the learning rate that is best where some are held out.

    Args:
        cells: Of labelled images.
        held_out: bool (n,), those on which rates are compared; heads that are compared are fitted to the others.
        how: The protocol. Of equally good rates the first is taken.
    """
    import torch

    others = (~held_out).nonzero()[:, 0].to(cells.values.device)
    left = held_out.nonzero()[:, 0].to(cells.values.device)
    scores = [cell_miou(head, cells, left) for head in trained(cells, others, how, how.rates)]
    everything = torch.arange(len(cells), device=cells.values.device)
    (head,) = trained(cells, everything, how, (how.rates[scores.index(max(scores))],))
    return head


def trained(cells: Cells, where: Tensor, how: LinearHead, rates: Sequence[float]) -> list[PixelHead]:
    """Heads for some learning rates, which see the same cells in the same order.

    The loss is the cross-entropy of pixels with a class, the logits of a cell being those of all its pixels. Weights
    start at 0, and the order of the cells depends on their number alone.

    Args:
        cells: Of labelled images.
        where: int64 (m,), those to fit to.
        how: The protocol.
        rates: One head for each.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        mean, scale = _moments(cells, where)
        width, classes = cells.values.shape[1], cells.shares.shape[1]
        blank = torch.zeros(width + 1, classes, device=cells.values.device)
        parameters = [blank.clone().requires_grad_() for _ in rates]  # the last row is the bias
        groups = [{"params": [one], "lr": rate} for one, rate in zip(parameters, rates, strict=True)]
        optimiser = torch.optim.AdamW(groups, weight_decay=how.decay)
        for step, batch in enumerate(_batches(len(where), how)):
            chosen = where[batch.to(where.device)]
            inputs, shares = (cells.features(chosen) - mean) * scale, cells.shares[chosen]
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * _schedule(step, how.steps)
            losses = [-(shares * (inputs @ p[:-1] + p[-1]).log_softmax(dim=1)).sum() for p in parameters]
            optimiser.zero_grad()
            (torch.stack(losses).sum() / shares.sum()).backward()
            optimiser.step()
        found = [one.detach() for one in parameters]
    return [PixelHead(mean, scale, one[:-1], one[-1], rate) for one, rate in zip(found, rates, strict=True)]


def cell_miou(head: PixelHead, cells: Cells, where: Tensor) -> float:
    """The mIoU of some cells, whose pixels all take the class of their cell; over classes whose union is not empty."""
    import torch

    classes = cells.shares.shape[1]
    both, said, true = torch.zeros(3, classes, dtype=torch.float64, device=cells.values.device)
    for chosen in where.split(_CHUNK):
        named = head.logits(cells.features(chosen)).argmax(dim=1)
        shares = cells.shares[chosen].double()
        ones = torch.nn.functional.one_hot(named, classes)
        both += (ones * shares).sum(dim=0)
        said += (ones * shares.sum(dim=1, keepdim=True)).sum(dim=0)
        true += shares.sum(dim=0)
    union = said + true - both
    return float((both[union > 0] / union[union > 0]).mean())


def _moments(cells: Cells, where: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of each channel, and what makes its variance 1: both float32 (C,)."""
    import torch

    width = cells.values.shape[1]
    total, squares = torch.zeros(2, width, dtype=torch.float64, device=cells.values.device)
    largest = torch.zeros(width, dtype=torch.float64, device=cells.values.device)
    for chosen in where.split(_CHUNK):
        values = cells.features(chosen).double()
        total += values.sum(dim=0)
        largest = torch.maximum(largest, values.abs().amax(dim=0))
    mean = total / len(where)
    for chosen in where.split(_CHUNK):  # a second time, because a difference of large sums would lose digits
        squares += ((cells.features(chosen).double() - mean) ** 2).sum(dim=0)
    spread = (squares / len(where)).sqrt()
    scale = torch.where(spread > _LEAST_SPREAD * largest, 1 / spread, 0.0)
    return mean.float(), scale.float()


def _batches(count: int, how: LinearHead) -> Iterator[Tensor]:
    """For each step int64 (batch,): numbers below ``count`` in a random order, without the rest; then in another."""
    import torch

    generator = torch.Generator().manual_seed(0)
    size = min(how.batch, count)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(how.steps):
        if len(order) < size:
            order = torch.randperm(count, generator=generator)
        batch, order = order[:size], order[size:]
        yield batch


def _schedule(step: int, steps: int) -> float:
    """What the learning rate is multiplied with in a step, 0, 1, ...: up in a line, down in a cosine."""
    warm_up = _WARM_UP * steps
    return min(1.0, (step + 1) / max(warm_up, 1.0)) * (1 + math.cos(math.pi * step / steps)) / 2
