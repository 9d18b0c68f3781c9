"""Clips as folders of images, shards, manifests and the micro-world, and opening them by what a user writes."""

from __future__ import annotations

import csv
import io
import json
import pickle
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError, UnknownNameError
from vitobench.models.pretraining.curation.sources import list_videos
from vitobench.tasks.clips.folders import FrameFolders, frame_folders
from vitobench.tasks.clips.manifest import Segments, read_manifest
from vitobench.tasks.clips.opening import open_clips
from vitobench.tasks.clips.shards import Shards
from vitobench.tasks.clips.source import UnreadableClipError
from vitobench.tasks.images.walking import OUTSIDE, REPEATED, left_out_of
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tests.tasks.clips.kit import number_in, picture, write_video


def png(number: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture(number)).save(out, "png")
    return out.getvalue()


def images(folder: Path, numbers: list[int], form: str = "frame_{:05d}.png") -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / form.format(number)).write_bytes(png(number))
    return folder


def numbers(source: Any, clip: int, times: list[float], size: int | None = None) -> list[int]:
    return [number_in(f) for f in source.frames(clip, times, size)]


# Folders of images


def test_images_stand_where_their_number_says(tmp_path: Path) -> None:
    images(tmp_path / "b" / "dog_10fps", [3, 4, 5, 9, 10])
    images(tmp_path / "a-2.5FPS", [8, 9, 10, 11], "{}.png")  # not in the order of the alphabet
    (tmp_path / "a-2.5FPS" / "notes.txt").write_text("-")
    source = frame_folders(tmp_path)
    assert [f.name for f in source.folders] == ["a-2.5FPS", "dog_10fps"]
    assert source.seconds(0) == pytest.approx(4 / 2.5)
    assert numbers(source, 0, [0.0, 0.39, 0.4, 1.6]) == [8, 8, 9, 11]
    assert source.seconds(1) == pytest.approx(0.8)
    assert numbers(source, 1, [0.8, 0.7, 0.6, 0.55, 0.3, 0.2, 0.0]) == [10, 10, 9, 5, 5, 5, 3]
    assert source.frames(1, [0.1], 32).shape == (1, 32, 64, 3)
    assert source.label(0) == -1
    with pytest.raises(ValueError, match=r"no frame at 0\.9"):
        source.frames(1, [0.9])


def test_every_multiple_of_a_rate_is_its_frame(tmp_path: Path) -> None:
    source = FrameFolders([images(tmp_path / "a", list(range(100)))], 29.97)
    assert numbers(source, 0, [k / 29.97 for k in range(100)]) == list(range(100))


def test_the_rate_must_be_known(tmp_path: Path) -> None:
    images(tmp_path / "a", [0, 1])
    with pytest.raises(DataError, match="end its name in, for example, _25fps"):
        frame_folders(tmp_path)
    assert frame_folders(tmp_path, 4.0).seconds(0) == 0.5
    with pytest.raises(ValueError, match="positive"):
        frame_folders(tmp_path, 0.0)


def test_damaged_folders_raise_the_one_error(tmp_path: Path) -> None:
    folder = images(tmp_path / "a", [0, 1, 2])
    (folder / "frame_00001.png").write_bytes(b"no picture")
    Image.fromarray(picture(2)[:32]).save(folder / "frame_00002.png")
    images(tmp_path / "b", [1])
    (tmp_path / "b" / "x1.png").write_bytes(png(1))
    images(tmp_path / "c", [1], "frame.png")
    source = FrameFolders([folder, tmp_path / "b", tmp_path / "c", tmp_path / "d"], 1.0)
    for clip, times, reason in [
        (0, [1.0], "a frame cannot be decoded"),
        (0, [0.0, 2.0], "differ in size"),
        (1, [0.0], "two images of one number"),
        (2, [0.0], "no images whose names end in a number"),
        (3, [0.0], "no such file"),
    ]:
        with pytest.raises(UnreadableClipError, match=reason):
            source.frames(clip, times)
    assert numbers(source, 0, [0.0]) == [0]


# Shards


