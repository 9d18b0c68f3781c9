from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitobench.errors import UnknownNameError
from vitobench.tasks.corruptions import SEVERITIES, corrupt, engine
from vitobench.tasks.corruptions.draws import generator
from vitobench.tasks.corruptions.imagenet_c_bar import CORRUPTIONS_BAR, VERSION_BAR


@pytest.fixture
def batch(make_scene):
    return np.stack([make_scene(48, 56, seed) for seed in range(4)])


def test_names_are_imagenet_c_bars():
    assert CORRUPTIONS_BAR == (
        "blue_noise_sample",
        "brownish_noise",
        "caustic_refraction",
        "checkerboard_cutout",
        "cocentric_sine_waves",
        "inverse_sparkles",
        "perlin_noise",
        "plasma_noise",
        "single_frequency_greyscale",
        "sparkles",
    )
    assert SEVERITIES == (1, 2, 3, 4, 5)
    assert VERSION_BAR >= 1


def test_corrupting_loads_only_what_the_package_requires():
    code = (
        "import sys, numpy as np; from vitobench.tasks.corruptions import corrupt\n"
        "from vitobench.tasks.corruptions.imagenet_c_bar import CORRUPTIONS_BAR\n"
        "x = np.full((1, 16, 16, 3), 90, np.uint8)\n"
        "for name in CORRUPTIONS_BAR: corrupt(x, name, 2, image_ids=['a'])\n"
        "print(sorted({'cv2', 'skimage', 'imagecorruptions', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
def test_id_and_seed_change_every_corruption(batch, corruption):
    same = np.repeat(batch[:1], 4, axis=0)
    one = corrupt(same, corruption, 4, image_ids=list("abcd"))
    other = corrupt(same, corruption, 4, image_ids=list("abcd"), seed=1)
    assert len({image.tobytes() for image in [*one, *other]}) == 8


def test_draws_depend_on_the_condition_and_the_image_alone(batch, monkeypatch):
    asked = []

    def record(*key):
        asked.append(key)
        return generator(*key)

    monkeypatch.setattr(engine, "generator", record)
    corrupt(batch[:2], "perlin_noise", np.int64(4), image_ids=["a", "b"], seed=7)
    assert asked == [(7, "a", "perlin_noise", 4), (7, "b", "perlin_noise", 4)]


@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
def test_effect_grows_with_severity(make_scene, corruption):
    images = np.stack([make_scene(64, 64, seed) for seed in range(24)])
    ids = [str(i) for i in range(len(images))]
    effect = [
        np.abs(corrupt(images, corruption, severity, image_ids=ids).astype(float) - images).mean()
        for severity in SEVERITIES
    ]
    assert effect[0] > 0.5
    assert effect[0] < effect[2] < effect[4]


@settings(deadline=None, max_examples=40)
@given(
    corruption=st.sampled_from(CORRUPTIONS_BAR),
    severity=st.sampled_from(SEVERITIES),
    height=st.integers(16, 400),
    width=st.integers(16, 400),
    fill=st.sampled_from(["noise", 0, 1, 128, 255]),
    seed=st.integers(-(2**70), 2**70),
    image_id=st.text(max_size=8),
)
def test_any_image_survives(corruption, severity, height, width, fill, seed, image_id):
    if fill == "noise":
        images = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    else:
        images = np.full((1, height, width, 3), fill, np.uint8)
    before = images.copy()
    with np.errstate(invalid="raise", divide="raise"):
        result = corrupt(images, corruption, severity, image_ids=[image_id], seed=seed)
    assert result.shape == images.shape
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
@pytest.mark.parametrize("shape", [(16, 16), (16, 400), (400, 17), (17, 33), (130, 300)])
def test_odd_shapes_survive(make_scene, corruption, shape):
    image = make_scene(*shape)[None]
    for severity in (1, 5):
        assert corrupt(image, corruption, severity, image_ids=["x"]).shape == image.shape


def test_accepts_views_read_only_and_empty_batches(make_scene):
    images = np.stack([make_scene(32, 32, seed) for seed in range(4)])
    images.flags.writeable = False
    name = "single_frequency_greyscale"
    expected = corrupt(images[::2, :, ::-1].copy(), name, 1, image_ids=["a", "b"])
    np.testing.assert_array_equal(corrupt(images[::2, :, ::-1], name, 1, image_ids=["a", "b"]), expected)
    np.testing.assert_array_equal(
        corrupt(images, name, 1, image_ids=list("abcd")),
        corrupt(images.copy(), name, 1, image_ids=list("abcd")),
    )
    assert corrupt(images[:0], name, 1, image_ids=[]).shape == (0, 32, 32, 3)


def test_mistakes_are_named():
    images = np.zeros((2, 32, 32, 3), np.uint8)
    ids = ["a", "b"]
    with pytest.raises(UnknownNameError, match="Did you mean 'plasma_noise'"):
        corrupt(images, "plasma_nose", 1, image_ids=ids)
    for severity in (0, 6, 2.5):
        with pytest.raises(ValueError, match="severity"):
            corrupt(images, "sparkles", severity, image_ids=ids)
    with pytest.raises(ValueError, match="uint8"):
        corrupt(images.astype(np.float32), "sparkles", 1, image_ids=ids)
    with pytest.raises(ValueError, match="shape"):
        corrupt(images.transpose(0, 3, 1, 2), "sparkles", 1, image_ids=ids)
    with pytest.raises(ValueError, match="at least 16"):
        corrupt(images[:, :15], "sparkles", 1, image_ids=ids)
    with pytest.raises(ValueError, match="image_ids"):
        corrupt(images, "sparkles", 1, image_ids=["a"])
    with pytest.raises(ValueError, match="image_ids"):
        corrupt(images, "sparkles", 1, image_ids="ab")
