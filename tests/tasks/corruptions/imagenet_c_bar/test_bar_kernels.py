"""What each kernel must do whatever the draws, and the arithmetic below them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from vitobench.tasks.corruptions.imagenet_c_bar import arithmetic, waves
from vitobench.tasks.corruptions.imagenet_c_bar import clouds as checkerboard
from vitobench.tasks.corruptions.imagenet_c_bar import clouds as perlin
from vitobench.tasks.corruptions.imagenet_c_bar import clouds as plasma
from vitobench.tasks.corruptions.imagenet_c_bar import light as rays
from vitobench.tasks.corruptions.imagenet_c_bar import waves as spectral
from vitobench.tasks.corruptions.imagenet_c_bar.parameters import LEVELS, MODULES, parameters


@pytest.mark.parametrize("reach", [1, 30, 1000])
def test_sines_are_numpys(reach):
    x = np.random.default_rng(0).uniform(-reach, reach, 4000)
    for ours, theirs in ((arithmetic.sine, np.sin), (arithmetic.cosine, np.cos)):
        np.testing.assert_allclose([ours(value) for value in x], theirs(x), rtol=0, atol=2e-15 + 1e-16 * reach)


def test_arctangent_is_numpys():
    y, x = np.random.default_rng(0).normal(size=(2, 4000)) * 10.0 ** np.random.default_rng(1).integers(-6, 7, (2, 4000))
    special = np.array([[0, 0, 1, -1, 1, -1, 3, -3], [1, -1, 0, 0, 1, -1, -3, 3]], float)
    y, x = np.concatenate([[y, x], special], axis=1)
    ours = [arithmetic.arctangent(a, b) for a, b in zip(y, x, strict=True)]
    np.testing.assert_allclose(ours, np.arctan2(y, x), rtol=0, atol=1e-12)
    assert arithmetic.arctangent(0.0, 0.0) == 0


def test_bytes_are_clipped_and_truncated():
    values = [-3.0, -0.2, 0.0, 0.99, 1.0, 254.999, 255.0, 255.9, 1e9, -1e300]
    assert [arithmetic.to_byte(v) for v in values] == [0, 0, 0, 0, 1, 254, 255, 255, 255, 0]


def test_levels_are_the_published_table():
    assert LEVELS["caustic_refraction"] == (2.35, 3.2, 4.9, 6.6, 9.15)
    assert LEVELS["inverse_sparkles"] == (1, 2, 4, 9, 10)
    assert set(LEVELS) == {name for names in MODULES.values() for name in names}
    assert all(len(levels) == 5 and list(levels) == sorted(levels) for levels in LEVELS.values())
    assert sum(map(sum, LEVELS.values())) == pytest.approx(239.1)  # of the released imagenet_c_bar.csv


def test_only_lengths_scale_and_the_shorter_side_decides():
    assert parameters("sparkles", 5, 224, 224) == {"radius_px": pytest.approx(0.6 * 22.4)}
    assert parameters("sparkles", 5, 400, 112) == {"radius_px": pytest.approx(0.6 * 11.2)}
    lens = parameters("caustic_refraction", 1, 112, 112)
    assert lens == {"lens_px": pytest.approx(0.235 * 56), "lighting": pytest.approx(0.47)}
    for corruption in set(LEVELS) - {"sparkles", "caustic_refraction"}:
        assert parameters(corruption, 3, 16, 90) == parameters(corruption, 3, 224, 224)


@pytest.mark.parametrize("shape", [(60, 100), (100, 60)])
def test_rectangles_are_parts_of_squares(make_scene, shape):
    """What does not depend on the size of the image is the same for a part of it."""
    whole = make_scene(100, 100)
    part = np.ascontiguousarray(whole[: shape[0], : shape[1]])
    rng = np.random.default_rng(0)
    lengths = [rng.uniform(3, 20, count) for count in (50, 77)]
    board = rng.random((30, 30)) < 0.5
    cases = [
        (waves.render_single_frequency, {"right": 0.7, "down": -1.9, "phase": 1.0, "amplitude": 40.0}),
        (
            waves.render_cocentric_waves,
            {"centre_x": 50.2, "centre_y": 30.1, "waves": 4.4, "wave_px": 3.0, "ring_px": 8.0, "amplitude": 99.0},
        ),
        (
            plasma.render_plasma,
            {"moment": 3.0, "bendings": 5, "sharpness": 0.7, "scale_px": 12.0, "amplitude": 60.0},
        ),
        (checkerboard.render_checkerboard, {"angle": 0.4, "field_px": 11.0, "covered": board}),
        (rays.render_sparkles, {"centres": np.array([[10.5, 20.5], [50.1, 90.2]]), "lengths": lengths}),
        (rays.render_inverse_sparkles, {"centre": np.array([30.5, 40.5]), "lengths": lengths[0], "falloff": 0.5}),
    ]
    for function, told in cases:
        expected = function(whole, **told)[: shape[0], : shape[1]]
        np.testing.assert_array_equal(function(part, **told), expected)


def test_perlin_lattice_is_one_for_all_shapes_of_a_side(make_scene):
    wide = make_scene(64, 100)
    told = {"gradients": np.random.default_rng(0).normal(size=(256, 2)), "order": np.arange(256), "weight": 0.4}
    square = perlin.render_perlin(np.ascontiguousarray(wide[:, :64]), **told)
    np.testing.assert_array_equal(perlin.render_perlin(wide, **told)[:, :64], square)


def test_permutation_exchanges_from_the_last_place():
    assert perlin.permutation(np.array([0, 0, 0])).tolist() == [1, 2, 0]
    assert sorted(perlin.permutation(np.random.default_rng(0).integers(0, 256, 256))) == list(range(256))


@pytest.mark.parametrize("shape", [(96, 96), (48, 97), (97, 48)])
@pytest.mark.parametrize(("kind", "slope"), [("blue", 2.0), ("brown", -4.0)])
def test_spectra_have_their_colour(shape, kind, slope):
    """Power over frequency, on doubly logarithmic scales and in both directions."""
    rng = np.random.default_rng(0)
    power = np.zeros(shape)
    for _ in range(40):
        noise = spectral._noise(spectral._draw(rng, np.empty((*shape, 3))), kind, *shape)
        assert noise.std() == pytest.approx(1)
        power += np.abs(np.fft.fft2(noise)) ** 2
    for axis in (0, 1):
        line = power[:, 0] if axis == 0 else power[0]
        count = len(line)
        frequency = np.arange(1, count) / count
        near = (frequency > 5 / min(shape)) & (frequency < 0.45)
        found = np.polyfit(np.log(frequency[near]), np.log(line[1:][near]), 1)[0]
        assert found == pytest.approx(slope, abs=0.5)


def test_blue_noise_loses_the_share_of_a_normal_below_the_threshold():
    image = np.full((200, 150, 3), 200, np.uint8)
    for threshold in (-2.0, -0.8):
        lost = (spectral.blue_noise_sample(image, np.random.default_rng(0), threshold=threshold) == 0).mean()
        assert lost == pytest.approx(norm.cdf(threshold), rel=0.15)


def test_checkerboard_covers_half_of_the_share():
    image = np.zeros((64, 96, 3), np.uint8)
    rng = np.random.default_rng(0)
    covered = [(checkerboard.checkerboard_cutout(image, rng, share=0.6) == 128).mean() for _ in range(300)]
    assert np.mean(covered) == pytest.approx(0.3, abs=0.015)


def test_stars_are_white_at_their_centre_and_leave_the_image_elsewhere():
    image = np.full((64, 64, 3), 40, np.uint8)
    star = rays.render_sparkles(image, centres=np.array([[32.0, 20.0]]), lengths=[np.full(60, 4.0)])
    assert star[32, 20].tolist() == [255, 255, 255]
    assert star[32, 63].max() < 45
    inverse = rays.render_inverse_sparkles(image, centre=np.array([32.0, 20.0]), lengths=np.full(60, 10.0), falloff=1.3)
    assert inverse[32, 20].tolist() == [40, 40, 40]
    assert inverse[32, 63].min() > 190
