"""Clips in folders: one video file each, or one folder of images each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..images.folders import EXTENSIONS, images_below
from ..images.walking import NOTHING, OUTSIDE, LeftOut, files_in, walk
from .container import EXTENSIONS as VIDEO_EXTENSIONS
from .container import Span, measure
from .decoding import make_decoder
from .source import UnreadableClipError, check_times, decode_image, shown_at, stacked

# Clips stored as folders of numbered images.


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


# Clips stored as video files.


class VideoFiles:
    """A `ClipSource` of video files, one clip each. Files are only opened when they are needed.

    Args:
        paths: The files, in order.
        labels: Class of each clip; None if they are unknown.
        threads: Threads to decode one clip with. Leave it at 1 if several threads read clips.
        decoder: ``"pyav"`` or ``"torchcodec"``.
        left_out: What the listing of the files left out.

    Raises:
        ValueError: The numbers of labels and files differ.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int] | None = None,
        threads: int = 1,
        decoder: str = "pyav",
        left_out: LeftOut = NOTHING,
    ) -> None:
        if labels is not None and len(labels) != len(paths):
            raise ValueError(f"{len(labels)} labels for {len(paths)} videos")
        self.left_out = left_out
        self.paths = tuple(Path(path) for path in paths)
        self.labels = tuple(labels) if labels is not None else (-1,) * len(self.paths)
        self._decoder = make_decoder(decoder, threads)
        self._spans: dict[int, Span] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def _span(self, clip: int) -> Span:
        if clip not in self._spans:
            self._spans[clip] = measure(self.paths[clip], str(self.paths[clip]))
        return self._spans[clip]

    def seconds(self, clip: int) -> float:
        """Duration, measured from the frames in the file; see `ClipSource`."""
        return self._span(clip).seconds

    def label(self, clip: int) -> int:
        """Class, or -1 if it is unknown."""
        return self.labels[clip]

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """Frames on the screen at given times; see `ClipSource`."""
        span = self._span(clip)
        check_times(times, span.seconds)
        return self._decoder.frames(self.paths[clip], str(self.paths[clip]), span, times, size)


def video_folder(root: Path, threads: int = 1, decoder: str = "pyav") -> VideoFiles | None:
    """All videos below `root`; None if there are none.

    If every video is in a subfolder, the subfolders of the root are the classes.

    Raises:
        DataError: A folder cannot be read, or is reached from two classes.
    """
    listing = walk(root, VIDEO_EXTENSIONS)
    if not listing.files:
        return None
    paths = sorted(root / name for name in listing.files)
    tops = [path.relative_to(root).parts for path in paths]
    if not all(len(parts) > 1 for parts in tops):
        return VideoFiles(paths, None, threads, decoder, listing.left_out)
    listing.refuse_two_labels()
    classes = {name: label for label, name in enumerate(sorted({parts[0] for parts in tops}))}
    return VideoFiles(paths, [classes[parts[0]] for parts in tops], threads, decoder, listing.left_out)
