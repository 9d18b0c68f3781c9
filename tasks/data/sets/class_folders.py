"""Published sets with one folder per class: ImageNet-A, -R, -Sketch and -V2, and ObjectNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..classes import NUM_CLASSES, imagenet_a_wnids, imagenet_r_wnids, imagenet_wnids, objectnet_classes
from ..files import EXTENSIONS, FileSource, first, images_in_classes, list_folders
from ..hashing import Progress
from .published import published_set

OBJECTNET_BORDER = 2
"""Pixels of red at each side of ObjectNet's images, put there so that they are recognised and not trained on."""


class ClassFolders(FileSource):
    """Images in class folders, labelled in the set's own answer space.

    ImageNet-A and -R: position among the set's 200 classes. ImageNet-Sketch and -V2: class index of ImageNet-1k.
    ObjectNet: position among the 113 classes that ImageNet has; the other 200 folders are not listed, and the border is
    cut off before anything else.

    Attributes:
        root: The folder that holds the class folders.
        name: What the data set is called in tables.
        set_name: The published set.
        label_space: Name of the answer space.
        image_ids: Paths below the root, ordered by their hash.
        labels: int64 array of shape (n,).
        border: Pixels that are cut off at each side.
    """

    def __init__(
        self,
        root: Path,
        set_name: str,
        name: str | None = None,
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            root: Folder with one sub-folder per class. What is not listed is counted in `left_out`.
            set_name: ``"imagenet-a"``, ``"imagenet-r"``, ``"imagenet-sketch"``, ``"imagenet-v2-matched-frequency"``,
                ``"imagenet-v2-threshold-0.7"``, ``"imagenet-v2-top-images"`` or ``"objectnet"``.
            name: What the data set is called; None calls it by the set's name.
            manifest_cache: See `FileSource`.
            progress: See `FileSource`.

        Raises:
            DataError: The folder is missing, is a file, or is not of the expected form.
            UnknownNameError: No such set of class folders.
        """
        published = published_set(set_name, {"class-folders": True})
        super().__init__(root, name or set_name, manifest_cache, progress)
        self.set_name = set_name
        self._configure()
        names = list_folders(self.root, published.expected(self.root))
        folders = [n for n in names if n in self._classes]
        strange = [n for n in names if n not in self._classes]
        if strange and set_name != "objectnet":  # whose other 200 classes are in no answer space
            raise published.error(
                f"{self.root} has folders of no class of {published.title}: {first(strange)}.{self._hint(strange)}",
                self.root,
            )
        if not folders:
            raise published.error(
                f"{self.root} has none of the class folders of {published.title}.{self._hint(names)}", self.root
            )
        listing = images_in_classes(self.root, folders)
        if not listing.files:
            kinds = " ".join(sorted(EXTENSIONS))
            raise published.error(f"{self.root} has class folders but no images ({kinds}) in them.", self.root)
        self.left_out = listing.left_out
        self._set_ids(listing.files)

    def _configure(self) -> None:
        self._classes = _classes(self.set_name)
        self.label_space = published_set(self.set_name).label_space
        self.border = OBJECTNET_BORDER if self.set_name == "objectnet" else 0

    def _hint(self, strange: Sequence[str]) -> str:
        for name in strange:
            inner = self.root / name
            if any((inner / c).is_dir() for c in self._classes):
                return f" Did you mean {inner}?"
        return ""

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.array([self._classes[i.split("/", 1)[0]] for i in image_ids], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["class-folders", self.label_space, self.border, dict(self._classes)]

    def _own_state(self) -> dict[str, Any]:
        return {"set_name": self.set_name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.set_name = state["set_name"]
        self._configure()
        super().__setstate__(state)


def _classes(set_name: str) -> Mapping[str, int]:
    """Folder name to label."""
    if set_name.startswith("imagenet-v2-"):
        # Numbers, whatever the order of their names: sorted as text, "10" comes before "2".
        return {str(number): number for number in range(NUM_CLASSES)}
    if set_name == "objectnet":
        return {merged.key: position for position, merged in enumerate(objectnet_classes())}
    wnids = {"imagenet-a": imagenet_a_wnids, "imagenet-r": imagenet_r_wnids, "imagenet-sketch": imagenet_wnids}
    return {wnid: position for position, wnid in enumerate(wnids[set_name]())}
