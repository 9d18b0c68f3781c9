"""Small videos whose frames carry their own number, so that a test can read which frame it was given."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 8
BAND = 16
WIDTH, HEIGHT = BITS * BAND, 64


def picture(number: int) -> np.ndarray:
    """White and black bands: the bits of a number from left to right, below a strip that is darker on the left."""
    bits = [(number >> k) & 1 for k in range(BITS)]
    image = np.repeat(np.array([225 * b + 15 for b in bits], np.uint8), BAND)[None, :, None]
    full = np.broadcast_to(image, (HEIGHT, WIDTH, 3)).copy()
    full[: HEIGHT // 4] = np.linspace(20, 230, WIDTH, dtype=np.uint8)[None, :, None]
    return full


def number_in(frame: np.ndarray) -> int:
    """The number in the bands of a frame, whatever its size."""
    row = frame[frame.shape[0] // 2 :].mean(axis=(0, 2))
    middles = ((np.arange(BITS) + 0.5) * len(row) / BITS).astype(int)
    return sum(1 << k for k, m in enumerate(middles) if row[m] > 127)


def write_video(
    path: Path,
    stamps: Sequence[int],
    codec: str = "libx264",
    base: Fraction = Fraction(1, 1000),
    rate: int = 25,
    container: dict[str, str] | None = None,
    frames_between_keys: int = 12,
    **options: str,
) -> Path:
    """Write frame k at ``stamps[k] * base`` seconds."""
    plain = {"libx264": {"sc_threshold": "0", "crf": "12", "preset": "veryfast"}, "libvpx-vp9": {"cpu-used": "8"}}
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=rate, options={**plain.get(codec, {}), **options})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = base
        stream.codec_context.gop_size = frames_between_keys
        if codec != "libx264":
            stream.codec_context.bit_rate = 2_000_000
            stream.codec_context.thread_count = 1
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = stamp, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


ORIENTATIONS = {
    "as stored": (1, 0, 0, 1),
    "mirrored left to right": (-1, 0, 0, 1),
    "mirrored top to bottom": (1, 0, 0, -1),
    "half a turn": (-1, 0, 0, -1),
    "a quarter turn clockwise": (0, 1, -1, 0),
    "a quarter turn anticlockwise": (0, -1, 1, 0),
    "mirrored at the falling diagonal": (0, 1, 1, 0),
    "mirrored at the rising diagonal": (0, -1, -1, 0),
}
"""a, b, c, d of a display matrix (ISO/IEC 14496-12, 6.2.2): x' = a x + c y + tx and y' = b x + d y + ty."""


def write_quarters(path: Path, width: int = 96, height: int = 48, **options: object) -> np.ndarray:
    """Write five frames of four colours: red, green / blue, white. Returns one of them, uint8 (H, W, 3)."""
    shown = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    shown[:top, :left], shown[:top, left:] = (230, 30, 30), (30, 200, 30)
    shown[top:, :left], shown[top:, left:] = (30, 30, 230), (220, 220, 220)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "4"})
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if width % 2 == height % 2 == 0 else "yuv444p"
        if "matrix" in options:
            stream.set_display_matrix(options["matrix"])
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        out.mux(stream.encode(None))
    return shown


def with_matrix(path: Path, matrix: Sequence[float], perspective: float = 0.0) -> Path:
    """Write the a, b, c, d of a display matrix into the track header of an MP4 or MOV file, as ISO has it."""
    a, b, c, d = (round(65536 * value) for value in matrix)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 24 + 16
    whole = struct.pack(">9i", a, b, round(perspective * 2**30), c, d, 0, 7 << 16, 9 << 16, 1 << 30)
    content[place : place + 36] = whole
    path.write_bytes(content)
    return path


def placed(stored: np.ndarray, matrix: Sequence[int]) -> np.ndarray:
    """Where a display matrix puts every pixel, moved into view: the standard's formula, pixel by pixel."""
    a, b, c, d = matrix
    y, x = np.mgrid[: stored.shape[0], : stored.shape[1]]
    right, down = a * x + c * y, b * x + d * y
    right, down = right - right.min(), down - down.min()
    shown = np.zeros((down.max() + 1, right.max() + 1, 3), np.uint8)
    shown[down, right] = stored
    return shown


def write_sound(path: Path, seconds: float = 1.0, frames: int = 0) -> Path:
    """A file with sound, and as many frames at 25 a second, or no picture."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16000)
        if frames:
            video = out.add_stream("libx264", rate=25)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(frames):
                shown = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
                shown.pts, shown.time_base = number, Fraction(1, 25)
                out.mux(video.encode(shown))
            out.mux(video.encode(None))
        for start in range(0, int(16000 * seconds), 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
