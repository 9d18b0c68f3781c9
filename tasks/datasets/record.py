"""The record of a published data set: its download, what its folder looks like and who reads it, and its tasks.

A data set is one `DataSet` in the file of its family; `registry` brings them together. Importing this loads no
numerical library: a reader is imported when its folder is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError
from ..data.classes import MergedClass
from ..data.downloads.publication import Publication

if TYPE_CHECKING:
    from ..data.hashing import Progress
    from ..data.sets.annotations import Annotations
    from ..data.source import ConditionSource, ImageSource
    from ..task import Task


@dataclass(frozen=True)
class Opening:
    """What a user asks for when a folder is opened.

    Attributes:
        root: The folder.
        conditions: Keys of the conditions to read, or None for all that are there.
        cache: JSON file in which content hashes are kept.
        progress: Called with ``(done, total)`` of the files while they are hashed.
    """

    root: Path
    conditions: Sequence[str] | None = None
    cache: Path | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Form(ABC):
    """What the folder of a data set looks like, and the reader that knows it.

    Attributes:
        label_space: The classes its labels are in; an answer space, or ``"cifar-10"``, ``"cifar-100"``.
        layout: The folder in words, with ``{root}`` for its path. Ends the message of every error about the form.
    """

    label_space: str
    layout: str

    def open(self, data_set: DataSet, opening: Opening) -> ImageSource | ConditionSource:
        """Open a folder of this form.

        Args:
            data_set: The record that has this form.
            opening: The folder, and what to read of it.

        Raises:
            DataError: The folder is missing or not of this form, or has no conditions to choose from.
        """
        if opening.conditions is not None:
            raise DataError(f"{data_set.title} has no conditions to choose from.")
        return self._open(data_set, opening)

    @abstractmethod
    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource | ConditionSource:
        """As `open`, where no conditions were asked for."""


@dataclass(frozen=True)
class ClassFolderForm(Form):
    """One folder per class.

    Attributes:
        classes: Gives the classes in the order of their labels: the key is the folder's name, and the indices are those
            of ImageNet-1k that count as the class. They are the answer space `Form.label_space`.
        others: Whether the set has folders of further classes, which are not read. Else such a folder is an error.
        border: Pixels that are cut off at each side before anything else.
    """

    classes: Callable[[], tuple[MergedClass, ...]]
    others: bool = False
    border: int = 0

    def labels(self) -> dict[str, int]:
        """The label of each folder's images, by the folder's name.

        Raises:
            ValueError: The record would give wrong labels: a folder twice, or a class that ImageNet lacks, which is no
                class of the answer space and would move the labels after it.
        """
        classes = self.classes()
        labels = {merged.key: label for label, merged in enumerate(classes)}
        lacking = [merged.key for merged in classes if not merged.imagenet]
        if lacking:
            raise ValueError(f"{self.label_space} has classes of no class of ImageNet: {lacking}; leave them out")
        if len(labels) < len(classes):
            raise ValueError(f"{self.label_space} has {len(classes)} classes but {len(labels)} names of folders")
        return labels

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..answer_spaces import answer_space
        from ..data.sets.class_folders import ClassFolders

        answer_space(self.label_space)  # refuses classes that another set of this space has in another order
        return ClassFolders(opening.root, data_set.name, None, opening.cache, opening.progress)


@dataclass(frozen=True)
class ReassessedForm(Form):
    """ImageNet's validation images under their published names, with labels from elsewhere."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..data.sets.imagenet_val import ImageNetReal

        return ImageNetReal(opening.root, data_set.name, opening.cache, opening.progress)


