"""Frames of videos in groups: an anchor, and neighbours in time that show the same to a human."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ...identity import digest
from ..images.folders import FileSource, first, images_below, shuffling_key
from .annotations import Annotations

if TYPE_CHECKING:
    from ..datasets.record import DataSet, FrameForm, Opening


class FrameGroups(FileSource):
    """ImageNet-Vid-Robust or YTBB-Robust.

    Scores are over anchors: pm-0 is the share of anchors answered right, pm-k the share of those whose neighbours are
    all answered right as well. An answer is right if it is among the accepted classes of its frame.

    Attributes:
        root: The folder.
        label_space: ``"imagenet-vid"`` or ``"ytbb"``.
        image_ids: Paths below the root, group by group: an anchor, then its neighbours in the order of time. Groups are
            ordered by the hash of their anchors, so that a prefix holds whole groups, but for the last.
        labels: int64 array of shape (n,), the smallest of the accepted classes, or -1 where none is. Not to be scored
            against.
        accepted: For each image the classes of the answer space that count as right.
        anchors: int64 array of shape (a,), positions of the anchors in `image_ids`, ascending.
        neighbours: For each anchor an int64 array with the positions of its neighbours; it may be empty.
    """

    accepted: tuple[frozenset[int], ...]

    def __init__(self, published: DataSet, form: FrameForm, opening: Opening) -> None:
        """Read the metadata and check that the frames are there.

        Args:
            published: The set, for its name and for errors.
            form: Its label space, and the reader of the authors' files.
            opening: A folder with the frames, and the authors' files in its ``metadata``.

        Raises:
            DataError: The folder, the metadata or frames are missing, or are not of the expected form.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self.label_space = form.label_space
        published.check_folder(self.root)
        try:
            annotations = form.annotations(self.root / "metadata")
        except DataError as error:
            inner = self.root / published.name
            hint = f" Did you mean {inner}?" if inner.is_dir() else ""
            raise published.error(f"{error}{hint}", self.root) from error
        self._groups = dict(annotations.neighbours)
        self._accepted = {
            i: annotations.accepted[i] for anchor, others in self._groups.items() for i in (anchor, *others)
        }
        absent = self._absent(annotations)
        if absent:
            raise published.error(
                f"{self.root} lacks {len(absent)} of {len(self._accepted)} frames: {first(absent)}.", self.root
            )
        self._set_ids(self._accepted)

    def _absent(self, annotations: Annotations) -> list[str]:
        folder = self.root / annotations.folder
        # Other files in the folder are not part of the set: the authors' files name every frame.
        there = {f"{annotations.folder}/{name}" for name in images_below(folder).files} if folder.is_dir() else set()
        return sorted(self._accepted.keys() - there)

    def _order(self, image_ids: Iterable[str]) -> tuple[str, ...]:
        anchors = sorted(self._groups, key=shuffling_key)
        return tuple(dict.fromkeys(i for anchor in anchors for i in (anchor, *self._groups[anchor])))

    def _set_ids(self, image_ids: Iterable[str]) -> None:
        super()._set_ids(image_ids)
        self.accepted = tuple(self._accepted[i] for i in self.image_ids)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.array([min(self._accepted[i], default=-1) for i in image_ids], dtype=np.int64)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {image_id: position for position, image_id in enumerate(self.image_ids)}

    @cached_property
    def anchors(self) -> np.ndarray:
        """int64 (a,) positions of the anchors, ascending."""
        return np.array(sorted(self._positions[anchor] for anchor in self._groups), dtype=np.int64)

    @cached_property
    def neighbours(self) -> tuple[np.ndarray, ...]:
        """For each of `anchors` the int64 positions of its neighbours."""
        groups = [self._groups[self.image_ids[anchor]] for anchor in self.anchors]
        return tuple(np.array([self._positions[i] for i in group], dtype=np.int64) for group in groups)

    def _protocol(self) -> Any:
        groups = sorted((anchor, sorted(others)) for anchor, others in self._groups.items())
        accepted = sorted((i, sorted(classes)) for i, classes in self._accepted.items())
        return ["frames", self.label_space, digest([groups, accepted])]

    def _own_state(self) -> dict[str, Any]:
        return {"label_space": self.label_space, "_groups": self._groups, "_accepted": self._accepted}
