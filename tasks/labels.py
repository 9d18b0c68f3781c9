"""The labels of a set's images in the classes of a task, and facts about them beyond their labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .answer_spaces import ANSWER_SPACES, answer_space
from .images.source import ImageSource
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
    if source.label_space == asked:
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
    """Number of classes that a task's labels and answers are in."""
    asked = task.answers or task.label_space
    return LABEL_SPACES[asked] if asked in LABEL_SPACES else answer_space(asked).size


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
    """

    textures: Mapping[str, int] = field(default_factory=dict)
    categories: Sequence[str] = ()
    anchors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    accepted: Mapping[str, Collection[int]] = field(default_factory=dict)
