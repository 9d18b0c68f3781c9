"""Frames of videos at given times, against the times that were written, a whole decode, and OpenCV."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vitobench.errors import UnknownNameError
from vitobench.tasks.clips import container as groups
from vitobench.tasks.clips import decoding
from vitobench.tasks.clips.container import measure
from vitobench.tasks.clips.folders import VideoFiles, video_folder
from vitobench.tasks.clips.source import UnreadableClipError, resized
from vitobench.tests.tasks.clips.kit import (
    HEIGHT,
    ORIENTATIONS,
    WIDTH,
    number_in,
    placed,
    with_matrix,
    write_quarters,
    write_video,
)

STEADY = tuple(range(0, 2400, 40))
RNG = np.random.default_rng(5)
UNSTEADY = tuple(np.cumsum(RNG.choice([10, 33, 40, 120, 400], 60)).tolist())

FORMS: dict[str, Callable[[Path], Path]] = {
    "h264 with B-frames": lambda d: write_video(d / "a.mp4", STEADY, bf="3"),
    "h264 with a pyramid of open groups": lambda d: write_video(
        d / "a.mp4", STEADY, **{"x264-params": "open-gop=1:bframes=5:b-pyramid=normal:b-adapt=0:scenecut=0"}
    ),
    "open groups in Matroska": lambda d: write_video(
        d / "a.mkv", STEADY, **{"x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0"}
    ),
    "variable rate": lambda d: write_video(d / "a.mp4", UNSTEADY, bf="3"),
    "variable rate in Matroska": lambda d: write_video(d / "a.mkv", UNSTEADY, bf="2"),
    "one key frame": lambda d: write_video(d / "a.mp4", STEADY, bf="3", frames_between_keys=1000),
    "fragments": lambda d: write_video(d / "a.mp4", STEADY, bf="2", container={"movflags": "frag_keyframe+empty_moov"}),
    "MPEG-4 in AVI": lambda d: write_video(d / "a.avi", range(60), "mpeg4", base=Fraction(1, 25)),
    "MPEG-4 with B-frames in AVI": lambda d: write_video(d / "a.avi", range(60), "mpeg4", base=Fraction(1, 25), bf="2"),
    "MPEG-4 with B-frames": lambda d: write_video(d / "a.mp4", STEADY, "mpeg4", base=Fraction(1, 1000), bf="2"),
    "transport stream": lambda d: write_video(d / "a.ts", range(0, 216000, 3600), base=Fraction(1, 90000), bf="3"),
    "program stream": lambda d: write_video(d / "a.mpg", range(60), "mpeg2video", base=Fraction(1, 25), bf="2"),
    "HEVC": lambda d: write_video(
        d / "a.mp4", STEADY, "libx265", **{"x265-params": "open-gop=1:keyint=12:bframes=4:scenecut=0:log-level=none"}
    ),
    "VP9 in WebM": lambda d: write_video(d / "a.webm", STEADY, "libvpx-vp9"),
    "late start": lambda d: write_video(d / "a.mkv", [s + 5000 for s in STEADY], bf="2"),
    "one frame": lambda d: write_video(d / "a.mp4", [0]),
}
INDEXED = [name for name in FORMS if "stream" not in name and "AVI" not in name]


def sequentially(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds from the first frame, and numbers, of all frames, by decoding the file from end to end."""
    with av.open(str(path)) as container:
        found = [(f.pts if f.pts is not None else f.dts, f) for f in container.decode(video=0)]
        base = container.streams.video[0].time_base
    assert base is not None
    seconds = np.array([float((when - found[0][0]) * base) for when, _ in found])
    return seconds, np.array([number_in(frame.to_ndarray(format="rgb24")) for _, frame in found])


def some_times(seconds: np.ndarray, end: float) -> list[float]:
    """Times on frames, a little before and after them, in between, and at both ends."""
    rng = np.random.default_rng(3)
    chosen = rng.choice(seconds, min(15, len(seconds)), replace=False)
    near = np.concatenate([chosen, chosen - 2e-3, chosen + 2e-3, rng.uniform(0, end, 20)]).clip(0, end)
    return [0.0, end, *near.tolist()]


def expected(seconds: np.ndarray, numbers: np.ndarray, times: list[float]) -> list[int]:
    places = np.searchsorted(seconds, np.asarray(times) + 1e-6, side="right") - 1
    return numbers[places.clip(0)].tolist()


def made(form: str, folder: Path) -> Path:
    if form == "HEVC" and "libx265" not in av.codecs_available:
        pytest.skip("this PyAV cannot write HEVC")
    return FORMS[form](folder)


