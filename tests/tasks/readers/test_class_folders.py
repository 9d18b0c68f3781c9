import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError, UnknownNameError
from vitobench.tasks.answer_spaces import answer_space
from vitobench.tasks.datasets.record import Opening, ReassessedForm
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.images import hashing
from vitobench.tasks.images.classes import real_labels
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.class_folders import ClassFolders, ImageNetReal, ImageNetSubset


def opened(root: Path, name: str, **asked: Any) -> ClassFolders:
    source = open_source(name, {name: root}, None, 0, **asked)
    assert isinstance(source, ClassFolders)
    return source


def reassessed(root: Path, labels: Path | None = None) -> ImageNetReal:
    record = DATA_SETS["imagenet-real"]
    assert isinstance(record.form, ReassessedForm)
    return ImageNetReal(record, replace(record.form, labels=labels), Opening((root,)))


Write = Callable[..., np.ndarray]
SMALL = Geometry(8, 10, "bilinear")

# Folder names of each set with the label that its own protocol gives them, worked out by hand from the authors' lists.
LABELS = {
    "imagenet-a": {"n01498041": 0, "n01531178": 1, "n01534433": 2},  # classes 6, 11, 13 of ImageNet
    "imagenet-r": {"n01443537": 0, "n01484850": 1, "n01494475": 2},  # classes 1, 2, 4
    "imagenet-sketch": {"n01440764": 0, "n01443537": 1, "n15075141": 999},
    "imagenet-v2-matched-frequency": {"2": 2, "10": 10, "999": 999, "0": 0, "100": 100},
    "imagenet-v2-threshold-0.7": {"7": 7, "70": 70},
    "imagenet-v2-top-images": {"9": 9, "11": 11},
    "objectnet": {"alarm_clock": 0, "backpack": 1, "wok": 112},
}

SPACES = {"imagenet-a": "imagenet-a", "imagenet-r": "imagenet-r", "objectnet": "objectnet"}


def make(root: Path, set_name: str, write: Write) -> Path:
    for number, folder in enumerate(LABELS[set_name]):
        for k in range(3):
            write(root / folder / f"{k}.jpg", 3 * number + k)
    return root


@pytest.mark.parametrize("set_name", LABELS)
def test_every_set_is_labelled_in_its_own_space(tmp_path: Path, write: Write, set_name: str) -> None:
    root = make(tmp_path / "set", set_name, write)
    (root / ".hidden").mkdir()
    write(root / next(iter(LABELS[set_name])) / ".hidden.jpg")
    (root / next(iter(LABELS[set_name])) / "._0.txt").write_text("x")
    source = opened(root, set_name)
    assert source.label_space == SPACES.get(set_name, "imagenet-1k")
    assert source.label_space == answer_space(source.label_space).name
    assert len(source) == 3 * len(LABELS[set_name])
    assert source.labels.dtype == np.int64
    assert [LABELS[set_name][i.split("/")[0]] for i in source.image_ids] == source.labels.tolist()
    assert source.image_ids != tuple(sorted(source.image_ids))
    pixels, failed = source.load(range(len(source)), SMALL)
    assert failed == {}
    assert pixels.any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("set_name", LABELS)
def test_the_digest_follows_content_labels_and_names_only(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, set_name: str
) -> None:
    root = make(tmp_path / "set", set_name, write)
    first = opened(root, set_name).digest
    moved = root.rename(tmp_path / "elsewhere")
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *a, **k: ((h, d, f[::-1]) for h, d, f in walk(*a, **k)))
    copy = opened(moved, set_name, cache=tmp_path / "cache.json")
    assert copy.digest == first
    assert len(copy.manifest()) == len(copy)
    path = moved / copy.image_ids[0]
    path.write_bytes(path.read_bytes() + b"\0")
    assert opened(moved, set_name, cache=tmp_path / "cache.json").digest != first


def test_the_same_files_in_another_space_are_other_data(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "n01614925" / "a.png")  # a class of ImageNet-A and -R, but not at the same place in both
    found = [opened(tmp_path, name) for name in ("imagenet-a", "imagenet-r", "imagenet-sketch")]
    assert len({tuple(s.labels.tolist()) for s in found}) == 3
    assert len({s.digest for s in found} | {ImageFolder(tmp_path).digest}) == 4


