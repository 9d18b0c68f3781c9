"""Sets in which several classes are right: class folders, a table of files, and Parquet files."""

from __future__ import annotations

import csv
import io
import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.datasets import hard
from vitobench.tasks.datasets.record import Opening
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED
from vitobench.tasks.images.source import ImageSource
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.parquet_images import ParquetImages

Write = Callable[..., np.ndarray]
SMALL = Geometry(24, 24, "bilinear")

# Class folders.


def test_any_class_that_the_authors_accept_is_right(tmp_path: Path, write: Write) -> None:
    for name in ("chair/a.jpg", "wok/b.jpg"):
        write(tmp_path / name)
    source = open_source("imagenet-d-texture", {"imagenet-d-texture": tmp_path}, None, 0)
    accepted = dict(zip(source.image_ids, source.accepted, strict=True))  # type: ignore[attr-defined]
    assert accepted == {"chair/a.jpg": {423, 559, 765}, "wok/b.jpg": {909}}
    assert dict(zip(source.image_ids, source.labels.tolist(), strict=True)) == {"chair/a.jpg": 423, "wok/b.jpg": 909}
    assert source.label_space == "imagenet-1k"
    copy = pickle.loads(pickle.dumps(source))
    assert copy.accepted == source.accepted  # type: ignore[attr-defined]
    assert copy.digest == source.digest
    (tmp_path / "sofa").mkdir()
    with pytest.raises(DataError, match="not classes of ImageNet-D, texture: sofa"):
        open_source("imagenet-d-texture", {"imagenet-d-texture": tmp_path}, None, 0)
    with pytest.raises(DataError, match=f"Did you mean {re.escape(str(tmp_path))}"):
        open_source("imagenet-d-texture", {"imagenet-d-texture": tmp_path.parent}, None, 0)


# A table of files.