def shard(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def shards(tmp_path: Path, clip: Path) -> Path:
    video = clip.read_bytes()
    shard(
        tmp_path / "shards-000.tar",
        {
            "deep/a.mp4": video,
            "deep/a.json": b'{"label": 3, "__reduce__": "os.system"}',
            **{f"b.{k:04d}.png": png(k) for k in (5, 6, 8)},
            "b.json": b'{"fps": 4, "class": 9}',
            "c.pkl": b"cos\nsystem\n(S'exit 1'\ntR.",
        },
    )
    shard(tmp_path / "shards-001.tar", {"a.mp4": video[:600], "a.cls": b"1", "d.png": png(77), "e.mp4": video})
    return tmp_path


def test_members_of_shards_are_read_in_place(shards: Path) -> None:
    source = open_clips(str(shards / "shards-*.tar"), rate=2.0)
    assert isinstance(source, Shards)
    assert [source.name(k).rpartition(":")[2] for k in range(len(source))] == ["deep/a", "b", "a", "d", "e"]
    assert [source.label(k) for k in range(5)] == [3, 9, 1, -1, -1]
    assert source.seconds(0) == pytest.approx(2.4)
    assert numbers(source, 0, [1.0, 0.0]) == [25, 0]
    assert source.seconds(1) == 1.0
    assert numbers(source, 1, [0.0, 0.25, 0.5, 0.75, 1.0], 32) == [5, 6, 6, 8, 8]
    with pytest.raises(UnreadableClipError, match=r"shards-001\.tar:a: cannot be decoded"):
        source.frames(2, [1.0])
    assert (source.seconds(3), numbers(source, 3, [0.0])) == (0.5, [77])
    assert numbers(pickle.loads(pickle.dumps(source)), 4, [2.0]) == [50]


def test_ranges_in_braces_name_shards(shards: Path) -> None:
    assert len(open_clips(str(shards / "shards-{000..001}.tar"))) == 5
    assert len(open_clips(str(shards / "shards-{000..000}.tar"))) == 2
    with pytest.raises(DataError, match=r"no shard .*shards-002\.tar"):
        open_clips(str(shards / "shards-{000..002}.tar"))
    with pytest.raises(DataError, match="not a range"):
        open_clips(str(shards / "shards-{005..001}.tar"))
    with pytest.raises(DataError, match="no shard"):
        open_clips(str(shards / "other-*.tar"))


def test_images_in_shards_need_a_rate(shards: Path) -> None:
    with pytest.raises(DataError, match=r'd: .*"fps"'):
        open_clips(str(shards / "shards-001.tar")).seconds(1)


def test_damaged_shards_are_named(tmp_path: Path, clip: Path) -> None:
    packed = shard(tmp_path / "packed.tar", {"a.mp4": clip.read_bytes()}, "w:gz")
    with pytest.raises(DataError, match=r"packed\.tar cannot be read: it is compressed with gzip.*uncompressed"):
        Shards([packed])
    with pytest.raises(DataError, match="no member is a video"):
        Shards([shard(tmp_path / "texts.tar", {"a.txt": b"a"})])
    bad = Shards([shard(tmp_path / "json.tar", {"a.mp4": clip.read_bytes(), "a.json": b"{"})])
    with pytest.raises(DataError, match=r"1 of 1 clips cannot be read .*json\.tar:a: its \.json is not JSON"):
        bad.label(0)
    whole = shard(tmp_path / "whole.tar", {"a.mp4": clip.read_bytes()})
    source = Shards([whole])
    whole.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(UnreadableClipError, match="cut short"):
        source.seconds(0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda x: x[:2048] + bytes([x[2048] ^ 1]) + x[2049:], r"after b\.png at byte 2,048, the header is damaged"),
        (lambda x: x[:2048] + bytes(512) + x[2560:], r"after b\.png something follows the zeros"),
        (lambda x: x[:2048], r"after b\.png it ends without the two blocks of zeros"),
        (lambda x: x[:3000], r"after c\.png it ends without the two blocks of zeros"),
        (lambda x: x + x, r"after d\.png something follows the zeros .* or another archive"),
    ],
)
def test_a_damaged_shard_is_no_shorter_shard(tmp_path: Path, damage: Callable[[bytes], bytes], message: str) -> None:
    whole = shard(tmp_path / "whole.tar", {f"{key}.png": png(5)[:400] for key in "abcd"})  # two blocks for each
    assert len(Shards([whole], rate=2.0)) == 4
    whole.write_bytes(damage(whole.read_bytes()))
    with pytest.raises(DataError, match=rf"whole\.tar is not a complete tar archive \({message}"):
        Shards([whole], rate=2.0)


