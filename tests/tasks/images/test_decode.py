"""The decoder beside Pillow's own ``Image.open(...).convert("RGB")``, on whole, strange and damaged files."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError, features
from torchvision.transforms import v2

from vitobench.tasks.images import reading as images
from vitobench.tasks.images import reading as jpeg
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import CHANGED, UndecodableImageError, decode

with_same_library = pytest.mark.skipif(
    not features.check_feature("libjpeg_turbo"),
    reason="this Pillow is not built on libjpeg-turbo: it decodes all files",
)
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GEOMETRY = Geometry(28, 32, "bilinear")
NO_IMAGE = "not an image of a format that is read (AVIF, BMP, GIF, JPEG, JPEG2000, PNG, PPM, TIFF, WEBP)"


@pytest.fixture(scope="module", autouse=True)
def _room_for_the_encoder() -> Iterator[None]:
    """Pillow's default buffer is too small for a progressive file of noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageFile, "MAXBLOCK", 2**22)
        yield


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours with noise on top, so that no block and no chroma sample is like its neighbour."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 6 + 1, width // 6 + 1, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return Image.fromarray((smooth + rng.integers(-20, 21, smooth.shape)).clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    handle = io.BytesIO()
    image.save(handle, format, **options)
    return handle.getvalue()


@st.composite
def jpegs(draw: st.DrawFn, modes: tuple[str, ...] = ("RGB", "RGB", "L", "CMYK"), largest: int = 300) -> bytes:
    """JPEG files of every kind that Pillow writes."""
    side = st.integers(1, largest)
    options: dict[str, object] = {
        "quality": draw(st.integers(1, 100)),
        "progressive": draw(st.booleans()),
        "optimize": draw(st.booleans()),
    }
    mode = draw(st.sampled_from(modes))
    if mode == "RGB":
        options["subsampling"] = draw(st.sampled_from(["4:4:4", "4:2:2", "4:2:0"]))
    if draw(st.booleans()):
        options["restart_marker_blocks"] = draw(st.integers(1, 9))
    if draw(st.booleans()):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = draw(st.integers(1, 8))
    if draw(st.booleans()):
        options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if draw(st.booleans()):
        options["comment"] = "\xff\xd9 a marker inside a comment"
    return saved(picture(draw(side), draw(side), draw(st.integers(0, 99))).convert(mode), **options)


