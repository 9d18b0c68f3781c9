"""The labels of a set's images, in the classes of a task."""

from __future__ import annotations

import numpy as np

from .answer_spaces import ANSWER_SPACES, answer_space
from .data.source import ImageSource
from .plugin_tasks import LABEL_SPACES
from .task import Task


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
