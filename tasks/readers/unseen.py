"""Images that a list of OpenOOD names: of classes that models of ImageNet cannot answer, so that no label is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ...text_files import NotTextError, read_text
from ..images.folders import FileSource, first

if TYPE_CHECKING:
    from ..datasets.record import DataSet, Opening
    from ..datasets.unseen import ListForm

_IMAGES = ("images_largescale", "images_classic")
_UNSEEN = "-1"  # what the lists write as the class of an image that has none


class ListedImages(FileSource):
    """The images of one list. One that is absent stays in the set and is reported as unreadable.

    Attributes:
        image_ids: Paths below the data folder, ``"images_largescale/ninco/amphiuma_means/000.jpg"``.
        labels: int64 (n,), -1 for each.
    """

    label_space = "imagenet-1k"

    def __init__(self, published: DataSet, form: ListForm, opening: Opening) -> None:
        """Read the list.

        Args:
            published: The record, for its name and for errors.
            form: Where the list is.
            opening: The folder.

        Raises:
            DataError: The list is absent or of another form, or not one of its images is there.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        path = form.list_in(self.root)

        def error(problem: str) -> DataError:
            return DataError(f"{problem}\n{form.expected(self.root)}")

        try:
            lines = read_text(path).splitlines()
        except (OSError, NotTextError) as why:
            raise error(f"The list {path} cannot be read: {why}.") from why
        names: list[str] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, _, label = line.strip().rpartition(" ")
            if not name or label != _UNSEEN or name.startswith("/") or ".." in PurePosixPath(name).parts:
                raise error(f"{path}, row {number}: {line.strip()!r} is not PATH {_UNSEEN}.")
            names.append(name)
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice or not names:
            problem = f"names images twice: {first(twice)}" if twice else "names no image"
            raise error(f"{path} {problem}.")
        folder = next((f for f in _IMAGES if any((self.root / f / name).is_file() for name in names)), None)
        if folder is None:
            raise error(
                f"{self.root} has none of the {len(names):,} images of {path.name}, such as {names[0]}, in "
                f"{' or '.join(_IMAGES)}."
            )
        self._set_ids(f"{folder}/{name}" for name in names)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.full(len(image_ids), -1, dtype=np.int64)