def by_pillow(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def plainly(content: bytes) -> np.ndarray | None:
    return jpeg.decode_plain(content, Image.open(io.BytesIO(content)))


def fitting(content: bytes) -> Geometry:
    """A geometry for which the image needs no resizing."""
    side = min(Image.open(io.BytesIO(content)).size)
    return Geometry(side, side, "bilinear")


def verdict_of_pillow(path: Path, geometry: Geometry) -> str | np.ndarray:
    """What Pillow says of a file, or its pixels after torchvision's resize and crop."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=images.FORMATS) as image:
                width, height = image.size
                if geometry.resize**2 * max(width, height) / min(width, height) > 2**27:
                    return f"too elongated to be resized ({width} x {height} pixels)"
                rgb = image.convert("RGB")
    except UnidentifiedImageError:
        return NO_IMAGE if path.stat().st_size else "empty file"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"more than the {Image.MAX_IMAGE_PIXELS} pixels that are allowed"
    except OSError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    resize = v2.Resize(geometry.resize, v2.InterpolationMode(geometry.interpolation))
    return np.asarray(v2.CenterCrop(geometry.size)(resize(rgb)))


def our_verdict(path: Path, geometry: Geometry) -> str | np.ndarray:
    try:
        return decode(path, geometry)
    except UndecodableImageError as error:
        return f"{error.reason}{', for the moment' if error.transient else ''}"


def assert_same_verdict(path: Path, geometry: Geometry = GEOMETRY) -> bool:
    """Whether the file was accepted, by both."""
    expected, ours = verdict_of_pillow(path, geometry), our_verdict(path, geometry)
    if isinstance(expected, str) or isinstance(ours, str):
        assert isinstance(ours, str), f"accepted, but Pillow says {expected}"
        assert ours == expected
        return False
    np.testing.assert_array_equal(ours, expected)
    return True


@with_same_library
@many
@given(jpegs(modes=("RGB", "RGB", "L")))
def test_plain_files_are_pixel_identical(content: bytes) -> None:
    pixels = plainly(content)
    assert pixels is not None  # no detour over Pillow
    np.testing.assert_array_equal(pixels, by_pillow(content))
    assert pixels.dtype == np.uint8


@with_same_library
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_small_and_odd_sizes_are_pixel_identical(subsampling: str, progressive: bool) -> None:
    for width in (1, 2, 3, 7, 8, 9, 15, 16, 17, 33):
        for height in (1, 2, 3, 8, 15, 16, 17, 31):
            content = saved(picture(width, height), subsampling=subsampling, progressive=progressive, quality=90)
            np.testing.assert_array_equal(plainly(content), by_pillow(content))


@with_same_library
@pytest.mark.parametrize("quality", range(1, 101))
def test_every_quality_is_pixel_identical(quality: int) -> None:
    for subsampling in ("4:4:4", "4:2:0"):
        content = saved(picture(61, 43, quality), quality=quality, subsampling=subsampling)
        np.testing.assert_array_equal(plainly(content), by_pillow(content))


@with_same_library
def test_real_photographs_are_pixel_identical(photographs: Path) -> None:
    paths = sorted(photographs.glob("*/*"))
    assert len(paths) >= 100
    plain = 0
    for path in paths:
        content = path.read_bytes()
        pixels = plainly(content)
        if pixels is not None:
            plain += 1
            np.testing.assert_array_equal(pixels, by_pillow(content))
    assert plain > 0.9 * len(paths)


def adobe(content: bytes, transform: int) -> bytes:
    place = content.index(b"Adobe") + 11
    return content[:place] + bytes([transform]) + content[place + 1 :]


def without_adobe(content: bytes) -> bytes:
    start = content.index(b"\xff\xee")
    return content[:start] + content[start + 2 + int.from_bytes(content[start + 2 : start + 4], "big") :]


STRANGE = {
    "CMYK": lambda: saved(picture(50, 41).convert("CMYK")),
    "YCCK": lambda: adobe(saved(picture(50, 41).convert("CMYK")), 2),
    "CMYK without Adobe's marker": lambda: without_adobe(saved(picture(50, 41).convert("CMYK"))),
    "RGB by Adobe's marker": lambda: saved(picture(50, 41), keep_rgb=True),
    "RGB by its component names": lambda: without_adobe(saved(picture(50, 41), keep_rgb=True)),
    "4:4:0": lambda: simplejpeg.encode_jpeg(np.asarray(picture(50, 41)), colorsubsampling="440"),
    "4:1:1": lambda: simplejpeg.encode_jpeg(np.asarray(picture(50, 41)), colorsubsampling="411"),
    "padded markers": lambda: saved(picture(50, 41)).replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
    "PNG": lambda: saved(picture(50, 41), "PNG"),
    "WebP": lambda: saved(picture(50, 41), "WEBP"),
    "BMP": lambda: saved(picture(50, 41), "BMP"),
    "GIF": lambda: saved(picture(50, 41), "GIF"),
    "TIFF": lambda: saved(picture(50, 41), "TIFF", compression="jpeg"),
    "MPO": lambda: saved(picture(50, 41), "MPO", save_all=True, append_images=[picture(20, 20, 1)]),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_other_files_are_left_to_pillow(kind: str, tmp_path: Path) -> None:
    content = STRANGE[kind]()
    assert plainly(content) is None
    (tmp_path / "a.jpg").write_bytes(content)
    assert assert_same_verdict(tmp_path / "a.jpg", fitting(content))


def test_a_library_of_another_kind_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "_SAME_LIBRARY", False)
    assert plainly(saved(picture(20, 20))) is None


def test_grey_with_odd_sampling_factors_is_pixel_identical(tmp_path: Path) -> None:
    content = saved(picture(50, 41).convert("L"))
    frame = content.index(b"\xff\xc0")
    content = content[: frame + 11] + b"\x22" + content[frame + 12 :]
    (tmp_path / "a.jpg").write_bytes(content)
    assert assert_same_verdict(tmp_path / "a.jpg", fitting(content))


@many
@given(content=jpegs(largest=90), data=st.data())
def test_truncated_files_meet_pillows_verdict(content: bytes, data: st.DataObject, tmp_path: Path) -> None:
    kept = data.draw(st.one_of(st.integers(0, len(content)), st.integers(len(content) - 12, len(content))))
    ending = data.draw(st.sampled_from([b"", b"", b"\xff\xd9", b"\xff", b"\0" * 40]))
    (tmp_path / "a.jpg").write_bytes(content[:kept] + ending)
    for geometry in (fitting(content), GEOMETRY):
        assert_same_verdict(tmp_path / "a.jpg", geometry)


@many
@given(content=jpegs(largest=90), data=st.data())
def test_corrupted_files_meet_pillows_verdict(content: bytes, data: st.DataObject, tmp_path: Path) -> None:
    damaged = bytearray(content)
    scan = content.index(b"\xff\xda")
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.sampled_from([2, scan]))
        place = data.draw(st.integers(start, len(damaged) - 1))
        if data.draw(st.booleans()):
            damaged[place] = data.draw(st.integers(0, 255))
        else:
            del damaged[place : place + data.draw(st.integers(1, 9))]
        if len(damaged) <= scan:
            break
    (tmp_path / "a.jpg").write_bytes(damaged)
    for geometry in (fitting(content), GEOMETRY):
        assert_same_verdict(tmp_path / "a.jpg", geometry)


@pytest.mark.parametrize("progressive", [False, True])
def test_every_cut_meets_pillows_verdict(progressive: bool, tmp_path: Path) -> None:
    content = saved(picture(24, 17), progressive=progressive)
    accepted = []
    for kept in range(len(content) + 1):
        (tmp_path / "a.jpg").write_bytes(content[:kept])
        accepted.append(assert_same_verdict(tmp_path / "a.jpg", fitting(content)))
    assert accepted[-1]
    assert not any(accepted[: len(content) // 2])


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP", "GIF"])
def test_other_formats_are_refused_or_accepted_as_by_pillow(format: str, tmp_path: Path) -> None:
    content = saved(picture(24, 17), format)
    for kept in (1, 20, len(content) // 2, len(content) - 20, len(content)):
        (tmp_path / "a.jpg").write_bytes(content[:kept])
        expected = verdict_of_pillow(tmp_path / "a.jpg", GEOMETRY)
        if isinstance(expected, str):  # Pillow maps a BMP into memory only by name, and then words it differently
            with pytest.raises(UndecodableImageError) as caught:
                decode(tmp_path / "a.jpg", GEOMETRY)
            assert not caught.value.transient
        else:
            np.testing.assert_array_equal(decode(tmp_path / "a.jpg", GEOMETRY), expected)


@with_same_library
def test_truncated_files_are_accepted_where_pillow_was_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(picture(60, 60))
    (tmp_path / "a.jpg").write_bytes(content[: len(content) * 2 // 3])
    assert not assert_same_verdict(tmp_path / "a.jpg", fitting(content))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert assert_same_verdict(tmp_path / "a.jpg", fitting(content))


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the decoders that were called, by which anything large is allocated."""
    called: list[str] = []
    real, load = simplejpeg.decode_jpeg, ImageFile.ImageFile.load
    monkeypatch.setattr(simplejpeg, "decode_jpeg", lambda *a, **k: called.append("simplejpeg") or real(*a, **k))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: called.append("Pillow") or load(self))
    return called


