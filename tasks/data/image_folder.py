"""Real photographs on disk: one folder per ImageNet class, named by its WordNet id."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...identity import digest
from .geometry import Geometry
from .hashing import Hashed, Progress, hash_files, pack, read_cache, unpack, write_cache
from .images import UndecodableImageError, decode
from .source import LoadFailure

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
NUM_CLASSES = 1000

_WNID = re.compile(r"n\d{8}")
_EXPECTED = """Expected one folder per ImageNet class, named by its WordNet id, with images inside:
  {root}/
    n01440764/
      ILSVRC2012_val_00000293.JPEG
      ...
    n01443537/
      ..."""


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """The 1000 WordNet ids of ILSVRC-2012 in the order of the class indices.

    Read from the list that timm ships, without importing timm (which would import torch).

    Returns:
        1000 ids; position is class index.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    spec = importlib.util.find_spec("timm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / "_info" / "imagenet_synsets.txt"
        if path.is_file():
            wnids = tuple(path.read_text(encoding="utf-8").split())
            if len(set(wnids)) == NUM_CLASSES:
                return wnids
    raise DataError("The list of ImageNet classes that comes with timm was not found; pip install 'timm>=1.0.12'.")


class ImageFolder:
    """Photographs in class folders, in an order that makes every prefix a random sample of them.

    A pickled copy carries the ids and, once they are computed, the hashes: it neither lists the folder nor reads files.

    Attributes:
        root: The folder that holds the class folders.
        name: What the data set is called in tables.
        label_space: ``"imagenet-1k"``.
        image_ids: Paths below the root with forward slashes, ``"n01440764/xyz.JPEG"``, ordered by their hash: the order
            depends on the names alone, and the first hundred are spread over the classes.
        labels: int64 array of shape (n,), class indices 0..999 in the order of ILSVRC-2012.
    """

    label_space = "imagenet-1k"

    def __init__(
        self,
        root: Path,
        name: str = "imagenet",
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            root: Folder with one sub-folder per class. Hidden files and files with other extensions are passed over.
            name: What the data set is called.
            manifest_cache: JSON file in which content hashes are kept, so that a large folder is hashed once. Files
                are hashed again when their size or modification time changes.
            progress: Told ``(done, total)`` while files are hashed, in the thread that asks for the digest, ten times a
                second at most. A pickled copy has none.

        Raises:
            DataError: The folder is missing, is a file, or is not of the expected form.
        """
        self.root = Path(root)
        self.name = name
        self._manifest_cache = manifest_cache
        self._progress = progress
        self._hashed: dict[str, Hashed] | None = None
        ids = [f"{wnid}/{rest}" for wnid in self._class_folders() for rest in _images_below(self.root / wnid)]
        if not ids:
            raise self._error(f"{self.root} has class folders but no images ({' '.join(sorted(EXTENSIONS))}) in them.")
        self._set_ids(ids)

    def _set_ids(self, ids: Sequence[str]) -> None:
        self.image_ids = tuple(sorted(ids, key=shuffling_key))
        index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
        self.labels = np.array([index[i.split("/", 1)[0]] for i in self.image_ids], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getstate__(self) -> dict[str, Any]:
        # Another process may have another working folder. Sorted ids compress to a few bytes each.
        cache = self._manifest_cache
        return {
            "root": self.root.absolute(),
            "name": self.name,
            "manifest_cache": cache.absolute() if cache is not None else None,
            "packed": pack(sorted(self.image_ids), self._hashed),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.root = state["root"]
        self.name = state["name"]
        self._manifest_cache = state["manifest_cache"]
        self._progress = None
        ids, self._hashed = unpack(state["packed"])
        self._set_ids(ids)

    @cached_property
    def digest(self) -> str:
        """Identity of the data: 64 hexadecimal digits over every image's id and content.

        Raises:
            DataError: A file that can no longer be read.
        """
        return digest(list(self.manifest().items()))

    def manifest(self) -> dict[str, str]:
        """Image ids, sorted, each with the SHA-256 of its content.

        Raises:
            DataError: A file that can no longer be read.
        """
        entries = self._entries()
        return {image_id: entries[image_id].sha256 for image_id in sorted(entries)}

    def _entries(self) -> dict[str, Hashed]:
        if self._hashed is None:
            known = read_cache(self._manifest_cache)
            entries = hash_files(self.root, self.image_ids, known, self._progress)
            if self._manifest_cache is not None and entries != known:
                write_cache(self._manifest_cache, entries)
            self._hashed = entries
        return self._hashed

    def load(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Decode some of the images. A bad image is reported and never raises.

        Once the digest is computed, a file that has another size or modification time than it had then is reported as
        changed: its predictions would be stored under the hash of something else.

        Args:
            indices: Positions in `image_ids`, in any order.
            geometry: Which pixels to keep.

        Returns:
            uint8 array of shape (len(indices), size, size, 3), zeros where an image could not be decoded, and
            ``{position in indices: why}`` for those images.
        """
        pixels = np.zeros((len(indices), geometry.size, geometry.size, 3), dtype=np.uint8)
        failed: dict[int, LoadFailure] = {}
        hashed = self._hashed
        for position, index in enumerate(indices):
            image_id = self.image_ids[index]
            try:
                pixels[position] = decode(self.root / image_id, geometry, hashed[image_id][:2] if hashed else None)
            except UndecodableImageError as error:
                failed[position] = LoadFailure(error.reason, error.transient)
        return pixels, failed

    def _error(self, problem: str) -> DataError:
        return DataError(f"{problem}\n{_EXPECTED.format(root=self.root)}")

    def _class_folders(self) -> list[str]:
        if not self.root.exists():
            raise self._error(f"The image folder {self.root} does not exist.")
        if not self.root.is_dir():
            raise self._error(f"{self.root} is a file, not a folder of images.")
        try:
            folders = sorted(p.name for p in self.root.iterdir() if p.is_dir() and not p.name.startswith("."))
        except OSError as error:
            raise self._error(f"{self.root} cannot be listed: {error.strerror}.") from error
        if not folders:
            raise self._error(f"{self.root} has no class folders.")
        strange = [name for name in folders if not _WNID.fullmatch(name)]
        if strange:
            inner = next((n for n in strange if n in {"val", "validation", "test", "train"}), None)
            hint = f" Did you mean {self.root / inner}?" if inner else ""
            raise self._error(f"{self.root} has folders that are no WordNet ids: {_first(strange)}.{hint}")
        unknown = sorted(set(folders) - set(imagenet_wnids()))
        if unknown:
            raise self._error(
                f"{self.root} has folders of WordNet ids that are not among the {NUM_CLASSES} classes of "
                f"ImageNet-1k: {_first(unknown)}."
            )
        return folders


def _first(names: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _images_below(folder: Path) -> list[str]:
    found = []
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS:
                found.append((Path(here) / name).relative_to(folder).as_posix())
    return found


def shuffling_key(image_id: str) -> tuple[bytes, str]:
    """What image ids are sorted by, so that every prefix is a random sample."""
    return hashlib.blake2b(image_id.encode("utf-8", "surrogateescape"), digest_size=16).digest(), image_id
