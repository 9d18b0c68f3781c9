"""Filmed actions: the published lists and what can be wrong with them, frames of clips, and heads of several splits."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.datasets.action_names import HMDB51_CLASSES, SSV2_CLASSES, UCF101_CLASSES
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers import filmed_clips
from vitobench.tasks.readers.clip_lists import hmdb51, something_something, ucf101
from vitobench.tasks.readers.filmed_clips import ClipLists, FilmedClip, FilmedClips
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.actions import COLOURS, HEADS, ActionExaminer, Recognising
from vitobench.tests.tasks.readers.filmed import (
    of_few_classes,
    touch,
    write_frames,
    write_hmdb,
    write_ssv2,
    write_ucf,
)

TWO = ("HandstandPushups", "Swing")
THINGS = ("Pulling something from left to right", "Pulling something from right to left", "Something falling")


def test_published_classes_are_as_many_as_published_and_none_twice() -> None:
    for classes, count in ((UCF101_CLASSES, 101), (HMDB51_CLASSES, 51), (SSV2_CLASSES, 174)):
        assert len(classes) == len({*classes}) == count
    assert UCF101_CLASSES.index("HandstandPushups") == 36
    assert SSV2_CLASSES.index("Pretending to open something without actually opening it") == 67
    assert not any("[" in name for name in SSV2_CLASSES)


def test_ucf101_has_three_splits_of_groups(tmp_path: Path) -> None:
    lists = ucf101(write_ucf(tmp_path, TWO, touch), TWO)
    assert (len(lists.judged), len(lists.learning), lists.splits) == (3 * 4, 32, 3)
    for clip in lists.judged:
        assert clip.group == f"{TWO[clip.action]}/g{clip.splits[0] + 1:02d}"
        assert clip.file == f"UCF-101/{clip.name}"
    by_name = {clip.name: clip for clip in lists.learning}
    one = by_name["Swing/v_Swing_g02_c01.avi"]
    assert (one.action, one.number, one.splits) == (1, 2, (0, 2))
    assert by_name["Swing/v_Swing_g07_c02.avi"].splits == (0, 1, 2)


def test_a_copy_that_spells_files_in_other_case_is_the_same_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_few_classes(monkeypatch, "ucf101", TWO)
    write_ucf(tmp_path / "a", TWO, lambda path, action, number: write_bytes(path, f"{action} {number}"))
    write_ucf(tmp_path / "b", TWO, lambda path, action, number: write_bytes(path, f"{action} {number}"))
    for path in list((tmp_path / "b/UCF-101/HandstandPushups").iterdir()):
        path.rename(path.with_name(path.name.replace("Handstand", "HandStand")))
    one, other = (open_source("ucf101", {"ucf101": tmp_path / name}, None, 0) for name in ("a", "b"))
    assert one.image_ids == other.image_ids
    assert one.digest == other.digest
    assert "2/HandstandPushups/g02/v_HandstandPushups_g02_c01" in one.image_ids
    again = pickle.loads(pickle.dumps(other))
    assert (again.image_ids, again.digest, len(again.learning)) == (other.image_ids, other.digest, 32)
    listing = tmp_path / "a/ucfTrainTestlist/trainlist01.txt"
    listing.write_text("".join(listing.read_text().splitlines(keepends=True)[1:]))
    assert open_source("ucf101", {"ucf101": tmp_path / "a"}, None, 0).digest != one.digest  # heads would be others


def write_bytes(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def edited(place: Path, old: str, new: str) -> None:
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new, 1))


FIRST = "HandstandPushups/v_HandstandPushups_g04_c01.avi 1"
UCF_DAMAGES: dict[str, tuple[str, str, str, str]] = {
    "no label": ("trainlist01", FIRST, FIRST[:-2], "where CLASS/v_NAME_gXX_cYY.avi LABEL is expected.*detection"),
    "lists of detection": ("testlist01", "g01_c01.avi", "g01_c01", "where CLASS/v_NAME_gXX_cYY.avi is expected"),
    "wrong label": ("trainlist01", FIRST, f"{FIRST[:-1]}2", "the label 2; HandstandPushups is 1 in classInd.txt$"),
    "no such label": ("trainlist01", FIRST, f"{FIRST[:-1]}9", "the label 9; .* is 1 .*, and there are 1 to 2"),
    "no such class": ("testlist02", "Swing/", "Sing/", "whose class Sing is not in classInd.txt"),
    "twice": ("testlist03", "g03_c02", "g03_c01", "names HandstandPushups/v_HandstandPushups_g03_c01.avi twice"),
    "shared groups": ("trainlist02", "Pushups_g04_c01", "Pushups_g02_c01", "share 1 groups, such as .*/g02"),
    "absent": ("testlist01", "g01_c01", "g01_c07", "testlist01.txt names 1 videos that are not in UCF-101, such as"),
    "few classes": ("classInd", "2 Swing\n", "", "classInd.txt has 1 classes, there are 2"),
    "other classes": ("classInd", "2 Swing", "2 Surfing", "says 2 Surfing where 2 Swing is expected"),
    "no numbers": ("classInd", "2 Swing", "Swing", "lines that are not NUMBER CLASS"),
}


@pytest.mark.parametrize("case", UCF_DAMAGES)
def test_lists_of_ucf101_that_would_give_wrong_numbers_are_refused(case: str, tmp_path: Path) -> None:
    name, old, new, reason = UCF_DAMAGES[case]
    edited(write_ucf(tmp_path, TWO, touch) / f"ucfTrainTestlist/{name}.txt", old, new)
    with pytest.raises(DataError, match=reason):
        ucf101(tmp_path, TWO)


def test_hmdb51_takes_marks_and_groups_by_film(tmp_path: Path) -> None:
    lists = hmdb51(write_hmdb(tmp_path, ("draw_sword", "sword"), touch), ("draw_sword", "sword"))
    assert (len(lists.judged), len(lists.learning)) == (2 * 8, 2 * 8)
    assert not any(clip.name.endswith("_1.avi") for clip in (*lists.judged, *lists.learning))  # mark 0
    films = {clip.group for clip in lists.judged}
    assert films == {f"Film_{n}!_[x]" for n in range(8)}  # of both classes
    for clip in lists.learning:
        film = int(clip.group[5])
        assert clip.splits == tuple(split for split in range(3) if film % 3 != split)
        assert clip.number == film


HMDB_DAMAGES: dict[str, tuple[str, str, str]] = {
    "no mark": ("med_0.avi 2", "med_0.avi", "where NAME.avi and a mark are expected"),
    "another mark": ("med_0.avi 2", "med_0.avi 3", "where NAME.avi and a mark are expected"),
    "twice": ("med_1.avi", "med_0.avi", "sword_test_split1.txt names sword/Film_0!_.*_0.avi twice"),
    "absent": ("med_0.avi", "med_8.avi", "names 1 videos that are not in hmdb51_org, such as sword/Film_0"),
}


@pytest.mark.parametrize("case", HMDB_DAMAGES)
def test_lists_of_hmdb51_that_would_give_wrong_numbers_are_refused(case: str, tmp_path: Path) -> None:
    old, new, reason = HMDB_DAMAGES[case]
    edited(write_hmdb(tmp_path, ("sword",), touch) / "testTrainMulti_7030_splits/sword_test_split1.txt", old, new)
    with pytest.raises(DataError, match=reason):
        hmdb51(tmp_path, ("sword",))
    with pytest.raises(DataError, match=r"the list walk_test_split1\.txt cannot be read"):
        hmdb51(tmp_path, ("walk",))


@pytest.mark.parametrize("form", ["labels/{}.json", "something-something-v2-{}.json"])
def test_something_something_is_named_by_templates(form: str, tmp_path: Path) -> None:
    write_ssv2(tmp_path, THINGS, touch)
    for part in ("labels", "train", "validation"):
        (tmp_path / f"labels/{part}.json").rename(tmp_path / form.format(part))
    lists = something_something(tmp_path, THINGS, 1000)
    assert (len(lists.judged), len(lists.learning), lists.splits) == (7, 21, 1)
    assert all(clip.action == clip.number % 3 for clip in (*lists.judged, *lists.learning))
    some = something_something(tmp_path, THINGS, 12)
    assert len(some.learning) == 12
    assert {*some.learning} < {*lists.learning}
    assert some.judged == lists.judged


SSV2_DAMAGES: dict[str, tuple[str, str, str, str]] = {
    "another template": ("train", "[Something] falling", "[Something] flying", "gives clip 2 the template"),
    "no template": ("train", '"template"', '"temple"', "without an id and a template"),
    "no list": ("train", "[{", '{"1": [{', "cannot be read"),
    "twice": ("validation", '"id": "8"', '"id": "4"', "names clip 4 twice"),
    "in both": ("validation", '"id": "8"', '"id": "7"', "share 1 clips, such as 7"),
    "absent": ("validation", '"id": "8"', '"id": "80"', "names 1 videos that are not in .*, such as 80.webm"),
    "other numbers": ("labels", '"1"', '"2"', "other classes or numbers than are published, such as 'Pulling"),
}


@pytest.mark.parametrize("case", SSV2_DAMAGES)
def test_lists_of_something_something_that_would_give_wrong_numbers_are_refused(case: str, tmp_path: Path) -> None:
    name, old, new, reason = SSV2_DAMAGES[case]
    edited(write_ssv2(tmp_path, THINGS, touch) / f"labels/{name}.json", old, new)
    with pytest.raises(DataError, match=reason):
        something_something(tmp_path, THINGS, 1000)
    (tmp_path / "labels/labels.json").write_text(json.dumps([]))
    with pytest.raises(DataError, match="is no JSON object"):
        something_something(tmp_path, THINGS, 1000)


@pytest.mark.parametrize(("name", "write"), [("ucf101", write_ucf), ("hmdb51", write_hmdb), ("ssv2", write_ssv2)])
def test_every_error_ends_with_the_form_and_the_page(
    name: str, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_few_classes(monkeypatch, name, THINGS[:2] if name == "ssv2" else TWO)
    root = write(tmp_path / "set", THINGS[:2] if name == "ssv2" else TWO, touch)
    assert len(open_source(name, {name: root}, None, 0)) > 0
    videos = {"ucf101": "UCF-101", "hmdb51": "hmdb51_org", "ssv2": "20bn-something-something-v2"}[name]
    (root / videos).rename(root / "elsewhere")
    with pytest.raises(DataError, match=rf"(?s)there is no folder {videos}\..*Expected the videos.*published at"):
        open_source(name, {name: root}, None, 0)


def clip(name: str, action: int = 0, group: str = "g", splits: tuple[int, ...] = (0,), number: int = 0) -> FilmedClip:
    return FilmedClip(name, name, action, group, number, splits)


def test_nine_frames_are_read_from_the_first_to_the_last_and_the_middle_square_is_seen(tmp_path: Path) -> None:
    frames = []
    for number in range(9):
        frame = np.full((48, 96, 3), 20 + 25 * number, np.uint8)
        frame[:, :20], frame[:, -20:] = 0, 255  # outside the middle square
        frames.append(frame)
    for name in ("nine.avi", "one.webm"):
        write_frames(tmp_path / name, frames if name == "nine.avi" else frames[4:5])
    source = FilmedClips(tmp_path, "clips", ClipLists((clip("nine.avi"), clip("one.webm")), ()))
    for position, image_id in enumerate(source.image_ids):
        found = source.clip(position)
        assert found.shape == (9, 224, 224, 3)
        levels = found.reshape(9, -1).mean(axis=1)
        expected = 20 + 25 * np.arange(9) if image_id == "g/nine" else np.full(9, 120)
        np.testing.assert_allclose(levels, expected, atol=6)
        assert np.ptp(found.astype(int).reshape(9, -1), axis=1).max() < 25


def test_names_that_two_clips_share_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two clips that are called g/a"):
        FilmedClips(tmp_path, "clips", ClipLists((clip("x/a.avi"), clip("y/a.avi")), ()))


def test_a_broken_clip_is_a_failure_and_stops_the_model_where_heads_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filmed_clips, "SIDE", 32)
    root = write_ucf(tmp_path, TWO)
    lists = ucf101(root, TWO)
    (root / "UCF-101/Swing/v_Swing_g01_c01.avi").write_bytes(b"no video")
    (root / "UCF-101/Swing/v_Swing_g02_c01.avi").write_bytes(b"")
    how = Recognising(TWO, 32, 0, 1, splits=("split 1", "split 2", "split 3"))

    def examiner(learning: tuple[FilmedClip, ...]) -> tuple[FilmedClips, ActionExaminer]:
        source = FilmedClips(root, "ucf101", ClipLists(lists.judged, learning, 3))
        return source, how.examiner(COLOURS, source)

    whole = tuple(one for one in lists.learning if "Swing_g01_c01" not in one.name and "Swing_g02_c01" not in one.name)
    source, good = examiner(whole)
    numbers = good.numbers(range(len(source)))
    reasons = {source.image_ids[place].rpartition("/")[2]: why.reason for place, why in numbers.failed.items()}
    assert {*reasons} == {"v_Swing_g01_c01", "v_Swing_g02_c01"}
    assert "Swing/v_Swing_g01_c01.avi: cannot be decoded" in reasons["v_Swing_g01_c01"]
    assert "an empty file" in reasons["v_Swing_g02_c01"]
    assert len(numbers.positions) == 10
    with pytest.raises(DataError, match=r"v_Swing_g0\d_c01.avi"):
        examiner(lists.learning)[1].numbers([0])
    assert source.digest  # which keeps what the files were
    (root / "UCF-101/Swing/v_Swing_g01_c02.avi").write_bytes((root / "UCF-101/Swing/v_Swing_g04_c02.avi").read_bytes())
    place = next(n for n, name in enumerate(source.image_ids) if name.endswith("v_Swing_g01_c02"))
    with pytest.raises(DataError, match="changed"):
        source.clip(place)


def test_heads_of_a_split_are_those_of_its_list_alone_and_clips_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filmed_clips, "SIDE", 32)
    lists = ucf101(write_ucf(tmp_path, TWO), TWO)
    read: list[str] = []
    plain = FilmedClips.frames

    def counted(self: FilmedClips, one: FilmedClip) -> np.ndarray:
        read.append(one.name)
        return plain(self, one)

    monkeypatch.setattr(FilmedClips, "frames", counted)
    three = Recognising(TWO, 32, 0, 1, splits=("split 1", "split 2", "split 3"))
    source = FilmedClips(tmp_path, "ucf101", lists)
    found = three.examiner(COLOURS, source).heads()
    assert len(found) == 3
    assert len(read) == 32
    for split in range(3):
        own = tuple(clip(c.name, c.action, c.group, (0,), c.number) for c in lists.learning if split in c.splits)
        own = tuple(FilmedClip(c.name, f"UCF-101/{c.name}", c.action, c.group, c.number) for c in own)
        assert len(own) == 28
        (alone,) = Recognising(TWO, 32, 0, 1).examiner(COLOURS, FilmedClips(tmp_path, "x", ClipLists((), own))).heads()
        for name in HEADS:
            np.testing.assert_array_equal(found[split][name].weights, alone[name].weights)
    assert (found[0]["ordered"].weights != found[1]["ordered"].weights).any()


def test_real_clips_of_films_are_read() -> None:
    folder = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "videos"
    if not folder.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real clips (videos/)")
    names = ("soccer_juggling.avi", "arm_wrestling.mp4")
    source = FilmedClips(folder, "real", ClipLists(tuple(clip(name, group=name) for name in names), ()))
    for position in range(2):
        frames = source.clip(position)
        assert frames.shape == (9, 224, 224, 3)
        steps = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2, 3))
        assert (steps > 1).all()  # people move from frame to frame


def test_published_tasks_name_their_splits() -> None:
    for name, splits in (("ucf101", 3), ("hmdb51", 3), ("ssv2", 0)):
        protocol = get_task(name).protocol
        assert isinstance(protocol, Recognising)
        assert len(protocol.splits) == splits
        assert ("splits" in protocol.facts()) == bool(splits)  # other tasks keep the identity that they had
