"""Files that are not what they are called: counted beforehand, and one error while training."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.clips.folders import VideoFiles
from vitobench.tasks.clips.inspection import Inspection, inspect_videos, tally
from vitobench.tasks.clips.opening import FailedClips, draw_example
from vitobench.tasks.clips.source import UnreadableClipError
from vitobench.tests.tasks.clips.kit import number_in, write_sound, write_video

STEADY = range(0, 2400, 40)


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("strange")
    content = clip.read_bytes()
    at = {name: folder / f"{name}.mp4" for name in ("sound", "cut", "headless", "noise", "empty", "page", "absent")}
    write_sound(at["sound"])
    at["cut"].write_bytes(content[: int(0.7 * len(content))])
    at["headless"].write_bytes(content[len(content) // 2 :])
    at["noise"].write_bytes(np.random.default_rng(0).bytes(50_000))
    at["empty"].write_bytes(b"")
    at["page"].write_text("<!doctype html><p>Video unavailable</p>")
    at["endless"] = write_video(folder / "endless.mkv", STEADY, container={"live": "1"})
    at["unsteady"] = write_video(folder / "unsteady.mp4", [k * 40 + 170 * (k // 3) for k in range(60)], bf="2")
    at["good"] = clip
    return at


UNREADABLE = {
    "sound": "only audio",
    "headless": "cannot be decoded",
    "noise": "cannot be decoded",
    "empty": "an empty file",
    "page": "cannot be decoded",
    "absent": "no such file",
}


@pytest.mark.parametrize(("name", "reason"), UNREADABLE.items())
def test_unreadable_files_raise_the_one_error(strange: dict[str, Path], name: str, reason: str) -> None:
    source = VideoFiles([strange[name]])
    for ask in (lambda: source.seconds(0), lambda: source.frames(0, [0.0])):
        with pytest.raises(UnreadableClipError, match=reason) as caught:
            ask()
        assert str(strange[name].parent) not in caught.value.reason
        assert str(strange[name]) in str(caught.value)
        assert isinstance(caught.value, DataError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.clip, again.reason, str(again)) == (caught.value.clip, caught.value.reason, str(caught.value))


def test_what_is_left_of_a_truncated_file_is_used(strange: dict[str, Path]) -> None:
    source = VideoFiles([strange["cut"]])
    assert 0.6 < source.seconds(0) < 2.2
    last = int(source.seconds(0) / 0.04 + 0.01) - 1
    assert [number_in(f) for f in source.frames(0, [0.0, 0.5, source.seconds(0)])] == [0, 12, last]


def test_a_file_without_a_duration_is_measured(strange: dict[str, Path]) -> None:
    with av.open(str(strange["endless"])) as container:
        assert not container.duration
        assert not container.streams.video[0].duration
    source = VideoFiles([strange["endless"]])
    assert source.seconds(0) == pytest.approx(2.4, abs=0.05)
    assert [number_in(f) for f in source.frames(0, [2.3, 1.0])] == [57, 25]


def test_inspection_counts_each_kind(strange: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    rows = inspect_videos(list(strange.values()), progress=lambda done, total: seen.append((done, total)))
    found = dict(zip(strange, rows, strict=True))
    for name, reason in UNREADABLE.items():
        assert found[name] == Inspection(strange[name], False, flaws=("unreadable",), reason=found[name].reason)
        assert reason in found[name].reason
    assert found["good"] == Inspection(strange["good"], True, 2.4, 60, 25.0, 128, 64)
    assert found["cut"].flaws == ("truncated",)
    assert "the header says 2.4 s" in found["cut"].reason
    assert found["endless"].flaws == ("no duration in the header",)
    assert found["endless"].frames == 60
    assert found["unsteady"].flaws == ("variable frame rate",)
    assert found["unsteady"].reason == "from 40 to 210 ms between frames"
    assert tally(rows) == {
        "files": 10,
        "good": 1,
        "unreadable": 6,
        "damaged": 0,
        "truncated": 1,
        "no duration in the header": 1,
        "variable frame rate": 1,
    }
    assert seen[-1] == (10, 10)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_sound_that_lasts_longer_is_no_flaw(name: str, tmp_path: Path) -> None:
    path = write_sound(tmp_path / name, 3.0, frames=25)
    (row,) = inspect_videos([path])
    assert (row.readable, row.flaws, row.frames) == (True, (), 25)
    assert row.seconds == pytest.approx(1.0)
    assert number_in(VideoFiles([path]).frames(0, [1.0])[0]) == 24


def test_an_avi_without_its_index_is_known_to_be_truncated(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.avi", range(60), "mpeg4", base=Fraction(1, 25)).read_bytes()
    path = tmp_path / "b.avi"
    path.write_bytes(whole[: int(0.7 * len(whole))])
    (row,) = inspect_videos([path])
    assert (row.readable, row.flaws) == (True, ("truncated",))
    last = number_in(VideoFiles([path]).frames(0, [row.seconds])[0])
    assert last == row.frames - 1 < 55


def test_real_clips_are_good(videos: list[Path]) -> None:
    for row in inspect_videos(videos):
        assert row.readable, row
        assert row.flaws == (), row


@pytest.mark.parametrize("seed", range(12))
def test_damage_is_an_error_or_does_not_matter(clip: Path, tmp_path: Path, seed: int) -> None:
    """Bytes are overwritten anywhere: frames come, or the error does, and nothing else."""
    rng = np.random.default_rng(seed)
    content = bytearray(clip.read_bytes())
    for _ in range(1 + seed % 3):
        start = int(rng.integers(0, len(content) - 40))
        content[start : start + 40] = rng.bytes(40)
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    source = VideoFiles([path])
    try:
        found = source.frames(0, np.linspace(0, source.seconds(0), 9).tolist())
    except UnreadableClipError:
        return
    assert found.shape[0] == 9
    assert found.dtype == np.uint8


def test_a_missing_group_of_frames_is_not_passed_over(clip: Path, tmp_path: Path) -> None:
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for pos, size in places[26:34]:
        content[pos : pos + size] = b"\xff" * size
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    source = VideoFiles([path])
    assert [number_in(f) for f in source.frames(0, [0.2, 0.6])] == [5, 15]  # before the damage
    with pytest.raises(UnreadableClipError, match=r"damaged|cannot be decoded"):
        source.frames(0, [30 * 0.04])


def test_a_hole_in_a_transport_stream_is_not_passed_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", STEADY, base=Fraction(1, 1000), bf="2", crf="1")
    with av.open(str(path)) as container:
        places = [p.pos for p in container.demux(video=0) if p.size]
    content = path.read_bytes()
    hole = places[30] // 188 * 188 + 188
    path.write_bytes(content[:hole] + content[hole + 3 * 188 :])
    source = VideoFiles([path])
    found, failed = {}, []
    for number in range(60):
        try:
            found[number] = number_in(source.frames(0, [number * 0.04])[0])
        except UnreadableClipError:
            failed.append(number)
    assert all(number == given for number, given in found.items())
    assert {*range(24), *range(48, 60)} <= found.keys()
    assert 30 in failed
    (row,) = inspect_videos([path])
    assert (row.readable, row.flaws) == (True, ("damaged",))


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{0}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {0}\n"]
)
def test_playlists_are_not_followed(text: str, clip: Path, tmp_path: Path) -> None:
    for name in ("list.mp4", "list.mkv"):
        path = tmp_path / name
        path.write_text(text.format(clip))
        with pytest.raises(UnreadableClipError):
            VideoFiles([path]).frames(0, [0.0])


def test_names_are_never_addresses(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    odd = Path("concat:a|b.mp4")
    odd.write_bytes(clip.read_bytes())
    assert number_in(VideoFiles([odd]).frames(0, [1.0])[0]) == 25
    with pytest.raises(UnreadableClipError, match="no such file"):
        VideoFiles([Path("http://localhost/a.mp4")]).seconds(0)


def test_another_clip_takes_the_place_of_a_damaged_one(strange: dict[str, Path], clip: Path) -> None:
    source = VideoFiles([strange["empty"], clip, strange["sound"], clip])
    failed = FailedClips(len(source))
    first = [draw_example(source, k, 2, 1.0, (7, 0), failed, 32) for k in range(4)]
    assert [e.clip for e in first if e.clip in (0, 2)] == []
    assert [first[1].clip, first[3].clip] == [1, 3]
    assert set(failed.errors) == {0, 2}
    assert failed.reasons() == {"an empty file": 1, "has no video stream, only audio": 1}
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(lambda k: draw_example(source, k, 2, 1.0, (7, 0), FailedClips(4), 32), [3, 2, 1, 0]))
    for one, other in zip(first, reversed(again), strict=True):
        assert one.clip == other.clip
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.frames, other.frames)
    assert not np.array_equal(first[1].times, draw_example(source, 1, 2, 1.0, (7, 1), failed).times)


def test_too_many_damaged_clips_end_the_run(tmp_path: Path, clip: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.mp4").write_bytes(b"")
    source = VideoFiles([*sorted(tmp_path.glob("*.mp4")), *[clip] * 100])
    failed = FailedClips(len(source), share=0.05)
    for number in range(10):
        failed.add(number, UnreadableClipError(source.paths[number], "an empty file"))
    with pytest.raises(DataError, match=r"11 of 112 clips cannot be read, more than the 10 .*an empty file"):
        draw_example(source, 10, 2, 1.0, (0,), failed)
    with pytest.raises(DataError, match="2 of 2 clips cannot be read"):
        draw_example(VideoFiles([tmp_path / "a", tmp_path / "b"]), 0, 2, 1.0, (0,), FailedClips(2))
