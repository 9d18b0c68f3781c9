"""What a task needs of a set of images, whatever they are made of: the base class of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from ...identity import digest
from .geometry import Geometry
from .hashing import Hashed, Progress, hash_with_cache
from .walking import NOTHING, LeftOut


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


class ImageSource(ABC):
    """A finite, ordered, labelled set of images.

    A subclass says what is in it, what its digest covers and, in `_load`, how its pixels are read or rendered. Sets of
    which several answers are right also have ``accepted``, a tuple of one ``frozenset`` of class indices per image; an
    answer is right if it is among them, and `labels` is then one of them, or -1 where the set is empty.

    Attributes:
        name: Name of the set, for people.
        label_space: ``"microworld-16"``, ``"cifar-10"``, or the name of an answer space such as ``"imagenet-1k"``.
        conditions: Keys of the conditions, ``"fog/3"``, where the set was published with its conditions applied: the
            same images, once per condition. Empty where conditions are drawn from the images, or where there are none.
        missing: Those of the conditions that are not there at all; loading from them fails for every image.
        left_out: What the listing of a folder left out; a copy in another process does not know it.
        unasked: Ids of images in its folder that the set passes over, such as those without a label; likewise.
        uses_all_cores: Whether one call of `load` keeps all cores busy, so that calls side by side gain nothing.
        stacked: How many pictures each image consists of, one above the other, so that it is that much higher.
    """

    name: str
    label_space: str
    conditions: Sequence[str] = ()
    missing: Sequence[str] = ()
    left_out: LeftOut = NOTHING
    unasked: Sequence[str] = ()
    uses_all_cores = False
    stacked = 1

    if TYPE_CHECKING:  # a subclass sets them, or makes them when they are asked for

        @property
        def image_ids(self) -> Sequence[str]:
            """One unique id per image, the same under every condition; randomness and pairing hang on it.

            The order is part of the set: a prefix is a fair sample of it, so that ``--limit`` takes the first images.
            """

        @property
        def labels(self) -> np.ndarray:
            """int64 (n,) class indices."""

    def __len__(self) -> int:
        return len(self.image_ids)

    @cached_property
    def digest(self) -> str:
        """Hash of everything that decides the pixels and labels, under all conditions: 64 hexadecimal digits.

        Raises:
            DataError: Files of which not one can be read.
        """
        return digest(self._facts())

    @abstractmethod
    def _facts(self) -> Any:
        """What the digest is of, as plain data."""

    @abstractmethod
    def manifest(self) -> Mapping[str, Any]:
        """What the digest was made of, as plain JSON data."""

    def load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None = None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Read or render images. A bad image is reported and never raises.

        Args:
            indices: Positions in `image_ids`, in any order.
            geometry: Size to resize and crop to.
            condition: One of `conditions`; None where the set has none.

        Returns:
            uint8 (n, stacked x size, size, 3), and for each position in ``indices`` that failed why (its pixels are
            zero).

        Raises:
            ValueError: A condition that the set was not opened for, or none where it needs one.
        """
        if condition not in (self.conditions or (None,)):
            known = ", ".join(self.conditions[:5]) + (", ..." if len(self.conditions) > 5 else "")
            raise ValueError(
                f"{condition!r} is not one of the conditions that {self.name} was opened with: {known}"
                if known
                else f"{self.name} has no conditions, so there is no {condition!r} to load"
            )
        return self._load(indices, geometry, condition)

    @abstractmethod
    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """As `load`, for a condition that was checked."""


class FolderSource(ImageSource):
    """A set that is read from a folder, whose files are hashed once.

    A pickled copy carries what was listed and, once they are computed, the hashes: it neither lists the folder nor
    reads files, and reports no progress.

    Attributes:
        root: The folder.
    """

    root: Path
    labels: np.ndarray

    def __init__(self, root: Path, name: str, manifest_cache: Path | None, progress: Progress | None) -> None:
        """Set what does not depend on the files; the subclass lists them.

        Args:
            root: The folder.
            name: What the data set is called in tables.
            manifest_cache: JSON file in which content hashes are kept, so that a large folder is hashed once; see
                `hash_with_cache`. Files are hashed again when their `stamp_of` changes.
            progress: Told ``(done, total)`` while files are hashed, in the thread that asks for the digest, ten times a
                second at most.
        """
        self.root = Path(root)
        self.name = name
        self._manifest_cache = manifest_cache
        self._progress = progress

    def _hash_files(self, names: Sequence[str]) -> dict[str, Hashed]:
        """The hashes of files below the root; see `hash_with_cache`."""
        return hash_with_cache(self.root, names, self._manifest_cache, self._progress)

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """What a pickled copy of a subclass needs beside the folder and the name."""

    def __getstate__(self) -> dict[str, Any]:
        cache = self._manifest_cache  # another process may have another working folder
        return {
            "root": self.root.absolute(),
            "name": self.name,
            "_manifest_cache": cache.absolute() if cache is not None else None,
            **self._own_state(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._progress = None


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


def has_depth(source: object) -> TypeGuard[DepthSource]:
    """Whether a set has depth maps."""
    return hasattr(source, "depths")