LABEL_3: dict[str, dict[str, bytes]] = {
    "a number as text": {"json": b'{"label": "3"}'},
    "a whole float": {"json": b'{"class": 3.0}'},
    "cls in JSON": {"json": b'{"cls": 3}'},
    "webdataset's cls": {"cls": b"3\n"},
    "cls.txt": {"cls.txt": b"3.0"},
    "label.txt in UTF-16": {"label.txt": "3".encode("utf-16")},
    "JSON with a byte order mark": {"json": b'\xef\xbb\xbf{"label": 3}'},
    "JSON in UTF-16": {"json": '{"label": 3}'.encode("utf-16")},
    "JSON in UTF-32 without a mark": {"json": '{"label": 3}'.encode("utf-32-be")},
    "a number and its name": {"json": b'{"label": 3, "class_name": "dog"}', "cls": b"3"},
    "capital letters": {"JSON": b'{"label": 3}'},
}


@pytest.mark.parametrize("members", LABEL_3.values(), ids=LABEL_3)
def test_a_label_of_a_shard_is_read_however_it_is_written(
    tmp_path: Path, clip: Path, members: dict[str, bytes]
) -> None:
    files = {"a.mp4": clip.read_bytes(), **{f"a.{ending}": content for ending, content in members.items()}}
    assert Shards([shard(tmp_path / "a.tar", files)]).label(0) == 3


def test_names_of_classes_in_shards_are_numbered_as_those_of_a_manifest(tmp_path: Path, clip: Path) -> None:
    video = clip.read_bytes()
    first = shard(tmp_path / "s-0.tar", {"a.mp4": video, "a.json": b'{"label": "dog"}', "b.mp4": video})
    cafe = "caf\u00e9"
    second = shard(
        tmp_path / "s-1.tar",
        {
            "c.mp4": video,
            "c.cls": b"ant",
            "d.mp4": video,
            "d.json": json.dumps({"class_name": cafe}).encode(),
            "e.mp4": video,
            "e.class.txt": unicodedata.normalize("NFD", cafe).encode(),
        },
    )
    source = Shards([first, second])
    assert [source.label(k) for k in range(5)] == [2, -1, 0, 1, 1]
    rows = [{"video": str(clip), "class": name} for name in ("dog", None, "ant", cafe)]
    manifest = Segments(read_manifest(json_lines(tmp_path / "m.jsonl", rows)))
    assert list(manifest.labels) == [2, -1, 0, 1]
    assert pickle.loads(pickle.dumps(source)).label(0) == 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.json": b'{"label": 3}', "a.cls": b"4"}, r"label of \.json says 3, \.cls says 4"),
        ({"a.json": b'{"label": "dog", "class": "cat"}'}, r"label of \.json says dog, class of \.json says cat"),
        ({"a.cls": b"3.5"}, r"\.cls is '3\.5', neither a whole number from 0 nor a name"),
        ({"a.json": b'{"label": 2.7}'}, "is 2.7, neither"),
        ({"a.json": b'{"label": true}'}, "is True, neither"),
        ({"a.json": b'{"label": [3]}'}, r"is \[3\], neither"),
        ({"a.json": b'{"label": -5}'}, "is -5, neither"),
        ({"a.json": b"3"}, r"its \.json is not a JSON object"),
        ({"a.cls": b"\xff\xfe\x00"}, r"its \.cls cannot be read: it is not text"),
    ],
)
def test_labels_that_cannot_be_read_are_counted_and_named(
    tmp_path: Path, clip: Path, members: dict[str, bytes], message: str
) -> None:
    files = {"a.mp4": clip.read_bytes(), "b.mp4": clip.read_bytes(), **members}
    source = Shards([shard(tmp_path / "a.tar", files)])
    with pytest.raises(DataError, match=rf"The classes of 1 of 2 clips cannot be read \(.*a\.tar:a: .*{message}"):
        source.label(1)


