"""Photographs on disk: files as a set of images, and one folder per class."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .classes import NUM_CLASSES, imagenet_wnids
from .geometry import Geometry
from .hashing import Progress, check_readable, pack, unpack
from .reading import UndecodableImageError, decode
from .source import FolderSource, LoadFailure
from .walking import Listing, Seen, names_in, walk

# What all sets of image files have in common: hashing, the digest, decoding, and travelling to other processes.


EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm .avif "  # noqa: SIM905
    ".jp2 .j2k .j2c .jpc .jpf .jpx".split()
)
"""Extensions of image files, in lower case: formats of photographs that Pillow reads, including all of torchvision's
ImageFolder. The list is fixed, so that the contents of a set do not depend on Pillow's version: a Pillow that cannot
read a file reports it."""


class FileSource(FolderSource):
    """Image files below a folder, one file per image, once a subclass says which they are and what they show.

    Attributes:
        image_ids: Paths below the root with forward slashes.
    """

    image_ids: tuple[str, ...]

    border = 0
    """Pixels that are cut off at each side before anything else."""

    def __init__(self, root: Path, name: str, manifest_cache: Path | None, progress: Progress | None) -> None:
        """As `FolderSource`; the subclass lists the files and calls `_set_ids`."""
        super().__init__(root, name, manifest_cache, progress)
        self._contents: dict[str, str] | None = None  # SHA-256 or `UNREADABLE` by id

    @abstractmethod
    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        """int64 labels of images by id."""

    def _order(self, image_ids: Iterable[str]) -> tuple[str, ...]:
        """The ids in an order that depends on them alone and makes every prefix a fair sample."""
        return tuple(sorted(image_ids, key=shuffling_key))

    def _protocol(self) -> Any:
        """Plain data that determines pixels or labels besides the files; None if names and contents are all."""
        return None

    def _own_state(self) -> dict[str, Any]:
        """Attributes that a pickled copy of a subclass also needs."""
        return {}

    def _set_ids(self, image_ids: Iterable[str]) -> None:
        self.image_ids = self._order(image_ids)
        self.labels = self._labels_of(self.image_ids)

    def __getstate__(self) -> dict[str, Any]:
        # Sorted ids compress to a few bytes each.
        return super().__getstate__() | {"packed": pack(sorted(self.image_ids), self._contents)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        ids, contents = unpack(state.pop("packed"))
        super().__setstate__(state)
        self._contents = contents
        self._set_ids(ids)

    def _facts(self) -> Any:
        """Every image's id and content, and the protocol.

        A file that cannot be read counts with its last known content in this folder, or else as `UNREADABLE`.
        """
        files = list(self.manifest().items())
        protocol = self._protocol()
        return files if protocol is None else [protocol, files]

    def manifest(self) -> dict[str, str]:
        """Image ids, sorted, each with the SHA-256 of its content or `UNREADABLE`.

        Raises:
            DataError: Not one of the files can be read.
        """
        if self._contents is None:
            entries = self._hash_files(self.image_ids)
            check_readable(self.root, entries)
            self._contents = {image_id: entry.sha256 for image_id, entry in entries.items()}
        return {image_id: self._contents[image_id] for image_id in sorted(self._contents)}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        # Once the digest is computed, a file whose bytes have changed since then is reported as changed: its
        # predictions would otherwise be stored under the hash of another image.
        contents = self._contents

        def one(index: int) -> np.ndarray:
            image_id = self.image_ids[index]
            return decode(self.root / image_id, geometry, contents[image_id] if contents else None, self.border)

        return load_each(indices, geometry, one)


def load_each(
    indices: Sequence[int], geometry: Geometry, one: Callable[[int], np.ndarray]
) -> tuple[np.ndarray, dict[int, LoadFailure]]:
    """Load images one by one and report those that cannot be decoded; see `ImageSource.load`.

    Args:
        indices: Arguments of ``one``.
        geometry: Gives the size of the array.
        one: Returns uint8 (size, size, 3) or raises `UndecodableImageError`.
    """
    pixels = np.zeros((len(indices), geometry.size, geometry.size, 3), dtype=np.uint8)
    failed: dict[int, LoadFailure] = {}
    for position, index in enumerate(indices):
        try:
            pixels[position] = one(index)
        except UndecodableImageError as error:
            failed[position] = LoadFailure(error.reason, error.transient)
    return pixels, failed


def list_folders(root: Path, expected: str) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and those of the operating system.

    Args:
        root: The folder.
        expected: Description of the expected form, for the end of every error message.

    Raises:
        DataError: The folder is missing, is a file, cannot be listed or contains no folders.
    """
    if not root.exists():
        raise DataError(f"The image folder {root} does not exist.\n{expected}")
    if not root.is_dir():
        raise DataError(f"{root} is a file, not a folder of images.\n{expected}")
    try:
        folders, _ = names_in(root)
    except OSError as error:
        raise DataError(f"{root} cannot be listed: {error.strerror}.\n{expected}") from error
    if not folders:
        raise DataError(f"{root} has no class folders.\n{expected}")
    return folders


