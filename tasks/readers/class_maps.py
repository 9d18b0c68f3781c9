"""Photographs with a class for each pixel, and others of the same kind that make the memory of a retrieval."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .masks import AnnotatedFiles, names_listed


class VocImages(AnnotatedFiles):
    """PASCAL VOC 2012: the images of one list, and those of another as labelled images.

    Classes are the numbers of the published palette images: 0 the background, 1..20, and 255 for borders of objects,
    of which nothing is asked.

    Attributes:
        image_ids: Names of the images to be segmented, ordered by a hash, so that a prefix is a fair sample.
        memory_ids: Names of the labelled images, as listed.
        labels: int64 (n,), all -1: no class of the image is asked.
    """

    label_space = "none"

    def __init__(
        self,
        root: Path,
        name: str,
        lists: tuple[str, str],
        cache: Path | None = None,
        progress: Any = None,
    ) -> None:
        """Read the lists.

        Args:
            root: The folder ``VOC2012``.
            name: Of the data set.
            lists: Files below it: of the images to be segmented, and of the labelled ones.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: A list is absent or empty, names an image twice or one of the other list, or one that is absent.
        """
        super().__init__(root, name, cache, progress)
        asked, labelled = (_listed(root / listing) for listing in lists)
        both = sorted({*asked} & {*labelled})
        if both:
            raise DataError(f"{len(both)} images are in both lists, {' and '.join(lists)}, such as {both[0]}")
        for listing, names in zip(lists, (asked, labelled), strict=True):
            for file_of, what in ((_photograph, "images"), (_map, "masks")):
                lacking = [one for one in names if not (root / file_of(one)).is_file()]
                if lacking:
                    raise DataError(
                        f"the list {listing} names {len(lacking)} {what} that are not in "
                        f"{file_of(lacking[0]).partition('/')[0]}, such as {lacking[0]}"
                    )
        self._lists, self._asked, self.memory_ids = lists, asked, labelled
        self.files = tuple(sorted(file_of(one) for one in (*asked, *labelled) for file_of in (_photograph, _map)))

    def _own_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_lists", "_asked", "memory_ids", "files", "_contents")}

    def _protocol(self) -> Any:
        return ["voc", self._lists, self.memory_ids]

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(sorted(self._asked, key=lambda name: hashlib.sha256(name.encode()).hexdigest()))

    @cached_property
    def labels(self) -> np.ndarray:  # type: ignore[override]
        """See the class."""
        return np.full(len(self._asked), -1, dtype=np.int64)

    def picture(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.picture`."""
        return self.photograph(_photograph(image_id))

    def classes_of(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.classes_of`."""
        return self.indices(_map(image_id), like=_photograph(image_id))


def _listed(path: Path) -> tuple[str, ...]:
    names = names_listed(path)
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the list {path.name} names {twice} twice")
    return tuple(names)


def _photograph(name: str) -> str:
    return f"JPEGImages/{name}.jpg"


def _map(name: str) -> str:
    return f"SegmentationClass/{name}.png"
