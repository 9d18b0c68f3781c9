"""Forms of sets that were published with their conditions applied, of which some can be chosen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ...errors import DataError
from ..images.classes import MergedClass, imagenet_classes, imagenet_wnids
from .recognition import Evidence, Look, condition_folders, videos_by_condition
from .record import DataSet, FolderForm, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource


def _of_imagenet() -> tuple[MergedClass, ...]:
    return imagenet_classes(imagenet_wnids())


@dataclass(frozen=True)
class ConditionFolderForm(FolderForm):
    """One folder per corruption, severity and class.

    Attributes:
        classes: Gives the classes in the order of their labels, each with the name of its folder, as in
            `ClassFolderForm`. They are the answer space `Form.label_space`.
        merge: How a model's probabilities become those of these classes; see `AnswerSpace`.
        severities: Those that are published.
        level: Name of the folder of a severity, with ``{severity}`` for its number.
        renaming: Where files have other names under each condition: matches what their stems end in for it. Without
            that end, names are the same under all conditions.
        shown: How much of an image a model sees. ``"whole"``: published images were cropped before, so they are only
            resized to the model's input. ``"squash"``: as that, and what is no square is squashed into one. ``"crop"``:
            as the model sees any photograph.
        shared: Whether another set looks the same but for how many severities it has, so that the name of the folder
            decides, and more severities are an error.
    """

    takes_conditions = True
    classes: Callable[[], tuple[MergedClass, ...]] = _of_imagenet
    merge: str = ""
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    level: str = "{severity}"
    renaming: re.Pattern[str] | None = None
    shown: Literal["whole", "squash", "crop"] = "whole"
    shared: bool = False

    @property
    def labels(self) -> dict[str, int]:
        """The label of each folder's images, by the folder's name."""
        return {merged.key: label for label, merged in enumerate(self.classes())}

    def folder(self, severity: int) -> str:
        """Name of the folder of a severity."""
        return self.level.format(severity=severity)

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.condition_folders import ConditionFolders

        return ConditionFolders(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        corruptions = (folder.path.partition("/")[0] for folder in data_set.folders)
        levels = [self.folder(severity) for severity in self.severities]
        own = self.label_space != "imagenet-1k" and not self.shared
        return condition_folders(look, corruptions, data_set.archive_names, levels, self.labels, own)


@dataclass(frozen=True)
class ArrayForm(FolderForm):
    """One numpy file per corruption, and one of labels.

    Attributes:
        classes: How many there are.
    """

    takes_conditions = True
    classes: int

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.cifar_c import CifarC

        return CifarC(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`. Which labels there are tells sets of this form from each other."""
        arrays = [name for name in data_set.required if name in look.files]
        if "labels.npy" not in arrays or len(arrays) < 2:
            return None
        from ..readers.cifar_c import classes_in

        if classes_in(look.path / "labels.npy") != self.classes:
            return None
        return Evidence(f"labels of {self.classes} classes, {len(arrays) - 1} corruptions, such as {arrays[0]}", True)


@dataclass(frozen=True)
class SequenceForm(FolderForm):
    """One folder per perturbation and class of ImageNet, with short videos. The perturbations to read must be named."""

    takes_conditions = True

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.sequences import PerturbationSequences, PerturbationSet

        names = opening.conditions
        if not names:
            raise DataError(f"{data_set.title} needs its perturbations named, such as 'brightness'.")
        if len(names) == 1:
            return PerturbationSequences(data_set, self, opening)
        return PerturbationSet(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        perturbations = (condition.name for task in data_set.tasks for condition in task.conditions)
        return videos_by_condition(look, perturbations, data_set.archive_names)