def first(names: Sequence[str], limit: int = 5) -> str:
    """The first few of many names, for a message."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def images_below(folder: Path, extensions: frozenset[str] = EXTENSIONS) -> Listing:
    """The images below a folder, at any depth; see `walk`."""
    return walk(folder, extensions)


def images_in_classes(
    root: Path, folders: Sequence[str], extensions: frozenset[str] = EXTENSIONS, seen: Seen | None = None
) -> Listing:
    """The images below the class folders of a set.

    Args:
        root: The folder that contains the class folders.
        folders: Names of the class folders.
        extensions: Extensions of images.
        seen: See `walk`.

    Raises:
        DataError: A folder cannot be read, or is reached from two classes.
    """
    listing = walk(root, extensions, folders, seen)
    listing.refuse_two_labels()
    return listing


def shuffling_key(image_id: str) -> tuple[bytes, str]:
    """Key for sorting image ids in a fixed random order, so that every prefix is a random sample."""
    return hashlib.blake2b(image_id.encode("utf-8", "surrogateescape"), digest_size=16).digest(), image_id


# Real photographs on disk: one folder per ImageNet class, named by its WordNet id.


__all__ = ["ImageFolder", "imagenet_wnids", "shuffling_key"]

_WNID = re.compile(r"n\d{8}")
_EXPECTED = """Expected one folder per ImageNet class, named by its WordNet id, with images inside:
  {root}/
    n01440764/
      ILSVRC2012_val_00000293.JPEG
      ...
    n01443537/
      ..."""


class ImageFolder(FileSource):
    """Photographs in class folders, in an order in which every prefix is a random sample.

    Attributes:
        root: The folder that contains the class folders.
        name: Name of the data set in tables.
        label_space: ``"imagenet-1k"``.
        image_ids: Paths below the root with forward slashes, ``"n01440764/xyz.JPEG"``, sorted by their hash: the order
            only depends on the names, and the first hundred are spread over the classes.
        labels: int64 array of shape (n,), class indices 0..999 in the order of ILSVRC-2012.
    """

    label_space = "imagenet-1k"

    def __init__(
        self,
        root: Path,
        name: str = "imagenet",
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
        seen: Seen | None = None,
    ) -> None:
        """List the images; only `digest` and `load` read their contents.

        Args:
            root: Folder with one subfolder per class. Everything that is not listed is counted in `left_out`.
            name: Name of the data set.
            manifest_cache: See `FileSource`.
            progress: See `FileSource`.
            seen: Shared by sets that must not have a folder in common; see `walk`.

        Raises:
            DataError: The folder is missing, is a file, or does not have the expected form.
        """
        super().__init__(root, name, manifest_cache, progress)
        listing = images_in_classes(self.root, self._class_folders(), seen=seen)
        if not listing.files:
            raise self._error(f"{self.root} has class folders but no images ({' '.join(sorted(EXTENSIONS))}) in them.")
        self.left_out = listing.left_out
        self._set_ids(listing.files)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
        return np.array([index[i.split("/", 1)[0]] for i in image_ids], dtype=np.int64)

    def _error(self, problem: str) -> DataError:
        return DataError(f"{problem}\n{_EXPECTED.format(root=self.root)}")

    def _class_folders(self) -> list[str]:
        folders = list_folders(self.root, _EXPECTED.format(root=self.root))
        strange = [name for name in folders if not _WNID.fullmatch(name)]
        if strange:
            inner = next((n for n in strange if n in {"val", "validation", "test", "train"}), None)
            hint = f" Did you mean {self.root / inner}?" if inner else ""
            raise self._error(f"{self.root} has folders that are not WordNet ids: {first(strange)}.{hint}")
        unknown = sorted(set(folders) - set(imagenet_wnids()))
        if unknown:
            raise self._error(
                f"{self.root} has folders of WordNet ids that are not among the {NUM_CLASSES} classes of "
                f"ImageNet-1k: {first(unknown)}."
            )
        return folders
