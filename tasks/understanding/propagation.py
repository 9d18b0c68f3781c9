"""Label propagation: the mask of the first frame is carried along a clip by the similarity of features.

Nothing is trained. Each place of a frame takes the labels of the most similar places of earlier frames, as features of
images are evaluated on DAVIS'17 (Pont-Tuset et al. 2017; protocol of Jabri, Owens & Efros 2020, NeurIPS).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Propagation:
    """How labels are carried.

    Attributes:
        context: Frames before the current one that are compared, in addition to the first.
        radius: How far away a similar place may be, in cells of the feature map: along each axis, or, in a disk, by
            less than this.
        neighbours: Similar places, of all compared frames together, whose labels are averaged.
        temperature: Of the softmax over their similarities (cosines).
        disk: Whether places are near by Euclidean distance.
        first_twice: Whether the first frame is compared a second time while it is among the frames before.
    """

    context: int = 7
    radius: int = 4
    neighbours: int = 5
    temperature: float = 0.1
    disk: bool = False
    first_twice: bool = False


DINO = Propagation(radius=12)
"""Caron et al., ICCV 2021, for transformers: the settings of their published code."""

VFS = Propagation(context=20, radius=18, neighbours=10, temperature=0.07, disk=True, first_twice=True)
"""Xu & Wang, ICCV 2021, for ResNets: the settings of their published code."""

_TILE = 8
"""Side of the squares of cells that are compared at once, each with the window around it."""


class Carrier:
    """Carries labels through one clip, frame by frame; only the frames of the context are kept.

    Args:
        first: float32 (C, H, W), the map of the first frame.
        labels: float32 (L, H, W), shares of L labels in each of its cells.
        how: Settings.
    """

    def __init__(self, first: Tensor, labels: Tensor, how: Propagation) -> None:
        self._how = how
        self._first = (_unit(first), labels)
        before = [self._first] if how.first_twice else []
        self._before: deque[tuple[Tensor, Tensor]] = deque(before, maxlen=how.context)

    def step(self, features: Tensor) -> Tensor:
        """Labels of the next frame.

        Args:
            features: float32 (C, H, W), its map.

        Returns:
            float32 (L, H, W), shares.
        """
        import torch

        now = _unit(features)
        known = [self._first, *self._before]
        keys = torch.stack([unit for unit, _ in known])  # (K, H, W, C)
        values = torch.stack([labels for _, labels in known], dim=1)  # (L, K, H, W)
        height, width = now.shape[:2]
        carried = torch.empty(len(values), height, width, dtype=values.dtype, device=values.device)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                rows, columns = slice(top, min(top + _TILE, height)), slice(left, min(left + _TILE, width))
                carried[:, rows, columns] = self._tile(now, keys, values, rows, columns)
        self._before.append((now, carried))
        return carried

    def _tile(self, now: Tensor, keys: Tensor, values: Tensor, rows: slice, columns: slice) -> Tensor:
        """Labels of a square of cells: compared with the windows around it, which hold all that is near enough."""
        import torch

        how = self._how
        height, width = now.shape[:2]
        near_rows = slice(max(0, rows.start - how.radius), min(height, rows.stop + how.radius))
        near_columns = slice(max(0, columns.start - how.radius), min(width, columns.stop + how.radius))
        window = keys[:, near_rows, near_columns].flatten(0, 2)  # (K n, C)
        similar = now[rows, columns].flatten(0, 1) @ window.T  # (m, K n)
        far = _far(rows, columns, near_rows, near_columns, how).to(similar.device)
        similar.view(len(similar), len(keys), -1).masked_fill_(far.unsqueeze(1), -torch.inf)
        best, where = similar.topk(min(how.neighbours, similar.shape[1]), dim=1)
        weights = (best / how.temperature).softmax(dim=1)  # a place that is too far has -inf, and no weight
        known = values[:, :, near_rows, near_columns].flatten(1)  # (L, K n)
        taken = known[:, where]  # (L, m, neighbours)
        return (taken * weights).sum(dim=2).view(len(values), rows.stop - rows.start, -1)


def _unit(features: Tensor) -> Tensor:
    """(H, W, C) of length 1, from (C, H, W): a window of cells is then copied in long runs."""
    import torch

    return torch.nn.functional.normalize(features, dim=0).permute(1, 2, 0).contiguous()


def _far(rows: slice, columns: slice, near_rows: slice, near_columns: slice, how: Propagation) -> Tensor:
    """Bool (m, n): which cells of a window are too far from which of a square."""
    import torch

    down, across = (
        (torch.arange(near.start, near.stop) - torch.arange(own.start, own.stop)[:, None]).abs()
        for own, near in ((rows, near_rows), (columns, near_columns))
    )
    down, across = down[:, None, :, None], across[None, :, None, :]
    disk, square = down**2 + across**2 >= how.radius**2, torch.maximum(down, across) > how.radius
    far = disk if how.disk else square
    return far.flatten(2).flatten(0, 1)


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

    clips = []
    for maps, labels in zip(features, first, strict=True):
        carrier = Carrier(maps[0], labels, how or Propagation())
        clips.append(torch.stack([labels, *(carrier.step(one) for one in maps[1:])]))
    return torch.stack(clips)


def stretched(carried: Tensor, height: int, width: int) -> Tensor:
    """Which label each pixel of a frame has, from carried shares: DINO's rule.

    Shares are enlarged bilinearly; then each label's are stretched to 0..1 over the frame, and the largest wins. Where
    a label's shares are the same all over the frame, they stay.

    Args:
        carried: float32 (L, H, W), the background first.
        height: Of the frame, in pixels.
        width: Likewise.

    Returns:
        int64 (height, width), 0..L-1.
    """
    import torch

    whole = torch.nn.functional.interpolate(carried[None], (height, width), mode="bilinear", align_corners=False)[0]
    low, high = whole.flatten(1).min(dim=1).values, whole.flatten(1).max(dim=1).values
    span = (high - low)[:, None, None]
    return torch.where(span > 0, (whole - low[:, None, None]) / span.clamp(min=1e-12), whole).argmax(dim=0)
