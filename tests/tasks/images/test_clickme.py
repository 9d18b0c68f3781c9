"""Both forms of ClickMe, made up here: shards of TFRecords, and folders of images and maps."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.datasets.record import Opening
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.images.classes import imagenet_wnids
from vitobench.tasks.images.clickme import MapSource, read_map
from vitobench.tasks.images.clickme import open_maps as _open_maps
from vitobench.tasks.images.geometry import Geometry


def open_maps(root: Path) -> MapSource:
    return _open_maps(DATA_SETS["clickme"], Opening((root,)))


writer_module = pytest.importorskip("tfrecord.writer")
PLAIN = Geometry(256, 256, "bilinear")


def encoded(pixels: np.ndarray, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 100} if kind == "JPEG" else {}))
    return buffer.getvalue()


def blob(row: int, column: int, side: int = 256) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return (255 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 30**2))).astype(np.uint8)


def write_shard(path: Path, first: int, count: int, **change: object) -> None:
    writer = writer_module.TFRecordWriter(str(path))
    for k in range(first, first + count):
        flat = np.full((256, 256, 3), (7 * k) % 256, np.uint8)
        record = {
            "image": (encoded(flat), "byte"),
            "heatmap": (encoded(blob(40 + k, 200 - k)), "byte"),
            "label": (k, "int"),
        }
        writer.write({name: value for name, value in (record | change).items() if value is not None})
    writer.close()


def test_all_shards_are_read_and_every_record_once(tmp_path: Path) -> None:
    write_shard(tmp_path / "val-0.tfrecords", 0, 3)
    write_shard(tmp_path / "val-2.tfrecords", 3, 2)
    write_shard(tmp_path / "val-10.tfrecords", 5, 4)
    source = open_maps(tmp_path)
    assert len(source.image_ids) == len(set(source.image_ids)) == 9
    assert {i.rpartition("/")[0] for i in source.image_ids} == {"val-0", "val-2", "val-10"}
    assert sorted(source.labels) == list(range(9))
    assert source.notes == ("3 shards, 9 images",)
    images, failed = source.load(range(9), PLAIN)
    maps, lacking = source.maps(range(9))
    assert not failed
    assert not lacking
    for label, image, map_ in zip(source.labels, images, maps, strict=True):
        assert np.abs(image.astype(int) - (7 * label) % 256).max() <= 2
        row, column = np.unravel_index(map_.argmax(), map_.shape)
        assert (abs(row - 40 - label), abs(column - 200 + label)) <= (4, 4)
        assert map_.dtype == np.float32
    again = open_maps(tmp_path)
    assert (again.image_ids, again.digest) == (source.image_ids, source.digest)
    (tmp_path / "val-2.tfrecords").unlink()
    assert open_maps(tmp_path).digest != source.digest


def test_a_damaged_shard_is_named_with_its_offset(tmp_path: Path) -> None:
    write_shard(tmp_path / "val-0.tfrecords", 0, 2)
    path = tmp_path / "val-0.tfrecords"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"val-0\.tfrecords, byte \d+: the file ends within"):
        open_maps(tmp_path)


@pytest.mark.parametrize("label", [(1000, "int"), (-1, "int"), None, (0.5, "float")])
def test_records_without_a_label_are_refused(tmp_path: Path, label: object) -> None:
    write_shard(tmp_path / "val-0.tfrecords", 0, 1, label=label)
    with pytest.raises(DataError, match="byte 0: this record has no label of 0 to 999; it holds heatmap, image"):
        open_maps(tmp_path)


def test_what_cannot_be_decoded_is_a_failure_of_its_image(tmp_path: Path) -> None:
    write_shard(tmp_path / "val-0.tfrecords", 0, 1, image=(b"no jpeg", "byte"), heatmap=(b"no jpeg", "byte"))
    source = open_maps(tmp_path)
    _, failed = source.load([0], PLAIN)
    maps, lacking = source.maps([0])
    assert "not an image" in failed[0].reason
    assert lacking[0].reason.startswith("heatmap: no image")
    assert (failed[0].transient, lacking[0].transient) == (False, False)
    assert maps[0].shape == (2, 2)
    write_shard(tmp_path / "val-0.tfrecords", 0, 1)  # a record of another length in the same place
    assert source.load([0], PLAIN)[1] == {}


def folder(root: Path, names: dict[str, tuple[int, int]]) -> None:
    for name, size in names.items():
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (10, 20, 30)).save(path)


def test_a_folder_of_images_and_maps(tmp_path: Path) -> None:
    a, b = imagenet_wnids()[3], imagenet_wnids()[700]
    folder(tmp_path, {f"{a}/x.png": (60, 40), f"{a}/y.JPEG": (40, 40), f"{b}/z.jpg": (40, 40), f"{b}/none.png": (9, 9)})
    (tmp_path / "maps" / a).mkdir(parents=True)
    (tmp_path / "maps" / b).mkdir()
    wide = np.arange(40 * 60, dtype=np.float64).reshape(40, 60)
    np.savez(tmp_path / "maps" / a / "x.npz", heatmap=wide, other=np.zeros(3))
    np.save(tmp_path / "maps" / a / "y.npy", np.eye(20))
    Image.fromarray((np.eye(30) * 40000).astype(np.uint16)).save(tmp_path / "maps" / b / "z.png")
    source = open_maps(tmp_path)
    at = {image_id: k for k, image_id in enumerate(source.image_ids)}
    assert set(at) == {f"{a}/x.png", f"{a}/y.JPEG", f"{b}/z.jpg"}
    assert source.notes == ("3 images with a map, 1 without one left out",)
    assert source.labels[at[f"{b}/z.jpg"]] == 700
    maps, failed = source.maps([at[f"{a}/x.png"], at[f"{a}/y.JPEG"], at[f"{b}/z.jpg"]])
    assert not failed
    np.testing.assert_array_equal(maps[0], wide[:, 10:50])
    np.testing.assert_array_equal(maps[1], np.eye(20))
    assert maps[2].max() == 40000
    before = source.digest
    np.save(tmp_path / "maps" / a / "y.npy", np.eye(20) * 2)
    assert open_maps(tmp_path).digest != before
    (tmp_path / "maps" / a / "y.npy").unlink()
    assert source.maps([at[f"{a}/y.JPEG"]])[1][0].transient
    np.save(tmp_path / "maps" / a / "y.npy", np.eye(20)[:, :5])
    changed = source.maps([at[f"{a}/y.JPEG"]])[1][0]
    assert (changed.transient, "changed on disk" in changed.reason) == (True, True)
    assert "different aspect ratio" in open_maps(tmp_path).maps([at[f"{a}/y.JPEG"]])[1][0].reason
    # A link that leads nowhere is a map that cannot be read for now, and not an image without one.
    (tmp_path / "maps" / a / "y.npy").unlink()
    without = open_maps(tmp_path).digest
    (tmp_path / "maps" / a / "y.npy").symlink_to("nowhere")
    lost = open_maps(tmp_path)
    assert lost.digest not in (before, without)
    assert lost.maps([at[f"{a}/y.JPEG"]])[1][0].transient


def test_folders_of_neither_form_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist\.\nExpected either the published shards"):
        open_maps(tmp_path / "absent")
    with pytest.raises(DataError, match="holds neither"):
        open_maps(tmp_path)
    folder(tmp_path, {f"{imagenet_wnids()[0]}/x.png": (9, 9)})
    (tmp_path / "maps").mkdir()
    with pytest.raises(DataError, match="has a map"):
        open_maps(tmp_path)


@pytest.mark.parametrize(
    ("array", "words"), [(np.zeros((2, 3, 4)), "has the shape"), (np.full((3, 3), np.nan), "holds NaN")]
)
def test_maps_of_another_form_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "m.npy", array)
    with pytest.raises(DataError, match=words):
        read_map(tmp_path / "m.npy")
    np.savez(tmp_path / "m.npz", a=array, b=array)
    with pytest.raises(DataError, match="it holds a, b; call the map 'heatmap'"):
        read_map(tmp_path / "m.npz")
    np.save(tmp_path / "p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as a map"):
        read_map(tmp_path / "p.npy")


def test_a_record_of_another_shard_at_the_same_place_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "val-0.tfrecords", 0, 2)
    source = open_maps(tmp_path)
    assert source.load([0, 1], PLAIN)[1] == {}
    assert source.digest
    assert source.load([0, 1], PLAIN)[1] == {}
    status = (tmp_path / "val-0.tfrecords").stat()
    image = (encoded(np.full((256, 256, 3), 99, np.uint8)), "byte")
    write_shard(tmp_path / "val-0.tfrecords", 0, 2, image=image)
    os.utime(tmp_path / "val-0.tfrecords", ns=(status.st_atime_ns, status.st_mtime_ns))
    for failed in (source.load([0, 1], PLAIN)[1], source.maps([0, 1])[1]):
        assert [failed[0].transient, failed[1].transient] == [True, True]
        assert "changed on disk" in failed[0].reason


def test_a_shard_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    write_shard(tmp_path / "val-0.tfrecords", 0, 1)
    (tmp_path / "val-1.tfrecords").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"val-1\.tfrecords"):
        open_maps(tmp_path)
