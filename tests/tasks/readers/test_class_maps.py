"""PASCAL VOC's folder: its lists, its masks, and what can be wrong with them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.class_maps import VocImages
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.segmentation import Retrieval
from vitobench.tests.tasks.understanding.conftest import write_mask


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = tmp_path / "VOC2012"
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c", "m", "n"):
        (root / "JPEGImages").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(root / f"JPEGImages/{name}.jpg")
        mask = np.zeros((20, 30), np.uint8)
        mask[5:10, 5:20], mask[4, :] = 15, 255
        write_mask(root / f"SegmentationClass/{name}.png", mask)
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("a\nb\nc\n")
    (root / "ImageSets/Segmentation/train.txt").write_text("m\nn\n")
    return root


def opened(root: Path) -> VocImages:
    return open_source("pascal-voc", {"pascal-voc": root}, None, 0)  # type: ignore[return-value]


def test_images_and_labelled_images_come_from_their_lists(voc: Path) -> None:
    source = opened(voc)
    assert sorted(source.image_ids) == ["a", "b", "c"]
    assert source.memory_ids == ("m", "n")
    assert set(np.unique(source.classes_of("a")).tolist()) == {0, 15, 255}  # numbers, not colours of the palette
    assert source.picture("m").shape == (20, 30, 3)
    before = source.digest
    again = pickle.loads(pickle.dumps(source))
    assert (again.image_ids, again.memory_ids, again.digest) == (source.image_ids, source.memory_ids, before)
    (voc / "ImageSets/Segmentation/train.txt").write_text("m\n")
    assert opened(voc).digest != before  # another memory, other numbers


def test_damaged_folders_are_named(voc: Path) -> None:
    listing = voc / "ImageSets/Segmentation/val.txt"
    for text, reason in (
        ("a\nghost\n", "val.txt names 1 images that are not in JPEGImages, such as ghost"),
        ("a\na\n", "the list val.txt names a twice"),
        ("a\nm\n", "1 images are in both lists, .*such as m"),
        ("\n", "the list val.txt is empty"),
    ):
        listing.write_text(text)
        with pytest.raises(DataError, match=reason):
            opened(voc)
    listing.write_text("a\nb\nc\n")
    (voc / "SegmentationClass/n.png").unlink()
    with pytest.raises(DataError, match=r"train.txt names 1 masks that are not in SegmentationClass, such as n"):
        opened(voc)


def test_masks_of_colours_of_other_sizes_and_of_shifted_classes_are_failures_of_their_image(voc: Path) -> None:
    colours = np.zeros((20, 30, 3), np.uint8)
    Image.fromarray(colours).save(voc / "SegmentationClass/a.png")
    write_mask(voc / "SegmentationClass/b.png", np.zeros((20, 29), np.uint8))
    write_mask(voc / "SegmentationClass/c.png", np.full((20, 30), 21, np.uint8))
    source = opened(voc)
    how = get_task("pascal-voc").protocol
    assert isinstance(how, Retrieval)
    found = how.examiner("true classes at stride 8", source).numbers([0, 1, 2])  # type: ignore[arg-type]
    assert not len(found.positions)
    reasons = {source.image_ids[place]: why.reason for place, why in found.failed.items()}
    assert "a.png has colours (mode RGB), not the numbers of objects or classes" in reasons["a"]
    assert "b.png has 29 x 20 pixels, its photograph JPEGImages/b.jpg 30 x 20" in reasons["b"]
    assert reasons["c"] == "c has pixels of class 21; there are 21 classes, from 0"


def test_real_masks_have_the_published_classes_and_as_many_pixels() -> None:
    root = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "voc/VOCdevkit/VOC2012"
    if not root.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with images of PASCAL VOC (voc/VOCdevkit/VOC2012)")
    source = opened(root)
    assert (len(source.image_ids), len(source.memory_ids)) == (50, 30)
    maps = [source.classes_of(name) for name in source.image_ids]
    assert sum(one.size for one in maps) == 8_950_260
    assert sum((one == 255).sum() for one in maps) == 441_530
    assert {int(value) for one in maps for value in np.unique(one)} <= {*range(21), 255}
