"""Pixels of every crop mode beside ``timm.data.create_transform``, one for one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform

from vitobench.errors import DataError
from vitobench.models.spec import Preprocessing
from vitobench.tasks.images.depth import centre
from vitobench.tasks.images.geometry import CROP_MODES, INTERPOLATIONS, Geometry
from vitobench.tasks.images.reading import UndecodableImageError, decode, decode_content

OF_TIMM = [mode for mode in CROP_MODES if mode != "center-down"]
SHAPES = ((100, 200), (200, 100), (97, 101), (64, 64), (33, 34), (1, 1), (2, 3), (211, 37), (9, 400), (73, 74))
SIZES = ((56, 0.875), (61, 0.9), (48, 1.0), (27, 0.5), (60, 1.15), (47, 1.5))
MEAN = (0.485, 0.456, 0.406)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def by_timm(image: Image.Image, size: int, crop_pct: float, mode: str, interpolation: str) -> np.ndarray:
    made = create_transform(
        (3, size, size), crop_pct=crop_pct, crop_mode=mode, interpolation=interpolation, mean=MEAN, use_prefetcher=True
    )
    return made(image.convert("RGB")).numpy().transpose(1, 2, 0)


def preprocessing(size: int, crop_pct: float, mode: str, interpolation: str) -> Preprocessing:
    return Preprocessing(size, int(size / crop_pct), interpolation, MEAN, crop_mode=mode)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("mode", OF_TIMM)
def test_pixels_are_those_of_timm(mode: str, interpolation: str) -> None:
    for width, height in SHAPES:
        image = picture(width, height, width)
        stream = io.BytesIO()
        image.save(stream, "PNG")
        for size, crop_pct in SIZES:
            geometry = preprocessing(size, crop_pct, mode, interpolation).geometry
            found = decode_content(stream.getvalue(), Path("a.png"), geometry)
            wanted = by_timm(image, size, crop_pct, mode, interpolation)
            np.testing.assert_array_equal(found, wanted, err_msg=f"{width} x {height} to {geometry}")
            assert found.shape == (size, size, 3)
            assert found.flags.writeable


@pytest.mark.parametrize("mode", OF_TIMM)
def test_jpeg_files_that_need_no_resizing_are_cut_the_same(mode: str, tmp_path: Path) -> None:
    for shape in ((64, 64), (64, 50), (50, 64), (64, 90)):
        picture(*shape).save(tmp_path / "a.jpg", quality=90)
        for crop_pct in (1.0, 0.9):
            size = int(64 * crop_pct)
            geometry = preprocessing(size, size / 64, mode, "bicubic").geometry
            assert geometry.resize == 64
            wanted = by_timm(Image.open(tmp_path / "a.jpg"), size, size / 64, mode, "bicubic")
            np.testing.assert_array_equal(decode(tmp_path / "a.jpg", geometry), wanted)


@pytest.mark.parametrize("mode", OF_TIMM)
def test_photographs_come_out_as_in_timm(mode: str, photographs: Path) -> None:
    for path in sorted(photographs.glob("*/*"))[::25]:
        for size, crop_pct, interpolation in ((224, 0.875, "bilinear"), (384, 1.0, "bicubic")):
            geometry = preprocessing(size, crop_pct, mode, interpolation).geometry
            wanted = by_timm(Image.open(path), size, crop_pct, mode, interpolation)
            np.testing.assert_array_equal(decode(path, geometry), wanted, err_msg=path.name)


def test_half_pixels_are_rounded_down_where_that_is_asked() -> None:
    for width, height in SHAPES[:5]:
        image = picture(width, height, width)
        stream = io.BytesIO()
        image.save(stream, "PNG")
        for size, resize in ((56, 61), (27, 54), (48, 48)):
            ratio = resize / min(width, height)
            resized = image.resize((int(ratio * width + 1e-9), int(ratio * height + 1e-9)), Image.Resampling.BICUBIC)
            left, top = (resized.width - size) // 2, (resized.height - size) // 2
            wanted = np.asarray(resized)[top : top + size, left : left + size]
            found = decode_content(stream.getvalue(), Path("a.png"), Geometry(size, resize, "bicubic", "center-down"))
            np.testing.assert_array_equal(found, wanted, err_msg=f"{width} x {height} to {resize}, {size}")
    assert (Geometry(56, 61, "bicubic").start(63), Geometry(56, 61, "bicubic", "center-down").start(63)) == (4, 3)


def test_a_border_has_the_colour_of_the_mean_and_a_squashed_image_keeps_its_ends() -> None:
    stripes = np.full((20, 60, 3), 200, np.uint8)
    stripes[:, :10] = 10
    stream = io.BytesIO()
    Image.fromarray(stripes).save(stream, "PNG")
    shown = {
        mode: decode_content(stream.getvalue(), Path("a.png"), preprocessing(60, 1.0, mode, "bilinear").geometry)
        for mode in CROP_MODES
    }
    np.testing.assert_array_equal(shown["border"][20:40], stripes)
    assert (shown["border"][:20] == (124, 116, 104)).all()  # round(255 * mean)
    assert (shown["border"][40:] == (124, 116, 104)).all()
    assert (shown["squash"][:, :9] == 10).all()
    assert (shown["squash"][:, 11:] == 200).all()
    assert (shown["center"] == 200).all()  # the dark end lies outside of the central square


def test_a_strip_without_any_height_left_is_refused_as_timm_refuses_it() -> None:
    image = picture(400, 2)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    with pytest.raises(ValueError, match="must be > 0"):
        by_timm(image, 64, 1.0, "border", "bicubic")
    with pytest.raises(UndecodableImageError, match=r"elongated.*400 x 2"):
        decode_content(stream.getvalue(), Path("a.png"), preprocessing(64, 1.0, "border", "bicubic").geometry)


def test_depth_is_cut_where_its_image_is() -> None:
    depth = np.arange(20 * 40, dtype=np.float32).reshape(20, 40)
    np.testing.assert_array_equal(centre(depth, Geometry(20, 20, "bilinear")), depth[:, 10:30])
    np.testing.assert_array_equal(centre(depth, Geometry(20, 20, "bilinear", "squash")), depth[:, 1::2])
    enlarged = centre(depth, Geometry(20, 40, "bilinear", "squash"))
    np.testing.assert_array_equal(enlarged, depth.repeat(2, 0)[10:30, 10:30])
    with pytest.raises(DataError, match="border"):
        centre(depth, Geometry(40, 40, "bilinear", "border"))
    with pytest.raises(DataError, match="border"):  # of a single row
        centre(depth[:, :21], Geometry(21, 21, "bilinear", "border"))


def test_what_cannot_be_done_is_refused() -> None:
    for wrong, said in (
        ({"size": 0}, "sides of 1 or more, not size=0"),
        ({"resize": 0}, "resize=0"),
        ({"interpolation": "lanczos"}, "bilinear, bicubic, not 'lanczos'"),
        ({"crop_mode": "stretch"}, "center, squash, border, center-down, not 'stretch'"),
    ):
        with pytest.raises(ValueError, match=said):
            Geometry(**{"size": 64, "resize": 64, "interpolation": "bilinear", **wrong})


def test_models_that_differ_in_nothing_visible_share_images() -> None:
    one, other = Preprocessing(mean=(0.5,) * 3), Preprocessing()
    assert one.geometry == other.geometry
    assert Preprocessing(crop_mode="squash").geometry != other.geometry
    assert Preprocessing(crop_mode="border", mean=(0.5,) * 3).geometry.fill == (128, 128, 128)
    assert Geometry(64, 73, "bicubic", "squash").whole == Geometry(64, 64, "bicubic", "squash")
