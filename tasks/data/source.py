"""What a task needs of a set of images, whatever they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np

from .geometry import Geometry


@dataclass(frozen=True)
class LoadFailure:
    """Why an image could not be read.

    Attributes:
        reason: In words that name no path, so that they can be stored beside the predictions.
        transient: Whether the moment is at fault (a missing or changed file, a failing disk) and not the content, so
            that another attempt may succeed.
    """

    reason: str
    transient: bool


class ImageSet(Protocol):
    """A finite, ordered, labelled set of images, without the pixels.

    Sets of which several answers are right also have ``accepted``, a tuple of one ``frozenset`` of class indices per
    image; an answer is right if it is among them, and `labels` is then one of them, or -1 where the set is empty.

    The order is part of the set: a prefix is a fair sample of it, so that ``--limit`` takes the first images.
    """

    @property
    def name(self) -> str:
        """Name of the set, for people."""

    @property
    def label_space(self) -> str:
        """``"microworld-16"``, ``"cifar-10"``, or the name of an answer space such as ``"imagenet-1k"``."""

    @property
    def image_ids(self) -> Sequence[str]:
        """One unique id per image, the same under every condition; randomness and pairing hang on it."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,) class indices."""

    @property
    def digest(self) -> str:
        """Hash of everything that decides the pixels and labels, under all conditions."""

    def manifest(self) -> Mapping[str, Any]:
        """What the digest was made of, as plain JSON data."""


class ImageSource(ImageSet, Protocol):
    """A set of images that have no conditions, or whose conditions are drawn from them."""

    def load(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Read or render images.

        Args:
            indices: Positions in `image_ids`.
            geometry: Size to resize and crop to.

        Returns:
            uint8 (n, size, size, 3), and for each position in ``indices`` that failed why (its pixels are zero).
        """


class DepthSource(Protocol):
    """A set whose images have depth maps."""

    def depths(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Depth of the pixels that ``load`` gives.

        Args:
            indices: Positions in ``image_ids``.
            geometry: As for ``load``.

        Returns:
            float32 (n, size, size), positive, in any unit, infinite where there is only sky; and for each position in
            ``indices`` that has no depth why (its depth is 1 all over).
        """


class ConditionSource(ImageSet, Protocol):
    """A set that was published with its conditions applied: the same images, once per condition."""

    @property
    def conditions(self) -> Sequence[str]:
        """Keys of the conditions that were asked for, ``"fog/3"``."""

    @property
    def missing(self) -> Sequence[str]:
        """Those of the conditions that are not there at all; loading from them fails for every image."""

    def load(
        self, indices: Sequence[int], geometry: Geometry, condition: str
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Read images under a condition; see `ImageSource.load`."""


def has_depth(source: object) -> TypeGuard[DepthSource]:
    """Whether a set has depth maps."""
    return hasattr(source, "depths")


def has_conditions(source: object) -> TypeGuard[ConditionSource]:
    """Whether a set was published with its conditions applied."""
    return hasattr(source, "conditions")
