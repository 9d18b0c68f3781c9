import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED, decode
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.opening import open_source
from vitobench.tasks.readers.cifar_c import CifarC


def opened(root: Path, name: str = "cifar-10-c", **asked: Any) -> CifarC:
    source = open_source(name, {name: root}, None, 0, **asked)
    assert isinstance(source, CifarC)
    return source


COUNT = 7
PLAIN = Geometry(32, 32, "bilinear")


def pixels_of(corruption: str) -> np.ndarray:
    seed = sum(corruption.encode())
    return np.random.default_rng(seed).integers(0, 256, (5 * COUNT, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    np.save(folder / "labels.npy", np.tile(np.arange(COUNT) % 10, 5))
    for corruption in ("fog", "shot_noise"):
        np.save(folder / f"{corruption}.npy", pixels_of(corruption))
    (folder / "._fog.npy").write_bytes(b"")
    return folder


def test_severities_lie_one_after_the_other(root: Path) -> None:
    source = opened(root)
    assert isinstance(source, CifarC)
    assert source.label_space == "cifar-10"
    assert source.conditions == tuple(f"{c}/{s}" for c in ("fog", "shot_noise") for s in range(1, 6))
    assert (len(source), source.labels.dtype, source.labels.tolist()) == (COUNT, np.int64, list(range(COUNT)))
    assert source.image_ids[:2] == ("00000", "00001")
    for condition in source.conditions:
        corruption, severity = condition.split("/")
        found, failed = source.load([6, 0, 3], PLAIN, condition)
        assert failed == {}
        np.testing.assert_array_equal(
            found, pixels_of(corruption).reshape(5, COUNT, 32, 32, 3)[int(severity) - 1, [6, 0, 3]]
        )


def test_labels_may_be_there_once(root: Path) -> None:
    five = opened(root)
    np.save(root / "labels.npy", np.arange(COUNT, dtype=np.uint8))
    once = opened(root)
    assert once.labels.tolist() == five.labels.tolist()


def test_another_geometry_is_that_of_an_image_file(root: Path, tmp_path: Path) -> None:
    geometry = Geometry(40, 48, "bicubic")
    Image.fromarray(pixels_of("fog")[COUNT + 2]).save(tmp_path / "x.png")
    np.testing.assert_array_equal(opened(root).load([2], geometry, "fog/2")[0][0], decode(tmp_path / "x.png", geometry))


def test_what_is_missing_is_said_by_name(root: Path) -> None:
    source = opened(root, conditions=["fog/1", "snow/1", "fog/6"])
    assert source.missing == ("snow/1", "fog/6")
    found, failed = source.load([0, 1], PLAIN, "snow/1")
    assert failed == dict.fromkeys(range(2), LoadFailure("the folder has no snow/1", transient=False))
    assert not found.any()
    with pytest.raises(ValueError, match="fog/2"):
        source.load([0], PLAIN, "fog/2")


def test_the_digest_follows_the_files_and_conditions(root: Path, tmp_path: Path) -> None:
    first = opened(root).digest
    moved = root.rename(tmp_path / "moved")
    cached = opened(moved, cache=tmp_path / "cache.json")
    assert cached.digest == first
    assert list(cached.manifest()) == ["fog.npy", "labels.npy", "shot_noise.npy"]
    assert opened(moved, cache=tmp_path / "cache.json").digest == first
    assert opened(moved, conditions=["fog/1"]).digest != first
    assert opened(moved, "cifar-100-c").digest != first
    np.save(moved / "labels.npy", np.tile(np.arange(COUNT)[::-1], 5))
    assert opened(moved).digest != first


def test_a_copy_in_another_process_reads_the_same(root: Path) -> None:
    source = opened(root)
    expected = source.load([1, 2], PLAIN, "fog/3")[0]
    assert source.digest
    assert len(pickle.dumps(source)) < 10_000  # no pixels travel
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found, failed = pool.apply(source.load, ([1, 2], PLAIN, "fog/3"))
    assert failed == {}
    np.testing.assert_array_equal(found, expected)
    assert pickle.loads(pickle.dumps(source)).digest == source.digest


def test_files_that_change_or_go_are_reported(root: Path, change_in_place: Callable[[Path], None]) -> None:
    source = opened(root)
    assert source.digest
    change_in_place(root / "fog.npy")
    assert source.load([0], PLAIN, "fog/1")[1] == {0: LoadFailure(CHANGED, transient=True)}
    (root / "shot_noise.npy").unlink()
    _, failed = source.load([0], PLAIN, "shot_noise/1")
    assert failed == {0: LoadFailure("No such file or directory", transient=True)}


@pytest.mark.parametrize(
    ("file", "array", "words"),
    [
        ("fog.npy", np.zeros((5 * COUNT, 3, 32, 32), np.uint8), ["(35, 3, 32, 32)", "(35, 32, 32, 3)"]),
        ("fog.npy", np.zeros((4 * COUNT, 32, 32, 3), np.uint8), ["(28, 32, 32, 3)"]),
        ("fog.npy", np.zeros((5 * COUNT, 32, 32, 3), np.float32), ["float32"]),
        ("fog.npy", np.zeros((), np.uint8), ["()"]),
        ("fog.npy", np.array([{}], dtype=object), ["plain numpy array"]),
        ("fog.npy", b"not numpy", ["plain numpy array"]),
        ("fog.npy", b"", ["plain numpy array"]),
        ("fog.npy", b"\x93NUMPY\x01\x00\x10\x00garbage", ["fog.npy"]),
        ("labels.npy", np.arange(COUNT - 1), ["(30, 32, 32, 3)"]),
        ("labels.npy", np.full(5 * COUNT, 10), ["labels 10 to 10", "0 to 9"]),
        ("labels.npy", np.zeros(5 * COUNT), ["float64"]),
        ("labels.npy", np.zeros((COUNT, 10), np.int64), ["(7, 10)"]),
        ("labels.npy", np.arange(5 * COUNT) % 10, ["same labels for all severities"]),
        ("labels.npy", None, ["labels.npy does not exist"]),
    ],
)
def test_other_files_are_refused(root: Path, file: str, array: np.ndarray | bytes | None, words: list[str]) -> None:
    path = root / file
    path.unlink()
    if isinstance(array, bytes):
        path.write_bytes(array)
    elif array is not None:
        np.save(path, array, allow_pickle=True)
    with pytest.raises(DataError) as caught:
        opened(root)
    for word in [*words, "Expected", "labels.npy", "CIFAR-10-C: published at https://"]:
        assert word in str(caught.value)


def test_half_a_file_is_refused(root: Path) -> None:
    content = (root / "fog.npy").read_bytes()
    (root / "fog.npy").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"fog\.npy is not a plain numpy array: mmap length"):
        opened(root)


def test_folders_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for name, words in (("empty", "no arrays"), ("file", "is a file"), ("nowhere", "does not exist")):
        with pytest.raises(DataError, match=words):
            opened(tmp_path / name)


def test_a_file_that_cannot_be_read_costs_its_corruption_alone(root: Path) -> None:
    whole = opened(root).digest
    (root / "fog.npy").rename(root / "aside")
    conditions = ["fog/1", "shot_noise/1"]
    without = opened(root, conditions=conditions).digest
    (root / "fog.npy").symlink_to("nowhere.npy")
    source = opened(root, conditions=conditions)
    assert source.missing == ()
    assert source.digest not in (whole, without)
    assert source.manifest()["fog.npy"] == "unreadable"
    assert source.load([0], PLAIN, "fog/1")[1] == {0: LoadFailure("No such file or directory", transient=True)}
    found, failed = source.load([2], PLAIN, "shot_noise/1")
    assert failed == {}
    np.testing.assert_array_equal(found[0], pixels_of("shot_noise")[2])
    (root / "aside").rename(root / "nowhere.npy")
    assert source.load([0], PLAIN, "fog/1")[1] == {0: LoadFailure(CHANGED, transient=True)}


def test_a_file_with_another_time_and_the_same_bytes_is_the_same(root: Path) -> None:
    source = opened(root)
    assert source.digest
    os.utime(root / "fog.npy", (7, 7))
    assert source.load([0], PLAIN, "fog/1")[1] == {}
