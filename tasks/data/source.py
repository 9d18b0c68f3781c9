"""What a task needs of a set of images, whatever they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .geometry import Geometry


@dataclass(frozen=True)
class LoadFailure:
    """Why an image could not be had.

    Attributes:
        reason: In words that name no path, so that they can be stored beside the predictions.
        transient: Whether the moment is at fault (a missing or changed file, a failing disk) and not the content, so
            that another attempt may succeed.
    """

    reason: str
    transient: bool


class ImageSource(Protocol):
    """A finite, ordered, labelled set of images.

    The order is part of the set: a prefix is a fair sample of it, so that ``--limit`` takes the first images.
    """

    @property
    def name(self) -> str:
        """Name of the set, for people."""

    @property
    def label_space(self) -> str:
        """``"microworld-16"`` or ``"imagenet-1k"``."""

    @property
    def image_ids(self) -> Sequence[str]:
        """One unique id per image; randomness and pairing hang on it."""

    @property
    def labels(self) -> np.ndarray:
        """int64 (n,) class indices."""

    @property
    def digest(self) -> str:
        """Hash of everything that decides the pixels and labels."""

    def manifest(self) -> Mapping[str, Any]:
        """What the digest was made of, as plain JSON data."""

    def load(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Read or render images.

        Args:
            indices: Positions in `image_ids`.
            geometry: Size to resize and crop to.

        Returns:
            uint8 (n, size, size, 3), and for each position in ``indices`` that failed why (its pixels are zero).
        """
