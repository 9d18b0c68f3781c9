"""The labels of a set's images in the classes of a task, how classes are written, and facts beyond the labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .answer_spaces import ANSWER_SPACES, answer_space
from .images.classes import imagenet_synonyms, imagenet_wnids
from .images.source import ImageSource
from .microworld.vocabulary import CLASSES
from .plugin_tasks import LABEL_SPACES
from .task import Task

# The labels of a set's images, in the classes of a task.


def labels_for(task: Task, source: ImageSource, labels: np.ndarray) -> np.ndarray:
    """Labels of a source as a task counts them.

    A set such as ImageNet-A is labelled in its own 200 classes; a task that asks among ImageNet's 1,000 wants to know
    which of those they are.

    Args:
        task: What is asked.
        source: Where the labels come from.
        labels: int (n,), labels of some of its images.

    Returns:
        int64 (n,).

    Raises:
        ValueError: The classes of the source are not those of the task, and do not map to them one to one.
    """
    asked = task.answers or task.label_space
    if source.label_space == asked or task.kind.choices:
        return labels
    if {source.label_space, asked} <= set(ANSWER_SPACES):
        here, there = answer_space(source.label_space), answer_space(asked)
        if here.groups == there.groups:  # the same classes, however the probabilities of ImageNet's are merged
            return labels
    if source.label_space in ANSWER_SPACES and asked == "imagenet-1k":
        groups = answer_space(source.label_space).groups
        if all(len(group) == 1 for group in groups):
            return np.array([groups[int(label)][0] for label in labels], dtype=np.int64)
    raise ValueError(f"{source.name} has labels of {source.label_space}, but {task.name} needs {asked}")


def class_count(task: Task) -> int:
    """Number of classes, or of choices, that a task's labels and answers are in."""
    if task.kind.choices:
        return task.kind.choices
    asked = task.answers or task.label_space
    if asked == UNLABELLED:
        return 0
    return LABEL_SPACES[asked] if asked in LABEL_SPACES else answer_space(asked).size


UNLABELLED = "none"
"""Label space of tasks that ask for no classes of images."""


class ClassNames:
    """Classes as other programs write them: index, WordNet id or name, whatever its case.

    Indices are positions in the task's own classes: of 200 where it asks among 200. A name that two classes have, such
    as ``"crane"``, means neither.

    Args:
        task: Whose classes are meant.
    """

    def __init__(self, task: Task) -> None:
        self.size = class_count(task)
        self._known: dict[str, int] = {}
        shared: set[str] = set()
        for name, position in _written(task.answers or task.label_space):
            if self._known.setdefault(_plain(name), position) != position:
                shared.add(_plain(name))
        for name in shared:
            del self._known[name]

    def __call__(self, text: str) -> int:
        """The index of a class; -1 where there is no such class."""
        known = self._known.get(_plain(text))
        if known is not None:
            return known
        try:
            number = float(text)  # a column of numbers with holes is written as "5.0"
        except ValueError:
            return -1
        return int(number) if number.is_integer() and 0 <= number < self.size else -1


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def _written(asked: str) -> Iterator[tuple[str, int]]:
    """Every way to write a class of some classes, with its position."""
    if asked == "microworld-16":
        yield from ((name, position) for position, name in enumerate(CLASSES))
    if asked not in ANSWER_SPACES:
        return
    space, wnids, synonyms = answer_space(asked), imagenet_wnids(), imagenet_synonyms()
    for position, (group, name) in enumerate(zip(space.groups, space.label_names, strict=True)):
        yield name, position
        for index in group:
            yield wnids[index], position
            yield from ((synonym, position) for synonym in synonyms[index])


# Facts about a task's images beyond their labels.


@dataclass(frozen=True)
class Truth:
    """Facts about images, by image id. A task needs those of its kind; what is not given is empty.

    Attributes:
        textures: Texture class of each image; cue conflict.
        categories: Names of the classes, in the order of the labels; cue conflict.
        anchors: For each anchor frame its neighbours, possibly none; video.
        sequences: For each perturbation, and each sequence by the name of its source image, its frames in order;
            sequences. Frames either have ids of their own under one condition, or the task has a condition named like
            each perturbation and the same ids recur.
        accepted: Classes that count as right; multi-label, and video where a frame has several.
        factors: The class and the positions of the factors of each annotated image, by the name of its file without
            ending; factors.
        votes: How many people made each of three choices; judgements of similarity.
    """

    textures: Mapping[str, int] = field(default_factory=dict)
    categories: Sequence[str] = ()
    anchors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    accepted: Mapping[str, Collection[int]] = field(default_factory=dict)
    factors: Mapping[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    votes: Mapping[str, Sequence[float]] = field(default_factory=dict)
