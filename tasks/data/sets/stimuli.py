"""The stimuli of model-vs-human, which people and models have both classified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....errors import DataError
from ...alignment.datasets import CATEGORIES, NO_CONDITION, AlignmentSet, alignment_set
from ...alignment.datasets import image_id as join_key
from ...datasets.registry import DATA_SETS
from ..datasets import HUMAN
from ..files import EXTENSIONS, FileSource, first, images_below, images_in_classes, list_folders
from ..geometry import Geometry
from ..hashing import Progress
from ..source import LoadFailure

DATA_NAME = HUMAN
"""What the user calls the folder of all data sets: ``--data model-vs-human=DIR``."""

_SESSIONS = "dnn"
_SESSION = "session-"
_PARTS = 7  # of a name such as 0001_cop_dnn_c30_knife_10_n03041632_7380.png, of which the last may be two
_NAMED = """one folder of stimuli for each session, named by trial, data set, observer, condition, category, number and
image:
  {root}/
    dnn/
      session-1/
        0001_{abbreviation}_dnn_{condition}_knife_10_n03041632_7380.png
        ..."""
_FOLDERS = """one folder per category, with images inside:
  {root}/
    airplane/
      airplane1.png
      ...
    bear/
      ..."""


class PublishedStimuli(FileSource):
    """One data set of model-vs-human, in either of its two forms.

    Data sets with conditions, sketch and stylized have their stimuli in a folder for each session, with names that tell
    condition and category; cue-conflict, edge and silhouette in a folder for each category. A part of a data set is
    accepted, and `notes` says so.

    Stimuli are published at 224 pixels and are shown as they are: they fill the model's input, whatever cut its
    preprocessing makes for photographs. They are resized only for models that want another size.

    Attributes:
        root: The folder below which the ids are paths.
        name: ``"model-vs-human/contrast"``.
        data_set: What is known of the data set.
        label_space: ``"entry-level-16"``.
        image_ids: The file name, ``"0001_cop_dnn_c30_knife_10_n03041632_7380.png"``, with the session's folder before
            it where there are several; or category and file name, ``"bird/bird3-clock2.png"``. Ordered by their hash.
        labels: int64 array of shape (n,), positions in `CATEGORIES`.
        notes: What people should know: that stimuli are missing.
    """

    label_space = "entry-level-16"

    def __init__(
        self,
        root: Path,
        data_set: str,
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """List the stimuli; their contents are read when `digest` or `load` asks for them.

        Args:
            root: Folder of all data sets: holds ``<data set>``, or ``datasets/<data set>`` as the authors' checkout.
            data_set: A name of `ALIGNMENT_SETS`.
            manifest_cache: See `FileSource`.
            progress: See `FileSource`.

        Raises:
            DataError: The folder is missing, is a file, or is not of the expected form.
            UnknownNameError: No such data set.
        """
        self.data_set = alignment_set(data_set)
        super().__init__(_folder(Path(root), self.data_set), f"{DATA_NAME}/{data_set}", manifest_cache, progress)
        self._place = self.root
        self._named = (self.root / _SESSIONS).is_dir()
        ids = self._in_sessions() if self._named else self._in_categories()
        if not ids:
            raise self._error(f"{self.root} has no images ({' '.join(sorted(EXTENSIONS))}) in its folders.")
        twice = sorted(key for key, count in Counter(map(join_key, ids)).items() if count > 1)
        if twice:
            raise self._error(f"{self.root} has several stimuli of the same image: {first(twice)}.")
        self._set_ids(ids)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for people."""
        missing = self.data_set.stimuli - len(self)
        return (f"{self.name}: {len(self)} of {self.data_set.stimuli} stimuli are here.",) if missing > 0 else ()

    def load(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Decode some of the stimuli, whole; see `FileSource.load`."""
        return super().load(indices, geometry.whole)

    def _in_sessions(self) -> list[str]:
        sessions = list_folders(self.root / _SESSIONS, self._expected())
        strange = [name for name in sessions if not name.startswith(_SESSION)]
        if strange:
            raise self._error(f"{self.root / _SESSIONS} has folders that are not sessions: {first(strange)}.")
        self.root = self.root / _SESSIONS
        if len(sessions) == 1:
            self.root = self.root / sessions[0]
            listing = images_below(self.root)
        else:
            listing = images_in_classes(self.root, sessions)
        self.left_out = listing.left_out
        for name in listing.files:
            problem = self._problem_of(name)
            if problem:
                raise self._error(f"The stimulus {self.root / name} {problem}.")
        return listing.files

    def _problem_of(self, name: str) -> str:
        parts = _parts(name)
        if len(parts) < _PARTS:
            return f"is not named by {_PARTS} parts with underscores between them"
        if parts[4] not in CATEGORIES:
            return f"has the unknown category {parts[4]!r}; expected one of {', '.join(CATEGORIES)}"
        try:
            self.data_set.condition(parts[3])
        except DataError as error:
            return f"has an unknown condition: {error}"
        return ""

    def _in_categories(self) -> list[str]:
        folders = list_folders(self.root, self._expected())
        strange = [name for name in folders if name not in CATEGORIES]
        if strange:
            raise self._error(
                f"{self.root} has folders that are not categories: {first(strange)}. The categories are "
                f"{', '.join(CATEGORIES)}."
            )
        if self.data_set.conditions != (NO_CONDITION,):
            raise self._error(f"The conditions of the stimuli in {self.root} are unknown: it has no {_SESSIONS}/.")
        listing = images_in_classes(self.root, folders)
        self.left_out = listing.left_out
        return listing.files

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        names = [_parts(i)[4] if self._named else i.split("/", 1)[0] for i in image_ids]
        return np.array([CATEGORIES.index(name) for name in names], dtype=np.int64)

    def _protocol(self) -> Any:
        return ["stimuli", self.data_set.name, self.label_space, list(CATEGORIES)]

    def _own_state(self) -> dict[str, Any]:
        return {"data_set": self.data_set, "_named": self._named}

    def _error(self, problem: str) -> DataError:
        return DataError(f"{problem}\n{self._expected()}")

    def _expected(self) -> str:
        return _expected(self._place, self.data_set)


def _parts(name: str) -> list[str]:
    return name.rpartition("/")[2].split("_")


def _folder(root: Path, data_set: AlignmentSet) -> Path:
    """The folder of one data set below that of all."""
    places = (root / "datasets" / data_set.name, root / data_set.name)
    for place in places:
        if place.is_dir():
            return place
    expected = _expected(places[1], data_set)
    found = list_folders(root, expected)
    raise DataError(
        f"{root} has no folder {data_set.name}, nor datasets/{data_set.name}; it has {first(found)}.\n{expected}"
    )


def _expected(root: Path, data_set: AlignmentSet) -> str:
    named = _NAMED.format(root=root, abbreviation=data_set.abbreviation, condition=data_set.conditions[-1])
    forms = named if len(data_set.conditions) > 1 else f"{_FOLDERS.format(root=root)}\nor {named}"
    return f"Expected {forms}\nThe stimuli are published at {DATA_SETS[HUMAN].page}"
