"""The stimuli of model-vs-human, which people and models have both classified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ..alignment.experiments import CATEGORIES, NO_CONDITION
from ..alignment.experiments import image_id as join_key
from ..images.folders import EXTENSIONS, FileSource, first, images_below, images_in_classes, list_folders
from ..images.geometry import Geometry
from ..images.source import LoadFailure

if TYPE_CHECKING:
    from ..datasets.record import DataSet, Opening, StimuliForm

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
        data_set: The record of the data set.
        image_ids: The file name, ``"0001_cop_dnn_c30_knife_10_n03041632_7380.png"``, with the session's folder before
            it where there are several; or category and file name, ``"bird/bird3-clock2.png"``. Ordered by their hash.
        labels: int64 array of shape (n,), positions in `CATEGORIES`.
        notes: What people should know: that stimuli are missing.
    """

    def __init__(self, published: DataSet, form: StimuliForm, opening: Opening) -> None:
        """List the stimuli; their contents are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its label space, and the experiment.
            opening: The folder of all data sets: holds ``<data set>``, or ``datasets/<data set>`` as the authors'
                checkout.

        Raises:
            DataError: The folder is missing, is a file, or is not of the expected form.
        """
        self.data_set, self.label_space = form.experiment, form.label_space
        self._page = published.page
        root = self._folder(opening.root, form.places(opening.root))
        super().__init__(root, published.name, opening.cache, opening.progress)
        self._place = root
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

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return super()._load(indices, geometry.whole, condition)

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
        return {"data_set": self.data_set, "label_space": self.label_space, "_named": self._named}

    def _error(self, problem: str) -> DataError:
        return DataError(f"{problem}\n{self._expected()}")

    def _expected(self) -> str:
        return self._expected_in(self._place)

    def _expected_in(self, root: Path) -> str:
        experiment = self.data_set
        named = _NAMED.format(root=root, abbreviation=experiment.abbreviation, condition=experiment.conditions[-1])
        forms = named if len(experiment.conditions) > 1 else f"{_FOLDERS.format(root=root)}\nor {named}"
        return f"Expected {forms}\nThe stimuli are published at {self._page}"

    def _folder(self, root: Path, places: Sequence[Path]) -> Path:
        """The folder of the data set below that of all."""
        name = self.data_set.name
        for place in places:
            if place.is_dir():
                return place
        expected = self._expected_in(places[-1])
        others = list_folders(root, expected)
        raise DataError(f"{root} has no folder {name}, nor datasets/{name}; it has {first(others)}.\n{expected}")


def _parts(name: str) -> list[str]:
    return name.rpartition("/")[2].split("_")
