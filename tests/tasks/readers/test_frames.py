import csv
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.answer_spaces import answer_space
from vitobench.tasks.images import hashing
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.annotations import read_ytbb
from vitobench.tasks.readers.frames import FrameGroups


def opened(root: Path, name: str, **asked: Any) -> FrameGroups:
    source = open_source(name, {name: root}, None, 0, **asked)
    assert isinstance(source, FrameGroups)
    return source


Write = Callable[..., np.ndarray]
SMALL = Geometry(8, 10, "bilinear")

VID = {f"val/ILSVRC2015_val_0000000{video}/00000{anchor}.JPEG": offsets for video, anchor, offsets in (
    (0, 5, (3, 4, 6)), (1, 2, (1,)), (2, 7, ()), (3, 4, (2, 6)))}  # fmt: skip


def neighbours_of(anchor: str) -> list[str]:
    return [f"{anchor[: anchor.rindex('/')]}/00000{k}.JPEG" for k in VID[anchor]]


@pytest.fixture
def vid(tmp_path: Path, write: Write) -> Path:
    root = tmp_path / "imagenet-vid-robust"
    labels = {}
    for number, anchor in enumerate(VID):
        for frame in (anchor, *neighbours_of(anchor)):
            write(root / frame, len(labels))
            labels[frame] = [number, 29]
    labels[neighbours_of(next(iter(VID)))[0]] = [17]  # a neighbour may show something else than its anchor
    write(root / "val" / "ILSVRC2015_val_00000000" / "000001.JPEG")  # a frame of no group
    (root / "metadata").mkdir()
    (root / "metadata" / "labels.json").write_text(json.dumps(labels))
    (root / "metadata" / "pmsets.json").write_text(json.dumps({a: neighbours_of(a) for a in VID}))
    return root


def test_groups_are_whole_and_in_the_order_of_time(vid: Path) -> None:
    source = opened(vid, "imagenet-vid-robust")
    assert isinstance(source, FrameGroups)
    assert source.label_space == "imagenet-vid"
    assert len(source) == 10
    assert sorted(source.image_ids[a] for a in source.anchors) == sorted(VID)
    assert source.anchors.tolist() == sorted(source.anchors.tolist())
    assert len(source.neighbours) == len(source.anchors) == 4
    for anchor, others in zip(source.anchors, source.neighbours, strict=True):
        assert [source.image_ids[n] for n in others] == neighbours_of(source.image_ids[anchor])
        assert others.tolist() == list(range(anchor + 1, anchor + 1 + len(others)))
        assert others.dtype == np.int64
    pixels, failed = source.load(range(10), SMALL)
    assert failed == {}
    assert pixels.any(axis=(1, 2, 3)).all()


def test_every_frame_has_its_own_classes(vid: Path) -> None:
    source = opened(vid, "imagenet-vid-robust")
    anchor = source.image_ids.index(next(iter(VID)))
    assert source.accepted[anchor] == {0, 29}
    assert source.accepted[anchor + 1] == {17}
    assert source.labels[[anchor, anchor + 1]].tolist() == [0, 17]


def test_the_digest_follows_frames_groups_and_classes(vid: Path, tmp_path: Path) -> None:
    source = opened(vid, "imagenet-vid-robust")
    first, order = source.digest, source.image_ids
    moved = vid.rename(tmp_path / "moved")
    metadata = moved / "metadata"
    for file in ("labels.json", "pmsets.json"):
        found = json.loads((metadata / file).read_text())
        (metadata / file).write_text(json.dumps(dict(reversed(found.items()))))

    def digest() -> str:
        return opened(moved, "imagenet-vid-robust").digest

    assert digest() == first
    assert opened(moved, "imagenet-vid-robust").image_ids == order
    for file, change in (
        ("labels.json", lambda found: found[next(iter(VID))].append(3)),
        ("pmsets.json", lambda found: found[next(iter(VID))].pop()),
    ):
        content = (metadata / file).read_text()
        found = json.loads(content)
        change(found)
        (metadata / file).write_text(json.dumps(found))
        assert digest() != first
        (metadata / file).write_text(content)
    path = moved / next(iter(VID))
    path.write_bytes(path.read_bytes() + b"\0")
    assert digest() != first


