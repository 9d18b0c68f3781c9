"""Video artefacts: H.265 compression at a given quality or rate, and transmission errors.

The published images are late frames of a clip, rendered along a camera's path through the scene. Here H.265 only
compresses the still image: its distortion is within a few percent of that of the clip's last frame, at a seventeenth of
the cost. Transmission errors need a clip, because they spread from frame to frame; ours is a zoom.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..pixels import Pixels
from .codec import Planes, decode_last, encode, to_planes, to_rgb

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
        frames.append(to_planes(np.asarray(wide.resize((width, height), Image.Resampling.BILINEAR, box=box))))
    return [*frames, to_planes(image)]


def _enlarged(image: Pixels) -> Planes:
    height, width, _ = image.shape
    size = (width * ENLARGEMENT, height * ENLARGEMENT)
    return to_planes(np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)), _SMALLEST)


def _shrunk(stream: bytes, image: Pixels) -> Pixels:
    height, width, _ = image.shape
    large = to_rgb(decode_last([stream], "hevc"), height * ENLARGEMENT, width * ENLARGEMENT)
    return np.asarray(Image.fromarray(large).reduce(ENLARGEMENT))
