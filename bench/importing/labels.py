"""The images of a task without the images: their names and labels, from a list that the user has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...tasks.images.folders import first, shuffling_key
from ...tasks.images.geometry import Geometry
from ...tasks.images.source import ImageSource, LoadFailure
from ...tasks.labels import ClassNames, class_count
from ...tasks.opening import available, how_to_bring, open_source
from ...tasks.task import Task
from .tables import LABEL, NAME, Content, read_content, read_table

_VALIDATION = "ILSVRC2012_val_{:08d}.JPEG"
_JSON_FORM = (
    "a JSON list with a list of classes for each image in the order of ILSVRC2012_val_00000001.JPEG and so on, or an "
    "object from names of images to classes"
)


class LabelList(ImageSource):
    """Names of images with their labels. There is nothing to look at: it is for predictions made elsewhere.

    Its digest covers names and labels, so a task on it is another one than on the images themselves, whose contents
    are known.

    Attributes:
        image_ids: The names, in an order in which every prefix is a random sample.
        labels: int64 (n,); of several accepted classes the first.
        origin: The file that they come from, with its SHA-256.
    """

    image_ids: tuple[str, ...]
    labels: np.ndarray

    def __init__(self, name: str, label_space: str, classes: Mapping[str, Sequence[int]], origin: str) -> None:
        """Order the images.

        Args:
            name: Of the data set.
            label_space: Of the labels.
            classes: The right classes by name of image; images without any are in `unasked`.
            origin: See `LabelList`.
        """
        self.name = name
        self.label_space = label_space
        self.origin = origin
        self.image_ids = tuple(sorted((i for i, right in classes.items() if right), key=shuffling_key))
        self.unasked = sorted(i for i, right in classes.items() if not right)
        self._classes = {image_id: sorted(classes[image_id]) for image_id in sorted(self.image_ids)}
        self.labels = np.array([self._classes[i][0] for i in self.image_ids], dtype=np.int64)

    def _facts(self) -> Any:
        return ["labels without images", self.label_space, self.manifest()]

    def manifest(self) -> Mapping[str, Any]:
        """The classes of each image, as a text."""
        return {i: f"label {' '.join(map(str, right))}, no image" for i, right in self._classes.items()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        pixels = np.zeros((len(indices), geometry.size, geometry.size, 3), dtype=np.uint8)
        return pixels, {index: LoadFailure("only its name and label are known", False) for index in indices}


class AcceptedList(LabelList):
    """A `LabelList` of which several classes count as right.

    Attributes:
        accepted: For each image the classes that count.
    """

    @property
    def accepted(self) -> tuple[frozenset[int], ...]:
        """For each image the classes that count as right; never empty."""
        return tuple(frozenset(self._classes[i]) for i in self.image_ids)


def images_of(
    task: Task,
    labels: Path | None,
    folders: Mapping[str, Path],
    seed: int,
    cache: Path | None = None,
    hashing: Any = None,
) -> ImageSource:
    """The images that predictions of a task are about.

    Args:
        task: Whose.
        labels: A list of names and labels, where there are no images.
        folders: Folders that the user named.
        seed: Of rendered images.
        cache: See `open_source`.
        hashing: See `open_source`.

    Raises:
        DataError: There is neither, or there are both, or what is there is of another form.
    """
    if labels is not None:
        if task.world == "microworld" or set(task.kind.needs) - {"accepted"}:
            why = "renders its images" if task.world == "microworld" else f"needs {' and '.join(task.kind.needs)}"
            raise DataError(f"{task.name} {why}, so labels alone are not enough; leave out --labels.")
        if available(task.dataset, folders):
            raise DataError(f"The images of {task.name} are there, so its labels are known; give --data or --labels.")
        return read_labels(task, read_content(labels))
    if not available(task.dataset, folders):
        raise DataError(
            f"{task.name} needs {how_to_bring(task.dataset)}; or, without images, --labels FILE: a CSV or Parquet file "
            "with the columns file_name and label, for the names and classes of all its images."
        )
    keys = [condition.key for condition in task.conditions] if task.on_disk else None
    return open_source(task.dataset, folders, task.images, seed, cache, hashing, keys)


def read_labels(task: Task, content: Content) -> LabelList:
    """Read names and labels from CSV, Parquet or JSON.

    Raises:
        DataError: Another form, a name twice, or a class that the task does not have, with a count and examples.
    """
    several = "accepted" in task.kind.needs
    written = _pairs(content, several)
    known = ClassNames(task)
    classes: dict[str, list[int]] = {}
    twice: list[str] = []
    wrong: list[str] = []
    for name, texts in written:
        if name in classes:
            twice.append(name)
        classes[name] = [known(text) for text in texts]
        wrong += [f"{text!r} of {name}" for text, right in zip(texts, classes[name], strict=True) if right < 0]
    if twice:
        raise DataError(f"{content.path} has names twice, {len(twice)} in all: {first(twice)}.")
    if wrong:
        raise DataError(
            f"{content.path} has {len(wrong)} labels that are none of the {class_count(task)} classes of {task.name}: "
            f"{first(wrong)}. A class is an index from 0, a WordNet id or a name."
        )
    if not any(classes.values()):
        raise DataError(f"{content.path} has no image with a label.")
    origin = f"labels of {content.path.name}, sha256 {content.sha256}; no images"
    kind = AcceptedList if several else LabelList
    return kind(task.dataset, task.answers or task.label_space, classes, origin)


def _pairs(content: Content, several: bool) -> list[tuple[str, list[str]]]:
    """Names of images and what is written as their classes."""
    if content.raw.lstrip()[:1] in (b"[", b"{"):
        return _json_pairs(content, several)
    table = read_table(content)
    names, labels = table.need("names of images", NAME), table.need("labels", LABEL)
    if not several:
        return [(name, [label]) for name, label in zip(names, labels, strict=True)]
    return [(name, label.replace(",", " ").split()) for name, label in zip(names, labels, strict=True)]


def _json_pairs(content: Content, several: bool) -> list[tuple[str, list[str]]]:
    try:
        document = json.loads(content.raw)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{content.path} is not JSON. Expected {_JSON_FORM}.") from error
    if isinstance(document, list):
        document = {_VALIDATION.format(number): right for number, right in enumerate(document, 1)}
    pairs = []
    for name, right in document.items():
        texts = right if isinstance(right, list) else [right]
        if not all(isinstance(text, (int, str)) and not isinstance(text, bool) for text in texts):
            raise DataError(f"{content.path}: the classes of {name} are {json.dumps(right)}. Expected {_JSON_FORM}.")
        if not several and len(texts) != 1:
            raise DataError(f"{content.path}: {name} has {len(texts)} classes, and the task takes one for each image.")
        pairs.append((name, [str(text) for text in texts]))
    return pairs
