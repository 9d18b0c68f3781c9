"""SPair-71k's folder: its pairs, its points, and what can be wrong with them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.point_pairs import SpairPairs
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.correspondence import ANYWHERE, SAME, Matching

SIZES = {"a": (40, 30), "b": (80, 60), "c": (30, 40)}
"""Width and height of photographs."""


def told(first: str, second: str, **more: Any) -> dict[str, Any]:
    width, height = SIZES[second]
    own = {
        "src_imname": f"{first}.jpg", "trg_imname": f"{second}.jpg",
        "src_imsize": [*SIZES[first], 3], "trg_imsize": [width, height, 3],
        "src_bndbox": [2, 2, 28, 22], "trg_bndbox": [0, 0, width // 2, height // 2],
        "src_kps": [[4, 6], [10, 12]], "trg_kps": [[8, 12], [20, 20]], "kps_ids": ["0", "3"],
    }  # fmt: skip
    return own | more


@pytest.fixture
def spair(tmp_path: Path) -> Path:
    root = tmp_path / "SPair-71k"
    (root / "PairAnnotation/test").mkdir(parents=True)
    for kind in ("cat", "car"):
        (root / f"JPEGImages/{kind}").mkdir(parents=True)
        for name, (width, height) in SIZES.items():
            pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"JPEGImages/{kind}/{name}.jpg")
    write(root, "000001-a-b:cat", told("a", "b"))
    write(root, "000002-b-c:cat", told("b", "c", src_kps=[[1, 1], [-1, -1]], trg_kps=[[2, 2], [-1, -1]]))
    write(root, "000003-a-c:car", told("a", "c", src_kps=[[39, 29]], trg_kps=[[0, 39]]))
    return root


def write(root: Path, name: str, content: object) -> None:
    (root / f"PairAnnotation/test/{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def opened(root: Path) -> SpairPairs:
    return open_source("spair-71k", {"spair-71k": root}, None, 0)  # type: ignore[return-value]


def test_pairs_have_the_points_of_their_files_in_the_middle_of_pixels(spair: Path) -> None:
    source = opened(spair)
    assert sorted(source.image_ids) == ["000001-a-b/cat", "000002-b-c/cat", "000003-a-c/car"]
    pairs = {name: source.pair(place) for place, name in enumerate(source.image_ids)}
    one = pairs["000001-a-b/cat"]
    assert (one.first.shape, one.second.shape) == ((30, 40, 3), (60, 80, 3))
    np.testing.assert_array_equal(one.points, [[4.5, 6.5], [10.5, 12.5]])
    np.testing.assert_array_equal(one.truth, [[8.5, 12.5], [20.5, 20.5]])
    np.testing.assert_array_equal(one.box, [0, 0, 40, 30])
    assert (one.around.min() > 0, one.around.max(axis=0).tolist()) == (True, [39.375, 29.53125])
    np.testing.assert_array_equal(pairs["000002-b-c/cat"].points, [[1.5, 1.5]])  # points of -1 are none
    before = source.digest
    again = pickle.loads(pickle.dumps(source))
    assert (again.image_ids, again.digest) == (source.image_ids, before)
    write(spair, "000001-a-b:cat", told("a", "b", trg_kps=[[8, 12], [20, 21]]))
    assert opened(spair).digest != before


def test_points_are_counted_by_class_at_shares_of_the_longer_side_of_the_box(spair: Path) -> None:
    source = opened(spair)
    how = get_task("spair-71k").protocol
    assert isinstance(how, Matching)
    found = how.examiner(SAME, source).numbers([0, 1, 2])  # type: ignore[arg-type]
    assert not found.failed
    own = {source.image_ids[p]: [found.values[f"{n} count"][i] for n in ("points", "0.05", "0.10", "0.20")] for i, p in enumerate(found.positions)}  # fmt: skip # noqa: E501
    # (4.5, 6.5) of 40 x 30 is (9, 13) of 80 x 60, off by .7; (10.5, 12.5) is (21, 25), off by 4.5; of a side of 40.
    assert own["000001-a-b/cat"] == [2, 1, 1, 2]
    assert own["000002-b-c/cat"][0] == 1
    assert own["000003-a-c/car"] == [1, 0, 0, 0]
    floor = how.examiner(ANYWHERE, source).numbers([0, 1, 2]).values  # type: ignore[arg-type]
    assert (floor["0.10 count"] < floor["0.20 count"]).any()
    assert set(how.parts) >= {"cat", "car"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "has not the form of a pair: JSON with src_imname"),
        ("[1]", "has not the form of a pair"),
        (told("a", "b", trg_kps=[[1, 1]]), "has not the form of a pair"),
        (told("a", "b", src_kps=[[1, 1], [2]]), "has not the form of a pair"),
        (told("a", "b", trg_bndbox=[1, 2, 3]), "has not the form of a pair"),
        (told("a", "b", src_kps=[[1, 1], [2, float("nan")]]), "has not the form of a pair"),
        (told("a", "b", src_imname="../../x.jpg"), "has not the form of a pair"),
        ({key: value for key, value in told("a", "b").items() if key != "trg_imsize"}, "has not the form of a pair"),
        (told("a", "b", trg_imsize=[60, 80, 3]), "says trg_imsize 60 x 80, the image has 80 x 60 pixels"),
        (told("a", "b", trg_kps=[[1, 1], [80, 20]]), "1 points of 000001-a-b/cat are outside its second image"),
        (told("a", "b", src_kps=[[1, -3], [8, 20]]), "1 points of 000001-a-b/cat are outside its first image"),
        (told("a", "b", trg_bndbox=[9, 9, 9, 9]), "the object's box in the second image of 000001-a-b/cat is empty"),
        (told("a", "b", src_imname="ghost.jpg"), "JPEGImages/cat/ghost.jpg: No such file"),
    ],
)
def test_bad_pairs_are_counted_failures(spair: Path, content: object, reason: str) -> None:
    write(spair, "000001-a-b:cat", content)
    source = opened(spair)
    how = get_task("spair-71k").protocol
    assert isinstance(how, Matching)
    found = how.examiner(SAME, source).numbers([0, 1, 2])  # type: ignore[arg-type]
    (failure,) = found.failed.values()
    assert reason in failure.reason
    assert len(found.positions) == 2


def test_damaged_folders_are_named(spair: Path) -> None:
    write(spair, "000004-a-b:unicorn", told("a", "b"))
    with pytest.raises(
        DataError, match=r"unicorn.json is not named NUMBER-FIRST-SECOND:CLASS.json, with one of the 18"
    ):
        opened(spair)
    for file in (spair / "PairAnnotation/test").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"there are no pairs \(\*.json\) in PairAnnotation/test"):
        opened(spair)
    write(spair, "000001-a-b:cat", told("a", "b"))
    for file in spair.glob("JPEGImages/*/*.jpg"):
        file.unlink()
    with pytest.raises(DataError, match="there are no images in JPEGImages"):
        opened(spair)
