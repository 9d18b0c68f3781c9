"""Label propagation: the mask of the first frame is carried along a clip by the similarity of features.

Nothing is trained. Each place of a frame takes the labels of the most similar places of earlier frames, as features of
images are evaluated on DAVIS'17 (Pont-Tuset et al. 2017; protocol of Jabri, Owens & Efros 2020, NeurIPS). Context,
neighbours and temperature are DINO's (Caron et al. 2021); its radius of 12 cells is for frames of some 60 x 107 cells,
ours for 16 x 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

BOUNDARY_TOLERANCE = 0.008
"""Of the diagonal of the frame: how far apart boundaries may be and still agree."""


@dataclass(frozen=True)
class Propagation:
    """How labels are carried.

    Attributes:
        context: Frames before the current one that are compared, in addition to the first.
        radius: How far away a similar place may be, in cells of the feature map, along each axis.
        neighbours: Similar places whose labels are averaged.
        temperature: Of the softmax over their similarities (cosines).
    """

    context: int = 7
    radius: int = 4
    neighbours: int = 5
    temperature: float = 0.1


def propagate(features: Tensor, first: Tensor, how: Propagation | None = None) -> Tensor:
    """Carry labels from the first frame to all others.

    Args:
        features: float32 (B, T, C, H, W) maps of B clips of T frames.
        first: float32 (B, L, H, W) shares of L labels in each cell of the first frame.
        how: Settings.

    Returns:
        float32 (B, T, L, H, W); the first frame is ``first``.
    """
    import torch

    how = how or Propagation()
    clips, frames, _, height, width = features.shape
    cells = height * width
    unit = torch.nn.functional.normalize(features.flatten(3), dim=2)  # (B, T, C, N)
    far = _far(height, width, how.radius)
    labels = [first.flatten(2)]  # (B, L, N) each
    for now in range(1, frames):
        asked = sorted({0, *range(max(0, now - how.context), now)})
        keys = unit[:, asked].transpose(1, 2).flatten(2)  # (B, C, K N)
        similar = torch.bmm(unit[:, now].transpose(1, 2), keys)  # (B, N, K N)
        similar.masked_fill_(far.repeat(1, len(asked)), -torch.inf)
        best, where = similar.topk(min(how.neighbours, similar.shape[2]), dim=2)
        weights = (best / how.temperature).softmax(dim=2)  # a place that is too far has -inf, and no weight
        known = torch.cat([labels[frame] for frame in asked], dim=2)  # (B, L, K N)
        there = where.flatten(1).unsqueeze(1).expand(-1, known.shape[1], -1)
        taken = known.gather(2, there).view(clips, known.shape[1], cells, -1)
        labels.append((taken * weights.unsqueeze(1)).sum(dim=3))
    return torch.stack(labels, dim=1).unflatten(3, (height, width))


def _far(height: int, width: int, radius: int) -> Tensor:
    """Bool (N, N): cells more than the radius apart."""
    import torch

    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    apart = [(axis.flatten()[:, None] - axis.flatten()[None]).abs() for axis in (rows, columns)]
    return torch.maximum(*apart) > radius


def region_similarity(mask: np.ndarray, truth: np.ndarray) -> float:
    """J of DAVIS: intersection over union, 0..1; 1 where both are empty.

    Args:
        mask: bool (H, W).
        truth: bool (H, W).
    """
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def boundary_accuracy(mask: np.ndarray, truth: np.ndarray) -> float:
    """F of DAVIS: harmonic mean of precision and recall of the boundary's pixels, 0..1.

    A pixel of one boundary counts where the other has one within `BOUNDARY_TOLERANCE`; where both masks have no
    boundary F is 1, where one has none it is 0.

    Args:
        mask: bool (H, W).
        truth: bool (H, W).
    """
    from scipy.ndimage import distance_transform_edt

    tolerance = np.ceil(BOUNDARY_TOLERANCE * np.hypot(*truth.shape))
    ours, theirs = _boundary(mask), _boundary(truth)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = (distance_transform_edt(~theirs)[ours] <= tolerance).mean()
    recall = (distance_transform_edt(~ours)[theirs] <= tolerance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _boundary(mask: np.ndarray) -> np.ndarray:
    """Pixels whose right, lower or lower right neighbour is on the other side."""
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    edge: np.ndarray = (here != padded[:-1, 1:]) | (here != padded[1:, :-1]) | (here != padded[1:, 1:])
    return edge
