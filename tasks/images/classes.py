"""Classes of the published sets, and which of ImageNet's 1000 count as each of them. Loads no numerical library."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...errors import DataError
from ...files import read_json

NUM_CLASSES = 1000
"""Classes of ImageNet-1k."""

_LISTS = Path(__file__).parent / "class_lists"


@dataclass(frozen=True)
class MergedClass:
    """A class that combines some of ImageNet's.

    Attributes:
        key: Its name in the files of the data set: a folder's name, or an index as text.
        name: Readable name.
        imagenet: Class indices of ImageNet-1k in ascending order; empty if ImageNet has no such class.
    """

    key: str
    name: str
    imagenet: tuple[int, ...]


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """The 1000 WordNet ids of ILSVRC-2012 in the order of the class indices.

    Returns:
        1000 ids; position is class index.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    return _wnids("imagenet_synsets.txt", NUM_CLASSES)


@cache
def class_list(name: str) -> tuple[str, ...]:
    """The WordNet ids of a larger label space of ImageNet, in the order of its class indices.

    Args:
        name: timm's file, such as ``"imagenet12k_synsets.txt"``.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    return tuple(_of_timm(name).read_text(encoding="utf-8").split())


@cache
def imagenet_a_wnids() -> tuple[str, ...]:
    """The 200 classes of ImageNet-A, sorted, which is also the order of their class indices.

    This is the list of the download and of the authors' code; the list in the paper differs.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    return _wnids("imagenet_a_synsets.txt", 200)


@cache
def imagenet_r_wnids() -> tuple[str, ...]:
    """The 200 classes of ImageNet-R, sorted, which is also the order of their class indices.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    return _wnids("imagenet_r_synsets.txt", 200)


@cache
def imagenet_names() -> tuple[str, ...]:
    """The first lemma of each of the 1000 classes, ``"tench"`` to ``"toilet tissue"``.

    Not unique: ``"crane"`` is a bird and a machine.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    return tuple(terms[0] for terms in imagenet_synonyms())


@cache
def imagenet_synonyms() -> tuple[tuple[str, ...], ...]:
    """All WordNet lemmas of each of the 1000 classes: ``("tench", "Tinca tinca")`` and so on.

    Not unique: ``"crane"`` and ``"missile"`` each name two classes.

    Raises:
        DataError: timm is not installed, or no longer ships the list.
    """
    lines = _of_timm("imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    lemmas = dict(line.split("\t", 1) for line in lines if "\t" in line)
    return tuple(tuple(term.strip() for term in lemmas[wnid].split(",")) for wnid in imagenet_wnids())


def real_labels(path: Path | None = None) -> tuple[frozenset[int], ...]:
    """The reassessed labels of ImageNet's validation images (Beyer et al., Are we done with ImageNet?, 2020).

    Args:
        path: The published ``real.json``; by default the copy that timm ships.

    Returns:
        One set of class indices per image, in the order of the numbers in the file names (the first belongs to
        ``ILSVRC2012_val_00000001.JPEG``). Empty if the annotators found none of the classes.

    Raises:
        DataError: The file cannot be read or is not such a list.
    """
    path = path or _of_timm("imagenet_real_labels.json")
    form = "a JSON list that holds a list of class indices 0..999 for every validation image"
    labels = read_json(path, form)
    if not (isinstance(labels, list) and labels and all(map(_are_classes, labels))):
        raise DataError(f"{path} does not hold {form}.")
    return tuple(map(frozenset, labels))


@cache
def objectnet_classes() -> tuple[MergedClass, ...]:
    """The 113 classes that ObjectNet and ImageNet share, in the order of their folders' names."""
    return _merged("objectnet.csv")


@cache
def imagenet_vid_classes() -> tuple[MergedClass, ...]:
    """The 30 classes of ImageNet-Vid in the order of their indices."""
    return _merged("imagenet_vid.csv")


@cache
def ytbb_classes() -> tuple[MergedClass, ...]:
    """The 24 classes of YouTube-BoundingBoxes in the order of their indices; 5 have no counterpart in ImageNet."""
    return _merged("ytbb.csv")


def imagenet_classes(wnids: Sequence[str]) -> tuple[MergedClass, ...]:
    """The classes of ImageNet with the given WordNet ids, in that order.

    Args:
        wnids: Some of `imagenet_wnids`.

    Raises:
        DataError: timm is not installed, or no longer ships the lists.
    """
    index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
    names = imagenet_names()
    return tuple(MergedClass(wnid, names[index[wnid]], (index[wnid],)) for wnid in wnids)


@cache
def entry_level_classes() -> tuple[MergedClass, ...]:
    """The 16 entry-level categories of model-vs-human, alphabetical; 207 of ImageNet's classes count as one of them."""
    return _merged("entry_level_16.csv")


@cache
def laion_c_classes() -> tuple[MergedClass, ...]:
    """The 16 superclasses of LAION-C, alphabetical; 285 of ImageNet's classes count as one of them."""
    return _merged("laion_c.csv")


@cache
def imagenet_d_classes() -> tuple[MergedClass, ...]:
    """The 113 classes of ImageNet-D, each with the classes of ImageNet that are accepted for it."""
    return _merged("imagenet_d.csv")


@cache
def pug_imagenet_classes() -> tuple[MergedClass, ...]:
    """The 151 classes of PUG: ImageNet, each with the classes of ImageNet that are accepted for it."""
    return _merged("pug_imagenet.csv")


@cache
def tiny_imagenet_classes() -> tuple[MergedClass, ...]:
    """The 200 classes of Tiny ImageNet, in the order of their class indices."""
    return _merged("tiny_imagenet.csv")


@cache
def cifar_names(count: int) -> tuple[str, ...]:
    """The names of CIFAR-10's or CIFAR-100's classes in the order of their labels, ``"airplane"``, ``"aquarium fish"``.

    Args:
        count: 10 or 100.
    """
    return tuple(merged.name for merged in _merged(f"cifar_{count}.csv"))


def _are_classes(labels: object) -> bool:
    return isinstance(labels, list) and all(type(x) is int and 0 <= x < NUM_CLASSES for x in labels)


def _of_timm(name: str) -> Path:
    """A list that timm ships, found without importing timm (which would import torch)."""
    spec = importlib.util.find_spec("timm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "data" / "_info" / name
        if path.is_file():
            return path
    raise DataError(f"The list of classes {name} that comes with timm was not found; pip install 'timm>=1.0.12'.")


def _wnids(name: str, count: int) -> tuple[str, ...]:
    path = _of_timm(name)
    wnids = tuple(path.read_text(encoding="utf-8").split())
    if len(set(wnids)) != count:
        raise DataError(f"{path} does not list {count} WordNet ids; pip install 'timm>=1.0.12'.")
    return wnids


def _merged(name: str) -> tuple[MergedClass, ...]:
    with (_LISTS / name).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.reader(line for line in handle if not line.startswith("#")))
    return tuple(MergedClass(key, title, _numbers(ids.split())) for key, title, ids in rows[1:])


def _numbers(parts: Sequence[str]) -> tuple[int, ...]:
    """``["7-9", "80"]`` to ``(7, 8, 9, 80)``."""
    numbers: list[int] = []
    for part in parts:
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)
