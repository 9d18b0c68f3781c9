"""Photographs that are asked and others to learn from: folders of ImageNet, published lists, and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.source import ImageSource
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.learning import LabelledImages

CLASSES = {"n01440764": 0, "n01443537": 1, "n02102040": 217}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A validation set of three classes, ten training photographs of each, and two published lists of them."""
    rng = np.random.default_rng(0)
    for part, count in (("val", 2), ("train", 10)):
        for wnid in CLASSES:
            (tmp_path / part / wnid).mkdir(parents=True)
            for n in range(count):
                name = f"{wnid}_{n}.JPEG" if part == "train" else f"ILSVRC2012_val_{wnid[-3:]}{n}.JPEG"
                pixels = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / wnid / name)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "10percent.txt").write_text("".join(f"{wnid}_{n}.JPEG\n" for wnid in CLASSES for n in (4, 7)))
    (tmp_path / "lists" / "1percent.txt").write_text("".join(f"{wnid}/{wnid}_7.JPEG\n" for wnid in CLASSES))
    return {
        "imagenet": tmp_path / "val",
        "imagenet-train": tmp_path / "train",
        "imagenet-subsets": tmp_path / "lists",
    }


def opened(folders: dict[str, Path], name: str = "imagenet-low-shot") -> LabelledImages:
    source = open_source(name, folders, None, 0)
    assert isinstance(source, LabelledImages)
    return source


def test_classes_are_those_of_the_folders_and_lists_name_training_photographs(folders: dict[str, Path]) -> None:
    source = opened(folders)
    assert len(source) == 6
    assert source.label_space == "none"
    assert {*source.labels.tolist()} == {-1}
    for position, image_id in enumerate(source.image_ids):
        assert source.class_of(position) == CLASSES[image_id.partition("/")[0]]
        assert "val" in image_id
    learning = source.learning
    assert len(learning) == 30
    for share, numbers in ((0.1, "47"), (0.01, "7")):
        named = sorted(learning.image_ids[place] for place in source.shots[share].tolist())
        assert named == sorted(f"{wnid}/{wnid}_{n}.JPEG" for wnid in CLASSES for n in numbers)
    pixels, failed = source.load([0, 1], Geometry(8, 8, "bilinear"))
    assert (pixels.shape, failed) == ((2, 8, 8, 3), {})
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.digest, list(copy.image_ids)) == (source.digest, list(source.image_ids))


def test_every_photograph_and_list_is_part_of_the_digest(folders: dict[str, Path]) -> None:
    digests = {opened(folders).digest, opened(folders, "imagenet-with-train").digest}
    (folders["imagenet-subsets"] / "1percent.txt").write_text("".join(f"{wnid}_8.JPEG\n" for wnid in CLASSES))
    digests.add(opened(folders).digest)
    Image.new("RGB", (9, 9)).save(folders["imagenet-train"] / "n01440764" / "n01440764_0.JPEG")
    digests.add(opened(folders).digest)
    assert len(digests) == 4


def test_lists_that_name_other_photographs_are_refused(folders: dict[str, Path]) -> None:
    path = folders["imagenet-subsets"] / "1percent.txt"
    path.write_text("n01440764_4.JPEG\nn01440764_10026.JPEG\n")
    with pytest.raises(DataError, match=r"1percent.txt names 1 images that are not .* such as n01440764_10026.JPEG"):
        opened(folders)
    path.write_text("n01440764_4.JPEG\nn01440764_4.JPEG\n")
    with pytest.raises(DataError, match=r"names n01440764_4.JPEG twice"):
        opened(folders)
    path.unlink()
    with pytest.raises(DataError, match=r"1percent.txt cannot be read"):
        opened(folders)


def test_the_same_photographs_are_not_asked_and_learned(folders: dict[str, Path]) -> None:
    twice = folders | {"imagenet-train": folders["imagenet"]}
    with pytest.raises(DataError, match=r"6 images .* are among those that are asked and among those to learn from"):
        opened(twice, "imagenet-with-train")
    for photograph in (folders["imagenet-train"] / "n02102040").iterdir():
        photograph.unlink()
    with pytest.raises(DataError, match=r"no image to learn from of 1 classes .* such as class 217"):
        opened(folders, "imagenet-with-train")


def test_it_is_an_image_source(folders: dict[str, Path]) -> None:
    source = opened(folders, "imagenet-with-train")
    assert isinstance(source, ImageSource)
    assert {*source.manifest()} == {"asked", "learning"}
    assert len(source.manifest()["learning"]) == 30
    assert source.shots == {}
