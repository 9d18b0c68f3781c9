"""A light detector on frozen feature maps: FCOS as torchvision has it, on a small pyramid, trained the same for all.

Tian et al., FCOS: A simple and strong anchor-free object detector, TPAMI 2020 (arXiv 2006.09214); the pyramid from one
map follows Li et al., Exploring plain vision transformer backbones for object detection, ECCV 2022 (arXiv 2203.16527).
Everything runs on one core of the CPU, so that a detector depends on maps, boxes and settings alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.models.detection.image_list import ImageList

from ...errors import DataError
from .training import Training


@dataclass(frozen=True)
class Scaling:
    """Channels of an encoder brought to one form: mean 0 and variance 1 over the cells, and not too many.

    Attributes:
        centre: float32 (C,), taken off.
        scale: float32 (C,), multiplied with the rest.
        along: float32 (C, k), the first principal components; None where there are few channels anyway.
    """

    centre: Tensor
    scale: Tensor
    along: Tensor | None

    def __call__(self, maps: Tensor) -> Tensor:
        """float16 (n, k, h, w), on the CPU, of float32 (n, C, h, w).

        Raises:
            DataError: They are not all finite.
        """
        with one_core():
            scaled = (maps.float().cpu() - self.centre[:, None, None]) * self.scale[:, None, None]
            if self.along is not None:
                scaled = torch.einsum("nchw,ck->nkhw", scaled, self.along)
        if not torch.isfinite(scaled).all():
            raise DataError("features are not all finite")
        return scaled.clamp(-1e4, 1e4).half()


@contextmanager
def one_core() -> Iterator[None]:
    """Run on one core: sums are then always added in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def scaling(maps: Tensor, most: int) -> Scaling:
    """The scaling that fits some maps.

    Args:
        maps: float32 (n, C, h, w).
        most: Channels that are kept: with more of them, the first principal components of the scaled cells.

    Raises:
        DataError: They are not all finite.
    """
    cells = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1]).double()
    if not torch.isfinite(cells).all():
        raise DataError("features are not all finite")
    along = None
    with one_core():
        centre, spread = cells.mean(dim=0), cells.std(dim=0, correction=0)
        varies = spread > 1e-6 * centre.abs().clamp(min=1e-6)  # else it is rounding
        scale = torch.where(varies, 1 / torch.where(varies, spread, 1.0), 0.0)
        if maps.shape[1] > most:
            scaled = (cells - centre) * scale
            _, vectors = torch.linalg.eigh(scaled.T @ scaled / len(scaled))
            along = vectors[:, -most:].flip(1)
            largest = along.gather(0, along.abs().argmax(dim=0, keepdim=True))
            along = (along * largest.sign()).float()  # else its sign is the library's
    return Scaling(centre.float(), scale.float(), along)


class Pyramid(nn.Module):
    """Levels of one width from one map, each half as fine as the one before.

    Args:
        channels: Of the map.
        finer: The first level has this many times as many cells along each side as the map.
        how: Settings.
    """

    def __init__(self, channels: int, finer: int, how: Training) -> None:
        super().__init__()
        width = self.out_channels = how.width
        first = nn.ConvTranspose2d(channels, width, finer, finer) if finer > 1 else nn.Conv2d(channels, width, 1)
        self.first = nn.Sequential(first, nn.GroupNorm(how.groups, width), nn.ReLU())
        self.further = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.GroupNorm(how.groups, width), nn.ReLU())
            for _ in range(how.levels - 1)
        )

    def forward(self, maps: Tensor) -> list[Tensor]:
        """float32 (n, width, h, w) for each level, of float32 (n, channels, h, w)."""
        levels = [self.first(maps)]
        for layer in self.further:
            levels.append(layer(levels[-1]))
        return levels