@dataclass(frozen=True)
class MapForm(Form):
    """Photographs with maps of what people looked at, as TFRecords or in folders."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..data.clickme import open_maps

        return open_maps(opening.root, opening.cache, opening.progress)


@dataclass(frozen=True)
class FrameForm(Form):
    """Frames of videos in groups, an anchor and its neighbours.

    Attributes:
        annotations: Reads the authors' files in the folder ``metadata``.
        classes: As in `ClassFolderForm`; the key is the class's index in the authors' files.
    """

    annotations: Callable[[Path], Annotations]
    classes: Callable[[], tuple[MergedClass, ...]]

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..data.sets.frames import FrameGroups

        return FrameGroups(opening.root, data_set.name, None, opening.cache, opening.progress)


@dataclass(frozen=True)
class ConditionFolderForm(Form):
    """One folder per corruption, severity and class of ImageNet."""

    def open(self, data_set: DataSet, opening: Opening) -> ConditionSource:
        """See `Form.open`."""
        return self._open(data_set, opening)

    def _open(self, data_set: DataSet, opening: Opening) -> ConditionSource:
        from ..data.sets.condition_folders import ConditionFolders

        return ConditionFolders(opening.root, data_set.name, opening.conditions, None, opening.cache, opening.progress)


@dataclass(frozen=True)
class ArrayForm(Form):
    """One numpy file per corruption, and one of labels.

    Attributes:
        classes: How many there are.
    """

    classes: int

    def open(self, data_set: DataSet, opening: Opening) -> ConditionSource:
        """See `Form.open`."""
        return self._open(data_set, opening)

    def _open(self, data_set: DataSet, opening: Opening) -> ConditionSource:
        from ..data.sets.cifar_c import CifarC

        return CifarC(opening.root, data_set.name, opening.conditions, None, opening.cache, opening.progress)


@dataclass(frozen=True)
class SequenceForm(Form):
    """One folder per perturbation and class of ImageNet, with short videos. The perturbations to read must be named."""

    def open(self, data_set: DataSet, opening: Opening) -> ImageSource | ConditionSource:
        """See `Form.open`."""
        return self._open(data_set, opening)

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource | ConditionSource:
        from ..data.sets.perturbation_set import PerturbationSet
        from ..data.sets.sequences import PerturbationSequences

        names = opening.conditions
        if not names:
            raise DataError(f"{data_set.title} needs its perturbations named, such as 'brightness'.")
        if len(names) == 1:
            return PerturbationSequences(opening.root, names[0], None, opening.cache, opening.progress)
        return PerturbationSet(opening.root, names, data_set.name, opening.cache, opening.progress)


@dataclass(frozen=True)
class DataSet(Publication):
    """A published data set, with everything that is true of it.

    A download that holds several sets has one record for each; all but the first are made with `part`.

    Attributes:
        form: What its folder looks like and who reads it; None for what is read in another way, or not at all.
        part_of: Name of the data set whose download holds this one; empty where it has its own.
        place: Its folder within the data folder of that download; empty for the data folder itself.
        tasks: The tasks that its authors define. One that names no images takes this set's, one without a citation the
            set's own.
    """

    form: Form | None = None
    part_of: str = ""
    place: str = ""
    tasks: tuple[Task, ...] = ()

    def __post_init__(self) -> None:
        """Fill in what tasks take from the record."""
        tasks = tuple(
            replace(task, dataset=task.dataset or self.name, citation=task.citation or self.citation)
            for task in self.tasks
        )
        object.__setattr__(self, "tasks", tasks)

    def part(self, name: str, title: str, place: str, form: Form, tasks: tuple[Task, ...]) -> DataSet:
        """Another data set of the same download, page, licence and citation.

        Args:
            name: As in ``--data NAME=DIR``.
            title: Its name in the literature.
            place: Its folder within the data folder of the download.
            form: What that folder looks like.
            tasks: Its tasks.
        """
        return replace(
            self,
            name=name,
            title=title,
            place=place,
            form=form,
            tasks=tasks,
            part_of=self.name,
            files=(),
            folders=(),
            required=(),
        )

    def publication_facts(self) -> dict[str, Any]:
        """What is known of the download, as plain values: the fields of `Publication`, the size and the checksums."""
        facts = asdict(Publication(**{field.name: getattr(self, field.name) for field in fields(Publication)}))
        return facts | {"size_bytes": self.size_bytes, "checksums": self.checksums}

    def expected(self, root: Path) -> str:
        """What ends the message of every error about the set's form: the layout and the page."""
        layout = self.form.layout.format(root=root) if self.form else "another folder"
        return f"Expected {layout}\n{self.title}: published at {self.page}"

    def error(self, problem: str, root: Path) -> DataError:
        """An error that says what was wrong, what the form is, and where the set is published."""
        return DataError(f"{problem}\n{self.expected(root)}")
