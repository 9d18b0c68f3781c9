"""Clips stored as folders of numbered images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....errors import DataError
from ..files import EXTENSIONS, images_below
from ..walking import NOTHING, OUTSIDE, LeftOut, files_in
from .images import decode_image, shown_at, stacked
from .source import UnreadableClipError, check_times

_RATE = re.compile(r"(?:^|[_@\- ])(\d+(?:\.\d+)?)fps$", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)$")


class FrameFolders:
    """A `ClipSource` of folders with images, whose names end in a number (``frame_000017.jpg``).

    Args:
        folders: One folder for each clip.
        rate: Images per second of folders whose names do not end in it (``dog_12.5fps``).
        labels: Class of each clip; None if they are unknown.
        left_out: What the listing of the folders left out.

    Raises:
        DataError: The rate of a folder is unknown.
        ValueError: The rate is not positive.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        rate: float | None = None,
        labels: Sequence[int] | None = None,
        left_out: LeftOut = NOTHING,
    ) -> None:
        if rate is not None and not 0.0 < rate < float("inf"):
            raise ValueError(f"Invalid frame rate {rate}; give a positive number of frames per second")
        self.left_out = left_out
        self.folders = tuple(Path(folder) for folder in folders)
        self.labels = tuple(labels) if labels is not None else (-1,) * len(self.folders)
        self.rates = tuple(_rate_of(folder, rate) for folder in self.folders)
        self._listed: dict[int, tuple[list[int], list[str]]] = {}

    def __len__(self) -> int:
        return len(self.folders)

    def _images(self, clip: int) -> tuple[list[int], list[str]]:
        if clip not in self._listed:
            self._listed[clip] = _list(self.folders[clip])
        return self._listed[clip]

    def seconds(self, clip: int) -> float:
        """Duration, including the last image; see `ClipSource`."""
        numbers, _ = self._images(clip)
        return (numbers[-1] - numbers[0] + 1) / self.rates[clip]

    def label(self, clip: int) -> int:
        """Class, or -1 if it is unknown."""
        return self.labels[clip]

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Images on the screen at given times; see `ClipSource`."""
        check_times(times, self.seconds(clip))
        numbers, names = self._images(clip)
        folder = self.folders[clip]
        places = shown_at(numbers, self.rates[clip], times)
        pictures = {place: _read(folder / names[place], folder, size) for place in sorted(set(places))}
        return stacked([pictures[place] for place in places], str(folder))


def _read(path: Path, folder: Path, size: int | None) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableClipError(folder, f"a frame cannot be read ({error.strerror})") from None
    return decode_image(content, str(folder), size)


def _rate_of(folder: Path, rate: float | None) -> float:
    suffix = _RATE.search(folder.name)
    fps = float(suffix[1]) if suffix else rate
    if not fps:
        raise DataError(
            f"The frame rate of {folder} is unknown: end its name in, for example, _25fps, or give a rate for all "
            "folders."
        )
    return fps


def _list(folder: Path) -> tuple[list[int], list[str]]:
    """Numbers and names of a folder's images, sorted by number."""
    try:
        names = files_in(folder, EXTENSIONS).files
    except DataError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else None
        raise UnreadableClipError(folder, (reason or "cannot be listed").lower()) from None
    numbered = sorted((int(match[1]), name) for name in names if (match := _NUMBER.search(Path(name).stem)))
    if not numbered:
        raise UnreadableClipError(folder, "has no images whose names end in a number")
    numbers = [number for number, _ in numbered]
    if len(set(numbers)) < len(numbers):
        raise UnreadableClipError(folder, "has two images of one number")
    return numbers, [name for _, name in numbered]


def frame_folders(root: Path, rate: float | None = None) -> FrameFolders:
    """All folders below `root` that contain images, sorted by path.

    Raises:
        DataError: There are none, or their rate is unknown.
    """
    listing = images_below(root)
    folders = {name.rpartition("/")[0] for name in listing.files}
    loose = [name for name in listing.files if "/" not in name]
    left_out = listing.left_out + (LeftOut({OUTSIDE: (len(loose), loose[0])}) if loose else NOTHING)
    if not folders - {""}:
        raise DataError(f"{root} has neither videos nor folders with images in it.")
    return FrameFolders(sorted(root / folder for folder in folders - {""}), rate, left_out=left_out)
