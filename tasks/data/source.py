"""What a task needs of a set of images, whatever they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .geometry import Geometry


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

    def load(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, str]]:
        """Read or render images.

        Args:
            indices: Positions in `image_ids`.
            geometry: Size to resize and crop to.

        Returns:
            uint8 (n, size, size, 3), and for each position in ``indices`` that failed the reason (its pixels are zero).
        """
