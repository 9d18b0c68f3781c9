from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.images.depth import DepthFolder, centre
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.reading import decode

GEOMETRY = Geometry(64, 80, "bilinear")
ID = "n01440764/one.JPEG"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "n01440764").mkdir()
    return tmp_path


def depth_map(height, width):
    y, x = np.mgrid[:height, :width]
    return (1 + 0.01 * y + 0.02 * x).astype(np.float32)


@pytest.mark.parametrize("shape", [(100, 150), (151, 100), (375, 500), (80, 80), (40, 61)])
@pytest.mark.parametrize("geometry", [GEOMETRY, Geometry(224, 256, "bicubic"), Geometry(33, 33, "bilinear")])
def test_depth_lies_on_its_image(tmp_path, shape, geometry):
    """An image whose grey is its depth, decoded as every image is, shows the same scene as the depth that was read."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    value = (128 + 100 * np.sin(9 * x / shape[1] + 1) * np.sin(9 * y / shape[0])).astype(np.uint8)
    Image.fromarray(value).save(tmp_path / "image.png")
    seen = decode(tmp_path / "image.png", geometry)[..., 0].astype(float)
    kept = centre(value.astype(np.float32), geometry)
    assert kept.shape == seen.shape

    def distance(down, right):
        return np.abs(kept - np.roll(seen, (down, right), (0, 1)))[8:-8, 8:-8].mean()

    step = -(-geometry.resize // min(shape))  # one pixel of the source or of the result, whichever is coarser
    shifted = min(distance(*by) for by in ((step, 0), (-step, 0), (0, step), (0, -step)))
    assert distance(0, 0) < 0.75 * shifted


def test_a_map_of_another_resolution_shows_the_same_scene():
    large, small = depth_map(600, 900), depth_map(200, 300)
    scaled = 1 + (large - 1) / 3
    assert np.abs(centre(scaled, GEOMETRY) - centre(small, GEOMETRY)).max() < 0.04


def test_npy_and_png_agree_and_the_sky_is_infinite(folder):
    depth = depth_map(100, 140)
    depth[:30] = np.inf
    np.save(folder / "n01440764" / "one.npy", depth)
    millimetres = np.where(np.isinf(depth), 65535, np.rint(depth * 1000)).astype(np.uint16)
    Image.fromarray(millimetres).save(folder / "n01440764" / "two.png")
    loaded = DepthFolder(folder).load([ID, "n01440764/two.JPEG"], GEOMETRY)
    assert loaded.shape == (2, 64, 64)
    assert loaded.dtype == np.float32
    assert np.isinf(loaded).any()
    np.testing.assert_allclose(loaded[1], loaded[0], atol=6e-4)
    halves = DepthFolder(folder, png_scale=500).load(["n01440764/two.JPEG"], GEOMETRY)
    np.testing.assert_allclose(halves[0], 2 * loaded[1], rtol=1e-6)


def test_every_value_is_one_that_was_measured(folder):
    depth = np.where(np.arange(130) < 65, 1.0, 50.0).astype(np.float32)[None].repeat(100, 0)
    np.save(folder / "n01440764" / "one.npy", depth)
    assert set(np.unique(DepthFolder(folder).load([ID], GEOMETRY))) == {1.0, 50.0}


def test_holes_are_named_when_they_are_used(folder):
    depth = np.full((90, 90), 2000, np.uint16)
    depth[40:50, 40:50] = 0
    Image.fromarray(depth).save(folder / "n01440764" / "one.png")
    loaded = DepthFolder(folder).load([ID], GEOMETRY)
    images = np.full((1, 64, 64, 3), 90, np.uint8)
    with pytest.raises(DataError, match=r"one\.JPEG.* zero"):
        corrupt(images, "fog_3d", 1, image_ids=[ID], depths=loaded)


def test_mistakes_are_named(folder):
    with pytest.raises(DataError, match="does not exist"):
        DepthFolder(folder / "nowhere")
    with pytest.raises(ValueError, match="png_scale"):
        DepthFolder(folder, png_scale=0)
    depths = DepthFolder(folder)
    with pytest.raises(DataError, match=r"no depth map for image 'n01440764/one\.JPEG'.*one\.npy.*one\.png"):
        depths.load([ID], GEOMETRY)
    with pytest.raises(DataError, match="is not the path of an image"):
        depths.load(["../secret.JPEG"], GEOMETRY)
    path = folder / "n01440764" / "one.npy"
    for content, message in [
        (np.zeros((4, 4, 3), np.float32), "one value a pixel"),
        (np.zeros((0, 4), np.float32), "one value a pixel"),
        (np.zeros((4, 4), np.int64), "holds floats"),
    ]:
        np.save(path, content)
        with pytest.raises(DataError, match=message):
            depths.load([ID], GEOMETRY)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        depths.load([ID], GEOMETRY)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read"):
        depths.load([ID], GEOMETRY)
    path.unlink()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path.with_suffix(".png"))
    with pytest.raises(DataError, match="not a 16-bit file"):
        depths.load([ID], GEOMETRY)
    path.with_suffix(".png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="cannot be read"):
        depths.load([ID], GEOMETRY)


def test_a_map_of_another_shape_than_its_image_is_refused(folder, tmp_path_factory):
    images = tmp_path_factory.mktemp("images")
    (images / "n01440764").mkdir()
    Image.new("RGB", (200, 100)).save(images / "n01440764" / "one.JPEG")
    np.save(folder / "n01440764" / "one.npy", depth_map(384, 384))
    assert DepthFolder(folder).load([ID], GEOMETRY).shape == (1, 64, 64)
    with pytest.raises(DataError, match="384 x 384 pixels, but its image is 200 x 100"):
        DepthFolder(folder, images=images).load([ID], GEOMETRY)
    np.save(folder / "n01440764" / "one.npy", depth_map(384, 768))
    assert DepthFolder(folder, images=images).load([ID], GEOMETRY).shape == (1, 64, 64)
    (images / "n01440764" / "one.JPEG").unlink()
    with pytest.raises(DataError, match="the image of"):
        DepthFolder(folder, images=images).load([ID], GEOMETRY)