class Detector(nn.Module):
    """FCOS on feature maps, which takes no images.

    Args:
        channels: Of the maps.
        cells: Along each side of the maps.
        side: Of the images that the maps are of, in pixels.
        classes: How many.
        how: Settings.
    """

    def __init__(self, channels: int, cells: int, side: int, classes: int, how: Training) -> None:
        super().__init__()
        self._side = side
        finer = how.enlarged(side / cells)
        strides = [side / cells / finer * 2**level for level in range(how.levels)]
        pyramid = Pyramid(channels, finer, how)
        self._fcos = FCOS(
            pyramid,
            classes,  # without one for the background, which FCOS has no use for
            head=FCOSHead(how.width, 1, classes, how.convolutions),
            anchor_generator=AnchorGenerator(tuple((stride,) for stride in strides), ((1.0,),) * how.levels),
            score_thresh=how.score,
            nms_thresh=how.overlap,
            detections_per_img=how.detections,
            topk_candidates=how.candidates,
        )

    def _outputs(self, maps: Tensor) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        """Of the head, the places of each image, and how many of them each level has."""
        levels = self._fcos.backbone(maps.float())
        # FCOS's own `forward` would resize and normalise images; only their size is asked here.
        blank = torch.empty(1).expand(len(maps), 1, self._side, self._side)
        places = self._fcos.anchor_generator(ImageList(blank, [(self._side, self._side)] * len(maps)), levels)
        return self._fcos.head(levels), places, [level.shape[2] * level.shape[3] for level in levels]

    def loss(self, maps: Tensor, truths: Sequence[dict[str, Tensor]]) -> Tensor:
        """The sum of FCOS's three losses.

        Args:
            maps: float16 (n, channels, h, w).
            truths: For each image ``boxes``, float32 (m, 4), left, top, right and bottom on the encoded
                square in pixels, and ``labels``, int64 (m,).
        """
        outputs, places, counts = self._outputs(maps)
        return torch.stack(list(self._fcos.compute_loss(list(truths), outputs, places, counts).values())).sum()

    @torch.inference_mode()
    def found(self, maps: Tensor) -> list[dict[str, np.ndarray]]:
        """Detections in each image: ``boxes`` and ``labels`` as in `loss`, and ``scores``, falling.

        Args:
            maps: float16 (n, channels, h, w).
        """
        with one_core():
            outputs, places, counts = self._outputs(maps)
            by_level = {name: list(values.split(counts, dim=1)) for name, values in outputs.items()}
            sizes = [(self._side, self._side)] * len(maps)
            said = self._fcos.postprocess_detections(by_level, [list(own.split(counts)) for own in places], sizes)
        return [{name: values.numpy() for name, values in own.items()} for own in said]


@one_core()
def train(maps: Tensor, truths: Sequence[dict[str, Tensor]], side: int, classes: int, how: Training) -> Detector:
    """Train a detector on maps that were read once; images come in the same order for every encoder.

    Args:
        maps: float16 (n, channels, h, h), one or more.
        truths: See `Detector.loss`.
        side: Of the encoded squares in pixels.
        classes: How many.
        how: Settings.

    Raises:
        DataError: The loss does not stay finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        detector = Detector(maps.shape[1], maps.shape[2], side, classes, how).train()
    optimiser = torch.optim.AdamW(detector.parameters(), lr=how.rate, weight_decay=how.decay)
    warm = max(1, round(how.warm_up * how.steps))

    def factor(step: int) -> float:
        falling = max(0, step - warm) / max(1, how.steps - warm)
        return min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * falling))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    rng, queue = np.random.default_rng(how.seed), np.empty(0, np.int64)
    for _ in range(how.steps):
        while len(queue) < how.batch:
            queue = np.concatenate([queue, rng.permutation(len(maps))])
        batch, queue = queue[: how.batch], queue[how.batch :]
        loss = detector.loss(maps[torch.from_numpy(batch)], [truths[number] for number in batch])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), how.longest)
        optimiser.step()
        schedule.step()
    if not all(torch.isfinite(values).all() for values in detector.parameters()):
        raise DataError("the detector's loss on these features does not stay finite")
    return detector.eval()