def test_numbers_and_names_in_one_set_would_collide(tmp_path: Path, clip: Path) -> None:
    video = clip.read_bytes()
    mixed = Shards([shard(tmp_path / "a.tar", {"a.mp4": video, "a.cls": b"0", "b.mp4": video, "b.cls": b"dog"})])
    with pytest.raises(DataError, match=r"a has 0, .*b has 'dog'"):
        mixed.label(0)
    rows = [{"video": str(clip), "class": 0}, {"video": str(clip), "class": "dog", "kept": False}]
    with pytest.raises(DataError, match=r"has 0, .*has 'dog'"):
        Segments(read_manifest(json_lines(tmp_path / "m.jsonl", rows)))


def test_every_video_of_a_key_is_a_clip(tmp_path: Path, shards: Path, clip: Path) -> None:
    video, other = clip.read_bytes(), clip.with_name("other.mp4")
    write_video(other, [40 * k for k in range(25)])
    files = {"clip.v1.mp4": video, "clip.json": b'{"label": 3}', "clip.v2.mp4": other.read_bytes()}
    source = Shards([shard(tmp_path / "a.tar", files)])
    assert [source.name(k).rpartition(":")[2] for k in range(len(source))] == ["clip.v1.mp4", "clip.v2.mp4"]
    assert [source.label(k) for k in range(2)] == [3, 3]
    assert [source.seconds(k) for k in range(2)] == pytest.approx([2.4, 1.0])
    files = {"my.cat.mp4": video, "my.cat.json": b'{"label": 1}', "my.dog.mp4": video, "my.dog.cls": b"2"}
    source = Shards([shard(tmp_path / "b.tar", files)])
    assert [source.label(k) for k in range(2)] == [1, 2]
    with tarfile.open(tmp_path / "b.tar", "a") as tar:  # the later one of two of the same name counts, as in tar
        info = tarfile.TarInfo("my.dog.cls")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"7"))
    assert [Shards([tmp_path / "b.tar"]).label(k) for k in range(2)] == [1, 7]


def test_two_images_of_one_number_and_a_rate_that_is_none(tmp_path: Path) -> None:
    files = {"a.left.0000.png": png(1), "a.right.0000.png": png(2), "b.0000.png": png(3), "b.json": b'{"fps": "4"}'}
    source = Shards([shard(tmp_path / "a.tar", {**files, "c.0.png": png(4), "c.json": b'{"fps": 0}'})], rate=1.0)
    with pytest.raises(UnreadableClipError, match="two images of one number"):
        source.frames(0, [0.0])
    assert source.seconds(1) == 0.25
    with pytest.raises(UnreadableClipError, match=r"fps of \.json is 0, not a positive number"):
        source.seconds(2)


def test_links_in_shards_lead_nowhere(tmp_path: Path, clip: Path) -> None:
    path = shard(tmp_path / "a.tar", {"b.mp4": clip.read_bytes()})
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("a.mp4")
        info.type, info.linkname = tarfile.SYMTYPE, str(clip)
        tar.addfile(info)
    assert len(Shards([path])) == 1


# Manifests

ROWS: list[dict[str, Any]] = [
    {"video": "clip.mp4", "start": 0.5, "end": 1.5, "class": "dog", "kept": True, "reason": ""},
    {"video": "clip.mp4", "start": 1.5, "end": 2.0, "class": "cat", "kept": False, "reason": "a still"},
    {"video": "clip.mp4", "start": 2.0, "end": 9.0, "class": "emu", "kept": True, "reason": ""},
    {"video": "gone.mp4", "start": 0.0, "end": 1.0, "class": "ant", "kept": False, "reason": "dark"},
]