def test_a_pickled_copy_is_equal_and_hashes_nothing(
    vid: Path, monkeypatch: pytest.MonkeyPatch, change_in_place: Callable[[Path], None]
) -> None:
    source = opened(vid, "imagenet-vid-robust", progress=lambda done, total: None)
    digest = source.digest
    assert source.anchors.size
    monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    (vid / "metadata" / "labels.json").unlink()
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.image_ids, copy.accepted, copy.digest) == (source.image_ids, source.accepted, digest)
    assert (copy.name, copy.label_space) == (source.name, source.label_space)
    np.testing.assert_array_equal(copy.anchors, source.anchors)
    for mine, theirs in zip(copy.neighbours, source.neighbours, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    change_in_place(vid / copy.image_ids[3])
    assert copy.load(range(10), SMALL)[1] == {3: LoadFailure(CHANGED, transient=True)}


def spoil(vid: Path, what: str) -> None:
    metadata = vid / "metadata"
    anchor = next(iter(VID))
    if what == "frame":
        (vid / anchor).unlink()
    elif what == "no metadata":
        (metadata / "pmsets.json").unlink()
    elif what == "no json":
        (metadata / "labels.json").write_text("{")
    else:
        labels = json.loads((metadata / "labels.json").read_text())
        if what == "class":
            labels[anchor] = [30]
        elif what == "unlabelled":
            del labels[anchor]
        elif what == "list":
            labels = [labels]
        (metadata / "labels.json").write_text(json.dumps(labels))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("frame", ["lacks 1 of 10 frames", "000005.JPEG"]),
        ("no metadata", ["pmsets.json cannot be read"]),
        ("no json", ["labels.json is not JSON"]),
        ("class", ["labels.json", "0 to 29"]),
        ("unlabelled", ["no label for", "000005.JPEG"]),
        ("list", ["labels.json does not map"]),
    ],
)
def test_errors_say_what_was_expected_and_where_it_is(vid: Path, what: str, words: list[str]) -> None:
    spoil(vid, what)
    with pytest.raises(DataError) as caught:
        opened(vid, "imagenet-vid-robust")
    for word in [*words, "Expected", "pmsets.json", "ImageNet-Vid-Robust and YTBB-Robust: published at https://"]:
        assert word in str(caught.value)


def test_the_folder_above_is_recognised(vid: Path) -> None:
    with pytest.raises(DataError, match=f"Did you mean {vid}?"):
        opened(vid.parent, "imagenet-vid-robust")
    with pytest.raises(DataError, match="does not exist"):
        opened(vid / "nowhere", "ytbb-robust")


WORDS = ["good", "bad", "unsure", "dog", "horse", "cow"]
PAIR_WORDS = ["similar", "dissimilar", "blur-increase", "bad-anchor", "correct"]
ANCHORS = {
    # anchor: its class in the csv file, what reviewers said of it, what they said of its neighbours by offset
    "aa_100/frame-50.jpg": (19, ["good", "horse"], {-10: ["similar"], -1: ["similar", "correct"], 2: ["dissimilar"],
                                                    3: ["similar", "blur-increase"], 10: ["similar"], 11: ["similar"]}),
    "b_b-_200/frame-9.jpg": (22, ["good"], {1: ["similar"]}),  # 22 in the file is the car
    "cc_300/frame-7.jpg": (23, ["good"], {}),  # and 23 is nothing
    "dd_400/frame-7.jpg": (6, ["good"], {1: ["similar"]}),  # a cow, which ImageNet lacks
    "ee_500/frame-7.jpg": (19, ["good", "bad"], {1: ["similar"]}),
    "ff_600/frame-7.jpg": (19, ["good", "unsure"], {}),
    "gg_700/frame-7.jpg": (19, [], {}),
    "hh_800/frame-7.jpg": (19, ["good"], {1: ["similar"], 2: ["bad-anchor"]}),
}  # fmt: skip


