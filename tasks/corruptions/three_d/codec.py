"""Encode and decode video in memory with PyAV, reproducibly.

Colours are converted here rather than by FFmpeg's scaler, whose rounding depends on the processor. Encoders and
decoders run in one thread; x264, x265 and FFmpeg's decoders use integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....errors import DataError
from ..pixels import Pixels

if TYPE_CHECKING:
    from av import VideoCodecContext

Planes = NDArray[np.uint8]
"""One frame in YCbCr 4:2:0: uint8 ``(H * 3 / 2, W)``, luma first, then the two quarter planes of chroma."""

_RATE = 25  # frames per second; encoders require a rate, but nothing depends on it
_NEEDED = (
    "{encoder} is missing from the installed PyAV ({version}), and {what} cannot be computed without it. "
    "The wheels on PyPI contain it: pip install --force-reinstall --only-binary av 'av>=14'."
)


def encode(frames: Sequence[Planes], encoder: str, options: dict[str, str]) -> list[bytes]:
    """Encode frames of one size.

    Args:
        frames: At least one, see `to_planes`.
        encoder: FFmpeg's name of the encoder: ``"libx264"`` or ``"libx265"``.
        options: Options of the encoder.

    Returns:
        The packets in decoding order, as Annex B byte streams; the first one contains the parameter sets.

    Raises:
        DataError: PyAV has no such encoder.
    """
    av = _pyav(encoder)
    rows, width = frames[0].shape
    context = av.CodecContext.create(encoder, "w")
    context.width, context.height, context.pix_fmt = width, rows * 2 // 3, "yuv420p"
    context.time_base, context.framerate = Fraction(1, _RATE), Fraction(_RATE)
    context.thread_count = 1
    context.options = options
    packets = []
    for number, planes in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        packets += [bytes(packet) for packet in context.encode(frame)]
    packets += [bytes(packet) for packet in context.encode(None)]
    return packets


def decode_last(packets: Sequence[bytes], decoder: str) -> Planes:
    """Decode packets, damaged ones as far as possible, and return the last frame.

    Args:
        packets: From `encode`; the first one must be intact.
        decoder: FFmpeg's name of the decoder: ``"h264"`` or ``"hevc"``.
    """
    import av
    from av.error import FFmpegError

    context = cast("VideoCodecContext", av.CodecContext.create(decoder, "r"))
    context.thread_count = 1
    last = None
    for packet in [*packets, None]:
        try:
            frames = context.decode(av.Packet(packet) if packet is not None else None)
        except FFmpegError:  # the packet is too damaged to decode: the previous picture stays on the screen
            continue
        if frames:
            last = frames[-1]
    assert last is not None, "the first packet holds a whole picture"
    return np.asarray(last.to_ndarray(), np.uint8)


def _pyav(encoder: str) -> ModuleType:
    purpose = {"libx264": "bit_error", "libx265": "h265_abr and h265_crf"}[encoder]
    try:
        import av
    except ImportError as error:
        raise DataError(
            f"PyAV is not installed, and {purpose} cannot be computed without it: pip install 'av>=14'."
        ) from error
    if encoder not in av.codecs_available:
        raise DataError(_NEEDED.format(encoder=encoder, version=av.__version__, what=purpose))
    return av


def to_planes(image: Pixels, least: int = 16) -> Planes:
    """RGB to YCbCr (BT.601, 16..235), chroma averaged over two by two pixels.

    Args:
        image: uint8 ``(H, W, 3)``.
        least: Codecs need even sides of a minimum length; sides are extended by their last pixel to at least this.
    """
    height, width, _ = image.shape
    rows, columns = max(least, height + height % 2), max(least, width + width % 2)
    planes = np.empty((rows * 3 // 2, columns), np.uint8)
    _rgb_to_planes(image, planes, rows)
    return planes


@njit(cache=True, nogil=True)
def _rgb_to_planes(image, planes, rows):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = image.shape
    columns = planes.shape[1]
    chroma = planes[rows:].reshape(2, rows // 2, columns // 2)
    for y in range(0, rows, 2):
        for x in range(0, columns, 2):
            red = green = blue = np.int64(0)
            for dy in range(2):
                for dx in range(2):
                    pixel = image[min(y + dy, height - 1), min(x + dx, width - 1)]
                    r, g, b = np.int64(pixel[0]), np.int64(pixel[1]), np.int64(pixel[2])
                    planes[y + dy, x + dx] = (16829 * r + 33039 * g + 6416 * b + 1081344) >> 16
                    red, green, blue = red + r, green + g, blue + b
            chroma[0, y // 2, x // 2] = (-9714 * red - 19071 * green + 28785 * blue + 33685504) >> 18
            chroma[1, y // 2, x // 2] = (28785 * red - 24103 * green - 4682 * blue + 33685504) >> 18


def to_rgb(planes: Planes, height: int, width: int) -> Pixels:
    """YCbCr to RGB, chroma interpolated linearly between the centres of its two-by-two blocks.

    Args:
        planes: See `to_planes`.
        height: Height of the image, without padding.
        width: Width of the image, without padding.

    Returns:
        uint8 ``(height, width, 3)``.
    """
    out = np.empty((height, width, 3), np.uint8)
    _planes_to_rgb(planes, out)
    return out


@njit(cache=True, nogil=True)
def _planes_to_rgb(planes, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    height, width, _ = out.shape
    rows, columns = planes.shape[0] * 2 // 3, planes.shape[1]
    chroma = planes[rows:].reshape(2, rows // 2, columns // 2)
    for y in range(height):
        near_y = y // 2
        far_y = min(max(near_y + (1 if y % 2 else -1), 0), rows // 2 - 1)
        for x in range(width):
            near_x = x // 2
            far_x = min(max(near_x + (1 if x % 2 else -1), 0), columns // 2 - 1)
            blue = red = np.int64(0)
            for k in range(2):
                plane = chroma[k]
                value = 9 * np.int64(plane[near_y, near_x]) + 3 * np.int64(plane[near_y, far_x])
                value += 3 * np.int64(plane[far_y, near_x]) + np.int64(plane[far_y, far_x]) - 16 * 128
                if k == 0:
                    blue = value
                else:
                    red = value
            luma = 1220945 * (np.int64(planes[y, x]) - 16) + 524288
            r = (luma + 104597 * red) >> 20
            g = (luma - 25675 * blue - 53279 * red) >> 20
            b = (luma + 132201 * blue) >> 20
            out[y, x, 0] = min(max(r, 0), 255)
            out[y, x, 1] = min(max(g, 0), 255)
            out[y, x, 2] = min(max(b, 0), 255)