@with_same_library
def test_what_needs_no_resizing_does_without_pillows_decoder(tmp_path: Path, decoders: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(picture(32, 40)))
    decode(tmp_path / "a.jpg", Geometry(28, 32, "bilinear"))
    assert decoders == ["simplejpeg"]
    decoders.clear()
    decode(tmp_path / "a.jpg", Geometry(28, 33, "bilinear"))
    assert set(decoders) == {"Pillow"}


@pytest.mark.parametrize("side", [5, 50])
def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoders: list[str], side: int
) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(picture(side, side)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)
    with pytest.raises(UndecodableImageError, match="16 pixels") as caught:
        decode(tmp_path / "a.jpg", Geometry(side, side, "bilinear"))
    assert not caught.value.transient
    assert decoders == []


def test_an_endless_strip_is_refused_before_it_is_decoded(tmp_path: Path, decoders: list[str]) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(Image.new("RGB", (1, 60_000))))
    with pytest.raises(UndecodableImageError, match=r"elongated.*\(1 x 60000 pixels\)"):
        decode(tmp_path / "a.jpg", Geometry(224, 256, "bilinear"))
    assert decoders == []


def test_an_enormous_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(picture(50, 50)))
    monkeypatch.setattr(images, "_MAX_FILE_BYTES", 100)
    with pytest.raises(UndecodableImageError, match="more than 100 bytes") as caught:
        decode(tmp_path / "a.jpg", GEOMETRY)
    assert not caught.value.transient