def frame_at(anchor: str, offset: int) -> str:
    folder, _, file = anchor.partition("/")
    return f"{folder}/frame-{int(file[6:-4]) + offset}.jpg"


@pytest.fixture
def ytbb(tmp_path: Path, write: Write) -> Path:
    root = tmp_path / "ytbb-robust"
    metadata = root / "metadata"
    metadata.mkdir(parents=True)
    anchors = [
        {"key": f"some/where/{a}", "labels": [WORDS.index(w) for w in said]} for a, (_, said, _) in ANCHORS.items()
    ]
    anchors.insert(0, {"key": "aa_100/frame-50.jpg", "labels": [1]})  # an earlier review, which does not count
    pairs = [
        {"key": f"{a},else/{frame_at(a, k)}", "labels": [PAIR_WORDS.index(w) for w in said]}
        for a, (_, _, close) in ANCHORS.items()
        for k, said in close.items()
    ]
    (metadata / "anchor_labels.json").write_text(json.dumps({"labels": WORDS, "annotations": anchors}))
    (metadata / "pmk_labels.json").write_text(json.dumps({"labels": PAIR_WORDS, "annotations": pairs}))
    with (metadata / "ytbb_robustness_test_anchors_full.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["ytid", "time_ms", "label"])
        for anchor, (label, _, _) in ANCHORS.items():
            writer.writerow([*anchor.split("/")[0].rsplit("_", 1), label])
    for anchor, (_, _, close) in ANCHORS.items():
        for offset in (0, *close):
            write(root / "ytbb_videos" / frame_at(anchor, offset), offset + 20)
    return root


def test_reviews_decide_on_anchors_neighbours_and_classes(ytbb: Path) -> None:
    source = opened(ytbb, "ytbb-robust")
    names = answer_space("ytbb").label_names
    found = {
        source.image_ids[a]: ([source.image_ids[n] for n in others], {names[k] for k in source.accepted[a]})
        for a, others in zip(source.anchors, source.neighbours, strict=True)
    }
    assert found == {
        "ytbb_videos/aa_100/frame-50.jpg": (
            [f"ytbb_videos/aa_100/frame-{n}.jpg" for n in (40, 49, 60)],
            {"dog", "horse"},
        ),
        "ytbb_videos/b_b-_200/frame-9.jpg": (["ytbb_videos/b_b-_200/frame-10.jpg"], {"car"}),
        "ytbb_videos/cc_300/frame-7.jpg": ([], set()),
        "ytbb_videos/dd_400/frame-7.jpg": (["ytbb_videos/dd_400/frame-8.jpg"], set()),
    }
    for anchor, others in zip(source.anchors, source.neighbours, strict=True):
        assert all(source.accepted[n] == source.accepted[anchor] for n in others)
        assert all((source.labels[n] == -1) == (not source.accepted[n]) for n in (anchor, *others))


def review(key: str, label: int) -> str:
    return json.dumps({"labels": ["good"], "annotations": [{"key": key, "labels": [label]}]})


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("anchor_labels.json", "[]", "does not have the form"),
        ("anchor_labels.json", review("aa_100/frame-50.jpg", 3), "does not have the form"),
        ("anchor_labels.json", review("aa_100/x.jpg", 0), "VIDEO_MS"),
        ("anchor_labels.json", review("zz_1/frame-1.jpg", 0), "no row"),
        ("anchor_labels.json", '{"labels": ["good"], "annotations": []}', "no anchor as good"),
        ("ytbb_robustness_test_anchors_full.csv", "a,b\n1,2\n", "columns ytid"),
    ],
)
def test_other_reviews_are_refused(ytbb: Path, file: str, content: str, words: str) -> None:
    (ytbb / "metadata" / file).write_text(content)
    with pytest.raises(DataError, match=words):
        read_ytbb(ytbb / "metadata")
