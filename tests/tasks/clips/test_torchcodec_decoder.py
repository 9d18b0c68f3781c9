"""TorchCodec gives the frames that PyAV gives, or says what it lacks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.clips.folders import VideoFiles
from vitobench.tasks.clips.source import UnreadableClipError
from vitobench.tests.tasks.clips.kit import (
    ORIENTATIONS,
    number_in,
    placed,
    with_matrix,
    write_quarters,
    write_video,
)


@pytest.fixture
def torchcodec() -> None:
    try:
        pytest.importorskip("torchcodec", exc_type=ImportError)
    except (RuntimeError, OSError) as error:
        pytest.skip(f"TorchCodec finds no FFmpeg: {str(error)[:80]}")


@pytest.mark.skipif(importlib.util.find_spec("torchcodec") is not None, reason="TorchCodec is installed")
def test_says_how_to_get_it(clip: Path) -> None:
    with pytest.raises(DataError, match=r'vitobench\[torchcodec\].*decoder="pyav"'):
        VideoFiles([clip], decoder="torchcodec")


@pytest.mark.usefixtures("torchcodec")
def test_agrees_with_pyav(clip: Path, tmp_path: Path) -> None:
    stamps = np.cumsum(np.random.default_rng(2).choice([10, 33, 40, 120, 400], 40)).tolist()
    paths = [clip, write_video(tmp_path / "a.mp4", stamps, bf="3")]
    one, other = VideoFiles(paths, decoder="torchcodec"), VideoFiles(paths)
    for k in range(2):
        times = [*np.random.default_rng(k).uniform(0, other.seconds(k), 20).tolist(), 0.0, other.seconds(k), 1.0]
        found, wanted = one.frames(k, times), other.frames(k, times)
        assert [number_in(f) for f in found] == [number_in(f) for f in wanted]
        assert np.abs(found.astype(int) - wanted).max() <= 2
        assert one.frames(k, times, 32).shape == (23, 32, 64, 3)


@pytest.mark.usefixtures("torchcodec")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_stands_as_the_display_matrix_says(orientation: str, tmp_path: Path) -> None:
    wanted = placed(write_quarters(tmp_path / "a.mp4"), ORIENTATIONS[orientation])
    with_matrix(tmp_path / "a.mp4", ORIENTATIONS[orientation])
    found = VideoFiles([tmp_path / "a.mp4"], decoder="torchcodec").frames(0, [0.2])[0]
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).mean() < 6


@pytest.mark.usefixtures("torchcodec")
def test_damage_is_the_same_error(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    content = bytearray(clip.read_bytes())
    path.write_bytes(content)
    source = VideoFiles([path], decoder="torchcodec")
    source.seconds(0)
    path.write_bytes(content[:100])
    with pytest.raises(UnreadableClipError, match=r"has no video stream|cannot be decoded"):
        source.frames(0, [0.0])
