"""NYUv2's folders: the crop, valid pixels, and what can be wrong with them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.depth_maps import NyuDepth
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.depth import CONSTANT, Probing


def write(root: Path, part: str, name: str, depth: np.ndarray) -> None:
    """A picture and its depth in millimetres."""
    scene, number = name.split("/")
    folder = root / part / scene
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (640, 480), (90, 60, 30)).save(folder / f"rgb_{number}.jpg")
    Image.fromarray(depth).save(folder / f"sync_depth_{number}.png")


def flat(millimetres: int) -> np.ndarray:
    return np.full((480, 640), millimetres, np.uint16)


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    root = tmp_path / "official_splits"
    for name, depth in (("bath/00001", 4000), ("bath/00002", 1000)):
        write(root, "test", name, flat(depth))
    for number in range(5):
        write(root, "train", f"study/0001{number}", flat(2000))
    return root


def opened(root: Path) -> NyuDepth:
    return open_source("nyuv2", {"nyuv2": root}, None, 0)  # type: ignore[return-value]


def test_depth_is_asked_in_the_crop_where_there_is_one_below_ten_metres(nyu: Path) -> None:
    depth = flat(4000)
    depth[45, 41], depth[470, 600], depth[44, 41], depth[471, 600] = 1234, 9999, 1234, 9999
    depth[100, 100], depth[100, 101], depth[100, 102] = 0, 10000, 1
    write(nyu, "test", "bath/00001", depth)
    source = opened(nyu)
    assert sorted(source.image_ids) == ["bath/00001", "bath/00002"]
    assert source.learning_ids == tuple(f"study/0001{n}" for n in range(5))
    found = source.depth_of("bath/00001")
    asked = ~np.isnan(found)
    assert asked.sum() == (471 - 45) * (601 - 41) - 3
    assert asked[45:471, 41:601].sum() == asked.sum()
    assert (found[45, 41], found[470, 600], found[200, 200]) == (1.234, 9.999, 4.0)
    assert source.picture("bath/00001").shape == (480, 640, 3)
    before = source.digest
    again = pickle.loads(pickle.dumps(source))
    assert (again.image_ids, again.learning_ids, again.digest) == (source.image_ids, source.learning_ids, before)
    write(nyu, "train", "study/00010", flat(2001))
    assert opened(nyu).digest != before


def test_errors_are_those_of_flat_rooms_by_hand(nyu: Path) -> None:
    source = opened(nyu)
    how = get_task("nyuv2").protocol
    assert isinstance(how, Probing)
    found = how.examiner(CONSTANT, source).numbers([0, 1])  # type: ignore[arg-type]
    assert not found.failed
    squares = dict(zip(source.image_ids, found.values["overall squares"], strict=True))
    assert squares["bath/00001"] == pytest.approx(4)  # 2 metres are said
    assert squares["bath/00002"] == pytest.approx(1)
    assert set(found.values["overall pixels"]) == {426 * 560}
    near = how.examiner("true depth at stride 16", source).numbers([0, 1]).values  # type: ignore[arg-type]
    np.testing.assert_allclose(near["overall squares"], 0, atol=1e-20)
    assert not [name for name in near if name.startswith("object")]


def test_bad_depth_is_a_counted_failure_and_fails_what_is_fitted_to_it(nyu: Path) -> None:
    how = get_task("nyuv2").protocol
    assert isinstance(how, Probing)
    for depth, reason in (
        (flat(0), "no pixel of bath/00001 has a depth"),
        (flat(10000), "no pixel of bath/00001 has a depth"),
        (np.full((240, 320), 4000, np.uint16), "sync_depth_00001.png has 320 x 240 pixels; the crop"),
        (np.full((480, 640), 40, np.uint8), "sync_depth_00001.png is no PNG of 16 bits in grey (mode L)"),
    ):
        write(nyu, "test", "bath/00001", depth)
        source = opened(nyu)
        found = how.examiner(CONSTANT, source).numbers([0, 1])  # type: ignore[arg-type]
        (failure,) = found.failed.values()
        assert reason in failure.reason
        assert len(found.positions) == 1
    Image.new("RGB", (600, 480)).save(nyu / "test/bath/rgb_00002.jpg")
    found = how.examiner(CONSTANT, opened(nyu)).numbers([0, 1])  # type: ignore[arg-type]
    assert "the depth of bath/00002 has 640 x 480 pixels, its image 600 x 480" in {
        f.reason for f in found.failed.values()
    }
    for name in ("bath/00001", "bath/00002"):
        write(nyu, "test", name, flat(4000))
    (nyu / "train/study/sync_depth_00013.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"sync_depth_00013.png is no readable JPEG or PNG file"):
        how.examiner(CONSTANT, opened(nyu)).numbers([0])  # type: ignore[arg-type]


def test_damaged_folders_are_named(nyu: Path) -> None:
    (nyu / "train/study/sync_depth_00013.png").unlink()
    with pytest.raises(DataError, match=r"1 pictures of train have no depth, such as train/study/sync_depth_00013.png"):
        opened(nyu)
    (nyu / "train/study/rgb_00013.jpg").unlink()
    write(nyu, "train", "bath/00001", flat(1))
    with pytest.raises(DataError, match="1 pictures are in both test and train, such as bath/00001"):
        opened(nyu)
    for file in nyu.glob("test/*/*"):
        file.unlink()
    with pytest.raises(DataError, match=r"there are no pictures in test/SCENE/rgb_"):
        opened(nyu)