def _table(
    root: Path, rows: Sequence[tuple[str, str]], header: tuple[str, str] = ("filename", "character_label")
) -> None:
    root.mkdir(exist_ok=True)
    with (root / "labels_pug_imagenet.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(("world_name", *header))
        writer.writerows(("City", *row) for row in rows)


def _pug(root: Path) -> ImageSource:
    return open_source("pug-imagenet", {"pug-imagenet": root}, None, 0)


def test_a_table_says_which_files_are_images_of_what(tmp_path: Path, write: Write) -> None:
    root = tmp_path / "pug"
    _table(root, [("Bear/1.png", "Bear"), ("Hay/2.png", "Hay"), ("gone.png", "Piano")])
    pixels = write(root / "Bear" / "1.png", 3, size=(24, 24))
    write(root / "Hay" / "2.png")
    write(root / "Hay" / "not in the table.png")
    source = _pug(root)
    assert sorted(source.image_ids) == ["Bear/1.png", "Hay/2.png", "gone.png"]
    accepted = dict(zip(source.image_ids, source.accepted, strict=True))  # type: ignore[attr-defined]
    assert accepted["Bear/1.png"] == {294, 295, 296, 297}
    order = [source.image_ids.index(name) for name in ("Bear/1.png", "gone.png")]
    loaded, failed = source.load(order, SMALL)
    np.testing.assert_array_equal(loaded[0], pixels)
    assert list(failed) == [1]  # a hole with a reason
    assert "No such file" in failed[1].reason
    assert pickle.loads(pickle.dumps(source)).digest == source.digest


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("1.png", "Goldfisch")], "does not have: Goldfisch. Is it of another version"),
        ([("1.png", "Bear"), ("1.png", "Hay")], "line 3: 1.png has two classes, Bear and Hay"),
        ([("../1.png", "Bear")], r"line 2: '\.\./1\.png' is no path of a file below"),
        ([("/etc/passwd", "Bear")], "is no path of a file below"),
        ([("", "Bear")], "'' is no path"),
        ([], "lists no files"),
    ],
)
def test_a_table_with_a_wrong_row_is_refused(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    _table(tmp_path, rows)
    with pytest.raises(DataError, match=message):
        _pug(tmp_path)


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels_pug_imagenet.csv cannot be read: No such file"):
        _pug(tmp_path)
    _table(tmp_path, [("1.png", "Bear")], ("filename", "label"))
    with pytest.raises(DataError, match="has no column character_label; it has world_name, filename, label"):
        _pug(tmp_path)
    (tmp_path / "labels_pug_imagenet.csv").write_bytes(b"filename,character_label\n\xff\xfe,Bear\n")
    with pytest.raises(DataError, match="is not a table of comma-separated values"):
        _pug(tmp_path)


# Parquet files.


def _png(seed: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


def _pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


LABELS = [[n, n + 500] if n % 3 else [n] for n in range(14)]


def _parquet(path: Path, rows: Sequence[int], labels: pa.DataType | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "image": pa.array([{"bytes": _png(n), "path": None} for n in rows]),
            "label": pa.array([LABELS[n] for n in rows], labels or pa.list_(pa.int64())),
            "origin": [f"set {n}" for n in rows],
        }
    )
    pq.write_table(table, path, row_group_size=4)


def _hard(root: Path, images: int = 14) -> ParquetImages:
    form = hard.ParquetForm("imagenet-1k", "Parquet files in {root}", images)
    return ParquetImages(replace(DATA_SETS["imagenet-hard"], form=form), form, Opening((root,)))


def test_images_and_labels_come_from_all_parts(tmp_path: Path) -> None:
    _parquet(tmp_path / "data" / "validation-00000-of-00002.parquet", range(9))
    _parquet(tmp_path / "data" / "validation-00001-of-00002.parquet", range(9, 14))
    source = _hard(tmp_path)
    assert sorted(source.image_ids) == [f"{n:05d}" for n in range(14)]
    for image_id, accepted, label in zip(source.image_ids, source.accepted, source.labels, strict=True):
        assert accepted == set(LABELS[int(image_id)])
        assert label == min(accepted)
    wanted = [13, 0, 7, 2, 12, 5]
    for one in (source, pickle.loads(pickle.dumps(source))):
        loaded, failed = one.load(wanted, SMALL)
        assert not failed
        for pixels, index in zip(loaded, wanted, strict=True):
            np.testing.assert_array_equal(pixels, _pixels(int(source.image_ids[index])))
    assert len(source.digest) == 64
    # The same files under other names, as another upload of them has.
    _parquet(tmp_path / "again" / "a.parquet", range(9))
    _parquet(tmp_path / "again" / "b.parquet", range(9, 14))
    assert _hard(tmp_path / "again").digest == source.digest
    _parquet(tmp_path / "again" / "b.parquet", [9, 10, 11, 13, 12])
    assert _hard(tmp_path / "again").digest != source.digest


def test_a_file_that_changes_and_an_image_that_is_none_are_holes(tmp_path: Path) -> None:
    file = tmp_path / "validation.parquet"
    _parquet(file, range(14))
    source = _hard(tmp_path)
    assert source.digest
    _parquet(file, range(13, -1, -1))
    assert {failure.reason for failure in source.load([0, 9], SMALL)[1].values()} == {CHANGED}
    images = pa.array([{"bytes": b"no image" if n == 3 else _png(n) if n != 5 else None} for n in range(14)])
    pq.write_table(pa.table({"image": images, "label": LABELS}), file, row_group_size=4)
    source = _hard(tmp_path)
    _, failed = source.load(range(14), SMALL)
    reasons = {source.image_ids[n]: failure.reason for n, failure in failed.items()}
    assert reasons.keys() == {"00003", "00005"}
    assert "not an image" in reasons["00003"]
    assert reasons["00005"] == "row 5 has no image"


def test_damage_inside_a_parquet_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "validation.parquet"
    _parquet(file, range(14))
    whole, group = file.read_bytes(), pq.ParquetFile(file).metadata.row_group(1)
    for number in range(group.num_columns):
        column = group.column(number)
        start = column.dictionary_page_offset or column.data_page_offset
        stop = start + column.total_compressed_size
        file.write_bytes(whole[:start] + b"\xff" * (stop - start) + whole[stop:])
        if column.path_in_schema == "image.bytes":
            _, failed = (source := _hard(tmp_path)).load(range(14), SMALL)
            assert {source.image_ids[n] for n in failed} == {"00004", "00005", "00006", "00007"}
            assert "row group 1: the column image cannot be read" in failed[min(failed)].reason
        elif column.path_in_schema.startswith("label"):
            with pytest.raises(DataError, match=r"parquet, row group 1: the column label cannot be read"):
                _hard(tmp_path)


def test_parquet_files_of_another_revision_or_form_are_refused(tmp_path: Path) -> None:
    def refused(root: Path, message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            _hard(root)
        assert "published at https://huggingface.co/datasets/taesiri/imagenet-hard" in str(caught.value)

    refused(tmp_path / "nowhere", "does not exist")
    refused(tmp_path, "has no Parquet files")
    _parquet(tmp_path / "data" / "validation-00001-of-00002.parquet", range(14))
    refused(tmp_path, r"lacks 00000-of-00002; it has data/validation-00001-of-00002\.parquet")
    _parquet(tmp_path / "data" / "validation-00000-of-00003.parquet", range(14))
    _parquet(tmp_path / "data" / "validation-00002-of-00003.parquet", range(14))
    refused(tmp_path, "has parts of two revisions")
    _parquet(tmp_path / "few" / "a.parquet", range(13))
    refused(tmp_path / "few", "13 images and ImageNet-Hard has 14: files of another revision")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.parquet").write_bytes(b"PAR1 and then nothing")
    refused(tmp_path / "bad", "is not a whole Parquet file")
    pq.write_table(pa.table({"picture": [b"1"], "label": [[1]]}), tmp_path / "bad" / "a.parquet")
    refused(tmp_path / "bad", "has no column image with the bytes of images; it has picture, label")
    pq.write_table(pa.table({"image": [{"bytes": b"1"}], "label": [["cat"]]}), tmp_path / "bad" / "a.parquet")
    refused(tmp_path / "bad", "has no column label with indices of classes")
    pq.write_table(pa.table({"image": [{"bytes": b"1"}], "label": [[1000]]}), tmp_path / "bad" / "a.parquet")
    refused(tmp_path / "bad", r"row group 0: \[1000\] are no classes of ImageNet-1k")
