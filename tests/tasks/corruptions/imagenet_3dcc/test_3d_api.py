from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitobench.errors import DataError, UnknownNameError
from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.imagenet_3dcc import CORRUPTIONS_3D, FAMILIES_3D, NEEDS_DEPTH, VERSION_3D
from vitobench.tasks.corruptions.imagenet_3dcc.parameters import CONSTANTS, FIELDS, parameters

RANDOM = {"near_focus", "far_focus", "xy_motion_blur", "iso_noise", "low_light", "bit_error"}
IDS = ["a", "b", "c", "d"]


def test_names_are_imagenet_3dccs():
    assert set(CORRUPTIONS_3D) == {
        "near_focus", "far_focus", "bit_error", "color_quant", "flash", "fog_3d", "h265_abr", "h265_crf", "iso_noise",
        "low_light", "xy_motion_blur", "z_motion_blur",
    }  # fmt: skip
    assert len(CORRUPTIONS_3D) == 12
    assert len(FAMILIES_3D) == 5
    assert {"near_focus", "far_focus", "fog_3d", "flash", "xy_motion_blur", "z_motion_blur"} == NEEDS_DEPTH
    assert VERSION_3D >= 1


def test_only_codecs_load_pyav_and_nothing_loads_opencv():
    code = (
        "import sys, numpy as np; from vitobench.tasks.corruptions import corrupt\n"
        "from vitobench.tasks.corruptions.imagenet_3dcc import *\n"
        "from vitobench.tasks.corruptions.imagenet_3dcc import FAMILIES_3D\n"
        "sys.modules['cv2'] = None\n"
        "x, d = np.full((1, 16, 16, 3), 90, np.uint8), np.ones((1, 16, 16), np.float32)\n"
        "for name in CORRUPTIONS_3D:\n"
        "    assert ('av' in sys.modules) == (name in FAMILIES_3D['video'] and name != 'bit_error'), name\n"
        "    corrupt(x, name, 2, image_ids=['a'], depths=d)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("corruption", CORRUPTIONS_3D)
def test_id_and_seed_change_random_corruptions_only(micro, corruption):
    same, depths = np.repeat(micro.images[:1], 6, axis=0), np.repeat(micro.depth[:1], 6, axis=0)
    one = corrupt(same, corruption, 4, image_ids=list("abcdef"), depths=depths)
    other = corrupt(same, corruption, 4, image_ids=list("abcdef"), depths=depths, seed=1)
    assert (len({image.tobytes() for image in one}) > 1) == (corruption in RANDOM)
    assert np.array_equal(one, other) == (corruption not in RANDOM)


@pytest.mark.parametrize("corruption", CORRUPTIONS_3D)
def test_effect_grows_with_severity(corruption):
    from vitobench.tasks.microworld.sets import MicroSet

    frames = MicroSet("val", 16).frames(range(16), 96)
    ids = [str(i) for i in range(16)]
    effect = []
    for severity in range(1, 6):
        changed = corrupt(frames.images, corruption, severity, image_ids=ids, depths=frames.depth)
        effect.append(np.abs(changed.astype(float) - frames.images).mean())
    assert min(effect) > 0.1
    if corruption in {"near_focus", "far_focus", "bit_error"}:
        # Which layer is sharp, and where an error falls, outweigh a step of severity.
        assert effect[4] > 1.4 * effect[0]
        assert np.polyfit(range(5), effect, 1)[0] > 0
    else:
        assert effect == sorted(effect)


@pytest.mark.parametrize("corruption", sorted(NEEDS_DEPTH))
def test_unit_of_depth_does_not_matter(micro, corruption):
    metres = corrupt(micro.images, corruption, 4, image_ids=IDS, depths=micro.depth)
    units = corrupt(micro.images, corruption, 4, image_ids=IDS, depths=micro.depth * np.float32(1024))
    np.testing.assert_array_equal(metres, units)


@pytest.mark.parametrize("corruption", sorted(NEEDS_DEPTH))
def test_infinite_sky_is_like_a_far_one(micro, corruption):
    sky = micro.depth > np.quantile(micro.depth, 0.8)  # the world has a wall there
    assert sky.any()
    far = np.where(sky, np.float32(1e6), micro.depth)
    infinite = np.where(sky, np.float32(np.inf), micro.depth)
    one = corrupt(micro.images, corruption, 3, image_ids=IDS, depths=far)
    other = corrupt(micro.images, corruption, 3, image_ids=IDS, depths=infinite)
    assert np.abs(one.astype(int) - other).max() <= 1
    nothing = np.full(micro.depth.shape, np.inf, np.float32)
    assert corrupt(micro.images, corruption, 3, image_ids=IDS, depths=nothing).shape == micro.images.shape


@settings(deadline=None, max_examples=40)
@given(
    corruption=st.sampled_from(CORRUPTIONS_3D),
    severity=st.integers(1, 5),
    height=st.integers(16, 300),
    width=st.integers(16, 300),
    fill=st.sampled_from(["noise", 0, 255]),
    scale=st.sampled_from([1e-38, 1e-3, 1.0, 1e4, 1e37]),
    spread=st.sampled_from([0.0, 0.1, 3.0, 30.0]),
    sky=st.booleans(),
    seed=st.integers(-(2**70), 2**70),
    image_id=st.text(max_size=8),
)
def test_any_image_and_depth_survive(corruption, severity, height, width, fill, scale, spread, sky, seed, image_id):
    rng = np.random.default_rng(0)
    if fill == "noise":
        images = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    else:
        images = np.full((1, height, width, 3), fill, np.uint8)
    logarithm = np.clip(np.log(scale) + spread * rng.standard_normal((1, height, width)), -87, 88)
    depths = np.exp(logarithm).astype(np.float32)
    if sky:
        depths[:, : height // 2] = np.inf
    with np.errstate(invalid="raise", divide="raise"):
        result = corrupt(images, corruption, severity, image_ids=[image_id], depths=depths, seed=seed)
    assert result.shape == images.shape
    assert result.dtype == np.uint8


@pytest.mark.parametrize("corruption", sorted(NEEDS_DEPTH))
def test_a_flat_image_stays_flat_where_light_does_not_change(corruption):
    image = np.full((1, 60, 70, 3), 77, np.uint8)
    depth = np.random.default_rng(0).uniform(1, 9, (1, 60, 70)).astype(np.float32)
    result = corrupt(image, corruption, 5, image_ids=["x"], depths=depth)
    if corruption == "flash":
        assert (result >= image).all()
    else:
        assert np.abs(result.astype(int) - 77).max() <= 1


def test_accepts_views_read_only_and_empty_batches(micro):
    images, depths = micro.images.copy(), micro.depth.copy()
    images.flags.writeable = depths.flags.writeable = False
    for name in ("near_focus", "z_motion_blur", "h265_crf"):
        view, depth_view = images[::2, :, ::-1], depths[::2, :, ::-1]
        expected = corrupt(view.copy(), name, 1, image_ids=["a", "b"], depths=depth_view.copy())
        np.testing.assert_array_equal(corrupt(view, name, 1, image_ids=["a", "b"], depths=depth_view), expected)
        assert corrupt(images[:0], name, 1, image_ids=[], depths=depths[:0]).shape == (0, 64, 64, 3)


def test_mistakes_are_named():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    depths = np.ones((2, 32, 32), np.float32)
    with pytest.raises(UnknownNameError, match="Did you mean 'fog_3d'"):
        corrupt(images, "fog3d", 1, image_ids=["a", "b"])
    for severity in (0, 6, 2.5):
        with pytest.raises(ValueError, match="severity"):
            corrupt(images, "color_quant", severity, image_ids=["a", "b"])
    with pytest.raises(ValueError, match="uint8"):
        corrupt(images.astype(np.float32), "color_quant", 1, image_ids=["a", "b"])
    with pytest.raises(ValueError, match="shape"):
        corrupt(images.transpose(0, 3, 1, 2), "color_quant", 1, image_ids=["a", "b"])
    with pytest.raises(ValueError, match="at least 16"):
        corrupt(images[:, :15], "color_quant", 1, image_ids=["a", "b"])
    with pytest.raises(ValueError, match="image_ids"):
        corrupt(images, "color_quant", 1, image_ids=["a"])
    with pytest.raises(ValueError, match="image_ids"):
        corrupt(images, "color_quant", 1, image_ids="ab")
    with pytest.raises(DataError, match="fog_3d needs a depth map"):
        corrupt(images, "fog_3d", 1, image_ids=["a", "b"])
    with pytest.raises(ValueError, match="depths must be a float array"):
        corrupt(images, "fog_3d", 1, image_ids=["a", "b"], depths=depths.astype(int))
    with pytest.raises(ValueError, match="depths must have the shape"):
        corrupt(images, "fog_3d", 1, image_ids=["a", "b"], depths=depths[:1])


@pytest.mark.parametrize(("value", "word"), [(np.nan, "1 NaN"), (0.0, "1 zero"), (-1.0, "1 negative")])
@pytest.mark.parametrize("corruption", sorted(NEEDS_DEPTH))
def test_impossible_depth_names_the_image(micro, corruption, value, word):
    depths = micro.depth.copy()
    depths[2, 5, 7] = value
    with pytest.raises(DataError, match=f"image 'c' .*{word}"):
        corrupt(micro.images, corruption, 1, image_ids=IDS, depths=depths)


def test_constants_have_five_rows_and_only_lengths_scale():
    assert set(CONSTANTS) == set(FIELDS) == set(CORRUPTIONS_3D)
    assert all(len(rows) == 5 for rows in CONSTANTS.values())
    assert parameters("near_focus", 1, 224, 224) == {"aperture_px": 3}
    assert parameters("near_focus", 1, 448, 900) == {"aperture_px": 6}
    assert parameters("fog_3d", 5, 64, 64) == {"attenuation": 2.0}
