"""Readers of sets in which several classes of ImageNet are right for an image: class folders, and a table of files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ..images.folders import FileSource, first
from .class_folders import list_images

if TYPE_CHECKING:
    from ..datasets.made import SeveralFoldersForm, TableForm
    from ..datasets.record import DataSet, Opening


class AcceptedFiles(FileSource):
    """Image files of named classes, for each of which some classes of ImageNet-1k count as right.

    Attributes:
        label_space: ``"imagenet-1k"``.
        image_ids: Paths below the root, ordered by their hash.
        labels: int64 array of shape (n,), the first of the accepted classes. Not to be scored against.
        accepted: For each image the class indices that count as right; never empty.
    """

    label_space = "imagenet-1k"
    accepted: tuple[frozenset[int], ...]

    def __init__(self, published: DataSet, opening: Opening, classes: dict[str, frozenset[int]]) -> None:
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self._classes = classes

    def _class_of(self, image_id: str) -> str:
        """Name of the class of an image."""
        return image_id.split("/", 1)[0]

    def _set_ids(self, image_ids: Iterable[str]) -> None:
        super()._set_ids(image_ids)
        self.accepted = tuple(self._classes[self._class_of(i)] for i in self.image_ids)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.array([min(self._classes[self._class_of(i)]) for i in image_ids], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["several-labels", {name: sorted(accepted) for name, accepted in self._classes.items()}]

    def _own_state(self) -> dict[str, Any]:
        return {"_classes": self._classes}


class SeveralFolders(AcceptedFiles):
    """Images in one folder per class, as ImageNet-D has them."""

    def __init__(self, published: DataSet, form: SeveralFoldersForm, opening: Opening) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its classes.
            opening: A folder with one sub-folder per class. What is not listed is counted in `left_out`.

        Raises:
            DataError: The folder is missing, has other folders than those of classes, or no images.
        """
        super().__init__(published, opening, form.accepted())
        listing = list_images(self.root, published, self._classes)
        self.left_out = listing.left_out
        self._set_ids(listing.files)


class TableOfFiles(AcceptedFiles):
    """Images that a table lists with their classes, as PUG: ImageNet has them.

    A file that the table lists and the folder lacks is a failure when it is loaded, as any image that cannot be read.
    """

    def __init__(self, published: DataSet, form: TableForm, opening: Opening) -> None:
        """Read the table; images are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its classes, and the table's name and columns.
            opening: The folder that holds the table, and below it the images.

        Raises:
            DataError: The table is missing or damaged, names a file with two classes or one outside of the folder, or
                has a class that the set does not have.
        """
        super().__init__(published, opening, form.accepted())
        published.check_folder(self.root)
        try:
            self._labels = _read_table(self.root / form.table, form.file_column, form.class_column)
        except DataError as error:
            raise published.error(str(error), self.root) from error
        strange = sorted(set(self._labels.values()) - set(self._classes))
        if strange:
            raise published.error(
                f"{self.root / form.table} has classes that {published.title} does not have: {first(strange)}. Is it "
                "of another version of the set?",
                self.root,
            )
        self._set_ids(self._labels)

    def _class_of(self, image_id: str) -> str:
        return self._labels[image_id]

    def _protocol(self) -> Any:
        return [*super()._protocol(), sorted(self._labels.items())]

    def _own_state(self) -> dict[str, Any]:
        return {**super()._own_state(), "_labels": self._labels}


def _read_table(path: Any, file_column: str, class_column: str) -> dict[str, str]:
    """The class of each file.

    Raises:
        DataError: The table cannot be read, lacks a column, is empty, or has a row that makes no sense.
    """
    labels: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = csv.DictReader(handle)
            lacking = [name for name in (file_column, class_column) if name not in (rows.fieldnames or ())]
            if lacking:
                raise DataError(
                    f"{path} has no column {lacking[0]}; it has {first(list(rows.fieldnames or ['none']))}."
                )
            for row in rows:
                file, label = (row[file_column] or "").strip().replace("\\", "/"), (row[class_column] or "").strip()
                place = PurePosixPath(file)
                if not file or place.is_absolute() or ".." in place.parts or ":" in file:
                    raise DataError(f"{path}, line {rows.line_num}: {file!r} is no path of a file below {path.parent}.")
                if labels.setdefault(place.as_posix(), label) != label:
                    raise DataError(
                        f"{path}, line {rows.line_num}: {file} has two classes, {labels[place.as_posix()]} and {label}."
                    )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of comma-separated values: {error}.") from error
    if not labels:
        raise DataError(f"{path} lists no files.")
    return labels
