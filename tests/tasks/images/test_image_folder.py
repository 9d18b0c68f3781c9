import hashlib
import multiprocessing
import os
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm.data
from PIL import Image, features
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms import v2

from vitobench.errors import DataError
from vitobench.tasks.images import hashing
from vitobench.tasks.images.folders import EXTENSIONS, ImageFolder, imagenet_wnids
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED, UndecodableImageError, decode
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.opening import open_source

WNIDS = ("n01440764", "n01443537", "n15075141")


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BILINEAR).convert(mode)


def oracle(path: Path, geometry: Geometry) -> np.ndarray:
    interpolation = v2.InterpolationMode(geometry.interpolation)
    steps = v2.Compose([v2.Resize(geometry.resize, interpolation), v2.CenterCrop(geometry.size)])
    with Image.open(path) as image:
        return np.asarray(steps(image.convert("RGB")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "val"
    for number, wnid in enumerate(WNIDS):
        (root / wnid).mkdir(parents=True)
        for k in range(4):
            picture(40 + k, 50, seed=4 * number + k).save(root / wnid / f"{k}.JPEG", format="JPEG")
    return root


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("width", "height"), [(61, 61), (97, 61), (61, 97), (64, 64), (33, 150), (20, 21), (500, 375), (64, 91), (67, 64)]
)
def test_decode_equals_torchvision(tmp_path: Path, width: int, height: int, interpolation: str) -> None:
    picture(width, height).save(tmp_path / "a.png")
    for size, resize in ((56, 64), (55, 64), (64, 64)):
        geometry = Geometry(size, resize, interpolation)
        np.testing.assert_array_equal(decode(tmp_path / "a.png", geometry), oracle(tmp_path / "a.png", geometry))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
def test_every_colour_mode_becomes_rgb_without_warnings(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    extra = {"transparency": bytes(range(256))} if mode == "P" else {}
    picture(90, 70, mode).save(path, **extra)
    geometry = Geometry(56, 64, "bilinear")
    decoded = decode(path, geometry)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle(path, geometry)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


def test_orientation_in_exif_is_left_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(90, 70).save(tmp_path / "turned.jpg", exif=exif)
    picture(90, 70).save(tmp_path / "plain.jpg")
    geometry = Geometry(56, 64, "bilinear")
    np.testing.assert_array_equal(decode(tmp_path / "turned.jpg", geometry), decode(tmp_path / "plain.jpg", geometry))


def test_an_image_above_pillows_limit_is_undecodable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for side, name in ((5, "warned.png"), (50, "refused.png")):
        picture(side, side).save(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)
    for name in ("warned.png", "refused.png"):
        with pytest.raises(UndecodableImageError, match="16 pixels") as caught:
            decode(tmp_path / name, Geometry(8, 8, "bilinear"))
        assert str(tmp_path) not in caught.value.reason


def test_an_endless_strip_is_undecodable(tmp_path: Path) -> None:
    Image.new("RGB", (1, 60_000)).save(tmp_path / "strip.png")
    with pytest.raises(UndecodableImageError, match="elongated"):
        decode(tmp_path / "strip.png", Geometry(224, 256, "bilinear"))


@pytest.mark.parametrize("values", [(0, 8, "bilinear"), (8, 0, "bilinear"), (8, 8, "nearest")])
def test_impossible_geometries_are_refused(values: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match=r"geometry|interpolation"):
        Geometry(*values)


def test_class_order_is_that_of_ilsvrc() -> None:
    assert list(imagenet_wnids()) == timm.data.ImageNetInfo().label_names()
    assert len(imagenet_wnids()) == 1000


def test_labels_ids_and_order(folder: Path) -> None:
    (folder / WNIDS[0] / ".hidden.jpg").write_bytes(b"")
    (folder / WNIDS[0] / "notes.txt").write_text("not an image")
    (folder / ".cache").mkdir()
    (folder / "README.md").write_text("x")
    (folder / WNIDS[1] / "deep").mkdir()
    picture(40, 40).save(folder / WNIDS[1] / "deep" / "x.PnG")
    source = ImageFolder(folder)
    assert len(source) == 13
    assert (source.name, source.label_space, source.labels.dtype) == ("imagenet", "imagenet-1k", np.int64)
    assert f"{WNIDS[1]}/deep/x.PnG" in source.image_ids
    expected = {WNIDS[0]: 0, WNIDS[1]: 1, WNIDS[2]: 999}
    assert [expected[i.split("/")[0]] for i in source.image_ids] == source.labels.tolist()
    assert source.image_ids == ImageFolder(folder).image_ids != tuple(sorted(source.image_ids))


def test_a_new_image_does_not_reorder_the_others(folder: Path) -> None:
    before = ImageFolder(folder).image_ids
    picture(40, 40).save(folder / WNIDS[0] / "new.png")
    assert tuple(i for i in ImageFolder(folder).image_ids if not i.endswith("new.png")) == before


def test_load_reports_bad_images_and_keeps_the_others(folder: Path) -> None:
    source = ImageFolder(folder)
    whole = (folder / source.image_ids[1]).read_bytes()
    (folder / source.image_ids[1]).write_bytes(whole[: len(whole) // 2])
    (folder / source.image_ids[2]).write_bytes(b"")
    (folder / source.image_ids[3]).write_bytes(b"<html>404</html>")
    (folder / source.image_ids[4]).unlink()
    geometry = Geometry(28, 32, "bicubic")
    pixels, failed = source.load([5, 4, 3, 2, 1, 0], geometry)
    assert pixels.shape == (6, 28, 28, 3)
    assert pixels.dtype == np.uint8
    assert sorted(failed) == [1, 2, 3, 4]
    assert failed[1] == LoadFailure("No such file or directory", transient=True)
    formats = "AVIF, BMP, GIF, JPEG, JPEG2000, PNG, PPM, TIFF, WEBP"
    assert failed[2] == LoadFailure(f"not an image of a format that is read ({formats})", transient=False)
    assert failed[3] == LoadFailure("empty file", transient=False)
    assert "truncated" in failed[4].reason
    assert not failed[4].transient
    assert not any(str(folder) in failure.reason for failure in failed.values())
    assert not pixels[1:5].any()
    np.testing.assert_array_equal(pixels[0], oracle(folder / source.image_ids[5], geometry))
    np.testing.assert_array_equal(pixels[5], oracle(folder / source.image_ids[0], geometry))


def test_the_digest_follows_content_and_names_only(folder: Path, tmp_path: Path) -> None:
    first = ImageFolder(folder).digest
    moved = folder.rename(tmp_path / "elsewhere")
    os.utime(moved / WNIDS[0] / "0.JPEG", (1, 1))
    assert ImageFolder(moved, name="other").digest == first
    path = moved / WNIDS[0] / "0.JPEG"
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    assert ImageFolder(moved).digest != first
    path.unlink()
    (moved / WNIDS[0] / "renamed.JPEG").write_bytes(content)
    assert ImageFolder(moved).digest != first


def test_the_manifest_cache_spares_the_second_hashing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache" / "manifest.json"
    plain = ImageFolder(folder).digest
    assert ImageFolder(folder, manifest_cache=cache).digest == plain
    (kept,) = cache.parent.iterdir()
    assert kept.match("manifest-*.json")
    hashed: list[Path] = []
    real = hashing.file_digest
    monkeypatch.setattr(hashing, "file_digest", lambda path: hashed.append(path) or real(path))
    assert ImageFolder(folder, manifest_cache=cache).digest == plain
    assert hashed == []
    changed = folder / WNIDS[0] / "0.JPEG"
    changed.write_bytes(changed.read_bytes() + b"\0")
    assert ImageFolder(folder, manifest_cache=cache).digest != plain
    assert hashed == [changed]
    kept.write_text("{ damaged")
    assert ImageFolder(folder, manifest_cache=cache).digest == ImageFolder(folder).digest


def test_a_cache_with_a_hash_that_is_none_is_not_believed(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "manifest.json"
    plain = ImageFolder(folder, manifest_cache=cache).digest
    (kept,) = tmp_path.glob("manifest-*.json")
    kept.write_text(kept.read_text().replace("0", "g"))
    assert ImageFolder(folder, manifest_cache=cache).digest == plain


def test_the_digest_of_a_folder_is_that_of_the_first_release(tmp_path: Path) -> None:
    files = {
        "n01440764/a.JPEG": b"one",
        "n01440764/deep/b.png": b"two",
        "n01443537/c.jpg": b"",
        "n15075141/ü.webp": b"three",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    source = ImageFolder(tmp_path)
    assert source.digest == "362f22a8aec7e353ffdd85b8ddd3489f6da9b3564b853befecd802524d43a069"
    assert source.manifest() == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert list(source.manifest()) == sorted(files)


def test_a_file_that_changed_since_it_was_hashed_is_reported(folder: Path) -> None:
    source = ImageFolder(folder)
    other, grown, gone, touched = (folder / source.image_ids[n] for n in (0, 1, 2, 3))
    geometry = Geometry(28, 32, "bilinear")
    os.utime(other, ns=(1, 1))
    assert source.load(range(12), geometry)[1] == {}  # nothing was hashed yet
    assert source.digest
    assert source.load(range(12), geometry)[1] == {}
    os.utime(touched, ns=(1, 2))  # its bytes are the same
    content = other.read_bytes()
    other.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # as long, and as old
    os.utime(other, ns=(1, 1))
    status = grown.stat()
    grown.write_bytes(grown.read_bytes() + b"\0")
    os.utime(grown, ns=(status.st_atime_ns, status.st_mtime_ns))
    gone.unlink()
    pixels, failed = source.load(range(12), geometry)
    assert failed == {
        0: LoadFailure(CHANGED, transient=True),
        1: LoadFailure(CHANGED, transient=True),
        2: LoadFailure("No such file or directory", transient=True),
    }
    assert not pixels[:3].any()
    assert ImageFolder(folder).load(range(1, 3), geometry)[1] == {}  # hashed anew it is a file like any other


def test_progress_reaches_the_whole_folder(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    source = open_source("imagenet", {"imagenet": folder}, None, 0, progress=lambda *step: told.append(step))
    assert told == []
    assert source.digest == ImageFolder(folder).digest
    assert (told[0], told[-1]) == ((0, 12), (12, 12))
    assert source.manifest()
    assert told.count((12, 12)) == 1  # the manifest hashed nothing again


@pytest.mark.parametrize("hashed", [False, True])
def test_a_pickled_copy_is_equal_and_hashes_nothing(
    folder: Path, hashed: bool, monkeypatch: pytest.MonkeyPatch, change_in_place: Callable[[Path], None]
) -> None:
    strange = os.fsdecode(b"\xff new\nline.JPEG")
    (folder / WNIDS[0] / "0.JPEG").rename(folder / WNIDS[0] / strange)
    monkeypatch.chdir(folder.parent)
    source = ImageFolder(Path(folder.name), name="mine", progress=lambda done, total: None)
    digest = ImageFolder(folder).digest
    if hashed:
        assert source.digest == digest
    content = pickle.dumps(source)
    monkeypatch.chdir(folder)  # a relative root has to be found from elsewhere
    if hashed:
        monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    copy = pickle.loads(content)
    assert (copy.name, copy.image_ids, copy.digest) == ("mine", source.image_ids, digest)
    np.testing.assert_array_equal(copy.labels, source.labels)
    assert copy.labels.dtype == np.int64
    geometry = Geometry(28, 32, "bicubic")
    pixels, failed = copy.load(range(12), geometry)
    assert failed == {}
    np.testing.assert_array_equal(pixels, ImageFolder(folder).load(range(12), geometry)[0])
    assert pickle.dumps(copy) == pickle.dumps(pickle.loads(pickle.dumps(copy)))
    change_in_place(folder / copy.image_ids[3])
    assert copy.load([3], geometry)[1] == {0: LoadFailure(CHANGED, transient=True)}


def test_a_spawned_process_loads_the_same_pixels(folder: Path) -> None:
    source = ImageFolder(folder)
    assert source.digest
    geometry = Geometry(28, 32, "bilinear")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pixels, failed = pool.apply(source.load, (range(12), geometry))
    assert failed == {}
    np.testing.assert_array_equal(pixels, source.load(range(12), geometry)[0])


def test_a_cache_that_cannot_be_written_does_no_harm(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert ImageFolder(folder, manifest_cache=tmp_path / "file" / "manifest.json").digest == ImageFolder(folder).digest


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, ["does not exist"]),
        (lambda root: root.write_text("x"), ["is a file"]),
        (lambda root: root.mkdir(), ["no class folders"]),
        (lambda root: [(root / n).mkdir(parents=True) for n in ("cat", "dog")], ["not WordNet ids: cat, dog"]),
        (lambda root: [(root / n).mkdir(parents=True) for n in ("train", "val")], ["Did you mean", "/train"]),
        (
            lambda root: [(root / n).mkdir(parents=True) for n in ("n01440764", "n00000001")],
            ["not among the 1000", "n00000001"],
        ),
        (lambda root: (root / "n01440764").mkdir(parents=True), ["no images", ".jpeg"]),
    ],
)
def test_errors_say_what_was_expected(tmp_path: Path, make, words: list[str]) -> None:
    root = tmp_path / "root"
    make(root)
    with pytest.raises(DataError) as caught:
        ImageFolder(root)
    for word in [*words, "n01440764/", str(root)]:
        assert word in str(caught.value)


def test_real_photographs_decode_as_torchvision_decodes_them(photographs: Path) -> None:
    source = ImageFolder(photographs)
    geometry = Geometry(224, 256, "bilinear")
    pixels, failed = source.load(range(40), geometry)
    assert failed == {}
    for image, image_id in zip(pixels, source.image_ids, strict=False):
        np.testing.assert_array_equal(image, oracle(photographs / image_id, geometry))


def test_files_that_cannot_be_read_are_listed_and_have_a_digest(folder: Path, tmp_path: Path) -> None:
    without = ImageFolder(folder).digest
    odd = folder / WNIDS[0] / "odd.JPEG"
    odd.symlink_to(tmp_path / "elsewhere")
    source = ImageFolder(folder)
    assert len(source) == 13
    assert source.manifest()[f"{WNIDS[0]}/odd.JPEG"] == "unreadable"
    lost = source.digest
    assert lost != without
    assert ImageFolder(folder).digest == lost  # again and again
    at = source.image_ids.index(f"{WNIDS[0]}/odd.JPEG")
    geometry = Geometry(28, 32, "bilinear")
    assert source.load([at], geometry)[1] == {0: LoadFailure("No such file or directory", transient=True)}
    # It is there by now, but its answer must not be stored in the set in which it was not.
    (tmp_path / "elsewhere").write_bytes((folder / source.image_ids[at - 1]).read_bytes())
    for copy in (source, pickle.loads(pickle.dumps(source))):
        assert copy.digest == lost
        assert copy.load([at], geometry)[1] == {0: LoadFailure(CHANGED, transient=True)}
    mended = ImageFolder(folder)
    assert mended.load([at], geometry)[1] == {}
    assert mended.digest not in (lost, without)


def test_a_folder_without_one_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / WNIDS[0]).mkdir()
    (tmp_path / WNIDS[0] / "a.JPEG").symlink_to("a.JPEG")
    with pytest.raises(DataError, match=r"None of the 1 files in .* can be read"):
        ImageFolder(tmp_path).manifest()


def test_links_into_the_set_and_system_folders_add_no_image(folder: Path) -> None:
    plain = ImageFolder(folder)
    (folder / WNIDS[0] / "all").symlink_to(".")
    (folder / WNIDS[1] / "root").symlink_to("..")
    for place in (WNIDS[0], "."):
        for name in ("@eaDir", "__MACOSX", "#recycle", "lost+found", "$RECYCLE.BIN", "System Volume Information"):
            (folder / place / name / "0.JPEG").mkdir(parents=True)
            picture(8, 8).save(folder / place / name / "0.JPEG" / "SYNOPHOTO_THUMB_S.jpg")
    (folder / WNIDS[0] / "Thumbs.db").touch()
    (folder / WNIDS[2] / "caption.txt").touch()
    source = ImageFolder(folder)
    assert source.image_ids == plain.image_ids
    assert source.digest == plain.digest
    assert source.left_out.line("imagenet") == (
        f"Left out of imagenet: .txt files: 1 ({WNIDS[2]}/caption.txt); "
        f"links to folders that are listed already: 2 (such as {WNIDS[0]}/all)."
    )
    assert plain.left_out.kinds == {}
    assert pickle.loads(pickle.dumps(source)).image_ids == plain.image_ids


def test_one_folder_for_two_classes_is_refused(folder: Path) -> None:
    (folder / "n01484850").symlink_to(WNIDS[0])
    with pytest.raises(DataError, match=rf"n01484850 and .*{WNIDS[0]} are the same folder"):
        ImageFolder(folder)
    (folder / "n01484850").unlink()
    (folder / "n01484850").symlink_to("/nowhere/n01484850")
    with pytest.raises(DataError, match="n01484850 cannot be listed: No such file or directory"):
        ImageFolder(folder)


def test_images_of_every_format_are_read_as_by_pillow(tmp_path: Path) -> None:
    place = tmp_path / WNIDS[0]
    place.mkdir()
    whole = picture(64, 64)
    names = "a.jpg b.png c.tif d.TIFF e.ppm f.gif g.jfif h.webp i.bmp j.JPE k.jp2 l.apng m.j2k".split()  # noqa: SIM905
    if features.check("avif"):
        names.append("n.avif")
    for name in names:
        forms = {".jfif": "JPEG", ".jpe": "JPEG", ".apng": "PNG"}
        whole.save(place / name, forms.get(Path(name).suffix.lower()))
    whole.convert("L").save(place / "o.pgm")
    whole.convert("1").save(place / "p.pbm")
    (place / "photo.heic").touch()
    (place / "without").touch()
    source = ImageFolder(tmp_path)
    assert {i.partition("/")[2] for i in source.image_ids} == {*names, "o.pgm", "p.pbm"}
    assert source.left_out.line("x") == (
        f"Left out of x: .heic files: 1 ({WNIDS[0]}/photo.heic); files without an extension: 1 ({WNIDS[0]}/without)."
    )
    geometry = Geometry(64, 64, "bilinear")
    pixels, failed = source.load(range(len(source)), geometry)
    assert failed == {}
    for found, image_id in zip(pixels, source.image_ids, strict=True):
        np.testing.assert_array_equal(found, oracle(tmp_path / image_id, geometry), err_msg=image_id)


def test_all_that_torchvision_lists_is_listed() -> None:
    assert set(IMG_EXTENSIONS) <= EXTENSIONS
