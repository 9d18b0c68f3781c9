"""Images that a list of OpenOOD names: of classes that models of ImageNet cannot answer, so that no label is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataError
from ...text_files import NotTextError, read_text
from ..images.folders import FileSource, first

if TYPE_CHECKING:
    from ..datasets.record import DataSet, Opening

LISTS = "benchmark_imglist/imagenet"
_IMAGES = ("images_largescale", "images_classic")
_UNSEEN = "-1"  # what the lists write as the class of an image that has none


class ListedImages(FileSource):
    """The images of one list. One that is absent stays in the set and is reported as unreadable.

    Attributes:
        image_ids: Paths below the data folder, ``"images_largescale/ninco/amphiuma_means/000.jpg"``.
        labels: int64 (n,), -1 for each.
    """

    label_space = "imagenet-1k"

    def __init__(self, published: DataSet, list_name: str, opening: Opening) -> None:
        """Read the list.

        Args:
            published: The record, for its name and for errors.
            list_name: The list, below `LISTS`.
            opening: The folder.

        Raises:
            DataError: The list is absent or of another form, or not one of its images is there.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        path = self.root / LISTS / list_name
        try:
            lines = read_text(path).splitlines()
        except (OSError, NotTextError) as error:
            raise published.error(f"The list {path} cannot be read: {error}.", self.root) from error
        names: list[str] = []
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, _, label = line.strip().rpartition(" ")
            if not name or label != _UNSEEN or name.startswith("/") or ".." in PurePosixPath(name).parts:
                raise published.error(f"{path}, row {number}: {line.strip()!r} is not PATH {_UNSEEN}.", self.root)
            names.append(name)
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice or not names:
            problem = f"names images twice: {first(twice)}" if twice else "names no image"
            raise published.error(f"{path} {problem}.", self.root)
        folder = next((f for f in _IMAGES if any((self.root / f / name).is_file() for name in names)), None)
        if folder is None:
            raise self._absent(published, names)
        self._set_ids(f"{folder}/{name}" for name in names)

    def _absent(self, published: DataSet, names: Sequence[str]) -> DataError:
        return published.error(
            f"{self.root} has none of the {len(names):,} images of the list, such as {names[0]}, in "
            f"{' or '.join(_IMAGES)}.",
            Path(self.root),
        )

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.full(len(image_ids), -1, dtype=np.int64)
