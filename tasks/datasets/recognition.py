"""Recognising data sets by the form of a folder: names of folders and files, and no contents of images.

What a set looks like is in its `Form`; here is what forms look at, and the signatures that several of them share.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..images.classes import imagenet_wnids
from ..images.walking import is_folder, is_system

VALIDATION_NAME = re.compile(r"ILSVRC2012_val_\d{8}\.JPEG", re.IGNORECASE)
"""Published names of ImageNet's validation images."""

_TRAINING_NAME = re.compile(r"n\d{8}_\d+\.JPEG", re.IGNORECASE)
_NOT_PHOTOGRAPHS = frozenset({".npy", ".npz", ".mp4", ".tar", ".zip"})
_GENERAL_NAMES = frozenset({"val", "validation", "test", "images", "data"})
"""Names that say nothing about a set; the folder above them does."""

_VERSION = re.compile(r"[-_ ]v?\d+(\.\d+)+$")
"""End of a folder's name, as in ``objectnet-1.0``."""


@dataclass(frozen=True)
class Look:
    """The names in a folder, read once. A folder that cannot be read looks empty.

    Attributes:
        path: The folder.
    """

    path: Path
    _inside: dict[str, Look] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if not is_system(entry.name):
                        (folders if is_folder(entry) else files).append(entry.name)
        except OSError:
            return (), ()
        return tuple(sorted(folders)), tuple(sorted(files))

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders, sorted, without those of the operating system."""
        return self._names[0]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files, sorted, likewise."""
        return self._names[1]

    def inside(self, *names: str) -> Look:
        """A folder below this one."""
        if not names:
            return self
        if names[0] not in self._inside:
            self._inside[names[0]] = Look(self.path / names[0])
        return self._inside[names[0]].inside(*names[1:])

    @property
    def sample(self) -> str:
        """Name of a file in one of the first folders; empty if there is none."""
        return next((look.files[0] for name in self.folders[:3] if (look := self.inside(name)).files), "")

    @property
    def photographs(self) -> bool:
        """Whether the folders hold files that may be photographs."""
        return bool(self.sample) and Path(self.sample).suffix.lower() not in _NOT_PHOTOGRAPHS


@dataclass(frozen=True)
class Evidence:
    """Why a folder may hold a data set.

    Attributes:
        why: What was seen.
        certain: Whether no other set looks like this. If not, the name of the folder decides.
        flat: Whether the images are not sorted into class folders, so that labels have to be brought.
    """

    why: str
    certain: bool
    flat: bool = False


@dataclass(frozen=True)
class Recognised:
    """A folder that holds a data set.

    Attributes:
        name: As in ``--data NAME=DIR``.
        folder: The folder.
        why: What it was recognised by.
        certain: Whether it can be no other set.
        flat: See `Evidence`.
    """

    name: str
    folder: Path
    why: str
    certain: bool
    flat: bool = False


def is_named(path: Path, names: Iterable[str]) -> bool:
    """Whether a folder has one of the names, whatever their case and punctuation, and whatever the version."""
    name = path.parent.name if path.name.lower() in _GENERAL_NAMES else path.name
    own = {_plain(name), _plain(_VERSION.sub("", name))}
    return not own.isdisjoint(_plain(Path(other).name) for other in names if other)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


# Signatures that forms share.


def in_wordnet_folders(look: Look) -> bool:
    """Whether every folder is named by the WordNet id of a class of ImageNet."""
    return bool(look.folders) and set(look.folders) <= set(imagenet_wnids())


def validation_photographs(look: Look) -> Evidence | None:
    """ImageNet's validation images under their published names, in folders of WordNet ids.

    A folder that is called by a number is one severity of a corrupted set, which keeps these names.
    """
    if not in_wordnet_folders(look) or not VALIDATION_NAME.fullmatch(look.sample) or look.path.name.isdecimal():
        return None
    return Evidence(f"{_count(look.folders, 'WordNet id')}, files such as {look.sample}", True)