def json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def comma_separated(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    return tmp_path


@pytest.mark.parametrize(("name", "write"), [("m.jsonl", json_lines), ("m.csv", comma_separated)])
def test_kept_segments_are_clips(folder: Path, name: str, write: Callable[..., Path]) -> None:
    source = open_clips(str(write(folder / name, ROWS)))
    assert isinstance(source, Segments)
    assert len(source) == 2
    assert source.classes == ("ant", "cat", "dog", "emu")
    assert [source.label(0), source.label(1)] == [2, 3]
    assert source.seconds(0) == pytest.approx(1.0)
    assert numbers(source, 0, [0.0, 0.5, 1.0]) == [12, 25, 37]
    assert source.seconds(1) == pytest.approx(0.4)  # what the video has of it
    assert numbers(source, 1, [0.0, source.seconds(1)], 32) == [50, 59]
    with pytest.raises(ValueError, match=r"no frame at 1\.1"):
        source.frames(0, [1.1])


def test_what_a_manifest_may_leave_out(folder: Path) -> None:
    rows = [{"video": "clip.mp4"}, {"video": str(folder / "clip.mp4"), "start": 1, "end": None, "class": 7}]
    source = Segments(read_manifest(json_lines(folder / "m.jsonl", rows)))
    assert [source.label(k) for k in range(2)] == [-1, 7]
    assert [source.seconds(k) for k in range(2)] == pytest.approx([2.4, 1.4])
    late = Segments(read_manifest(json_lines(folder / "l.jsonl", [{"video": "clip.mp4", "start": 5.0}])))
    with pytest.raises(UnreadableClipError, match="ends before"):
        late.seconds(0)


def test_videos_that_are_not_there_are_named(folder: Path) -> None:
    rows = [*ROWS, {"video": "x.mp4"}, {"video": "y.mp4"}]
    with pytest.raises(DataError, match=r"2 of the 3 videos in .* do not exist: .*x\.mp4.*y\.mp4"):
        read_manifest(json_lines(folder / "m.jsonl", rows))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"video": "clip.mp4"', "line 2: not JSON"),
        ("[1]", "line 2: it names no video"),
        ('{"video": 3}', "it names no video"),
        ('{"video": "clip.mp4", "start": "soon"}', "start is 'soon'"),
        ('{"video": "clip.mp4", "end": NaN}', "end is nan"),
        ('{"video": "clip.mp4", "start": 2, "end": 1}', "from 2 to 1 s has no length"),
        ('{"video": "clip.mp4", "start": -1}', "has no length"),
        ('{"video": "clip.mp4", "class": 1.5}', "class is 1.5"),
        ('{"video": "clip.mp4", "kept": "maybe"}', "kept is 'maybe'"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_lines_are_named(folder: Path, line: str, message: str) -> None:
    path = folder / "m.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n" + line + "\n")
    with pytest.raises(DataError, match=message):
        read_manifest(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(("name", "write"), [("m.jsonl", json_lines), ("m.csv", comma_separated)])
def test_manifests_come_in_every_unicode_encoding(
    folder: Path, name: str, write: Callable[..., Path], encoding: str
) -> None:
    path = write(folder / name, ROWS)
    path.write_bytes(path.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    source = open_clips(str(path))
    assert [source.label(0), source.label(1)] == [2, 3]
    assert source.seconds(0) == pytest.approx(1.0)


def test_manifests_of_other_systems_name_the_same_files(folder: Path) -> None:
    cafe = "caf\u00e9"
    inside = folder / "videos" / (unicodedata.normalize("NFD", cafe) + ".mp4")
    inside.parent.mkdir()
    inside.write_bytes((folder / "clip.mp4").read_bytes())
    rows = [{"video": f"videos\\{cafe}.mp4", "class": "10"}, {"video": "clip.mp4", "class": "2.0"}]
    source = Segments(read_manifest(comma_separated(folder / "m.csv", rows)))
    assert source.segments[0].video == inside
    # As names these would be 0 and 1, in the order of the alphabet.
    assert [source.label(k) for k in range(2)] == [10, 2]


def test_manifests_that_hold_nothing(folder: Path) -> None:
    with pytest.raises(DataError, match="keeps none of its 1 clips"):
        read_manifest(json_lines(folder / "m.jsonl", [ROWS[1]]))
    (folder / "n.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not text in UTF-8, UTF-16 or UTF-32"):
        read_manifest(folder / "n.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(folder / "absent.jsonl")


# The micro-world, and opening


def test_the_micro_world_is_its_training_set() -> None:
    source = open_clips("microworld", limit=40, seed=3)
    assert len(source) == 40
    assert (source.seconds(5), source.label(21)) == (2.56, 5)
    found = source.frames(5, [0.0, 1.28, 2.56], 32)
    np.testing.assert_array_equal(found, MicroSet("train", 40, 3).frames([5, 5, 5], 32, [0.0, 1.28, 2.56]).images)
    with pytest.raises(ValueError, match="no frame at 3"):
        source.frames(0, [3.0], 32)
    assert len(open_clips("microworld")) == 8192


def test_folders_open_by_what_is_in_them(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / "thumbnail.jpg").write_bytes(png(1))
    assert numbers(open_clips(str(folder)), 0, [1.0]) == [25]
    other = tmp_path_factory.mktemp("other")
    images(other / "a_2fps", [4, 5])
    assert numbers(open_clips(str(other)), 0, [0.5]) == [5]
    images(other / "b", [4, 5])
    assert open_clips(str(other), rate=8.0).seconds(1) == 0.25


def test_what_cannot_be_opened_is_explained(folder: Path) -> None:
    (folder / "empty").mkdir()
    for spec, message in [
        ("absent", "absent does not exist. Clips may be given as"),
        (str(folder / "clip.mp4"), "is neither a .tar nor a manifest"),
        (str(folder / "empty"), "has neither videos nor folders with images"),
        (str(folder / "absent.jsonl"), "does not exist"),
    ]:
        with pytest.raises(DataError, match=message):
            open_clips(spec)
    with pytest.raises(UnknownNameError, match="no video decoder named 'decord'"):
        open_clips(str(folder), decoder="decord")


def test_linked_folders_are_classes_as_well(tmp_path: Path, clip: Path) -> None:
    video = clip.read_bytes()
    for name in ("v/cat/a.mp4", "v/cat/b.MP4", "disk/dog/c.mp4", "v/@eaDir/preview.mp4", "v/cat/.hidden.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(video)
    (tmp_path / "v" / "dog").symlink_to("../disk/dog")
    (tmp_path / "v" / "cat" / "up").symlink_to("..")
    (tmp_path / "v" / "cat" / "a.srt").touch()
    source = open_clips(str(tmp_path / "v"))
    assert [source.label(k) for k in range(len(source))] == [0, 0, 1]
    assert left_out_of(source).line("v") == (
        "Left out of v: .srt files: 1 (cat/a.srt); links to folders that are listed already: 1 (cat/up)."
    )
    assert len(list_videos(tmp_path / "v")[1]) == 3
    (tmp_path / "v" / "wolf").symlink_to("cat")
    with pytest.raises(DataError, match=r"wolf and .*cat are the same folder"):
        open_clips(str(tmp_path / "v"))


def test_linked_folders_of_frames_are_clips_as_well(tmp_path: Path) -> None:
    images(tmp_path / "disk" / "b_2fps", [4, 5])
    images(tmp_path / "v" / "a_2fps", [1, 2])
    images(tmp_path / "v" / "a_2fps" / ".thumbnails", [1])
    images(tmp_path / "v" / "@eaDir", [1])
    (tmp_path / "v" / "b").symlink_to("../disk")
    (tmp_path / "v" / "a_2fps" / "again").symlink_to(".")
    (tmp_path / "v" / "a_2fps" / "._frame_00009.png").touch()
    (tmp_path / "v" / "cover1.png").touch()
    source = frame_folders(tmp_path / "v")
    assert [folder.name for folder in source.folders] == ["a_2fps", "b_2fps"]
    assert [numbers(source, clip, [0.5]) for clip in range(2)] == [[2], [5]]
    assert source.left_out.kinds[OUTSIDE] == (1, "cover1.png")
    assert source.left_out.kinds[REPEATED] == (1, "a_2fps/again")
