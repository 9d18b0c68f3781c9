"""Videos whose frames tell their own number."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vitobench.models.pretraining.curation.sources import UnreadableVideoError, duration, frames

RATE = 10


def write_video(path: Path, count: int = 40, codec: str = "mpeg4", width: int = 96, height: int = 64) -> Path:
    """Frame ``i`` is grey of level ``5 i + 20``."""
    with av.open(str(path), mode="w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = 12
        for i in range(count):
            picture = np.full((height, width, 3), 5 * i + 20, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def numbers(found: np.ndarray) -> list[int]:
    return [round((level - 20) / 5) for level in found.mean((1, 2, 3))]


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_the_frame_on_the_screen_is_the_one_that_is_read(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name)
    assert duration(path) == pytest.approx(4.0, abs=0.11)
    # In the middle of a frame's time, out of order and twice.
    found = frames(path, [2.55, 0.05, 3.95, 1.15, 2.55], 32)
    assert numbers(found) == [25, 0, 39, 11, 25]
    assert found.shape == (5, 32, 48, 3)
    assert found.dtype == np.uint8


def test_past_the_end_is_the_last_frame(tmp_path: Path) -> None:
    assert numbers(frames(write_video(tmp_path / "a.mp4"), [60.0], 64)) == [39]


@pytest.mark.parametrize("content", [b"", b"no video at all", b"\0" * 5000])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(UnreadableVideoError) as raised:
        duration(path)
    assert not raised.value.transient


def test_a_missing_file_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVideoError) as raised:
        frames(tmp_path / "absent.mp4", [0.0], 32)
    assert raised.value.transient


def test_a_truncated_video_lasts_as_long_as_it_can_be_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", count=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 0 < duration(path) < 3.5
    assert numbers(frames(path, [0.05], 64)) == [0]
