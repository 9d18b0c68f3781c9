import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.images import hashing
from vitobench.tasks.images.depth import DepthFolder, PhotographsWithDepth
from vitobench.tasks.images.folders import ImageFolder
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED
from vitobench.tasks.images.source import LoadFailure, has_depth

GEOMETRY = Geometry(32, 36, "bilinear")
IDS = ("n01440764/a.JPEG", "n01440764/b.JPEG", "n01443537/a.JPEG")
Folders = tuple[Path, Path]


def plane(slope: float) -> np.ndarray:
    return (1 + slope * np.mgrid[:40, :60][1]).astype(np.float32)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    images, maps = tmp_path / "images", tmp_path / "maps"
    for number, image_id in enumerate(IDS):
        (images / image_id).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / image_id)
        (maps / image_id).parent.mkdir(parents=True, exist_ok=True)
        np.save((maps / image_id).with_suffix(".npy"), plane(0.1 * (number + 1)))
    return images, maps


def opened(folders: Folders, caches: tuple[Path | None, Path | None] = (None, None)) -> PhotographsWithDepth:
    return PhotographsWithDepth(*folders, caches)


def test_images_are_those_of_their_folder_and_depth_lies_beside(folders: Folders) -> None:
    source, plain = opened(folders), ImageFolder(folders[0])
    assert has_depth(source)
    assert source.image_ids == plain.image_ids
    assert source.labels.tolist() == plain.labels.tolist()
    pixels, failed = source.load([2, 0], GEOMETRY)
    assert failed == {}
    np.testing.assert_array_equal(pixels, plain.load([2, 0], GEOMETRY)[0])
    depth, failed = source.depths([2, 0], GEOMETRY)
    assert (depth.shape, depth.dtype, failed) == ((2, 32, 32), np.float32, {})
    for found, index in zip(depth, (2, 0), strict=True):
        slope = 0.1 * (IDS.index(source.image_ids[index]) + 1)
        # 60 columns become 54, of which the middle 32 are kept: 11 to 43, each the nearest of the old ones.
        columns = ((np.arange(11, 43) + 0.5) * 60 / 54).astype(int)
        np.testing.assert_allclose(found, np.broadcast_to(1 + slope * columns, (32, 32)), rtol=1e-6)


def test_the_digest_covers_images_and_maps_and_not_their_place(folders: Folders, tmp_path: Path) -> None:
    images, maps = folders
    first = opened(folders).digest
    assert first != ImageFolder(images).digest
    manifest = opened(folders).manifest()
    assert sorted(manifest) == sorted([*IDS, *(f"depth/{i.removesuffix('JPEG')}npy" for i in IDS)])
    assert opened((images.rename(tmp_path / "x"), maps.rename(tmp_path / "y"))).digest == first
    folders = (tmp_path / "x", tmp_path / "y")
    np.save(folders[1] / "of_nobody.npy", plane(1))
    assert opened(folders).digest == first
    file = folders[1] / "n01440764" / "b.npy"
    np.save(file, plane(0.9))
    changed = opened(folders).digest
    file.unlink()
    assert len({first, changed, opened(folders).digest}) == 3
    np.save(file, plane(0.2))
    assert opened(folders).digest == first
    Image.new("RGB", (60, 40)).save(folders[0] / IDS[0])
    assert opened(folders).digest != first


