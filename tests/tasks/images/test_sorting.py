"""A flat folder of validation images becomes a folder of links, by labels that the user brings."""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.bench.cli import main
from vitobench.errors import DataError
from vitobench.tasks.images import sorting
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.images.classes import real_labels as read_real_labels
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.sorting import IMAGES, read_labels, sort_by_links

WNIDS = imagenet_wnids()
# Published pairs, as the authors' solution file has them.
TRUE = {1: "n01751748", 293: "n01440764", 236: "n01443537"}
real_labels = cache(read_real_labels)


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the 50,000 reassessed labels takes longer than anything else here."""
    monkeypatch.setattr(sorting, "real_labels", real_labels)


def labelled() -> dict[int, str]:
    """A label that is right for every image with a reassessed one."""
    return {n: WNIDS[min(accepted)] for n, accepted in enumerate(real_labels(), start=1) if accepted}


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "line",
    [
        "ILSVRC2012_val_{0:08d},{1} 85 1 499 272 {1} 10 20 30 40",
        "ILSVRC2012_val_{0:08d}.JPEG {2}",
        "val/ILSVRC2012_val_{0:08d}.JPEG,{2}",
        '"ILSVRC2012_val_{0:08d}.JPEG","{1}"',
    ],
)
def test_labels_by_name_are_read(line: str, tmp_path: Path) -> None:
    lines = [line.format(n, wnid, WNIDS.index(wnid)) for n, wnid in TRUE.items()]
    assert read_labels(write(tmp_path / "labels", lines)) == TRUE
    assert read_labels(write(tmp_path / "labels", ["ImageId,PredictionString", *lines])) == TRUE


def test_labels_by_position_are_read(tmp_path: Path) -> None:
    every = labelled()
    lines = [every.get(n, WNIDS[0]) for n in range(1, IMAGES + 1)]
    assert read_labels(write(tmp_path / "labels", lines))[293] == every[293]
    with pytest.raises(DataError, match="49,999 WordNet ids, not 50,000"):
        read_labels(write(tmp_path / "labels", lines[1:]))
    with pytest.raises(DataError, match="numbered in another way"):
        read_labels(write(tmp_path / "labels", [*lines[1:], lines[0]]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["ILSVRC2012_val_00000001 490", "ILSVRC2012_val_00000002 1000"], "line 2: class 1000 is not among 0 to 999"),
        (["ILSVRC2012_val_00000001 n00000001"], "no class of ImageNet-1k: n00000001"),
        (["ILSVRC2012_val_00000001 65", "ILSVRC2012_val_00000001 66"], "image 1 has two classes"),
        (["ILSVRC2012_val_00000001 65", "some words"], "line 2: 'some words' has no image and class"),
        (["490", "361"], "has no image and class"),
        ([], "has no labels"),
    ],
)
def test_other_files_are_refused(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path / "labels", lines))


def test_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    right = {n: wnid for n, wnid in labelled().items() if n <= 100}
    lines = [f"ILSVRC2012_val_{n:08d}.JPEG {(WNIDS.index(wnid) + 1) % 1000}" for n, wnid in right.items()]
    with pytest.raises(DataError, match="labels are among the reassessed ones"):
        read_labels(write(tmp_path / "labels", lines))


def test_published_labels_fit(tmp_path: Path) -> None:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    file = Path(where or "", "imagenet-x", "filename_label.csv.gz")
    if not where or not file.is_file():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with imagenet-x/filename_label.csv.gz")
    (tmp_path / "labels.csv").write_bytes(gzip.decompress(file.read_bytes()))
    labels = read_labels(tmp_path / "labels.csv")
    assert len(labels) == IMAGES
    assert {n: labels[n] for n in TRUE} == TRUE
    assert set(labels.values()) == set(WNIDS)


def test_links_are_the_same_set_as_a_sorted_copy(tmp_path: Path) -> None:
    for number, wnid in TRUE.items():
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        for folder in (tmp_path / "flat", tmp_path / "copy" / wnid):
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 30), (number % 256, 0, 0)).save(folder / name)
    (tmp_path / "flat" / "notes.txt").touch()
    calls: list[tuple[int, int]] = []
    assert sort_by_links(tmp_path / "flat", TRUE, tmp_path / "to" / "links", lambda *n: calls.append(n)) == 3
    assert calls == [(1, 3), (2, 3), (3, 3)]
    links, copy = ImageFolder(tmp_path / "to" / "links"), ImageFolder(tmp_path / "copy")
    assert links.image_ids == copy.image_ids
    assert links.digest == copy.digest
    np.testing.assert_array_equal(links.labels, copy.labels)
    with pytest.raises(DataError, match="exists already"):
        sort_by_links(tmp_path / "flat", TRUE, tmp_path / "copy")


def test_an_image_without_a_label_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    with pytest.raises(DataError, match="no images"):
        sort_by_links(tmp_path / "flat", TRUE, tmp_path / "links")
    for number in (1, 2):
        (tmp_path / "flat" / f"ILSVRC2012_val_{number:08d}.JPEG").touch()
    with pytest.raises(DataError, match=r"1 of 2 images, such as ILSVRC2012_val_00000002\.JPEG, have no label"):
        sort_by_links(tmp_path / "flat", TRUE, tmp_path / "links")
    assert [path.name for path in tmp_path.iterdir()] == ["flat"]


def test_the_command_sorts_and_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VITOBENCH_CONFIG", str(tmp_path / "vitobench.toml"))
    (tmp_path / "vitobench.toml").touch()
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "ILSVRC2012_val_00000293.JPEG").touch()
    labels = write(tmp_path / "val.txt", ["ILSVRC2012_val_00000293.JPEG 0"])
    with pytest.raises(SystemExit) as ended:
        main(["data", "add", "imagenet", str(tmp_path / "flat")])
    assert ended.value.code == 2
    assert "Add --labels FILE with the classes" in " ".join(capsys.readouterr().err.split())
    main(["data", "add", "imagenet", str(tmp_path / "flat"), "--labels", str(labels)])
    to = tmp_path / "flat-sorted"
    assert (to / "n01440764" / "ILSVRC2012_val_00000293.JPEG").is_symlink()
    assert f'imagenet = "{to}"' in (tmp_path / "vitobench.toml").read_text()