@pytest.mark.parametrize("size", [(32, 32), (32, 47), (50, 32)])
def test_an_image_of_the_right_size_is_only_cut(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.jpg").write_bytes(saved(picture(*size)))
    assert assert_same_verdict(tmp_path / "a.jpg")
    pixels = decode(tmp_path / "a.jpg", GEOMETRY)
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


def test_a_failing_disk_is_the_moments_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    for path, number in ((tmp_path / "absent.jpg", errno.ENOENT), (loop, errno.ELOOP), (tmp_path, errno.EISDIR)):
        with pytest.raises(UndecodableImageError) as caught:
            decode(path, GEOMETRY)
        assert caught.value.reason == os.strerror(number)
        assert caught.value.transient
    (tmp_path / "a.jpg").write_bytes(saved(picture(50, 50)))
    for number in (errno.EIO, errno.ESTALE, errno.EACCES):

        def refuse(*args: object, number: int = number, **more: object) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", refuse)
            with pytest.raises(UndecodableImageError) as caught:
                decode(tmp_path / "a.jpg", GEOMETRY)
        assert caught.value.reason == os.strerror(number)
        assert caught.value.transient


def test_want_of_memory_is_the_moments_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: object, **more: object) -> None:
        raise MemoryError("no more")

    (tmp_path / "a.png").write_bytes(saved(picture(50, 50), "PNG"))
    monkeypatch.setattr(Image.Image, "convert", exhausted)
    with pytest.raises(UndecodableImageError, match="MemoryError") as caught:
        decode(tmp_path / "a.png", GEOMETRY)
    assert caught.value.transient


def test_a_file_other_than_the_hashed_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(picture(50, 50)))
    hashed_as = hashlib.sha256(path.read_bytes()).hexdigest()
    for enough in (hashed_as, hashed_as[:16]):
        np.testing.assert_array_equal(decode(path, GEOMETRY, enough), decode(path, GEOMETRY))
    for other in (hashlib.sha256(b"other").hexdigest(), hashed_as[:15] + "x", "unreadable"):
        with pytest.raises(UndecodableImageError) as caught:
            decode(path, GEOMETRY, other)
        assert (caught.value.reason, caught.value.transient) == (CHANGED, True)


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    paths = []
    for n in range(24):
        paths.append(tmp_path / f"{n}.jpg")
        paths[-1].write_bytes(saved(picture(150 + n, 120, n), quality=60 + n, progressive=n % 3 == 0))
    geometry = Geometry(100, 120, "bilinear")
    alone = [decode(path, geometry) for path in paths]
    for path, pixels in zip(paths, alone, strict=True):
        np.testing.assert_array_equal(pixels, verdict_of_pillow(path, geometry))
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda path: decode(path, geometry), paths * 8))
    for n, pixels in enumerate(together):
        np.testing.assert_array_equal(pixels, alone[n % 24])


@with_same_library
def test_other_threads_run_while_a_file_is_decoded() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), quality=95)
    header = Image.open(io.BytesIO(content))
    work = threading.Thread(target=lambda: jpeg.decode_plain(content, header))
    turns = 0
    work.start()
    while work.is_alive():
        time.sleep(0.001)
        turns += 1
    assert turns > 10  # it takes about a hundred milliseconds; with the interpreter held there would be a turn or two