def test_hashes_are_kept_in_two_files(folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = (tmp_path / "images.json", tmp_path / "maps.json")
    for folder in folders:
        for path in folder.rglob("*.*"):
            os.utime(path, (1e9, 1e9))  # a file changed just now might change again within the clock's grain
    first = opened(folders, caches).digest
    assert [len(list(tmp_path.glob(f"{name}-*.json"))) for name in ("images", "maps")] == [1, 1]
    read: list[Path] = []
    monkeypatch.setattr(hashing, "file_digest", lambda path: read.append(path))
    assert opened(folders, caches).digest == first
    assert read == []


def test_a_pickled_copy_reads_the_same_from_another_folder(
    folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = PhotographsWithDepth(Path("images"), Path("maps"), (None, None), progress=lambda done, total: None)
    digest, pixels, depth = source.digest, source.load([0, 1], GEOMETRY)[0], source.depths([0, 1], GEOMETRY)[0]
    packed = pickle.dumps(source)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    copy = pickle.loads(packed)
    assert copy.digest == digest
    np.testing.assert_array_equal(copy.load([0, 1], GEOMETRY)[0], pixels)
    np.testing.assert_array_equal(copy.depths([0, 1], GEOMETRY)[0], depth)


def test_a_photograph_without_a_map_fails_alone(folders: Folders) -> None:
    (folders[1] / "n01440764" / "b.npy").unlink()
    source = opened(folders)
    assert len(source.digest) == 64
    hole = source.image_ids.index(IDS[1])
    depth, failed = source.depths([0, 1, 2], GEOMETRY)
    assert failed == {hole: LoadFailure("it has no depth map", transient=False)}
    assert (depth[hole] == 1).all()
    assert source.load([0, 1, 2], GEOMETRY)[1] == {}


def test_a_damaged_map_fails_alone_and_the_reason_names_no_folder(folders: Folders) -> None:
    damaged, squeezed = (folders[1] / i for i in ("n01440764/b.npy", "n01443537/a.npy"))
    damaged.write_bytes(damaged.read_bytes()[:30])
    np.save(squeezed, np.ones((40, 40), np.float32))
    source = opened(folders)
    assert source.digest
    depth, failed = source.depths([0, 1, 2], GEOMETRY)
    assert sorted(failed) == sorted(source.image_ids.index(i) for i in IDS[1:])
    assert not any(failure.transient for failure in failed.values())
    reasons = {source.image_ids[n]: failure.reason for n, failure in failed.items()}
    assert reasons[IDS[1]].startswith("its depth map cannot be used: n01440764/b.npy cannot be read")
    assert "40 x 40 pixels, but its image is 60 x 40" in reasons[IDS[2]]
    assert str(folders[1].parent) not in "".join(reasons.values())
    assert (depth[source.image_ids.index(IDS[0])] != 1).any()


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_map_that_is_no_longer_what_was_hashed_is_refused_for_now(folders: Folders, harm: str) -> None:
    source = opened(folders)
    assert source.digest
    path = folders[1] / "n01440764" / "a.npy"
    if harm == "changed":
        np.save(path, np.ones((80, 120), np.float32))
    else:
        path.unlink()
    _, failed = source.depths([0, 1, 2], GEOMETRY)
    (position,) = failed
    assert source.image_ids[position] == IDS[0]
    assert failed[position].transient
    assert (CHANGED in failed[position].reason) == (harm == "changed")
    assert str(folders[1]) not in failed[position].reason


def test_a_folder_with_no_map_at_all_is_refused(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no depth map for image .*\n.*Expected the folders and names of the images"):
        opened((folders[0], tmp_path / "empty"))
    with pytest.raises(DataError, match="does not exist"):
        opened((folders[0], tmp_path / "nowhere"))
    with pytest.raises(DataError):
        opened((tmp_path / "nowhere", folders[1]))
    assert DepthFolder(tmp_path / "empty").root.is_dir()


def test_a_link_to_a_map_that_leads_nowhere_is_tried_again(folders: Folders, tmp_path: Path) -> None:
    whole = opened(folders).digest
    (folders[1] / "n01440764" / "a.npy").rename(tmp_path / "aside.npy")
    without = opened(folders).digest
    (folders[1] / "n01440764" / "a.npy").symlink_to(tmp_path / "nowhere")
    source = opened(folders)
    assert source.digest not in (whole, without)
    (failure,) = source.depths([0, 1, 2], GEOMETRY)[1].values()
    assert failure == LoadFailure("its depth map: No such file or directory", transient=True)
