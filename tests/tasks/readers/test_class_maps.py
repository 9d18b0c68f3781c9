"""The folders of PASCAL VOC and ADE20K: their lists and maps, and what can be wrong with them."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.classification import MulticlassJaccardIndex

from vitobench.errors import DataError
from vitobench.tasks.kinds.segmentation import mean_iou
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.class_maps import AdeImages, VocImages
from vitobench.tasks.registry import get_task
from vitobench.tasks.understanding.retrieval import Retrieval
from vitobench.tasks.understanding.segmentation import VOID, pixel_counts
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


def write_ade(root: Path, part: str, maps: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for name, values in maps.items():
        for folder in ("images", "annotations"):
            (root / folder / part).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*values.shape[:2], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{part}/{name}.jpg")
        Image.fromarray(values).save(root / f"annotations/{part}/{name}.png")


def ade_map(*more: int, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    """Walls and buildings, some of it other, and a row of each further value."""
    values = np.ones(shape, np.uint8)
    values[:8, :], values[0, :4] = 2, 0
    for row, value in enumerate(more):
        values[-1 - row, :] = value
    return values


@pytest.fixture
def ade(tmp_path: Path) -> Path:
    root = tmp_path / "ADEChallengeData2016"
    write_ade(root, "validation", {f"ADE_val_{n}": ade_map(150) for n in range(4)})
    write_ade(root, "training", {f"ADE_train_{n}": ade_map(3) for n in range(3)})
    return root


def opened_ade(root: Path) -> AdeImages:
    return open_source("ade20k", {"ade20k": root}, None, 0)  # type: ignore[return-value]


def test_classes_of_ade20k_are_its_values_less_one_and_nothing_is_asked_of_others(ade: Path) -> None:
    source = opened_ade(ade)
    assert sorted(source.image_ids) == [f"ADE_val_{n}" for n in range(4)]
    assert source.memory_ids == ("ADE_train_0", "ADE_train_1", "ADE_train_2")
    values = source.classes_of("ADE_val_2")
    assert values.dtype == np.uint8
    np.testing.assert_array_equal(values, ade_map(150).astype(int) - 1 + 256 * (ade_map(150) == 0))
    assert set(np.unique(values).tolist()) == {0, 1, 149, VOID}
    assert set(np.unique(source.classes_of("ADE_train_1")).tolist()) == {0, 1, 2, VOID}
    again = pickle.loads(pickle.dumps(source))
    assert (again.image_ids, again.memory_ids, again.digest) == (source.image_ids, source.memory_ids, source.digest)
    np.testing.assert_array_equal(again.classes_of("ADE_train_1"), source.classes_of("ADE_train_1"))
    how = get_task("ade20k").protocol
    assert isinstance(how, Retrieval)
    assert (len(how.classes), len({*how.classes}), how.classes[0], how.classes[149]) == (150, 150, "wall", "flag")
    assert how.facts()["labelled"] == 5120  # in the record of the task, and in its identity


def test_ade20k_that_was_shifted_before_is_refused_in_either_part(ade: Path) -> None:
    for part, names in (("training", ("ADE_train_0", "ADE_train_1", "ADE_train_2")), ("validation", ("ADE_val_1",))):
        write_ade(ade, part, {name: ade_map() - np.uint8(1) for name in names})
    with pytest.raises(DataError) as caught:
        opened_ade(ade)
    assert re.search(
        r"3 of the 3 maps that were looked at in annotations/training are not as published: \S+ has the value 255; "
        "published maps have 0 for other pixels and 1 to 150; maps with 255 for other pixels were shifted",
        str(caught.value),
    )
    assert str(caught.value).endswith("published at https://github.com/CSAILVision/sceneparsing")
    write_ade(ade, "training", {f"ADE_train_{n}": np.zeros((20, 30, 3), np.uint8) for n in range(2)})
    with pytest.raises(DataError, match=r"annotations/training are not as published: .* has colours \(mode RGB\)"):
        opened_ade(ade)


def test_single_wrong_maps_of_ade20k_are_failures_of_their_image(ade: Path) -> None:
    write_ade(
        ade,
        "validation",
        {
            "ADE_val_1": ade_map() - np.uint8(1),
            "ADE_val_5": ade_map(151),
            "ADE_val_6": np.zeros((20, 30, 3), np.uint8),
            **{f"ADE_val_{n}": ade_map() for n in range(7, 12)},
        },
    )
    Image.fromarray(ade_map(shape=(20, 29))).save(ade / "annotations/validation/ADE_val_0.png")
    source = opened_ade(ade)
    how = get_task("ade20k").protocol
    assert isinstance(how, Retrieval)
    found = how.examiner("true classes at stride 8", source).numbers(range(len(source.image_ids)))  # type: ignore[arg-type]
    reasons = {source.image_ids[place]: why.reason for place, why in found.failed.items()}
    assert len(found.positions) == 7
    assert reasons.keys() == {"ADE_val_0", "ADE_val_1", "ADE_val_5", "ADE_val_6"}
    assert (
        "ADE_val_0.png has 29 x 20 pixels, its photograph images/validation/ADE_val_0.jpg 30 x 20"
        in (reasons["ADE_val_0"])
    )
    assert "ADE_val_1.png has the value 255; published maps have 0 for other" in reasons["ADE_val_1"]
    assert reasons["ADE_val_5"].endswith("has the value 151; published maps have 0 for other pixels and 1 to 150")
    assert "colours (mode RGB)" in reasons["ADE_val_6"]


def test_damaged_folders_of_ade20k_are_named(ade: Path) -> None:
    (ade / "images/validation/ADE_val_1.jpg").unlink()
    with pytest.raises(
        DataError,
        match="1 names of annotations/validation are not in images/validation, such as ADE_val_1",
    ):
        opened_ade(ade)
    (ade / "annotations/validation/ADE_val_1.png").rename(ade / "annotations/validation/ADE_train_2.png")
    (ade / "images/training/ADE_train_2.jpg").rename(ade / "images/validation/ADE_train_2.jpg")
    with pytest.raises(
        DataError, match="1 names of annotations/training are not in images/training, such as ADE_train_2"
    ):
        opened_ade(ade)
    write_ade(ade, "training", {"ADE_train_2": ade_map()})
    with pytest.raises(DataError, match="1 images are in both images/validation and images/training, such as ADE_tr"):
        opened_ade(ade)
    for path in (ade / "annotations/training").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"the folder annotations/training has no files \*.png"):
        opened_ade(ade)
    (ade / "annotations/training").rmdir()
    with pytest.raises(DataError, match="there is no folder annotations/training"):
        opened_ade(ade)


def test_real_maps_of_ade20k_have_counts_that_give_the_miou_of_torchmetrics(tmp_path: Path) -> None:
    root = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "ade20k/ADEChallengeData2016"
    if not root.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with images of ADE20K (ade20k/ADEChallengeData2016)")
    names = [f"ADE_val_0000000{number}" for number in (1, 2, 3)]
    for name in names:  # one of them is labelled
        part = "training" if name.endswith("3") else "validation"
        for folder, end in (("images", "jpg"), ("annotations", "png")):
            (tmp_path / folder / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / part / f"{name}.{end}").symlink_to(root / folder / f"validation/{name}.{end}")
    source = opened_ade(tmp_path)
    rng = np.random.default_rng(0)
    counts, metric = [], MulticlassJaccardIndex(num_classes=150, average="macro", ignore_index=-1)
    for name in names:
        truth = source.classes_of(name)
        assert (truth == VOID).any()
        said = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 150, truth.shape)).astype(np.uint8)
        said[said == VOID] = 7
        counts.append(pixel_counts(said, truth, 150))
        published = np.asarray(Image.open(root / f"annotations/validation/{name}.png")).astype(int)
        metric.update(torch.from_numpy(said.astype(int)), torch.from_numpy(published - 1))
    total = np.sum(counts, axis=0)
    assert mean_iou(total[None, 0], total[None, 1])[0] == pytest.approx(float(metric.compute()), abs=1e-6)
