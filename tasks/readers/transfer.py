"""Image classification sets as torchvision reads them: which files or arrays, and of which class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...errors import DataError
from ...identity import digest
from ..images.folders import FileSource, load_each
from ..images.reading import fit
from ..images.source import ImageSource
from ..understanding.classification import drawn
from .learning import LabelledImages
from .masks import names_listed

if TYPE_CHECKING:
    from ..datasets.record import DataSet, Opening
    from ..datasets.transfer import TransferForm
    from ..images.geometry import Geometry
    from ..images.source import LoadFailure

Labelled = dict[str, int]
"""Paths below the folder of all sets, with their classes."""


class ListedFiles(FileSource):
    """Image files with given classes.

    Args:
        root: The folder.
        name: What the set is called.
        classes: Class of each file, by its path below the folder.
        manifest_cache: See `FileSource`.
        progress: See `FileSource`.
    """

    label_space = "none"

    def __init__(
        self,
        root: Path,
        name: str,
        classes: Mapping[str, int],
        manifest_cache: Path | None = None,
        progress: Any = None,
    ) -> None:
        super().__init__(root, name, manifest_cache, progress)
        self._classes = dict(classes)
        self._set_ids(self._classes)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.array([self._classes[image_id] for image_id in image_ids], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["listed", sorted(self._classes.items())]

    def _own_state(self) -> dict[str, Any]:
        return {"_classes": self._classes}


class ArrayImages(ImageSource):
    """Images of one size in memory: CIFAR's.

    Args:
        name: What the set is called.
        part: First part of the ids.
        pixels: uint8 (n, H, W, 3).
        labels: int (n,).
    """

    label_space = "none"
    labels: np.ndarray

    def __init__(self, name: str, part: str, pixels: np.ndarray, labels: Sequence[int]) -> None:
        self.name, self._part, self._pixels = name, part, pixels
        self.labels = np.asarray(labels, dtype=np.int64)

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"test-00012"``, by their place in the published files."""
        return tuple(f"{self._part}-{n:05d}" for n in range(len(self._pixels)))

    def _facts(self) -> Any:
        return ["array", *self.manifest().values()]

    def manifest(self) -> dict[str, str]:
        """Digests of pixels and classes."""
        pixels = hashlib.sha256(np.ascontiguousarray(self._pixels).data).hexdigest()
        return {"shape": str(self._pixels.shape), "pixels": pixels, "classes": digest(self.labels.tolist())}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return load_each(indices, geometry, lambda index: fit(Image.fromarray(self._pixels[index]), geometry))


def open_transfer(data_set: DataSet, form: TransferForm, opening: Opening) -> LabelledImages:
    """The images of a set that are asked, and the others.

    Args:
        data_set: The record.
        form: How torchvision reads it.
        opening: The folder of all sets, torchvision's ``root``.

    Raises:
        DataError: It is absent or damaged, as far as torchvision notices, or lacks lists.
    """
    parts = [*form.learning, form.asked]
    read = [_read(data_set, form, opening.root, arguments) for arguments in parts]
    asked, learning = read[-1], read[:-1]
    if not isinstance(asked, dict):
        first = learning[0]
        assert not isinstance(first, dict)
        names = (f"{data_set.name}/asked", f"{data_set.name}/learning")
        return LabelledImages(
            data_set.name, ArrayImages(names[0], "test", *asked), ArrayImages(names[1], "train", *first)
        )
    others: Labelled = {}
    for one in learning:
        assert isinstance(one, dict)
        others |= one
    if form.lists:
        others, asked = (_listed(opening.root / form.place / name, others, form.place) for name in form.lists)
    elif form.each:
        others, asked = _parted(others, form.each)
    cache = opening.cache
    sources = [
        ListedFiles(
            opening.root,
            f"{data_set.name}/{what}",
            files,
            cache and cache.with_stem(f"{cache.stem}-{what}"),
            opening.progress,
        )
        for what, files in (("asked", asked), ("learning", others))
    ]
    validation = None
    if form.validation:
        chosen = learning[-1]
        validation = np.array([image_id in chosen for image_id in sources[1].image_ids])
    return LabelledImages(data_set.name, sources[0], sources[1], validation)


def _read(
    data_set: DataSet, form: TransferForm, root: Path, arguments: Mapping[str, Any]
) -> Labelled | tuple[np.ndarray, Sequence[int]]:
    """Files and classes of one part, or pixels and classes of one that is made of arrays."""
    from torchvision import datasets

    try:
        found = getattr(datasets, form.reader)(str(root), download=False, **arguments)
    except Exception as error:  # readers raise whatever a damaged list or archive makes them raise
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{root / form.place} is not {data_set.title} as torchvision's {form.reader} reads it: {what}\n"
            f"{data_set.notes} Published at {data_set.page}"
        ) from error
    if hasattr(found, "data"):
        return found.data, found.targets
    if form.reader == "Caltech101":  # the only one that has no list of files
        names = [
            f"{form.place}/101_ObjectCategories/{found.categories[label]}/image_{number:04d}.jpg"
            for number, label in zip(found.index, found.y, strict=True)
        ]
        return dict(zip(names, found.y, strict=True))
    pairs = getattr(found, "_samples", None)
    if pairs is None:
        files = getattr(found, "_image_files", None) or getattr(found, "_images", None)
        if files is None:
            raise DataError(
                f"torchvision's {form.reader} keeps its files in another way than is known; use 0.19 to 0.29"
            )
        pairs = list(zip(files, found._labels, strict=True))
    return {Path(file).relative_to(root).as_posix(): int(label) for file, label in pairs}


def _listed(path: Path, files: Labelled, place: str) -> Labelled:
    """The files that a list names, below the set's own folder."""
    try:
        names = [f"{place}/{name.lstrip('/')}" for name in names_listed(path)]
    except DataError as error:
        raise DataError(f"{path.parent}: {error}; the lists are part of the set's page") from None
    lacking = [name for name in names if name not in files]
    if lacking:
        raise DataError(f"{path} names {len(lacking):,} images that are not there, such as {lacking[0]}")
    return {name: files[name] for name in names}


def _parted(files: Labelled, each: int) -> tuple[Labelled, Labelled]:
    """So many files of each class, drawn by their names, and the rest."""
    names = sorted(files)
    chosen = {names[n] for n in drawn(names, np.array([files[name] for name in names]), each=each).tolist()}
    return {name: files[name] for name in names if name in chosen}, {
        name: files[name] for name in names if name not in chosen
    }
