"""Images whose classes are asked, together with others of known classes from which heads learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ..images.source import ImageSource
from .masks import names_listed

if TYPE_CHECKING:
    from pathlib import Path

    from ..images.geometry import Geometry
    from ..images.source import LoadFailure


class LabelledImages(ImageSource):
    """Two sets of images in the same classes; see `understanding.classification.LabelledSets`.

    Attributes:
        labels: int64 (n,), all -1: no class of a label space is asked.
        learning: The set from which heads learn.
        validation: See `LabelledSets.validation`.
        shots: See `LabelledSets.shots`.
    """

    label_space = "none"

    def __init__(
        self,
        name: str,
        asked: ImageSource,
        learning: ImageSource,
        validation: np.ndarray | None = None,
        shots: Mapping[float, np.ndarray] | None = None,
    ) -> None:
        """Put two sets together.

        Args:
            name: Of both.
            asked: The images that are asked.
            learning: The others, labelled in the same classes.
            validation: See `LabelledSets.validation`.
            shots: See `LabelledSets.shots`.

        Raises:
            DataError: An image is in both sets, or a class is asked that none of the others has.
        """
        self.name, self._asked, self.learning = name, asked, learning
        self.validation, self.shots = validation, shots or {}
        self.left_out, self.unasked = asked.left_out, asked.unasked
        self.uses_all_cores = asked.uses_all_cores
        both = {*asked.image_ids}.intersection(learning.image_ids)
        if both:
            raise DataError(
                f"{len(both):,} images of {name} are among those that are asked and among those to learn from, such as "
                f"{min(both)}; they have to be different folders"
            )
        lacking = sorted({*asked.labels.tolist()} - {*learning.labels.tolist()})
        if lacking:
            raise DataError(
                f"there is no image to learn from of {len(lacking)} classes of {name} that are asked, such as class "
                f"{lacking[0]}"
            )

    @property
    def image_ids(self) -> Sequence[str]:
        """Those of the images that are asked."""
        return self._asked.image_ids

    @cached_property
    def labels(self) -> np.ndarray:
        """See the class."""
        return np.full(len(self._asked), -1, dtype=np.int64)

    @cached_property
    def fitted(self) -> dict[tuple[str, str], Any]:
        """See `LabelledSets.fitted`."""
        return {}

    def class_of(self, position: int) -> int:
        """See `LabelledSets.class_of`."""
        return int(self._asked.labels[position])

    def __getstate__(self) -> dict[str, Any]:
        """A pickled copy fits its own heads."""
        return {key: value for key, value in self.__dict__.items() if key not in ("labels", "fitted")}

    def _facts(self) -> Any:
        """Both sets; of the one to learn from also its length, since all of it is used."""
        chosen = None if self.validation is None else np.flatnonzero(self.validation).tolist()
        shots = {str(share): rows.tolist() for share, rows in self.shots.items()}
        return [self._asked.digest, self.learning.digest, len(self.learning), chosen, shots]

    def manifest(self) -> dict[str, Any]:
        """Those of both sets."""
        return {"asked": dict(self._asked.manifest()), "learning": dict(self.learning.manifest())}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return self._asked.load(indices, geometry)


def positions_listed(path: Path, images: ImageSource) -> np.ndarray:
    """Positions of the images that a list names, one a line, with or without their folders.

    Args:
        path: The list.
        images: Those among which they are; their file names are unique.

    Returns:
        int64, rising.

    Raises:
        DataError: The list cannot be read, is empty, or names an image twice or one that is not there.
    """
    names = [name.rpartition("/")[2] for name in names_listed(path)]
    places = {str(image_id).rpartition("/")[2]: place for place, image_id in enumerate(images.image_ids)}
    lacking = [name for name in names if name not in places]
    if lacking:
        raise DataError(
            f"{path} names {len(lacking):,} images that are not among those to learn from ({images.name}), such as "
            f"{lacking[0]}"
        )
    if len({*names}) < len(names):
        raise DataError(f"{path} names {next(name for name in names if names.count(name) > 1)} twice")
    return np.sort(np.array([places[name] for name in names], dtype=np.int64))
