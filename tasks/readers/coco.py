"""Photographs with boxes of objects as COCO publishes them: some to be judged, others to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...errors import DataError
from ..understanding.average_precision import Boxes
from .masks import AnnotatedFiles

_BEYOND = 1.0
"""Pixels by which a box may reach beyond its image: published ones are rounded."""


class _Image(msgspec.Struct, frozen=True):
    id: int
    file_name: str
    width: int
    height: int


class _Annotation(msgspec.Struct, frozen=True):
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
    """What is read of a file; outlines and captions, which are most of it, are not kept."""

    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class CocoImages(AnnotatedFiles):
    """The images of one list of COCO, and some of another to learn from.

    Classes are numbered from 0 in the order of their published numbers, which run from 1 to 90 with gaps. Boxes belong
    to the pixels as they are stored: a note on how the camera was held (EXIF) is not followed.

    Attributes:
        image_ids: Names of the images to be judged, ordered by a hash, so that a prefix is a fair sample; those without
            any object are among them.
        learning_ids: Names of the images to learn from, the first in the order of a hash.
    """

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
        super().__init__(root, name, cache, progress)
        judged, learned = (
            _read(self.root, listing, folder, classes, most * n) for n, (listing, folder) in enumerate(parts)
        )
        both = sorted({*judged} & {*learned})
        if both:
            raise DataError(f"{len(both)} images are in both files of annotations, such as {both[0]}")
        self._judged, self._known = tuple(judged), judged | learned
        self.learning_ids = tuple(learned)
        self._most = most
        files = (file for file, _, _ in self._known.values())
        self.files = tuple(sorted((*files, *(listing for listing, _ in parts))))
        self.trained: dict[tuple[str, str], Any] = {}

    def _own_state(self) -> dict[str, Any]:
        names = ("_judged", "_known", "learning_ids", "_most", "files", "_contents")
        return {name: getattr(self, name) for name in names} | {"trained": {}}

    def _protocol(self) -> Any:
        return ["coco", self.learning_ids]

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(self._judged)

    def picture(self, image_id: str) -> np.ndarray:
        """See `BoxedImages.picture`.

        Raises:
            DataError: Also where it has another size than its annotations say.
        """
        file, (height, width), _ = self._known[image_id]
        pixels = self.photograph(file)
        if pixels.shape[:2] != (height, width):
            rows, columns = pixels.shape[:2]
            raise DataError(
                f"{file} has {columns} x {rows} pixels, its annotations say {width} x {height}: boxes belong to the "
                "published file as it is stored, neither resized nor turned"
            )
        return pixels

    def boxes_of(self, image_id: str) -> Boxes:
        """See `BoxedImages.boxes_of`."""
        return self._known[image_id][2]

    def size_of(self, image_id: str) -> tuple[int, int]:
        """See `BoxedImages.size_of`."""
        return self._known[image_id][1]


def _read(
    root: Path, listing: str, folder: str, classes: Sequence[str], most: int
) -> dict[str, tuple[str, tuple[int, int], Boxes]]:
    """File, height and width, and boxes of each image by its name, in the order of a hash.

    Args:
        root: Of the data set.
        listing: File of annotations below it.
        folder: Of the images.
        classes: Names in order.
        most: Images that are kept; 0 for all.
    """
    try:
        known = msgspec.json.decode((root / listing).read_bytes(), type=_Instances)
    except OSError as error:
        raise DataError(f"{listing}: {error.strerror or type(error).__name__}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{listing} does not have the form of COCO's instances: {error}") from None
    numbers = [one.id for one in sorted(known.categories, key=lambda one: one.id)]
    names = [one.name for one in sorted(known.categories, key=lambda one: one.id)]
    if names != list(classes):
        wrong = next((name for name, own in zip(names, classes, strict=False) if name != own), None)
        what = f"such as {wrong!r}" if wrong else f"{len(names)} of them"
        raise DataError(f"{listing} has other categories than COCO's {len(classes)}, {what}")
    if len({*numbers}) < len(numbers):
        raise DataError(f"{listing} lists a category twice")
    images = {one.id for one in known.images}
    stems = {Path(one.file_name).stem for one in known.images}  # by which images are known from here on
    if min(len(images), len(stems)) < len(known.images) or not images:
        raise DataError(f"{listing} lists {'an image twice' if images else 'no images'}")
    kinds = {number: place for place, number in enumerate(numbers)}
    of_image: dict[int, list[_Annotation]] = {number: [] for number in images}
    for one in known.annotations:
        if one.image_id not in images:
            raise DataError(f"{listing}: annotation {one.id} is of the image {one.image_id}, which is not listed")
        if one.category_id not in kinds:
            raise DataError(f"{listing}: annotation {one.id} has the category {one.category_id}, which is not listed")
        of_image[one.image_id].append(one)
    if len({one.id for one in known.annotations}) < len(known.annotations):
        raise DataError(f"{listing} has two annotations of one number")
    chosen = sorted(known.images, key=lambda one: hashlib.sha256(one.file_name.encode()).hexdigest())
    read = {}
    for image in chosen[:most] if most else chosen:
        if Path(image.file_name).name != image.file_name:
            raise DataError(f"{listing} names the file {image.file_name!r}, which is not in {folder}")
        read[Path(image.file_name).stem] = (
            f"{folder}/{image.file_name}",
            (image.height, image.width),
            _boxes(listing, image, of_image[image.id], kinds),
        )
    lacking = [name for name, (file, _, _) in read.items() if not (root / file).is_file()]
    if lacking:
        raise DataError(f"{listing} names {len(lacking)} images that are not in {folder}, such as {lacking[0]}")
    return read


def _boxes(listing: str, image: _Image, annotations: Sequence[_Annotation], kinds: dict[int, int]) -> Boxes:
    for one in annotations:
        left, top, width, height = one.bbox
        inside = min(left, top) >= -_BEYOND
        inside &= left + width <= image.width + _BEYOND and top + height <= image.height + _BEYOND
        if not inside or min(width, height, one.area) < 0:
            raise DataError(
                f"{listing}: the box {list(one.bbox)} of annotation {one.id} is not within its image "
                f"{image.file_name} of {image.width} x {image.height} pixels; a box is left, top, width, height"
            )
    return Boxes(
        np.array([one.bbox for one in annotations], dtype=np.float64).reshape(-1, 4),
        np.array([kinds[one.category_id] for one in annotations], dtype=np.int64),
        np.array([float(not one.iscrowd) for one in annotations]),
        np.array([one.area for one in annotations], dtype=np.float64),
    )