@pytest.mark.parametrize("set_name", ["imagenet-v2-top-images", "objectnet", "imagenet-a"])
def test_a_pickled_copy_is_equal_and_hashes_nothing(
    tmp_path: Path,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    set_name: str,
    change_in_place: Callable[[Path], None],
) -> None:
    root = make(tmp_path / "set", set_name, write)
    source = opened(root, set_name, progress=lambda done, total: None)
    digest = source.digest
    monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.name, copy.label_space, copy.border) == (source.name, source.label_space, source.border)
    assert (copy.image_ids, copy.digest) == (source.image_ids, digest)
    np.testing.assert_array_equal(copy.labels, source.labels)
    np.testing.assert_array_equal(copy.load([0, 1], SMALL)[0], source.load([0, 1], SMALL)[0])
    change_in_place(root / copy.image_ids[1])
    assert copy.load([0, 1], SMALL)[1] == {1: LoadFailure(CHANGED, transient=True)}


def test_objectnet_loses_its_border_and_the_classes_that_imagenet_lacks(tmp_path: Path, write: Write) -> None:
    pixels = write(tmp_path / "teapot" / "a.png", border=2, size=(40, 30))
    write(tmp_path / "air_freshener" / "b.png")
    source = opened(tmp_path, "objectnet")
    assert source.image_ids == ("teapot/a.png",)
    assert answer_space("objectnet").label_names[source.labels[0]] == "Teapot"
    whole, failed = source.load([0], Geometry(30, 30, "bilinear"))
    assert failed == {}
    np.testing.assert_array_equal(whole[0], pixels[2:-2, 2:-2][:, 5:35])
    resized, _ = source.load([0], Geometry(12, 15, "bicubic"))
    inner = Image.fromarray(pixels[2:-2, 2:-2]).resize((20, 15), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(resized[0], np.array(inner)[2:14, 4:16])
    red = (255, 0, 0)
    assert not (whole.reshape(-1, 3) == red).all(axis=1).any()
    Image.new("RGB", (4, 50)).save(tmp_path / "teapot" / "a.png")
    assert "border" in source.load([0], SMALL)[1][0].reason
    assert not source.load([0], SMALL)[1][0].transient


@pytest.mark.parametrize(
    ("set_name", "folders", "words"),
    [
        ("imagenet-a", ["n01440764"], ["not classes of ImageNet-A", "n01440764", "natural-adv-examples"]),
        ("imagenet-a", ["imagenet-a/n01498041"], ["Did you mean", "/imagenet-a"]),
        ("imagenet-r", ["cat"], ["cat", "hendrycks/imagenet-r"]),
        ("imagenet-v2-top-images", ["n01440764"], ["n01440764", "0 to 999", "ImageNetV2"]),
        ("imagenet-v2-top-images", ["1000"], ["1000"]),
        ("imagenet-v2-top-images", ["007"], ["007"]),
        ("objectnet", ["n01440764", "images/wok"], ["none of the class", "Did you mean", "/images", "objectnet.dev"]),
        ("objectnet", ["teapot"], ["no images", ".jpeg", "red border"]),
        ("imagenet-sketch", ["sketch/n01440764"], ["Did you mean", "ImageNet-Sketch"]),
        ("imagenet-sketch", [], ["no class folders"]),
    ],
)  # fmt: skip
def test_errors_say_what_was_expected_and_where_it_is(
    tmp_path: Path, set_name: str, folders: list[str], words: list[str]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        opened(tmp_path, set_name)
    for word in [*words, "Expected", "published at https://", f"{tmp_path}/"]:
        assert word in str(caught.value)


def test_missing_folders_and_unknown_sets_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        opened(tmp_path / "nowhere", "imagenet-a")
    with pytest.raises(UnknownNameError, match="imagenet-a"):
        open_source("imagenet-aa", {}, None, 0)
    with pytest.raises(DataError, match="no conditions"):
        opened(tmp_path, "imagenet-a", conditions=["fog/1"])


@pytest.fixture
def validation(tmp_path: Path, write: Write) -> Path:
    root = tmp_path / "val"
    for number, (wnid, image) in enumerate(
        [("n01751748", 1), ("n09193705", 2), ("n02105855", 3), ("n04263257", 4), ("n01440764", 293)]
    ):
        write(root / wnid / f"ILSVRC2012_val_{image:08d}.JPEG", number)
    return root


def test_real_labels_accept_every_class_that_was_seen(tmp_path: Path, validation: Path) -> None:
    labels = tmp_path / "real.json"
    labels.write_text(json.dumps([[65, 3], [970, 795], [230, 231], [], *[[7]] * 288, [5]]))
    source = reassessed(validation, labels)
    by_number = {int(i[-13:-5]): n for n, i in enumerate(source.image_ids)}
    assert sorted(by_number) == [1, 2, 3, 293]  # the fourth has no label
    accepted = {number: source.accepted[n] for number, n in by_number.items()}
    assert accepted == {1: {3, 65}, 2: {795, 970}, 3: {230, 231}, 293: {5}}
    shown = {number: int(source.labels[n]) for number, n in by_number.items()}
    assert shown == {1: 65, 2: 970, 3: 230, 293: 5}  # the folder's class where accepted, else the first
    assert source.image_ids == tuple(i for i in ImageFolder(validation).image_ids if "00000004" not in i)
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.accepted, copy.digest) == (source.accepted, source.digest)
    labels.write_text(json.dumps([[65], [970, 795], [230, 231], [], *[[7]] * 288, [5]]))
    assert reassessed(validation, labels).digest != source.digest


def test_the_labels_that_timm_ships_are_the_published_ones(validation: Path) -> None:
    found = real_labels()
    assert len(found) == 50_000
    assert sum(map(bool, found)) == 46_837  # the number that the paper reports
    assert found[0] == frozenset()
    source = reassessed(validation)
    assert len(source) == sum(bool(found[n - 1]) for n in (1, 2, 3, 4, 293))
    assert all(label in accepted for label, accepted in zip(source.labels.tolist(), source.accepted, strict=True))


@pytest.mark.parametrize("content", ["{}", "[]", "[[1000]]", "[[true]]", "[1]", "x", None])
def test_other_labels_are_refused(tmp_path: Path, validation: Path, content: str | None) -> None:
    path = tmp_path / "real.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"real\.json"):
        reassessed(validation, path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cat.JPEG", "not those of validation images"),
        ("ILSVRC2012_val_00050001.JPEG", "beyond the 50000"),
        ("ILSVRC2012_val_00000002.JPEG", "the same validation image"),
    ],
)
def test_images_that_cannot_be_told_apart_are_refused(validation: Path, write: Write, name: str, words: str) -> None:
    write(validation / "n01440764" / name)
    with pytest.raises(DataError, match=words) as caught:
        reassessed(validation)
    assert "reassessed-imagenet" in str(caught.value)


