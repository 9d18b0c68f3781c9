"""Clips stored as video files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..walking import NOTHING, LeftOut, walk
from .container import EXTENSIONS, Span, measure
from .decoders import make_decoder
from .source import check_times


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
    listing = walk(root, EXTENSIONS)
    if not listing.files:
        return None
    paths = sorted(root / name for name in listing.files)
    tops = [path.relative_to(root).parts for path in paths]
    if not all(len(parts) > 1 for parts in tops):
        return VideoFiles(paths, None, threads, decoder, listing.left_out)
    listing.refuse_two_labels()
    classes = {name: label for label, name in enumerate(sorted({parts[0] for parts in tops}))}
    return VideoFiles(paths, [classes[parts[0]] for parts in tops], threads, decoder, listing.left_out)
