"""Photographs with boxes of objects as COCO publishes them: some to be judged, others to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np

from ...errors import DataError
from ..understanding.average_precision import Boxes
from .masks import AnnotatedFiles

_BEYOND = 1.0
"""Pixels by which a box may reach beyond its image: published ones are rounded."""


class Listed(Protocol):
    """What is read of an image in every form of these annotations."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def width(self) -> int:
        """In pixels."""

    @property
    def height(self) -> int:
        """In pixels."""


class _Image(msgspec.Struct, frozen=True):
    id: int
    file_name: str
    width: int
    height: int


class Annotation(msgspec.Struct, frozen=True):
    """A box in an image; outlines and captions, which are most of a file, are not kept."""

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int = 0


class _Category(msgspec.Struct, frozen=True):
    id: int
    name: str


class _Instances(msgspec.Struct, frozen=True):
    images: list[_Image]
    annotations: list[Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class Boxed:
    """An image and its boxes.

    Attributes:
        file: Below the root.
        size: Height and width in pixels.
        boxes: The true ones.
    """

    file: str
    size: tuple[int, int]
    boxes: Boxes


class BoxedFiles(AnnotatedFiles):
    """Images with boxes in files of annotations; a subclass reads these.

    Boxes belong to the pixels as they are stored: a note on how the camera was held (EXIF) is not followed.

    Attributes:
        image_ids: Names of the images to be judged, ordered by a hash, so that a prefix is a fair sample; those without
            any object are among them.
        learning_ids: Names of the images to learn from.
    """

    form: str
    """Name of the form of the annotations; a part of the identity of the images."""

    def __init__(
        self,
        root: Path,
        name: str,
        listings: tuple[str, str],
        judged: Mapping[str, Boxed],
        learned: Mapping[str, Boxed],
        cache: Path | None,
        progress: Any,
    ) -> None:
        """Take what was read.

        Args:
            root: The folder with the annotations and the images.
            name: Of the data set.
            listings: Files of annotations, of the images to be judged and of those to learn from.
            judged: The former by their names, in order.
            learned: The latter.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: An image is both.
        """
        super().__init__(root, name, cache, progress)
        both = sorted({*judged} & {*learned})
        if both:
            raise DataError(f"{len(both)} images are in both files of annotations, such as {both[0]}")
        self._judged, self._known = tuple(judged), {**judged, **learned}
        self.learning_ids = tuple(learned)
        self.files = tuple(sorted((*(one.file for one in self._known.values()), *listings)))
        self.trained: dict[tuple[str, str], Any] = {}

    def _own_state(self) -> dict[str, Any]:
        names = ("_judged", "_known", "learning_ids", "files", "_contents")
        return {name: getattr(self, name) for name in names} | {"trained": {}}

    def _protocol(self) -> Any:
        return [self.form, self.learning_ids]

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(self._judged)

    def picture(self, image_id: str) -> np.ndarray:
        """See `BoxedImages.picture`.

        Raises:
            DataError: Also where it has another size than its annotations say.
        """
        own = self._known[image_id]
        height, width = own.size
        pixels = self.photograph(own.file)
        if pixels.shape[:2] != (height, width):
            rows, columns = pixels.shape[:2]
            raise DataError(
                f"{own.file} has {columns} x {rows} pixels, its annotations say {width} x {height}: boxes belong to "
                "the published file as it is stored, neither resized nor turned"
            )
        return pixels

    def boxes_of(self, image_id: str) -> Boxes:
        """See `BoxedImages.boxes_of`."""
        return self._known[image_id].boxes

    def size_of(self, image_id: str) -> tuple[int, int]:
        """See `BoxedImages.size_of`."""
        return self._known[image_id].size


class CocoImages(BoxedFiles):
    """The images of one list of COCO, and some of another to learn from, the first in the order of a hash.

    Classes are numbered from 0 in the order of their published numbers, which run from 1 to 90 with gaps.
    """

    form = "coco"

    def __init__(
        self,
        root: Path,
        name: str,
        parts: tuple[tuple[str, str], tuple[str, str]],
        classes: Sequence[str],
        most: int,
        cache: Path | None = None,
        progress: Any = None,
    ) -> None:
        """Read the annotations.

        Args:
            root: The folder with ``annotations`` and the images.
            name: Of the data set.
            parts: For the images to be judged and for those to learn from, the file of annotations and the folder of
                the images.
            classes: Names, in the order of their published numbers.
            most: Images that are learned from, at most.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: Annotations are of another form, contradict each other, or name images that are absent.
        """
        (judging, judged_in), (learning, learned_in) = parts
        judged = _read(root, judging, judged_in, classes, 0)
        learned = _read(root, learning, learned_in, classes, most)
        super().__init__(root, name, (judging, learning), judged, learned, cache, progress)


def _read(root: Path, listing: str, folder: str, classes: Sequence[str], most: int) -> dict[str, Boxed]:
    """Images by their names, in the order of a hash.

    Args:
        root: Of the data set.
        listing: File of annotations below it.
        folder: Of the images.
        classes: Names in order.
        most: Images that are kept; 0 for all.
    """
    known = decoded(root, listing, _Instances, "COCO's instances")
    numbers = [one.id for one in sorted(known.categories, key=lambda one: one.id)]
    names = [one.name for one in sorted(known.categories, key=lambda one: one.id)]
    if names != list(classes):
        wrong = next((name for name, own in zip(names, classes, strict=False) if name != own), None)
        what = f"such as {wrong!r}" if wrong else f"{len(names)} of them"
        raise DataError(f"{listing} has other categories than COCO's {len(classes)}, {what}")
    if len({*numbers}) < len(numbers):
        raise DataError(f"{listing} lists a category twice")
    for image in known.images:
        if Path(image.file_name).name != image.file_name:
            raise DataError(f"{listing} names the file {image.file_name!r}, which is not in {folder}")
    files = {image.id: f"{folder}/{image.file_name}" for image in known.images}
    kinds = {number: place for place, number in enumerate(numbers)}
    of_image = by_image(listing, known.images, files, known.annotations, kinds)
    chosen = by_hash(known.images, files)
    return boxed(root, listing, chosen[:most] if most else chosen, files, of_image, kinds, folder)


# What all forms of these annotations share.

Form = TypeVar("Form")
Image = TypeVar("Image", bound=Listed)


def decoded(root: Path, listing: str, form: type[Form], whose: str) -> Form:
    """A file of annotations.

    Args:
        root: Of the data set.
        listing: The file below it.
        form: What is in it.
        whose: Name of that for people.

    Raises:
        DataError: It cannot be read, or has another form.
    """
    try:
        return msgspec.json.decode((root / listing).read_bytes(), type=form)
    except OSError as error:
        raise DataError(f"{listing}: {error.strerror or type(error).__name__}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{listing} does not have the form of {whose}: {error}") from None


def by_hash(images: Sequence[Image], files: Mapping[int, str]) -> list[Image]:
    """Images in the order of a hash of the names of their files."""
    return sorted(images, key=lambda one: hashlib.sha256(Path(files[one.id]).name.encode()).hexdigest())


def by_image(
    listing: str,
    images: Sequence[Listed],
    files: Mapping[int, str],
    annotations: Sequence[Annotation],
    kinds: Mapping[int, int],
) -> dict[int, list[Annotation]]:
    """The annotations of each image, by its number.

    Args:
        listing: Where they are from, for people.
        images: All that are listed.
        files: Their files, by their numbers.
        annotations: Of all of them.
        kinds: Class by the number of its category.

    Raises:
        DataError: Something is listed twice or not at all.
    """
    stems = {Path(file).stem for file in files.values()}  # by which images are known from here on
    if min(len(files), len(stems)) < len(images) or not images:
        raise DataError(f"{listing} lists {'an image twice' if images else 'no images'}")
    of_image: dict[int, list[Annotation]] = {number: [] for number in files}
    for one in annotations:
        if one.image_id not in of_image:
            raise DataError(f"{listing}: annotation {one.id} is of the image {one.image_id}, which is not listed")
        if one.category_id not in kinds:
            raise DataError(f"{listing}: annotation {one.id} has the category {one.category_id}, which is not listed")
        of_image[one.image_id].append(one)
    if len({one.id for one in annotations}) < len(annotations):
        raise DataError(f"{listing} has two annotations of one number")
    return of_image


def boxed(
    root: Path,
    listing: str,
    images: Sequence[Listed],
    files: Mapping[int, str],
    of_image: Mapping[int, Sequence[Annotation]],
    kinds: Mapping[int, int],
    where: str,
) -> dict[str, Boxed]:
    """Images with their boxes, by their names and in their order.

    Args:
        root: Of the data set.
        listing: File of annotations, for people.
        images: Those that are wanted.
        files: Their files, by their numbers.
        of_image: Their annotations, by their numbers.
        kinds: Class by the number of its category.
        where: Where their files are, for people.

    Raises:
        DataError: A box is not within its image, or a file is absent.
    """
    read = {
        Path(files[image.id]).stem: Boxed(
            files[image.id],
            (image.height, image.width),
            _boxes(listing, image, Path(files[image.id]).name, of_image[image.id], kinds),
        )
        for image in images
    }
    lacking = [name for name, one in read.items() if not (root / one.file).is_file()]
    if lacking:
        raise DataError(f"{listing} names {len(lacking)} images that are not in {where}, such as {lacking[0]}")
    return read


def _boxes(
    listing: str, image: Listed, name: str, annotations: Sequence[Annotation], kinds: Mapping[int, int]
) -> Boxes:
    for one in annotations:
        left, top, width, height = one.bbox
        inside = min(left, top) >= -_BEYOND
        inside &= left + width <= image.width + _BEYOND and top + height <= image.height + _BEYOND
        if not inside or min(width, height, one.area) < 0:
            raise DataError(
                f"{listing}: the box {list(one.bbox)} of annotation {one.id} is not within its image "
                f"{name} of {image.width} x {image.height} pixels; a box is left, top, width, height"
            )
    return Boxes(
        np.array([one.bbox for one in annotations], dtype=np.float64).reshape(-1, 4),
        np.array([kinds[one.category_id] for one in annotations], dtype=np.int64),
        np.array([float(not one.iscrowd) for one in annotations]),
        np.array([one.area for one in annotations], dtype=np.float64),
    )
