"""Small videos whose frames carry their own number, so that a test can read which frame it was given."""

from __future__ import annotations

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
    rotation: int = 0,
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
        if rotation:
            stream.set_display_rotation(rotation)
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = stamp, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


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
