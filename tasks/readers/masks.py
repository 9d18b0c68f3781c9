"""Pictures whose pixels are numbers: masks of objects and classes, beside the photographs that they belong to."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from ..images.hashing import check_readable
from ..images.reading import CHANGED
from ..images.source import FolderSource

if TYPE_CHECKING:
    from ..images.geometry import Geometry
    from ..images.source import LoadFailure

_INDEXED = ("P", "L", "1")
"""Pillow's modes of pictures with one number a pixel."""


class AnnotatedFiles(FolderSource):
    """Photographs and their masks in a folder; a subclass says which files belong together.

    Attributes:
        files: Paths below the root of all files that decide a number, sorted.
        labels: int64 (n,), all -1: no class of an image is asked.
    """

    label_space = "none"

    files: tuple[str, ...]

    _contents: dict[str, str] | None = None  # SHA-256 or `UNREADABLE` by path

    @cached_property
    def labels(self) -> np.ndarray:  # type: ignore[override]
        """See the class."""
        return np.full(len(self), -1, dtype=np.int64)

    def _protocol(self) -> Any:
        """Plain data that determines the masks besides the files."""
        return None

    def _facts(self) -> Any:
        """Every file and its content, the protocol, and what the positions are."""
        return [self._protocol(), list(self.manifest().items())]

    def manifest(self) -> dict[str, str]:
        """The files, each with the SHA-256 of its content or `UNREADABLE`.

        Raises:
            DataError: Not one of the files can be read.
        """
        if self._contents is None:
            entries = self._hash_files(self.files)
            check_readable(self.root, entries)
            self._contents = {name: entry.sha256 for name, entry in entries.items()}
        return self._contents

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        raise ValueError(f"the images of {self.name} are read whole, by the protocol of a task")

    def photograph(self, name: str) -> np.ndarray:
        """A file as uint8 (H, W, 3), RGB, as stored: a note on how the camera was held is not followed.

        Raises:
            DataError: It cannot be read, or is not what was hashed.
        """
        with self._opened(name) as image:
            return np.asarray(image.convert("RGB"))

    def indices(self, name: str, like: str = "") -> np.ndarray:
        """The numbers of a mask, uint8 (H, W).

        Args:
            name: Its file.
            like: File of the photograph whose size it has to have; empty for any.

        Raises:
            DataError: It cannot be read, has colours in place of numbers, or another size.
        """
        with self._opened(name) as image:
            if image.mode not in _INDEXED:
                raise DataError(
                    f"{name} has colours (mode {image.mode}), not the numbers of objects or classes; use the "
                    "published file, a PNG with a palette or in grey"
                )
            numbers = np.asarray(image).astype(np.uint8)
        if like:
            with self._opened(like) as photograph:
                width, height = photograph.size
            if numbers.shape != (height, width):
                rows, columns = numbers.shape
                raise DataError(f"{name} has {columns} x {rows} pixels, its photograph {like} {width} x {height}")
        return numbers

    def content(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            DataError: It cannot be read, or is not what was hashed.
        """
        try:
            content = (self.root / name).read_bytes()
        except OSError as error:
            raise DataError(f"{name}: {error.strerror or type(error).__name__}") from None
        known = self._contents.get(name) if self._contents else None
        if known is not None and hashlib.sha256(content).hexdigest() != known:
            raise DataError(f"{name}: {CHANGED}")
        return content

    def _opened(self, name: str) -> Image.Image:
        content = self.content(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(content), formats=("JPEG", "PNG"))
                image.load()
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, Warning):
            raise DataError(f"{name} is no readable JPEG or PNG file") from None
        return image


def names_listed(path: Path) -> list[str]:
    """The names in a list, one a line.

    Raises:
        DataError: There is no such list, or it is empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {path.name} cannot be read ({type(error).__name__})") from None
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError(f"the list {path.name} is empty")
    return names


class DavisClips(AnnotatedFiles):
    """Clips of DAVIS with a mask for every frame; each position is one object of one clip.

    Attributes:
        image_ids: The clip, ``/`` and the object's number. Clips are ordered by a hash of their names, so that a prefix
            is a fair sample.
    """

    def __init__(
        self, root: Path, name: str, listing: str, single: bool, cache: Path | None = None, progress: Any = None
    ) -> None:
        """Read the list of clips, the names of their files and their first masks.

        Args:
            root: The folder with ``JPEGImages``, ``Annotations`` and ``ImageSets``.
            name: Name of the set.
            listing: The list of clips, below the root.
            single: Whether everything that is not background is one object, as in DAVIS 2016; else each value is one,
                and 255 is background, as its authors evaluate DAVIS 2017.
            cache: See `FolderSource`.
            progress: See `FolderSource`.

        Raises:
            DataError: A list, a clip or a mask is missing or of another form.
        """
        super().__init__(root, name, cache, progress)
        self._listing, self._single = listing, single
        self._frames: dict[str, list[str]] = {}
        clips = names_listed(self.root / listing)
        absent = [clip for clip in clips if not (self.root / _FRAMES / clip).is_dir()]
        if absent:
            raise DataError(f"{listing} names {len(absent)} clips that are not in {_FRAMES}: {', '.join(absent[:5])}")
        for clip in clips:
            self._frames[clip] = sorted(path.stem for path in (self.root / _FRAMES / clip).glob("*.jpg"))
            lacking = [n for n in self._frames[clip] if not (self.root / self._mask_file(clip, n)).is_file()]
            if not self._frames[clip]:
                raise DataError(f"the clip {clip} has no frames (*.jpg) in {_FRAMES}/{clip}")
            if lacking:
                raise DataError(f"the clip {clip} lacks {len(lacking)} masks, such as {clip}/{lacking[0]}.png")
        self.files = tuple(
            sorted(
                file
                for clip, frames in self._frames.items()
                for frame in frames
                for file in (self._frame_file(clip, frame), self._mask_file(clip, frame))
            )
        )
        self._objects = {clip: int(self.mask(clip, 0).max()) for clip in clips}
        empty = [clip for clip, objects in self._objects.items() if not objects]
        if empty:
            hint = "" if single else "; masks of 0 and 255 alone are those of DAVIS 2016: use davis-2016"
            raise DataError(f"the first mask of {', '.join(empty[:5])} has no object{hint}")

    def _own_state(self) -> dict[str, Any]:
        names = ("_listing", "_single", "_frames", "_objects", "files", "_contents")
        return {name: getattr(self, name) for name in names}

    def _protocol(self) -> Any:
        return ["davis", self._single, {clip: len(frames) for clip, frames in sorted(self._frames.items())}]

    @staticmethod
    def _frame_file(clip: str, frame: str) -> str:
        return f"{_FRAMES}/{clip}/{frame}.jpg"

    @staticmethod
    def _mask_file(clip: str, frame: str) -> str:
        return f"{_MASKS}/{clip}/{frame}.png"

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        clips = sorted(self._objects, key=lambda clip: hashlib.sha256(clip.encode()).hexdigest())
        return tuple(f"{clip}/{number}" for clip in clips for number in range(1, self._objects[clip] + 1))

    def object_at(self, position: int) -> tuple[str, int]:
        """See `ObjectClips.object_at`."""
        clip, _, number = self.image_ids[position].rpartition("/")
        return clip, int(number)

    def length_of(self, clip: str) -> int:
        """See `ObjectClips.length_of`."""
        return len(self._frames[clip])

    def objects(self, clip: str) -> int:
        """See `ObjectClips.objects`."""
        return self._objects[clip]

    def frame(self, clip: str, number: int) -> np.ndarray:
        """See `ObjectClips.frame`."""
        return self.photograph(self._frame_file(clip, self._frames[clip][number]))

    def mask(self, clip: str, number: int) -> np.ndarray:
        """See `ObjectClips.mask`."""
        frame = self._frames[clip][number]
        values = self.indices(self._mask_file(clip, frame), like=self._frame_file(clip, frame))
        if self._single:
            return (values > 0).astype(np.uint8)
        return np.where(values == _VOID, np.uint8(0), values)


_FRAMES, _MASKS = "JPEGImages/480p", "Annotations/480p"
_VOID = 255
