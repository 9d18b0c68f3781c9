"""The classes of a set of images, and how a model of ImageNet's 1000 classes predicts them.

Every benchmark with fewer classes than ImageNet defines how it treats the logits of the others: they are left out, and
where several of ImageNet's classes count as one, the largest of their logits is used. Decisions, ranks and the softmax
are then taken over what remains. Where people chose among 16 categories, the softmax comes first, over all classes, and
the probabilities are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from ..errors import unknown_name
from .datasets.conditions import ConditionFolderForm
from .datasets.record import ClassFolderForm, FrameForm
from .datasets.registry import PUBLISHED
from .images.classes import NUM_CLASSES, MergedClass, entry_level_classes, imagenet_classes, imagenet_wnids


@dataclass(frozen=True)
class AnswerSpace:
    """The classes that answers are given in.

    Attributes:
        name: ``"imagenet-a"``.
        groups: For each class the class indices of ImageNet-1k that count as it, in ascending order; no index twice.
        label_names: One per class, for people; not necessarily unique.
        merge: How probabilities over all of ImageNet's classes become those of a class: a name of
            `alignment.decisions.RULES`. Empty where logits are merged before the softmax.
    """

    name: str
    groups: tuple[tuple[int, ...], ...] = field(repr=False)
    label_names: tuple[str, ...] = field(repr=False)
    merge: str = ""

    @property
    def size(self) -> int:
        """Number of classes K."""
        return len(self.groups)

    @property
    def imagenet(self) -> tuple[int, ...]:
        """Every class index of ImageNet-1k that counts as some class, in ascending order."""
        return tuple(sorted(index for group in self.groups for index in group))

    @cached_property
    def class_of(self) -> dict[int, int]:
        """Class index of ImageNet-1k to class of this space."""
        return {index: position for position, group in enumerate(self.groups) for index in group}

    def scores(self, logits: Any) -> Any:
        """Logits of this space's classes.

        Args:
            logits: (N, 1000) array of numpy, or tensor of torch on any device, in the order of ILSVRC-2012.

        Returns:
            (N, K) of the same kind and dtype: ``logits`` itself where the space is ImageNet-1k, else for each class the
            largest logit of its group. Not a number where one of the group is.

        Raises:
            ValueError: Another number of columns than 1000.
        """
        if logits.ndim != 2 or logits.shape[1] != NUM_CLASSES:
            raise ValueError(f"{self.name} needs logits of shape (N, {NUM_CLASSES}), not {logits.shape}")
        if self._columns is None:
            return logits
        picked = logits[:, self._columns]
        if picked.ndim == 2:
            return picked
        return picked.amax(dim=2) if hasattr(picked, "amax") else picked.max(axis=2)

    @cached_property
    def _columns(self) -> list[int] | list[list[int]] | None:
        """What to index the columns with: nothing, one index per class, or a table (K, longest group).

        Groups shorter than the longest are filled up with their first index, which changes no maximum.
        """
        longest = max(map(len, self.groups))
        if longest == 1:
            columns = [group[0] for group in self.groups]
            return None if columns == list(range(NUM_CLASSES)) else columns
        return [[*group, *[group[0]] * (longest - len(group))] for group in self.groups]


def _merging(name: str, classes: Sequence[MergedClass], merge: str) -> AnswerSpace:
    mapped = [c for c in classes if c.imagenet]
    return AnswerSpace(name, tuple(c.imagenet for c in mapped), tuple(c.name for c in mapped), merge)


Classes = Callable[[], tuple[MergedClass, ...]]

_OWN: dict[str, tuple[Classes, str]] = {
    "imagenet-1k": (lambda: imagenet_classes(imagenet_wnids()), ""),
    "entry-level-16": (entry_level_classes, "mean"),
    "entry-level-16-max": (entry_level_classes, "max"),
    "entry-level-16-sum": (entry_level_classes, "sum"),
}
_FORMS = tuple(
    form
    for form in (data_set.form for data_set in PUBLISHED.values())
    if isinstance(form, ClassFolderForm | FrameForm | ConditionFolderForm)
)
_OF_SETS: tuple[tuple[str, Classes], ...] = tuple((form.label_space, form.classes) for form in _FORMS)
_SPACES: dict[str, tuple[Classes, str]] = {f.label_space: (f.classes, getattr(f, "merge", "")) for f in _FORMS} | _OWN
"""Classes and merging rules by name: those that the data sets are labelled in, and ours."""

ANSWER_SPACES = tuple(_SPACES)
"""Names that `answer_space` knows."""


@cache
def answer_space(name: str) -> AnswerSpace:
    """An answer space by name.

    Raises:
        UnknownNameError: With the nearest names.
        ValueError: Data sets that share the name have other classes, or the same in another order.
        DataError: timm, which ships some of the lists, is not installed.
    """
    if name not in _SPACES:
        raise unknown_name("answer space", name, _SPACES)
    classes, merge = _SPACES[name]
    space = _merging(name, classes(), merge)
    for other, its_classes in _OF_SETS:
        if other == name and _merging(name, its_classes(), merge).groups != space.groups:
            raise ValueError(f"two data sets are labelled in {name}, and their classes differ")
    return space


def unmerged(name: str) -> str:
    """The first answer space with the classes of this one: ``"entry-level-16"`` for each of its rules of merging.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in _SPACES:
        raise unknown_name("answer space", name, _SPACES)
    classes = _SPACES[name][0]
    return next(other for other, (its_classes, _) in _SPACES.items() if its_classes is classes)


def predicted_directly(label_space: str, answers: str) -> bool:
    """Whether classes that a model predicts are those of a task's answer space, so that none have to be merged.

    Args:
        label_space: Of the model.
        answers: `Task.answers`, which may be empty.
    """
    return bool(answers) and label_space == unmerged(answers)
