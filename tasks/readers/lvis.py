"""Photographs of COCO with LVIS's boxes of very many classes, each annotated for some of them alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...errors import DataError
from ..understanding.federated import open_ended
from .coco import Annotation, Boxed, BoxedFiles, boxed, by_hash, by_image, decoded

FOLDERS = ("train2017", "val2017")
"""Of COCO, in which the images of both files of LVIS are."""

_WHOSE = "LVIS v1"
_ADDRESS = re.compile(rf"https?://[^\\]+/(?:{'|'.join(FOLDERS)})/[0-9A-Za-z_-]+\.jpg")


class _Image(msgspec.Struct, frozen=True):
    id: int
    coco_url: str
    width: int
    height: int
    neg_category_ids: list[int]
    not_exhaustive_category_ids: list[int]

    @property
    def file(self) -> str:
        """Below the root: the end of its address."""
        return "/".join(self.coco_url.split("/")[-2:])

    @property
    def folder(self) -> str:
        """That of its file."""
        return self.file.split("/")[0]


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str
    frequency: str


class _Instances(msgspec.Struct, frozen=True):
    images: list[_Image]
    annotations: list[Annotation]
    categories: list[_Category]


class LvisImages(BoxedFiles):
    """The images of one list of LVIS, and some of another to learn from.

    Classes are numbered from 0, group by group by how common they are, and in a group by their published numbers.
    Images to learn from come in an order in which each class comes early: the first of each class, then the second.
    """

    form = "lvis"

    def __init__(
        self,
        root: Path,
        name: str,
        listings: tuple[str, str],
        folders: tuple[str, ...],
        groups: Sequence[tuple[str, int]],
        most: int,
        cache: Path | None = None,
        progress: Any = None,
    ) -> None:
        """Read the annotations.

        Args:
            root: The folder with ``annotations`` and the images.
            name: Of the data set.
            listings: Files of annotations, of the images to be judged and of those to learn from.
            folders: Of the images to be judged; those in other ones are left out.
            groups: Groups of classes, each with its name, of which the annotations have the first letter, and how many
                classes are in it.
            most: Images that are learned from, at most.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: Annotations are of another form, contradict each other, or name images that are absent.
        """
        judging, learning = listings
        known = decoded(root, judging, _Instances, _WHOSE)
        kinds = _kinds(judging, known.categories, groups)
        names = {one.id: one.name for one in known.categories}
        images, of_image = _checked(judging, known, kinds)
        chosen = [one for one in images if one.folder in folders]
        if not chosen:
            raise DataError(f"{judging} lists no images in {' and '.join(folders)}")
        judged, absent = _boxed(root, judging, chosen, of_image, kinds)
        known = decoded(root, learning, _Instances, _WHOSE)
        if {one.id: one.name for one in known.categories} != names:
            raise DataError(f"{learning} has other categories than {judging}")
        images, of_image = _checked(learning, known, kinds)
        learned, also_absent = _boxed(root, learning, _each_class_early(images, of_image)[:most], of_image, kinds)
        self._absent = absent | also_absent
        super().__init__(root, name, listings, judged, learned, cache, progress)

    def _own_state(self) -> dict[str, Any]:
        return super()._own_state() | {"_absent": self._absent}

    def absent_in(self, image_id: str) -> np.ndarray:
        """See `FederatedImages.absent_in`."""
        return self._absent[image_id]


def _kinds(listing: str, categories: Sequence[_Category], groups: Sequence[tuple[str, int]]) -> dict[int, int]:
    """Class by the number of its category."""
    count = sum(classes for _, classes in groups)
    if sorted(one.id for one in categories) != [*range(1, count + 1)]:
        raise DataError(
            f"{listing} has {len(categories)} categories; those of {_WHOSE} are numbered from 1 to {count}. An earlier "
            "version has other ones"
        )
    letters = {name[0]: place for place, (name, _) in enumerate(groups)}
    unknown = next((one for one in categories if one.frequency not in letters), None)
    if unknown is not None:
        raise DataError(
            f"{listing}: the category {unknown.id} has the frequency {unknown.frequency!r}, which is none of "
            f"{', '.join(letters)}"
        )
    for name, expected in groups:
        there = sum(one.frequency == name[0] for one in categories)
        if there != expected:
            raise DataError(f"{listing} has {there} {name} categories, where {_WHOSE} has {expected}")
    ordered = sorted(categories, key=lambda one: (letters[one.frequency], one.id))
    return {one.id: place for place, one in enumerate(ordered)}


def _checked(
    listing: str, known: _Instances, kinds: Mapping[int, int]
) -> tuple[list[_Image], dict[int, list[Annotation]]]:
    """All images in the order of a hash, and the annotations of each by its number."""
    for one in known.images:
        if not _ADDRESS.fullmatch(one.coco_url):
            raise DataError(
                f"{listing}: the address {one.coco_url!r} (coco_url) of image {one.id} names no JPEG file in "
                f"{' or '.join(FOLDERS)}"
            )
    files = {one.id: one.file for one in known.images}
    of_image = by_image(listing, known.images, files, known.annotations, kinds)
    for one in known.images:
        told = {*one.neg_category_ids, *one.not_exhaustive_category_ids}
        if not told <= kinds.keys():
            raise DataError(
                f"{listing} says of image {one.id} whether the category {min(told - kinds.keys())} is there, which is "
                "not listed"
            )
        both = {*one.neg_category_ids} & {own.category_id for own in of_image[one.id]}
        if both:
            raise DataError(
                f"{listing} says that the category {min(both)} is not in image {one.id} (neg_category_ids), and has "
                "annotations of it there"
            )
    return by_hash(known.images, files), of_image


def _each_class_early(images: Sequence[_Image], of_image: Mapping[int, Sequence[Annotation]]) -> list[_Image]:
    """The first image of each class, then the second of each, and so on; those without any object come last."""
    before: Counter[int] = Counter()
    turns = {}
    for image in images:
        own = {one.category_id for one in of_image[image.id]}
        turns[image.id] = min((before[kind] for kind in own), default=len(images))
        before.update(own)
    return sorted(images, key=lambda one: turns[one.id])


def _boxed(
    root: Path,
    listing: str,
    images: Sequence[_Image],
    of_image: Mapping[int, Sequence[Annotation]],
    kinds: Mapping[int, int],
) -> tuple[dict[str, Boxed], dict[str, np.ndarray]]:
    """Images with their boxes, and the classes that are not in them, by their names."""
    where = " or ".join(sorted({one.folder for one in images}))
    read = boxed(root, listing, images, {one.id: one.file for one in images}, of_image, kinds, where)
    absent = {}
    for image, (name, own) in zip(images, read.items(), strict=True):
        more = [kinds[number] for number in sorted({*image.not_exhaustive_category_ids})]
        read[name] = replace(own, boxes=open_ended(own.boxes, more))
        absent[name] = np.array([kinds[number] for number in image.neg_category_ids], dtype=np.int64)
    return read, absent
