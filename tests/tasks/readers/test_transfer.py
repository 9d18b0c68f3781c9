"""Sets that torchvision reads: the same images and classes as its own items, splits of their own, and bad folders."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from vitobench.errors import DataError
from vitobench.tasks.datasets.transfer import DATA_SETS, TransferForm
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.opening import available, check_data_names, open_source
from vitobench.tasks.readers.learning import LabelledImages
from vitobench.tasks.readers.transfer import ArrayImages

EACH = {"train": 3, "val": 2, "test": 4}
"""Images of each of two classes in each part."""

_drawn = np.random.default_rng(0)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_drawn.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(path)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def named() -> dict[str, list[tuple[str, int]]]:
    """Names of images and classes, by part."""
    return {
        part: [(f"{part}{'ab'[label]}{n}", label) for label in (0, 1) for n in range(count)]
        for part, count in EACH.items()
    }


def food(root: Path) -> None:
    for part in ("train", "test"):
        listed: dict[str, list[str]] = {"pie": [], "soup": []}
        for name, label in named()[part]:
            place = f"{('pie', 'soup')[label]}/{name}"
            listed[place.partition("/")[0]].append(place)
            picture(root / "food-101/images" / f"{place}.jpg")
        text(root / f"food-101/meta/{part}.json", json.dumps(listed))


def textures(root: Path) -> None:
    for part, images in named().items():
        lines = [f"{('dotted', 'woven')[label]}/{name}.jpg" for name, label in images]
        for line in lines:
            picture(root / "dtd/dtd/images" / line)
        text(root / f"dtd/dtd/labels/{part}1.txt", "\n".join(lines))


def aircraft(root: Path) -> None:
    place = root / "fgvc-aircraft-2013b/data"
    text(place / "variants.txt", "707-320\nA 300\n")
    for part, images in named().items():
        for name, _ in images:
            picture(place / f"images/{name}.jpg")
        text(place / f"images_variant_{part}.txt", "".join(f"{n} {('707-320', 'A 300')[c]}\n" for n, c in images))


def pets(root: Path) -> None:
    place = root / "oxford-iiit-pet"
    for part, own in (("trainval", "train"), ("test", "test")):
        images = [(f"{('Pug', 'Sphynx')[label]}_{name}", label) for name, label in named()[own]]
        for name, _ in images:
            picture(place / f"images/{name}.jpg")
        text(place / f"annotations/{part}.txt", "".join(f"{name} {label + 1} 1 1\n" for name, label in images))


def cars(root: Path) -> None:
    from scipy.io import savemat

    place = root / "stanford_cars"
    for part, file in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = [(f"{name}.jpg", label + 1) for name, label in named()[part]]
        for name, _ in rows:
            picture(place / f"cars_{part}" / name)
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        savemat(place / file, {"annotations": np.array(rows, dtype=[("fname", object), ("class", object)])})
    savemat(place / "devkit/cars_meta.mat", {"class_names": np.array(["Audi", "BMW"], dtype=object)})


def scenes(root: Path) -> None:
    text(root / "SUN397/ClassName.txt", "/a/abbey\n/z/zoo\n")
    for part, listing in (("train", "Training_01"), ("test", "Testing_01"), ("val", "Training_02")):
        lines = [f"/{('a/abbey', 'z/zoo')[label]}/sun_{name}.jpg" for name, label in named()[part]]
        for line in lines:
            picture(root / f"SUN397{line}")
        text(root / f"SUN397/{listing}.txt", "\n".join(lines))


def objects(root: Path) -> None:
    for name, count in (("ant", 33), ("watch", 36), ("BACKGROUND_Google", 2)):
        for n in range(1, count + 1):
            picture(root / f"caltech101/101_ObjectCategories/{name}/image_{n:04d}.jpg")


def flowers(root: Path) -> None:
    from scipy.io import savemat

    place = root / "flowers-102"
    labels: list[int] = []
    ids: dict[str, list[int]] = {}
    for part, key in (("train", "trnid"), ("val", "valid"), ("test", "tstid")):
        ids[key] = []
        for _, label in named()[part]:
            labels.append(label + 1)
            ids[key].append(len(labels))
            picture(place / f"jpg/image_{len(labels):05d}.jpg")
    savemat(place / "imagelabels.mat", {"labels": labels})
    savemat(place / "setid.mat", ids)


def cifar(root: Path, name: str, files: dict[str, str], key: str, meta: dict[str, Any]) -> None:
    (root / name).mkdir(parents=True)
    for file in files:
        content = {"data": _drawn.integers(0, 256, (4, 3072), dtype=np.uint8), key: [0, 1, 1, 0]}
        (root / name / file).write_bytes(pickle.dumps(content))
    (root / name / next(iter(meta))).write_bytes(pickle.dumps(next(iter(meta.values()))))


def cifar_10(root: Path) -> None:
    files = dict.fromkeys([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"], "")
    cifar(root, "cifar-10-batches-py", files, "labels", {"batches.meta": {"label_names": ["cat", "dog"]}})


def cifar_100(root: Path) -> None:
    files = dict.fromkeys(["train", "test"], "")
    cifar(root, "cifar-100-python", files, "fine_labels", {"meta": {"fine_label_names": ["cat", "dog"]}})


MADE: dict[str, Callable[[Path], None]] = {
    "transfer-food-101": food,
    "transfer-cifar-10": cifar_10,
    "transfer-cifar-100": cifar_100,
    "transfer-sun397": scenes,
    "transfer-cars": cars,
    "transfer-aircraft": aircraft,
    "transfer-dtd": textures,
    "transfer-pets": pets,
    "transfer-caltech-101": objects,
    "transfer-flowers-102": flowers,
}
RECORDS = {record.name: record for record in DATA_SETS}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the checksums of the published files, which small ones cannot have."""
    monkeypatch.setattr(datasets.Flowers102, "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.cifar, "check_integrity", lambda *_: True)


def opened(name: str, root: Path) -> LabelledImages:
    source = open_source(name, {"transfer": root}, None, 0)
    assert isinstance(source, LabelledImages)
    return source


def items(form: TransferForm, root: Path, arguments: Any) -> set[tuple[bytes, int]]:
    """What torchvision itself gives: pixels and class."""
    found = getattr(datasets, form.reader)(str(root), **arguments)
    return {(np.asarray(image.convert("RGB")).tobytes(), int(label)) for image, label in found}


def ours(source: Any, root: Path, classes: list[int]) -> set[tuple[bytes, int]]:
    if isinstance(source, ArrayImages):
        pixels, failed = source.load(range(len(source)), Geometry(32, 32, "bilinear"))
        assert not failed
        return {(image.tobytes(), label) for image, label in zip(pixels, classes, strict=True)}
    images = [Image.open(root / image_id).convert("RGB") for image_id in source.image_ids]
    return {(np.asarray(image).tobytes(), label) for image, label in zip(images, classes, strict=True)}


@pytest.mark.parametrize("name", RECORDS)
def test_images_and_classes_are_those_of_torchvision(name: str, tmp_path: Path) -> None:
    MADE[name](tmp_path)
    form = RECORDS[name].form
    assert isinstance(form, TransferForm)
    check_data_names({"transfer": tmp_path})
    assert available(name, {"transfer": tmp_path})
    source = opened(name, tmp_path)
    asked = ours(source._asked, tmp_path, [source.class_of(n) for n in range(len(source))])
    learning = ours(source.learning, tmp_path, source.learning.labels.tolist())
    published = {item for arguments in form.learning for item in items(form, tmp_path, arguments)}
    if form.each or form.lists:
        assert asked | learning <= published
        assert not asked & learning
    else:
        assert learning == published
        assert asked == items(form, tmp_path, form.asked)
    assert source.load([0], Geometry(8, 8, "bilinear"))[1] == {}
    assert pickle.loads(pickle.dumps(source)).digest == source.digest


def test_sets_without_a_split_of_torchvision_have_their_own(tmp_path: Path) -> None:
    scenes(tmp_path)
    source = opened("transfer-sun397", tmp_path)
    assert {Path(i).stem for i in source.image_ids} == {f"sun_{name}" for name, _ in named()["test"]}
    assert {Path(i).stem for i in source.learning.image_ids} == {f"sun_{name}" for name, _ in named()["train"]}
    objects(tmp_path)
    source = opened("transfer-caltech-101", tmp_path)
    assert np.bincount(source.learning.labels).tolist() == [30, 30]
    assert len(source) == 3 + 6
    text(tmp_path / "SUN397/Training_01.txt", "/a/abbey/sun_none.jpg\n")
    with pytest.raises(DataError, match=r"Training_01.txt names 1 images that are not there, such as .*sun_none.jpg"):
        opened("transfer-sun397", tmp_path)
    (tmp_path / "SUN397/Training_01.txt").unlink()
    with pytest.raises(DataError, match=r"list Training_01.txt cannot be read"):
        opened("transfer-sun397", tmp_path)


def test_penalties_are_chosen_on_the_published_part(tmp_path: Path) -> None:
    textures(tmp_path)
    source = opened("transfer-dtd", tmp_path)
    assert source.validation is not None
    chosen = [i for i, held in zip(source.learning.image_ids, source.validation, strict=True) if held]
    assert {Path(i).stem for i in chosen} == {name for name, _ in named()["val"]}
    food(tmp_path)
    assert opened("transfer-food-101", tmp_path).validation is None


def test_a_folder_that_torchvision_cannot_read_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of the data sets of transfer"):
        check_data_names({"transfer": tmp_path})
    (tmp_path / "dtd").mkdir()
    with pytest.raises(DataError, match=r"(?s)dtd is not Describable Textures.*DTD reads it.*Published at https"):
        opened("transfer-dtd", tmp_path)
    aircraft(tmp_path)
    text(tmp_path / "fgvc-aircraft-2013b/data/images_variant_test.txt", "one Concorde\n")
    with pytest.raises(DataError, match=r"FGVCAircraft reads it: 'Concorde'"):
        opened("transfer-aircraft", tmp_path)
