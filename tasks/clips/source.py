"""What a collection of clips offers: its clips, the times of frames, and frames read from images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...errors import DataError

# Draw the times of a training example's frames.


def sample_times(duration: float, frames: int, window: float, rng: np.random.Generator) -> np.ndarray:
    """Draw times independently and uniformly from a window at a random place in the clip (VITO's views).

    Args:
        duration: Seconds of the clip, 0 or more; a photograph is a clip of 0 seconds.
        frames: Number of times.
        window: T in seconds. A shorter clip is its own window; with 0 all times are equal, which is pretraining on
            images.
        rng: Random number generator.

    Returns:
        float64 (frames,), seconds from the start of the clip, in the order they were drawn.

    Raises:
        ValueError: The duration is negative or infinite, the window is negative, or there are no frames.
    """
    if not 0.0 <= duration < float("inf"):
        raise ValueError(f"a clip of {duration} s has no times to draw from")
    if not window >= 0.0:
        raise ValueError(f"Invalid window {window} s; give 0 or more")
    if frames < 1:
        raise ValueError(f"Invalid number of frames {frames}; give 1 or more")
    length = min(window, duration)
    start = rng.uniform(0.0, duration - length)
    return np.minimum(start + rng.uniform(0.0, length, frames), duration)


# The interface of a set of clips, whatever format they are stored in.


class ClipSource(Protocol):
    """A finite, ordered set of clips that returns frames at any time.

    It can be pickled and used from several threads. Reading is a pure function of the arguments: the same clip and
    times always give the same pixels, whatever was read before.
    """

    def __len__(self) -> int:
        """Number of clips."""

    def seconds(self, clip: int) -> float:
        """Duration: the largest time of a frame. Raises `UnreadableClipError` if the clip has no frames."""

    def label(self, clip: int) -> int:
        """Class of the clip, or -1 if it is unknown."""

    def frames(self, clip: int, times: Sequence[float], size: int | None = None) -> np.ndarray:
        """The frames on the screen at given times.

        Args:
            clip: Position, from 0.
            times: Seconds from the first frame, 0 to `seconds`, in any order; equal times give equal frames.
            size: Length of the shorter side in pixels; None keeps the frames as they are.

        Returns:
            uint8 (n, H, W, 3), RGB.

        Raises:
            UnreadableClipError: The clip is damaged or missing; another one may replace it.
            ValueError: A time is outside the clip.
        """


class UnreadableClipError(DataError):
    """A clip cannot be read; a loader may replace it by another one.

    Attributes:
        clip: Path or name of the clip.
        reason: Why, without the path, so that equal reasons can be counted.
    """

    def __init__(self, clip: object, reason: str) -> None:
        super().__init__(f"{clip}: {reason}")
        self.clip = str(clip)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableClipError], tuple[str, str]]:
        return type(self), (self.clip, self.reason)


def check_times(times: Sequence[float], seconds: float) -> None:
    """Check that all times are inside a clip.

    Raises:
        ValueError: A time is negative, not a number, or beyond the end by more than rounding.
    """
    for time in times:
        if not 0.0 <= time <= seconds + 1e-6:
            raise ValueError(f"there is no frame at {time} s in a clip of {seconds:.3f} s")


def resized(width: int, height: int, size: int | None) -> tuple[int, int]:
    """Width and height after resizing the shorter side to ``size`` pixels, with the proportions kept."""
    if size is None:
        return width, height
    shorter = min(width, height)
    return max(1, round(width * size / shorter)), max(1, round(height * size / shorter))


# Clips that are sequences of images: decode an image, and find the one that is displayed at a time.


def shown_at(numbers: Sequence[int], rate: float, times: Sequence[float]) -> list[int]:
    """The image on the screen at each time.

    Args:
        numbers: Ascending numbers of the images; the first appears at 0 s, number n at (n - first) / rate. If numbers
            are missing, the previous image stays.
        rate: Images per second.
        times: Seconds.

    Returns:
        Positions in ``numbers``.
    """
    # Rounding can make a multiple of 1 / rate slightly too small.
    due = numbers[0] + np.floor(np.asarray(times, np.float64) * rate + 1e-6)
    return (np.searchsorted(np.asarray(numbers), due, side="right") - 1).clip(0).tolist()


def decode_image(content: bytes, name: str, size: int | None) -> np.ndarray:
    """An image as uint8 (H, W, 3), resized so that its shorter side has ``size`` pixels.

    The formats and colours are those of `vitobench.tasks.images.reading.decode`.

    Raises:
        UnreadableClipError: It is damaged, too large, or not an image.
    """
    from PIL import Image

    from ..images.reading import MAX_RESIZED_PIXELS, eight_bits, open_image

    try:
        with open_image(content) as image:
            shape = resized(*image.size, size)
            if shape != image.size and shape[0] * shape[1] > MAX_RESIZED_PIXELS:
                raise OSError(f"too elongated to be resized ({image.size[0]} x {image.size[1]} pixels)")
            image.draft("RGB", shape)  # a large JPEG is then decoded at an eighth, quarter or half of its size
            image.info.pop("transparency", None)  # RGB has none, and Pillow warns when it drops it
            rgb = eight_bits(image).convert("RGB")
            return np.asarray(rgb if rgb.size == shape else rgb.resize(shape, Image.Resampling.BILINEAR))
    except MemoryError:
        raise
    except Exception as error:  # for damaged files, Pillow's plugins raise SyntaxError, struct.error, zlib.error, ...
        first = (str(error).splitlines() or [type(error).__name__])[0]
        reason = "no image" if isinstance(error, Image.UnidentifiedImageError) else first
        raise UnreadableClipError(name, f"a frame cannot be decoded ({reason})") from None


def stacked(pictures: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Frames of one clip as one array.

    Raises:
        UnreadableClipError: The frames differ in shape.
    """
    if len({picture.shape for picture in pictures}) > 1:
        raise UnreadableClipError(name, "its frames differ in size")
    return np.stack(pictures)
