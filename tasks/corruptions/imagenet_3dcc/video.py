"""What a video goes through: H.265 compression at a given quality or rate, and errors of transmission."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image

from ....errors import DataError
from ..filters import Pixels

if TYPE_CHECKING:
    from av import VideoCodecContext


# Encode and decode video in memory with PyAV, reproducibly.
#
# Colours are converted here rather than by FFmpeg's scaler, whose rounding depends on the processor. Encoders and
# decoders run in one thread; x264, x265 and FFmpeg's decoders use integer arithmetic.


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


# Video artefacts: H.265 compression at a given quality or rate, and transmission errors.
#
# The published images are late frames of a clip, rendered along a camera's path through the scene. Here H.265 only
# compresses the still image: its distortion is within a few percent of that of the clip's last frame, at a seventeenth
# of the cost. Transmission errors need a clip, because they spread from frame to frame; ours is a zoom.


ENLARGEMENT = 2
"""Images are compressed at this multiple of their size and shrunk again. At their own size, the published rate factors
reduce a classifier's accuracy by three times as much as reported; the published clips must have been larger."""

REFERENCE_CRF = 16
"""The quality whose rate `h265_abr` divides: no artefacts are visible yet."""
COARSEST_CRF = 51

FRAMES = 12
_ZOOM_STEP = 0.004
_DAMAGE = 30  # factor by which bytes are damaged more often than in the published clip; see `bit_error`

# Ultrafast takes a quarter of the default preset's time and distorts an image about 7 % more.
_X265 = "pools=none:frame-threads=1:wpp=0:pmode=0:pme=0:info=0:log-level=none"
_X264 = "threads=1:crf=20:keyint=infinite:bframes=0:rc-lookahead=0:mbtree=0"
_SMALLEST = 64  # x265 needs at least one complete coding tree


def h265_crf(image: Pixels, rng: np.random.Generator, *, crf: int) -> Pixels:
    """Compress with H.265 at a constant rate factor.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        crf: x265's constant rate factor, 0 (best) to 51.
    """
    return _shrunk(compress(_enlarged(image), int(crf)), image)


def h265_abr(image: Pixels, rng: np.random.Generator, *, divisor: float) -> Pixels:
    """Compress with H.265 to a given rate: a fraction of the image's bytes at `REFERENCE_CRF`.

    The rate control of an encoder needs many frames to settle. For a single image, search directly for the best
    constant rate factor that fits. The search uses the image's own size, where a trial takes a quarter of the time; the
    bytes of the enlarged image are then divided by about 2.1, 3.8, 7, 13 and 25 instead of 2 to 32.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Not used.
        divisor: Divisor of the rate. An image that never fits is compressed with the coarsest factor.
    """
    crf = fitting_crf(to_planes(image, _SMALLEST), divisor)
    return _shrunk(compress(_enlarged(image), crf), image)


def compress(planes: Planes, crf: int) -> bytes:
    """One frame as an H.265 byte stream."""
    options = {"preset": "ultrafast", "x265-params": f"crf={crf}:{_X265}"}
    return b"".join(encode([planes], "libx265", options))


def fitting_crf(planes: Planes, divisor: float) -> int:
    """The smallest constant rate factor with at most ``1 / divisor`` of the bytes of `REFERENCE_CRF`.

    Returns:
        From `REFERENCE_CRF` to `COARSEST_CRF`; the latter if none fits.
    """
    budget = len(compress(planes, REFERENCE_CRF)) / divisor
    low, high = REFERENCE_CRF, COARSEST_CRF
    # The size halves about every six steps, so the first guess is nearly right, and one or two more confirm it.
    guess = round(REFERENCE_CRF + 6 * float(np.log2(divisor)))
    while low < high:
        guess = min(max(guess, low), high - 1)
        excess = len(compress(planes, guess)) / budget
        step = round(6 * float(np.log2(excess)))
        if excess <= 1:
            high = guess
            guess += min(step, -1)
        else:
            low = guess + 1
            guess += max(step, 1)
    return low


def bit_error(image: Pixels, rng: np.random.Generator, *, bytes_per_error: int) -> Pixels:
    """Transmit a clip that ends with the image over a channel that damages bytes, and return its last frame.

    The clip is a slow zoom, compressed with H.264, whose decoder conceals errors. (FFmpeg's H.265 decoder does not: it
    shows whatever is in its memory.) The first packet arrives intact.

    Args:
        image: uint8 ``(H, W, 3)``.
        rng: Zoom in or out, how many bytes are damaged, which, and how.
        bytes_per_error: One in this many bytes is damaged in the published clip. Our clip is shorter, so less damage
            accumulates before the last frame; we damage bytes thirty times as often, so that a classifier loses about
            as much as reported. There is always at least one error.
    """
    zoom = _ZOOM_STEP if rng.integers(2) else -_ZOOM_STEP
    packets = encode(zoom_clip(image, zoom), "libx264", {"preset": "veryfast", "x264-params": _X264})
    damaged = [packets[0], *damage(packets[1:], _DAMAGE / bytes_per_error, rng)]
    return to_rgb(decode_last(damaged, "h264"), *image.shape[:2])


def damage(packets: list[bytes], rate: float, rng: np.random.Generator) -> list[bytes]:
    """Change random bytes of packets.

    FFmpeg's filter ``noise`` is similar, but its changes depend only on the bytes, not on a seed.

    Args:
        packets: The transmitted packets.
        rate: Mean share of bytes to change; at least one byte is changed.
        rng: A Poisson count, then a place and a difference for each.
    """
    sizes = [len(packet) for packet in packets]
    stream = np.frombuffer(b"".join(packets), np.uint8).copy()
    count = max(1, int(rng.poisson(rate * stream.size)))
    places = rng.integers(stream.size, size=count)
    np.bitwise_xor.at(stream, places, rng.integers(1, 256, size=count, dtype=np.uint8))
    ends = np.cumsum(sizes)
    return [stream[end - size : end].tobytes() for size, end in zip(sizes, ends, strict=True)]


def zoom_clip(image: Pixels, step: float) -> list[Planes]:
    """A clip that zooms towards the image.

    Args:
        image: uint8 ``(H, W, 3)``, the last frame.
        step: Change of the scale from frame to frame: positive magnifies the earlier frames, negative the later.

    Returns:
        `FRAMES` frames. Where a frame shows more than the image, the image is extended by its edge pixels.
    """
    height, width, _ = image.shape
    margin = int(np.ceil(abs(step) * (FRAMES - 1) * max(height, width) / 2)) if step < 0 else 0
    wide = Image.fromarray(np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    frames = []
    for number in range(FRAMES - 1):
        scale = 1 - step * (FRAMES - 1 - number)
        top, left = margin + height * (1 - scale) / 2, margin + width * (1 - scale) / 2
        box = (left, top, left + width * scale, top + height * scale)
        frames.append(to_planes(np.array(wide.resize((width, height), Image.Resampling.BILINEAR, box=box))))
    return [*frames, to_planes(image)]


def _enlarged(image: Pixels) -> Planes:
    height, width, _ = image.shape
    size = (width * ENLARGEMENT, height * ENLARGEMENT)
    return to_planes(np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)), _SMALLEST)


def _shrunk(stream: bytes, image: Pixels) -> Pixels:
    height, width, _ = image.shape
    large = to_rgb(decode_last([stream], "hevc"), height * ENLARGEMENT, width * ENLARGEMENT)
    return np.asarray(Image.fromarray(large).reduce(ENLARGEMENT))
