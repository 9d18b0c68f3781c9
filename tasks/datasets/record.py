"""The record of a data set: its download, what it is made of and who reads it, and its tasks.

A data set is one `DataSet` in the file of its family; `registry` brings them together. Importing this loads no
numerical library: a reader is imported when its set is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...errors import DataError
from ..download.publication import Publication
from ..images.classes import MergedClass
from .recognition import (
    Evidence,
    Look,
    Recognised,
    class_folders,
    in_wordnet_folders,
    is_named,
    validation_photographs,
    wordnet_photographs,
)

if TYPE_CHECKING:
    from ..alignment.experiments import AlignmentSet
    from ..images.hashing import Progress
    from ..images.source import ImageSource
    from ..readers.annotations import Annotations
    from ..task import Task

MOST_RENDERED = 1_000_000
"""Sets of the micro-world have no end; this bounds ``--limit``."""


@dataclass(frozen=True)
class UserFolder:
    """A folder that a user brings.

    Attributes:
        name: As in ``--data NAME=DIR``.
        holds: What is in it, and how to name it.
    """

    name: str
    holds: str


@dataclass(frozen=True)
class Opening:
    """What a user asks for when a data set is opened.

    Attributes:
        folders: The folders that the set is read from, in the order of `DataSet.reads`.
        conditions: Keys of the conditions to read, or None for all that are there.
        cache: JSON file in which content hashes are kept.
        progress: Called with ``(done, total)`` of the files while they are hashed.
        limit: Number of images to render, or None for as many as there are; what is read from folders is read whole.
        seed: Seed of what is rendered.
    """

    folders: tuple[Path, ...] = ()
    conditions: Sequence[str] | None = None
    cache: Path | None = None
    progress: Progress | None = None
    limit: int | None = None
    seed: int = 0

    @property
    def root(self) -> Path:
        """The folder of a set that is read from one."""
        (folder,) = self.folders
        return folder


@dataclass(frozen=True)
class Form(ABC):
    """What a data set is made of, and the reader that knows it.

    Attributes:
        label_space: The classes its labels are in; an answer space, or ``"microworld-16"``, ``"cifar-10"``, ...
        takes_conditions: Whether the set was published with its conditions applied, of which some can be chosen.
    """

    label_space: str
    takes_conditions: ClassVar[bool] = False

    def open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        """Open a data set of this form.

        Args:
            data_set: The record that has this form.
            opening: The folders, and what to read of them.

        Raises:
            DataError: A folder is missing or not of this form, or has no conditions to choose from.
        """
        if opening.conditions is not None and not self.takes_conditions:
            raise DataError(f"{data_set.title} has no conditions to choose from.")
        return self._open(data_set, opening)

    @abstractmethod
    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        """As `open`, where conditions were asked for only if there are any."""

    def is_in(self, folders: Sequence[Path]) -> bool:
        """Whether the set is among what folders of the right names hold."""
        return True

    def installed(self) -> tuple[Path, ...]:
        """Folders that an installed package brings, for those that a user does not name; empty where none does."""
        return ()

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """What speaks for a folder being that of the set, by the names in it; None if it is not."""
        return None

    def absence(self, name: str, folder: Path) -> str:
        """What is wrong with a folder, given as ``--data NAME=DIR``, that holds no set of this form."""
        return f"{folder} has none of the data sets of {name}."


@dataclass(frozen=True)
class RenderedForm(Form):
    """What is rendered, as many images as are asked for.

    Attributes:
        render: Gives the set, from the number of its images and the seed.
    """

    render: Callable[[int, int], ImageSource]

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        return self.render(min(opening.limit or MOST_RENDERED, MOST_RENDERED), opening.seed)


@dataclass(frozen=True)
class PhotographForm(Form):
    """Photographs in one folder per WordNet id, whoever published them."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..images.folders import ImageFolder

        return ImageFolder(opening.root, data_set.name, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        return wordnet_photographs(look)


@dataclass(frozen=True)
class DepthForm(Form):
    """Photographs as in `PhotographForm`, and a second folder with their depth maps."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..images.depth import PhotographsWithDepth

        photographs, depths = opening.folders
        one, other = (
            opening.cache.with_name(f"{folder.name}.json") if opening.cache else None for folder in data_set.reads
        )
        return PhotographsWithDepth(photographs, depths, (one, other), opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """The folder of depth maps; that of the photographs is recognised by their own set."""
        if not in_wordnet_folders(look) or not look.sample.lower().endswith(".npy"):
            return None
        return Evidence(f"arrays in folders of WordNet ids, such as {look.sample}", True)


@dataclass(frozen=True)
class StimuliForm(Form):
    """The stimuli of an experiment with people, in a folder beside those of other experiments.

    Attributes:
        experiment: Which one.
    """

    experiment: AlignmentSet

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.stimuli import PublishedStimuli

        return PublishedStimuli(data_set, self, opening)

    def places(self, root: Path) -> tuple[Path, Path]:
        """Where the stimuli may be in the folder of all experiments: the first is that of the authors' checkout."""
        return root / "datasets" / self.experiment.name, root / self.experiment.name

    def is_in(self, folders: Sequence[Path]) -> bool:
        """A user may have a few of the experiments."""
        return all(any(place.is_dir() for place in self.places(root)) for root in folders)

    def absence(self, name: str, folder: Path) -> str:
        """See `Form.absence`."""
        return (
            f"{folder} has none of the stimulus sets of {name}; expected folders such as edge, cue-conflict or "
            f"contrast in it, or in its folder datasets. `bench data get {name}` downloads them."
        )

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """A folder of stimuli as `places` has them, by session or by category."""
        for place in self.places(look.path):
            folders = look.inside(*place.relative_to(look.path).parts).folders
            if "dnn" in folders or set(folders) & set(self.experiment.categories):
                return Evidence(f"stimuli of {self.experiment.name}", True)
        return None


@dataclass(frozen=True)
class FolderForm(Form):
    """A folder of its own, as its authors publish it.

    Attributes:
        layout: The folder in words, with ``{root}`` for its path. Ends the message of every error about the form.
    """

    layout: str


@dataclass(frozen=True)
class AnnotatedForm(FolderForm):
    """Photographs with masks or maps of classes; their readers know nothing of records."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        data_set.check_folder(opening.root)
        try:
            return self._read(data_set, opening)
        except DataError as error:
            raise data_set.error(f"{opening.root}: {error}.", opening.root) from error

    @abstractmethod
    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        """Open the folder, which exists.

        Raises:
            DataError: What is wrong with its content, without the form and the page.
        """


@dataclass(frozen=True)
class ClassFolderForm(FolderForm):
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
        from ..readers.class_folders import ClassFolders

        return ClassFolders(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`. Several sets have the 1,000 classes of ImageNet, which therefore tell none of them."""
        return class_folders(look, self.labels(), self.label_space != "imagenet-1k", self.others)


@dataclass(frozen=True)
class ReassessedForm(FolderForm):
    """ImageNet's validation images under their published names, with labels from elsewhere.

    Attributes:
        labels: The published ``real.json``; None takes the copy that timm ships.
    """

    labels: Path | None = None

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.class_folders import ImageNetReal

        return ImageNetReal(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        return validation_photographs(look)


@dataclass(frozen=True)
class MapForm(FolderForm):
    """Photographs with maps of what people looked at, as TFRecords or in folders."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..images.clickme import open_maps

        return open_maps(data_set, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """The published shards, or photographs and maps in two folders."""
        shards = [name for name in data_set.required if name in look.files]
        if shards:
            return Evidence(f"{len(shards)} of {len(data_set.required)} shards, such as {shards[0]}", True)
        if all(in_wordnet_folders(look.inside(name)) for name in ("images", "maps")):
            return Evidence("folders images and maps", True)
        return None


@dataclass(frozen=True)
class FrameForm(FolderForm):
    """Frames of videos in groups, an anchor and its neighbours.

    Attributes:
        annotations: Reads the authors' files in the folder ``metadata``.
        files: Names of these files.
        classes: As in `ClassFolderForm`; the key is the class's index in the authors' files.
    """

    annotations: Callable[[Path], Annotations]
    files: tuple[str, ...]
    classes: Callable[[], tuple[MergedClass, ...]]

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.frames import FrameGroups

        return FrameGroups(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        there = look.inside("metadata").files if "metadata" in look.folders else ()
        return Evidence(f"metadata/{self.files[0]}", True) if set(self.files) <= set(there) else None


@dataclass(frozen=True)
class DataSet(Publication):
    """A data set, with everything that is true of it.

    A download that holds several sets has one record for each; all but the first are made with `part`. What is rendered
    has no files to download.

    Attributes:
        form: What it is made of and who reads it; None for what is read in another way, or not at all.
        reads: The folders that it is read from. Without them, the one that its `FolderForm` describes, or none.
        part_of: Name of the data set whose download holds this one; empty where it has its own.
        place: Its folder within the data folder of that download; empty for the data folder itself.
        tasks: The tasks that its authors define. One that names no images takes this set's, one without a citation the
            set's own.
        images_from: A training class whose data may hold these very images: ``"web"`` where they were collected there.
        hub: The data set on the Hugging Face Hub by which its authors publish it, ``"OWNER/NAME"``; empty for none.
    """

    form: Form | None = None
    reads: tuple[UserFolder, ...] = ()
    part_of: str = ""
    place: str = ""
    tasks: tuple[Task, ...] = ()
    images_from: str = ""
    hub: str = ""

    def __post_init__(self) -> None:
        """Fill in what tasks and folders take from the record."""
        if isinstance(self.form, FolderForm) and not self.reads:
            own = UserFolder(self.name, f"{self.title} as published at {self.page}: --data {self.name}=DIR")
            object.__setattr__(self, "reads", (own,))
        tasks = tuple(
            replace(task, dataset=task.dataset or self.name, citation=task.citation or self.citation)
            for task in self.tasks
        )
        object.__setattr__(self, "tasks", tasks)

    def part(
        self,
        name: str,
        title: str,
        place: str,
        form: Form,
        tasks: tuple[Task, ...],
        reads: tuple[UserFolder, ...] = (),
    ) -> DataSet:
        """Another data set of the same download, page, licence and citation.

        Args:
            name: As in ``--data NAME=DIR``.
            title: Its name in the literature.
            place: Its folder within the data folder of the download.
            form: What that folder looks like.
            tasks: Its tasks.
            reads: See `DataSet`.
        """
        return replace(
            self,
            name=name,
            title=title,
            place=place,
            form=form,
            tasks=tasks,
            reads=reads,
            part_of=self.name,
            files=(),
            folders=(),
            required=(),
        )

    @property
    def archive_names(self) -> tuple[str, ...]:
        """Names of its archives without extensions, which are those of folders that they unpack to."""
        return tuple(file.name.partition(".")[0] for file in self.files if file.is_archive)

    def recognise(self, look: Look) -> Recognised | None:
        """Whether a folder has the form of this set, judged by names alone.

        Where another set looks the same, a folder that has the name of this one or of its published folder counts.
        """
        evidence = self.form.recognise(self, look) if self.form is not None and self.reads else None
        if evidence is None:
            return None
        certain = evidence.certain or is_named(look.path, (self.name, self.unpacks_to, self.place))
        return Recognised(self.reads[-1].name, look.path, evidence.why, certain, evidence.flat)

    def publication_facts(self) -> dict[str, Any]:
        """What is known of the download, as plain values: the fields of `Publication`, the size and the checksums."""
        facts = asdict(Publication(**{field.name: getattr(self, field.name) for field in fields(Publication)}))
        return facts | {"size_bytes": self.size_bytes, "checksums": self.checksums}

    def expected(self, root: Path) -> str:
        """What ends the message of every error about the set's form: the layout and the page."""
        layout = self.form.layout.format(root=root) if isinstance(self.form, FolderForm) else "another folder"
        return f"Expected {layout}\n{self.title}: published at {self.page}"

    def error(self, problem: str, root: Path) -> DataError:
        """An error that says what was wrong, what the form is, and where the set is published."""
        return DataError(f"{problem}\n{self.expected(root)}")

    def check_folder(self, root: Path) -> None:
        """Check that there is a folder.

        Raises:
            DataError: There is none, or a file.
        """
        if not root.is_dir():
            raise self.error(f"{root} {'is a file, not a folder' if root.exists() else 'does not exist'}.", root)