@pytest.mark.parametrize("form", FORMS)
def test_gives_the_frame_on_the_screen(form: str, tmp_path: Path) -> None:
    path = made(form, tmp_path)
    seconds, numbers = sequentially(path)
    assert numbers.tolist() == list(range(len(numbers)))
    source = VideoFiles([path])
    assert source.seconds(0) >= seconds[-1]
    times = some_times(seconds, source.seconds(0))
    wanted = expected(seconds, numbers, times)
    assert [number_in(f) for f in source.frames(0, times)] == wanted
    for time, number in zip(times[:12], wanted, strict=False):
        assert number_in(source.frames(0, [time])[0]) == number


def test_written_times_are_those_of_a_variable_rate(tmp_path: Path) -> None:
    source = VideoFiles([write_video(tmp_path / "a.mp4", UNSTEADY, bf="3")])
    for number, when in enumerate(UNSTEADY):
        time = (when - UNSTEADY[0]) / 1000
        assert number_in(source.frames(0, [time])[0]) == number
        if number:
            assert number_in(source.frames(0, [time - 1e-3])[0]) == number - 1


@pytest.mark.parametrize("form", INDEXED)
def test_packets_suffice_to_find_the_frames(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VideoFiles([made(form, tmp_path)])
    monkeypatch.setattr(decoding, "_by_decoding_all", None)
    source.frames(0, np.linspace(0, source.seconds(0), 20).tolist())


def test_decodes_what_frames_depend_on_and_no_more(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    plain = groups._decode

    def counted(codec, needed, numbers, wanted):
        decoded.extend(len(group) for group in needed)
        return plain(codec, needed, numbers, wanted)

    monkeypatch.setattr(groups, "_decode", counted)
    source = VideoFiles([clip])
    assert [number_in(f) for f in source.frames(0, [2.39, 0.05])] == [59, 1]
    assert len(decoded) == 2  # the first group and the last of five
    assert sum(decoded) <= 2 * 13


def test_far_times_are_sought_apart(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_FAR", 0.3)
    times = [0.0, 0.1, 1.0, 1.1, 2.3]
    assert [number_in(f) for f in VideoFiles([clip]).frames(0, times)] == [0, 2, 25, 27, 57]


def test_order_and_repeats_are_the_callers(clip: Path) -> None:
    found = VideoFiles([clip]).frames(0, [2.0, 0.4, 2.0, 0.0])
    assert [number_in(f) for f in found] == [50, 10, 50, 0]
    np.testing.assert_array_equal(found[0], found[2])


def test_a_frame_does_not_depend_on_what_else_is_asked(clip: Path) -> None:
    source = VideoFiles([clip])
    together = source.frames(0, np.linspace(0, 2.4, 25).tolist())
    for k, time in enumerate(np.linspace(0, 2.4, 25).tolist()):
        np.testing.assert_array_equal(source.frames(0, [time])[0], together[k])


def test_several_threads_and_copies_see_the_same(clip: Path) -> None:
    source = VideoFiles([clip, clip], threads=2)
    times = np.linspace(0, 2.4, 32).tolist()
    alone = source.frames(0, times)
    copy = pickle.loads(pickle.dumps(source))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: copy.frames(k % 2, [times[k]])[0], range(32)))
    np.testing.assert_array_equal(np.stack(found), alone)


@pytest.mark.parametrize(("size", "shape"), [(None, (HEIGHT, WIDTH)), (32, (32, 64)), (96, (96, 192)), (21, (21, 42))])
def test_the_shorter_side_is_as_asked(clip: Path, size: int | None, shape: tuple[int, int]) -> None:
    found = VideoFiles([clip]).frames(0, [1.0], size)
    assert found.shape == (1, *shape, 3)
    assert found.dtype == np.uint8
    assert number_in(found[0]) == 25


def test_reduced_frames_are_antialiased(clip: Path) -> None:
    full = VideoFiles([clip]).frames(0, [1.0])[0]
    found = VideoFiles([clip]).frames(0, [1.0], 16)[0]
    by_area = cv2.resize(full, (32, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(int) - by_area).mean() < 8


@pytest.mark.parametrize("file", ["a.mp4", "a.mov"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_stands_as_the_display_matrix_says(orientation: str, file: str, tmp_path: Path) -> None:
    """Against the formula of the standard: OpenCV and TorchCodec turn such videos and do not mirror them."""
    for width, height in ((96, 48), (51, 35)):
        stored = write_quarters(tmp_path / file, width, height)
        wanted = placed(stored, ORIENTATIONS[orientation])
        source = VideoFiles([with_matrix(tmp_path / file, ORIENTATIONS[orientation])])
        found = source.frames(0, [0.2, 0.0])
        assert found.shape == (2, *wanted.shape)
        assert np.abs(found.astype(int) - wanted).mean() < 6
        assert source.frames(0, [0.0], 24).shape[1:3] == resized(*wanted.shape[1::-1], 24)[::-1]


@pytest.mark.skipif(not hasattr(av.VideoStream, "set_display_matrix"), reason="this PyAV cannot write a projection")
@pytest.mark.parametrize(("yaw", "roll"), [(0, 90), (0, -90), (0, 180), (180, 0), (180, 180), (180, 90), (-180, -90)])
def test_stands_as_the_projection_of_matroska_says(yaw: int, roll: int, tmp_path: Path) -> None:
    """RFC 9559, 5.1.4.1.28.45 and 47: a yaw of half a turn mirrors left to right, then a roll turns anticlockwise."""
    path = tmp_path / "a.mkv"
    stored = write_quarters(path, matrix=(0, 65536, 0, 65536, 0, 0, 0, 0, 1 << 30))
    content = bytearray(path.read_bytes())
    for element, degrees in ((b"\x76\x73", yaw), (b"\x76\x75", roll)):
        place = content.index(element, content.index(b"\x76\x70"))
        assert content[place + 2] == 0x88
        content[place + 3 : place + 11] = struct.pack(">d", degrees)
    path.write_bytes(content)
    wanted = np.rot90(stored[:, ::-1] if yaw else stored, roll // 90)
    found = VideoFiles([path]).frames(0, [0.2])[0]
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).mean() < 6


@pytest.mark.parametrize(
    "matrix", [(0.8, 0.6, -0.6, 0.8), (1, 0, 0.5, 1), (1, 1, 1, 1), (1, 0, 0, 0), (0.9999, 0.0175, -0.0175, 0.9999)]
)
def test_what_is_neither_turned_by_quarters_nor_mirrored_is_refused(matrix: tuple[float, ...], tmp_path: Path) -> None:
    write_quarters(tmp_path / "a.mp4")
    with pytest.raises(UnreadableClipError, match="display matrix that shears it"):
        VideoFiles([with_matrix(tmp_path / "a.mp4", matrix)]).frames(0, [0.0])


def test_scale_and_zeros_in_a_display_matrix_change_nothing(tmp_path: Path) -> None:
    stored = write_quarters(tmp_path / "a.mp4")
    plain = VideoFiles([tmp_path / "a.mp4"]).frames(0, [0.0])[0]
    assert np.abs(plain.astype(int) - stored).mean() < 6
    for matrix in ((0, 0, 0, 0), (2, 0, 0, 1), (0.5, 0, 0, 0.5), (1, 1e-4, -1e-4, 1)):
        found = VideoFiles([with_matrix(tmp_path / "a.mp4", matrix)]).frames(0, [0.0])[0]
        np.testing.assert_array_equal(found, plain)
    with pytest.raises(UnreadableClipError, match="shears"):
        VideoFiles([with_matrix(tmp_path / "a.mp4", (1, 0, 0, 1), perspective=0.25)]).frames(0, [0.0])


@pytest.mark.parametrize("time", [-0.1, 2.5, float("nan"), float("inf")])
def test_times_outside_the_clip_are_refused(clip: Path, time: float) -> None:
    with pytest.raises(ValueError, match="there is no frame at"):
        VideoFiles([clip]).frames(0, [time])


def test_folders_are_classes_where_all_videos_lie_in_one(tmp_path: Path, clip: Path) -> None:
    for name in ("cat/1.mp4", "ant/2.MP4", "ant/deep/3.mkv", ".hidden/4.mp4", "ant/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(clip.read_bytes())
    source = video_folder(tmp_path)
    assert [(p.name, source.label(k)) for k, p in enumerate(source.paths)] == [("2.MP4", 0), ("3.mkv", 0), ("1.mp4", 1)]
    (tmp_path / "5.mp4").write_bytes(b"")
    assert {video_folder(tmp_path).label(k) for k in range(4)} == {-1}
    (tmp_path / "empty").mkdir()
    assert video_folder(tmp_path / "empty") is None


def test_labels_are_one_a_video(clip: Path) -> None:
    assert VideoFiles([clip, clip], [4, 2]).label(1) == 2
    with pytest.raises(ValueError, match="1 labels for 2 videos"):
        VideoFiles([clip, clip], [4])
    with pytest.raises(UnknownNameError, match="Did you mean 'pyav'"):
        VideoFiles([clip], decoder="pyva")


def test_real_clips_give_the_frames_of_a_whole_decode(videos: list[Path]) -> None:
    rng = np.random.default_rng(8)
    for path in videos:
        with av.open(str(path)) as container:
            frames = {f.pts: f for f in container.decode(video=0)}
            base = container.streams.video[0].time_base
        stamps = np.array(sorted(frames))
        seconds = (stamps - stamps[0]) * float(base)
        span = measure(path, path.name)
        assert seconds[-1] < span.seconds < seconds[-1] + 2 * np.diff(seconds)[-1]
        times = rng.uniform(0, span.seconds, 4).tolist()
        found = VideoFiles([path]).frames(0, times)
        for time, frame in zip(times, found, strict=True):
            wanted = frames[stamps[np.searchsorted(seconds, time, side="right") - 1]]
            np.testing.assert_array_equal(frame, wanted.to_ndarray(format="rgb24"), err_msg=f"{path.name} {time}")