def test_the_clean_counterpart_has_the_classes_of_the_space(tmp_path: Path, write: Write) -> None:
    for wnid in ("n01440764", "n01498041", "n02085782"):
        write(tmp_path / wnid / "a.png")
    space = answer_space("imagenet-a")
    source = ImageNetSubset(tmp_path, space.name, space.class_of)
    assert source.image_ids == ("n01498041/a.png",)
    assert source.labels.tolist() == [0]
    dogs = answer_space("imagenet-vid")
    merged = ImageNetSubset(tmp_path, dogs.name, dogs.class_of)
    assert [(i, dogs.label_names[n]) for i, n in zip(merged.image_ids, merged.labels, strict=True)] == [
        ("n02085782/a.png", "dog")
    ]
    copy = pickle.loads(pickle.dumps(merged))
    assert (copy.digest, copy.label_space, copy.labels.tolist()) == (
        merged.digest,
        "imagenet-vid",
        merged.labels.tolist(),
    )
    with pytest.raises(DataError, match="no image of a class"):
        ImageNetSubset(tmp_path, "none", {5: 0})


def test_a_part_of_a_folder_shares_the_cache_of_the_whole(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wnid in ("n01440764", "n01498041"):
        write(tmp_path / "val" / wnid / "a.png")
    cache = tmp_path / "cache.json"
    digest = ImageFolder(tmp_path / "val", manifest_cache=cache).digest
    monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    space = answer_space("imagenet-a")
    assert ImageNetSubset(tmp_path / "val", space.name, space.class_of, manifest_cache=cache).digest != digest
    assert ImageFolder(tmp_path / "val", manifest_cache=cache).digest == digest
