"""Published sets with one folder per class, as a `ClassFolderForm` describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import EXTENSIONS, FileSource, first, images_in_classes, list_folders

if TYPE_CHECKING:
    from ...datasets.record import ClassFolderForm, DataSet, Opening


class ClassFolders(FileSource):
    """Images in class folders, labelled in the set's own answer space.

    A label is the position of the folder's class in the set's list. What is true of one set alone is in its record: the
    classes, whether folders of other classes are passed over, and the border that is cut off before anything else.

    Attributes:
        root: The folder that holds the class folders.
        label_space: Name of the answer space.
        image_ids: Paths below the root, ordered by their hash.
        labels: int64 array of shape (n,).
        border: Pixels that are cut off at each side.
    """

    def __init__(self, published: DataSet, form: ClassFolderForm, opening: Opening) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its classes, and what else is true of its folders.
            opening: A folder with one sub-folder per class. What is not listed is counted in `left_out`.

        Raises:
            DataError: The folder is missing, is a file, or is not of the expected form.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self._classes = form.labels()
        self.label_space = form.label_space
        self.border = form.border
        names = list_folders(self.root, published.expected(self.root))
        folders = [n for n in names if n in self._classes]
        strange = [n for n in names if n not in self._classes]
        if strange and not form.others:
            raise published.error(
                f"{self.root} has folders that are not classes of {published.title}: "
                f"{first(strange)}.{self._hint(strange)}",
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
        return {"_classes": self._classes, "label_space": self.label_space, "border": self.border}
