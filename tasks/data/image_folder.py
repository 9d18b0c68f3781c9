"""Real photographs on disk: one folder per ImageNet class, named by its WordNet id."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from .classes import NUM_CLASSES, imagenet_wnids
from .files import EXTENSIONS, FileSource, first, images_in_classes, list_folders, shuffling_key
from .hashing import Progress
from .walking import Seen

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
