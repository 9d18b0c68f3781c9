"""Linear heads on numbers of clips: ridge regression on classes, solved exactly, in memory that has a bound.

A head is fitted to clips that are given one after the other. Their numbers are kept while they are few; of many, sums
are kept from which the same regression follows, whose size does not depend on how many clips there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import DataError

PENALTIES = tuple(10.0**power for power in range(2, -6, -1))
"""Ridge penalties, over the number of clips, from which each head chooses; the first of equally good ones."""

HELD_OUT = 5
"""Every fifth group of clips is held out to choose a penalty."""

_MOST_HELD_OUT = 4096
"""Clips, about: of sets so large that a fifth is more, fewer groups are held out."""

_KEPT = 4096
"""Clips whose numbers are kept, or as many as a clip has numbers, where that is more: sums take no less room then."""

_AT_ONCE = 512
"""Clips that are added to sums together."""

_Solution = tuple[np.ndarray, np.ndarray]
"""Weights and bias."""


@dataclass(frozen=True)
class Head:
    """A linear classifier.

    Attributes:
        centre: float64 (numbers,), taken off its input.
        scale: float64 (numbers,), multiplied with the rest.
        weights: float64 (numbers, classes).
        bias: float64 (classes,).
        penalty: Ridge penalty over the number of clips.
    """

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    penalty: float

    def classes(self, values: np.ndarray) -> np.ndarray:
        """int64 (n,): the class of each row of float (n, numbers)."""
        scores: np.ndarray = (values - self.centre) * self.scale @ self.weights + self.bias
        return scores.argmax(axis=1)


def held_out(actions: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Which clips are held out to choose a penalty: every fifth group, bool (n,).

    A group without which a class would have no clip is not held out.

    Args:
        actions: int64 (n,), classes.
        groups: int64 (n,); clips of one group are held out together, or not at all.
        count: Classes.

    Raises:
        DataError: There are fewer than five groups, a class has no clip, or no group can be held out.
    """
    own = np.unique(groups)
    if len(own) < HELD_OUT:
        raise DataError(f"heads need clips of {HELD_OUT} groups or more to choose a penalty; there are {len(own)}")
    every = min(len(own), max(HELD_OUT, -(-len(actions) // _MOST_HELD_OUT)))
    apart: np.ndarray = np.searchsorted(own, groups) % every == every - 1
    lacking = sorted(set(range(count)) - set(actions[~apart].tolist()))
    absent = sorted(set(lacking) - set(actions.tolist()))
    if absent:
        raise DataError(f"heads need clips of each class; there are none of the classes {absent[:5]}")
    apart &= ~np.isin(groups, groups[np.isin(actions, lacking)])
    if not apart.any():
        raise DataError("heads need clips of each class in groups beside those that are held out to choose a penalty")
    return apart


def fit_head(blocks: Sequence[np.ndarray], actions: np.ndarray, groups: np.ndarray, count: int) -> Head:
    """Fit a head to clips that are in memory; see `Fitting`.

    Args:
        blocks: float (n, numbers) each.
        actions: int64 (n,), classes.
        groups: int64 (n,), as in `held_out`.
        count: Classes.

    Raises:
        DataError: As in `held_out`.
    """
    apart = held_out(actions, groups, count)
    fitting = Fitting([block.shape[1] for block in blocks], count)
    for row, action, out in zip(np.concatenate(blocks, axis=1), actions.tolist(), apart.tolist(), strict=True):
        fitting.add(row, action, out)
    return fitting.head()


class Fitting:
    """A head in the making, by least squares on classes as 0 and 1, with a ridge penalty.

    Numbers have mean 0 and variance 1 over the clips, and are divided by the root of their block's size, so that blocks
    count alike. The penalty is that with the highest accuracy on the clips that are held out, fitted to the others; of
    equal ones the largest. The head is then fitted to all clips.

    Args:
        sizes: Numbers in each block of a clip.
        count: Classes.
        kept: Clips whose numbers are kept; by default what is said of `_KEPT`.
    """

    def __init__(self, sizes: Sequence[int], count: int, kept: int | None = None) -> None:
        self._width = np.repeat(np.asarray(sizes, np.float64), sizes)
        self._count = count
        self._room = max(_KEPT, len(self._width)) if kept is None else kept
        self._clips: list[tuple[np.ndarray, int, bool]] = []
        self._sums: _Sums | None = None

    def add(self, row: np.ndarray, action: int, out: bool) -> None:
        """One more clip.

        Args:
            row: float (numbers,), its blocks one after the other; not to be changed later.
            action: Its class.
            out: Whether it is held out to choose the penalty.
        """
        self._clips.append((row, action, out))
        if len(self._clips) >= self._room:
            self._fold()
            self._room = len(self._clips) + _AT_ONCE

    def head(self) -> Head:
        """The head; nothing is added after it."""
        if self._sums is None:
            return self._of_clips()
        self._fold()
        return self._of_sums(self._sums)

    def _fold(self) -> None:
        """Put the clips that are not held out into sums."""
        values, actions = self._table([clip for clip in self._clips if not clip[2]])
        if self._sums is None:
            self._sums = _Sums(values.mean(axis=0) if len(values) else np.zeros(len(self._width)), self._count)
        self._sums.add(values, actions)
        self._clips = [clip for clip in self._clips if clip[2]]

    def _table(self, clips: Sequence[tuple[np.ndarray, int, bool]]) -> tuple[np.ndarray, np.ndarray]:
        """float64 (n, numbers) and int64 (n,)."""
        rows = [row for row, _, _ in clips]
        values = np.stack(rows).astype(np.float64) if rows else np.empty((0, len(self._width)))
        return values, np.array([action for _, action, _ in clips], dtype=np.int64)

    def _of_clips(self) -> Head:
        values, actions = self._table(self._clips)
        out = np.array([out for _, _, out in self._clips], dtype=np.bool_)
        centre, scale = self._scaling(values.mean(axis=0), values.std(axis=0))
        inputs, wanted = (values - centre) * scale, np.eye(self._count)[actions]
        chosen = _best(inputs[out], actions[out], lambda some: _solved(inputs[~out], wanted[~out], some))
        ((weights, bias),) = _solved(inputs, wanted, (chosen,))
        return Head(centre, scale, weights, bias, chosen)

    def _of_sums(self, sums: _Sums) -> Head:
        values, actions = self._table(self._clips)
        centre, scale = self._scaling(*sums.spread(values))
        inputs = (values - centre) * scale
        chosen = _best(inputs, actions, lambda some: sums.solved(centre, scale, some))
        sums.add(values, actions)
        ((weights, bias),) = sums.solved(centre, scale, (chosen,))
        return Head(centre, scale, weights, bias, chosen)

    def _scaling(self, centre: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        varies = spread > 1e-6 * np.maximum(np.abs(centre), 1e-6)  # else it is rounding
        return centre, np.where(varies, 1 / np.where(varies, spread, 1.0) / np.sqrt(self._width), 0.0)


def _best(inputs: np.ndarray, actions: np.ndarray, solve: Callable[[Sequence[float]], Sequence[_Solution]]) -> float:
    """The first of the penalties with the highest accuracy."""
    right = [float(((inputs @ w + b).argmax(axis=1) == actions).mean()) for w, b in solve(PENALTIES)]
    return PENALTIES[int(np.argmax(right))]


def _solved(values: np.ndarray, wanted: np.ndarray, penalties: Sequence[float]) -> list[_Solution]:
    """Weights and bias for each penalty: the bias is not penalised."""
    mean, target = values.mean(axis=0), wanted.mean(axis=0)
    left, sizes, right = np.linalg.svd(values - mean, full_matrices=False)
    along = left.T @ (wanted - target)
    found = []
    for penalty in penalties:
        weights = right.T @ ((sizes / (sizes**2 + penalty * len(values)))[:, None] * along)
        found.append((weights, target - mean @ weights))
    return found


class _Sums:
    """Sums over clips, from which a ridge regression follows.

    Args:
        origin: float64 (numbers,), near their mean; taken off first, so that no digits are lost.
        count: Classes.
    """

    def __init__(self, origin: np.ndarray, count: int) -> None:
        self._origin = origin
        self._products = np.zeros((len(origin), len(origin)))
        self._of_class = np.zeros((len(origin), count))
        self._clips = np.zeros(count)

    def add(self, values: np.ndarray, actions: np.ndarray) -> None:
        """More clips: float64 (n, numbers) and int64 (n,)."""
        own = values - self._origin
        self._products += own.T @ own
        self._of_class += own.T @ np.eye(len(self._clips))[actions]
        self._clips += np.bincount(actions, minlength=len(self._clips))

    def spread(self, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each number, over these clips and others, float64 (n, numbers)."""
        own = others - self._origin
        count = self._clips.sum() + len(own)
        mean = (self._of_class.sum(axis=1) + own.sum(axis=0)) / count
        square = (np.diagonal(self._products) + (own**2).sum(axis=0)) / count
        return self._origin + mean, np.sqrt(np.maximum(square - mean**2, 0.0))

    def solved(self, centre: np.ndarray, scale: np.ndarray, penalties: Sequence[float]) -> list[_Solution]:
        """As `_solved`, of the numbers less their centre and times a scale."""
        from scipy.linalg import cho_factor, cho_solve

        count = self._clips.sum()
        total, target = self._of_class.sum(axis=1), self._clips / count
        products = self._products - np.outer(total, total / count)
        products *= scale[:, None]
        products *= scale
        along = (self._of_class - np.outer(total, target)) * scale[:, None]
        mean = (self._origin + total / count - centre) * scale
        found, diagonal = [], np.diagonal(products).copy()
        for penalty in penalties:
            np.fill_diagonal(products, diagonal + penalty * count)
            weights = cho_solve(cho_factor(products, lower=True), along)
            found.append((weights, target - mean @ weights))
        return found
