"""Photographs with a class for each pixel, and others of the same kind that protocols learn from."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..images.walking import is_system
from .masks import AnnotatedFiles, names_listed

_VOID = 255


class LabelledFiles(AnnotatedFiles):
    """Photographs with maps of classes in two parts; a subclass says where the files of a name are.

    Attributes:
        image_ids: Names of the images to be segmented, ordered by a hash, so that a prefix is a fair sample.
        memory_ids: Names of the labelled images, as listed.
    """

    memory_ids: tuple[str, ...]

    def _set_parts(self, asked: tuple[str, ...], labelled: tuple[str, ...], where: str) -> None:
        """Take the names of the parts.

        Args:
            asked: Images to be segmented.
            labelled: The others.
            where: What the two parts are, for people.

        Raises:
            DataError: An image is in both.
        """
        both = sorted({*asked} & {*labelled})
        if both:
            raise DataError(f"{len(both)} images are in both {where}, such as {both[0]}")
        self._asked, self.memory_ids = asked, labelled
        self.files = tuple(sorted(f(one) for one in (*asked, *labelled) for f in (self._photograph, self._map)))

    @abstractmethod
    def _photograph(self, name: str) -> str:
        """File of an image, below the root."""

    @abstractmethod
    def _map(self, name: str) -> str:
        """File of its classes, likewise."""

    def _own_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_asked", "memory_ids", "files", "_contents")}

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(sorted(self._asked, key=lambda name: hashlib.sha256(name.encode()).hexdigest()))

    def picture(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.picture`."""
        return self.photograph(self._photograph(image_id))

    def classes_of(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.classes_of`."""
        return self.indices(self._map(image_id), like=self._photograph(image_id))


class VocImages(LabelledFiles):
    """PASCAL VOC 2012: the images of one list, and those of another as labelled images.

    Classes are the numbers of the published palette images: 0 the background, 1..20, and 255 for borders of objects,
    of which nothing is asked.
    """

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
        self._lists = lists
        asked, labelled = (_listed(root / listing) for listing in lists)
        self._set_parts(asked, labelled, f"lists, {lists[0]} and {lists[1]}")
        for listing, names in zip(lists, (asked, labelled), strict=True):
            for file_of, what in ((self._photograph, "images"), (self._map, "masks")):
                lacking = [one for one in names if not (root / file_of(one)).is_file()]
                if lacking:
                    raise DataError(
                        f"the list {listing} names {len(lacking)} {what} that are not in "
                        f"{file_of(lacking[0]).partition('/')[0]}, such as {lacking[0]}"
                    )

    def _own_state(self) -> dict[str, Any]:
        return {"_lists": self._lists, **super()._own_state()}

    def _protocol(self) -> Any:
        return ["voc", self._lists, self.memory_ids]

    def _photograph(self, name: str) -> str:
        return f"JPEGImages/{name}.jpg"

    def _map(self, name: str) -> str:
        return f"SegmentationClass/{name}.png"


class AdeImages(LabelledFiles):
    """ADE20K in the form of its scene parsing benchmark: validation images, and training images as labelled ones.

    The published maps have 0 for "other", of which nothing is asked, and 1..150 for the classes. Here these are 0..149,
    and "other" is 255. Tools that bring the set into that form themselves would shift it twice. Shifted maps have 255,
    and no published one does, so they are recognised: each by itself, and the set by a look at some of its maps. Maps
    of 0..149 without 255 cannot be told from published ones of images without a flag, the last class.
    """

    def __init__(
        self, root: Path, name: str, parts: tuple[str, str], cache: Path | None = None, progress: Any = None
    ) -> None:
        """List the folders and look at some of the maps.

        Args:
            root: The folder ``ADEChallengeData2016``.
            name: Of the data set.
            parts: Folders in ``images`` and ``annotations``: of the images to be segmented, and of the labelled ones.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: A folder is absent or empty, an image has no map or a map no image, or most of the maps that are
                looked at are not as published.
        """
        super().__init__(root, name, cache, progress)
        self._parts = parts
        asked, labelled = (self._names_of(part) for part in parts)
        self._labelled = frozenset(labelled)
        self._set_parts(asked, labelled, f"images/{parts[0]} and images/{parts[1]}")
        for part, names in zip(parts, (asked, labelled), strict=True):
            self._look_at(part, names)

    def _own_state(self) -> dict[str, Any]:
        return {"_parts": self._parts, "_labelled": self._labelled, **super()._own_state()}

    def _protocol(self) -> Any:
        return ["ade20k", self._parts]

    def _photograph(self, name: str) -> str:
        return f"images/{self._parts[name in self._labelled]}/{name}.jpg"

    def _map(self, name: str) -> str:
        return f"annotations/{self._parts[name in self._labelled]}/{name}.png"

    def classes_of(self, image_id: str) -> np.ndarray:
        """See `LabelledImages.classes_of`."""
        values = super().classes_of(image_id)
        self._check(self._map(image_id), values)
        return values - np.uint8(1)  # 0 becomes `_VOID`

    def _names_of(self, part: str) -> tuple[str, ...]:
        """Names of the images of a part, each of which has a map."""
        folders = f"images/{part}", f"annotations/{part}"
        images, maps = (
            _stems(self.root / folder, folder, end) for folder, end in zip(folders, (".jpg", ".png"), strict=True)
        )
        for has, lacks, (there, absent) in ((images, maps, folders), (maps, images, folders[::-1])):
            alone = sorted(has - lacks)
            if alone:
                raise DataError(f"{len(alone)} names of {there} are not in {absent}, such as {alone[0]}")
        return tuple(sorted(images))

    def _check(self, file: str, values: np.ndarray) -> None:
        largest = int(values.max(initial=0))
        if largest > _ADE_CLASSES:
            shifted = "; maps with 255 for other pixels were shifted by another tool" if largest == _VOID else ""
            published = f"published maps have 0 for other pixels and 1 to {_ADE_CLASSES}"
            raise DataError(f"{file} has the value {largest}; {published}{shifted}")

    def _look_at(self, part: str, names: Sequence[str]) -> None:
        """Refuse a set of which most maps are wrong; single ones become failures of their images."""
        some = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:_LOOKED_AT]
        reasons = []
        for name in some:
            try:
                self._check(self._map(name), self.indices(self._map(name)))
            except DataError as error:
                reasons.append(str(error))
        if 2 * len(reasons) > len(some):
            raise DataError(
                f"{len(reasons)} of the {len(some)} maps that were looked at in annotations/{part} are not as "
                f"published: {reasons[0]}"
            )


_ADE_CLASSES = 150
_LOOKED_AT = 32
"""Maps of each part: of published ones, most images have other pixels somewhere."""


def _listed(path: Path) -> tuple[str, ...]:
    names = names_listed(path)
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the list {path.name} names {twice} twice")
    return tuple(names)


def _stems(folder: Path, called: str, end: str) -> set[str]:
    """Names of the files in a folder that end in a way, without it."""
    try:
        files = [path.name for path in folder.iterdir() if path.name.endswith(end) and not is_system(path.name)]
    except OSError:
        raise DataError(f"there is no folder {called}") from None
    if not files:
        raise DataError(f"the folder {called} has no files *{end}")
    return {name[: -len(end)] for name in files}