def wordnet_photographs(look: Look) -> Evidence | None:
    """Photographs in folders of WordNet ids, or the validation images in one flat folder; not the training images."""
    sorted_images = validation_photographs(look)
    if sorted_images is not None:
        return sorted_images
    if not look.folders and look.path.name not in imagenet_wnids():
        images = [name for name in look.files if VALIDATION_NAME.fullmatch(name)]
        return Evidence(f"{len(images):,} files such as {images[0]}, not sorted", True, flat=True) if images else None
    numbered = look.path.name.isdecimal()
    if not in_wordnet_folders(look) or not look.photographs or _TRAINING_NAME.fullmatch(look.sample) or numbered:
        return None
    return Evidence(f"{_count(look.folders, 'WordNet id')}, files such as {look.sample}", False)


def training_photographs(look: Look) -> Evidence | None:
    """ImageNet's training photographs under their published names, in folders of WordNet ids."""
    if not in_wordnet_folders(look) or not _TRAINING_NAME.fullmatch(look.sample):
        return None
    return Evidence(f"{_count(look.folders, 'WordNet id')}, training photographs such as {look.sample}", True)


def class_folders(look: Look, keys: Iterable[str], own_classes: bool, others: bool) -> Evidence | None:
    """One folder for each class of a set.

    Args:
        look: The folder.
        keys: Names of the class folders.
        own_classes: Whether the set has classes of its own, by which it differs from others.
        others: Whether there may be folders of further classes.
    """
    expected, present = set(keys), set(look.folders)
    classes = present & expected
    if not classes or (present - expected and not others) or not look.photographs:
        return None
    if VALIDATION_NAME.fullmatch(look.sample) or _TRAINING_NAME.fullmatch(look.sample):
        return None
    why = f"{len(classes):,} of {len(expected):,} class folders, such as {min(classes)}"
    return Evidence(why, own_classes and classes == expected)


def condition_folders(
    look: Look,
    conditions: Iterable[str],
    groups: Iterable[str],
    levels: Sequence[str],
    classes: Collection[str],
    own_classes: bool,
) -> Evidence | None:
    """One folder for each corruption, then for each severity, then for each class.

    Args:
        look: The folder.
        conditions: Names of the corruptions of the set.
        groups: Names of folders that may stand in between.
        levels: Names of the folders of severities.
        classes: Names of the folders of classes.
        own_classes: Whether the set has classes of its own, by which it differs from others.
    """
    inside, every = _by_condition(look, conditions, groups)
    for name, corruption in inside.items():
        level = next((level for level in levels if level in corruption.folders), None)
        if level is None:
            continue
        photographs = corruption.inside(level)
        if photographs.folders and set(photographs.folders) <= set(classes) and photographs.photographs:
            why = f"{len(inside)} of {every} corruptions, such as {name}"
            return Evidence(why, own_classes or bool(VALIDATION_NAME.fullmatch(photographs.sample)))
    return None


def videos_by_condition(look: Look, conditions: Iterable[str], groups: Iterable[str]) -> Evidence | None:
    """One folder for each perturbation, then for each class of ImageNet, with videos; see `condition_folders`."""
    inside, every = _by_condition(look, conditions, groups)
    for name, perturbation in inside.items():
        if in_wordnet_folders(perturbation) and _video(perturbation):
            return Evidence(f"{len(inside)} of {every} corruptions, such as {name}", True)
    return None


def _by_condition(look: Look, conditions: Iterable[str], groups: Iterable[str]) -> tuple[dict[str, Look], int]:
    """The folders of conditions that are there, by name, and how many conditions the set has."""
    every = tuple(dict.fromkeys(conditions))
    places = [look, *(look.inside(name) for name in groups if name in look.folders)]
    return {name: place.inside(name) for place in places for name in every if name in place.folders}, len(every)


def _video(look: Look) -> bool:
    return look.sample.lower().endswith(".mp4")


def _count(folders: tuple[str, ...], what: str) -> str:
    return f"folders of {len(folders):,} {what}{'s' if len(folders) > 1 else ''}"
