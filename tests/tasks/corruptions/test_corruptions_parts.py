"""Parts of the kernels against the libraries whose work they repeat, and the random laws against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
from PIL import Image

from vitobench.tasks.corruptions import SEVERITIES, corrupt
from vitobench.tasks.corruptions import filters as jpeg
from vitobench.tasks.corruptions.draws import CounterDraws, generator
from vitobench.tasks.corruptions.imagenet_c.blur import weights_of
from vitobench.tasks.corruptions.imagenet_c.digital import pixelate
from vitobench.tasks.corruptions.imagenet_c.elastic import smooth
from vitobench.tasks.corruptions.imagenet_c.noise import (
    _gaussian_law,
    _impulse_law,
    _shot_law,
    _speckle_law,
    _table,
    gaussian_noise,
    redraw,
    shot_noise,
)
from vitobench.tasks.corruptions.imagenet_c.parameters import LARGE_SET, SMALL_SET, parameters
from vitobench.tasks.corruptions.imagenet_c.spatter import edges, rims


@pytest.fixture(scope="module")
def cv2(published):
    return published.cv2


def draws(name="a"):
    return CounterDraws(lambda: generator(0, name, "test", 1))


def test_words_are_the_generators_own_output():
    raw = generator(0, "a", "test", 1).bit_generator.random_raw(501)
    np.testing.assert_array_equal(draws().words(1001), raw)
    np.testing.assert_array_equal(draws().words(1002), raw)


def test_the_generator_is_keyed_philox():
    import hashlib

    key = hashlib.blake2b(b'[3, "x", "fog", 2]', digest_size=16).digest()
    expected = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(8)
    np.testing.assert_array_equal(generator(3, "x", "fog", 2).bit_generator.random_raw(8), expected)


def as_words(words):
    """Two 32-bit words to an element."""
    words = np.asarray(words, np.uint64)
    return words[::2] | words[1::2] << np.uint64(32)


@pytest.mark.parametrize("photons", [60, 3, 250])
def test_shot_noise_inverts_the_poisson_law(photons):
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    words = rng.integers(0, 1 << 32, image.size)
    counts = scipy.stats.poisson.ppf((words + 0.5) / 2**32, image.ravel() / 255 * photons)
    counts[image.ravel() == 0] = 0
    ours = redraw(image, as_words(words), _table(_shot_law, float(photons)))
    np.testing.assert_array_equal(ours.ravel(), np.uint8(np.clip(counts / photons, 0, 1) * 255))


@pytest.mark.parametrize(("law", "power"), [(_gaussian_law, 0), (_speckle_law, 1)])
@pytest.mark.parametrize("deviation", [0.08, 0.6])
def test_gaussian_and_speckle_noise_invert_the_normal_law(law, power, deviation):
    rng = np.random.default_rng(6)
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    words = rng.integers(0, 1 << 32, image.size)
    unit = image.ravel() / 255
    noisy = unit + unit**power * deviation * scipy.stats.norm.ppf((words + 0.5) / 2**32)
    ours = redraw(image, as_words(words), _table(law, deviation)).ravel()
    np.testing.assert_array_equal(ours, np.uint8(np.clip(noisy, 0, 1) * 255))


def test_the_extreme_words_give_the_extreme_levels():
    values = np.repeat(np.arange(256, dtype=np.uint8), 2)
    words = as_words(np.tile([0, 2**32 - 1], 256))
    for law, parameter in ((_gaussian_law, 0.08), (_gaussian_law, 0.04), (_speckle_law, 0.6), (_impulse_law, 0.03)):
        ends = redraw(values, words, _table(law, parameter)).reshape(256, 2).astype(int)
        assert (ends[:, 0] <= np.arange(256)).all()
        assert (ends[:, 1] >= np.arange(256)).all()
    assert (redraw(values, words, _table(_impulse_law, 0.03)).reshape(256, 2) == [0, 255]).all()
    assert (redraw(values, words, _table(_shot_law, 3.0))[:2] == 0).all()  # black has no photons


@pytest.mark.parametrize("published_set", [LARGE_SET, SMALL_SET])
def test_noise_has_the_law_of_its_definition(published_set):
    """Chi-square of drawn levels at one value, against numpy's own samplers put through the definition."""
    rng = np.random.default_rng(11)
    for value in (12, 130, 250):
        image = np.full((300, 300, 3), value, np.uint8)
        for severity in (1, 3, 5):
            photons = published_set["shot_noise"][severity - 1][0]
            deviation = published_set["gaussian_noise"][severity - 1][0]
            for ours, theirs in (
                (shot_noise(image, draws(), photons=photons), rng.poisson(value / 255 * photons, image.size) / photons),
                (
                    gaussian_noise(image, draws(), deviation=deviation),
                    value / 255 + rng.normal(0, deviation, image.size),
                ),
            ):
                counts = np.stack(
                    [
                        np.bincount(ours.ravel(), minlength=256),
                        np.bincount(np.uint8(np.clip(theirs, 0, 1) * 255), minlength=256),
                    ]
                )
                counts = counts[:, counts.sum(axis=0) > 20]
                assert scipy.stats.chi2_contingency(counts).pvalue > 1e-4


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_has_its_law(severity):
    grey = np.full((224, 224, 3), 100, np.uint8)
    ours = corrupt(grey[None], "impulse_noise", severity, image_ids=["a"])[0]
    share = parameters("impulse_noise", severity, 224, 224)["share"]
    error = 4 * np.sqrt(share / 2 / grey.size)
    assert (ours == 255).mean() == pytest.approx(share / 2, abs=error)
    assert (ours == 0).mean() == pytest.approx(share / 2, abs=error)
    assert {*np.unique(ours)} == {0, 100, 255}
    # Channels are struck on their own, not whole pixels.
    assert ((ours == 255).any(axis=-1) & ~(ours == 255).all(axis=-1)).mean() > share


@pytest.mark.parametrize("span", [2, 4, 6, 8])
def test_glass_moves_are_uniform(span):
    words = draws().cell_words(200_000, span)
    halves = np.stack([words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)], axis=1).ravel()
    cells = (halves * np.uint64(span * span)) >> np.uint64(32)
    assert scipy.stats.chisquare(np.bincount(cells.astype(int), minlength=span * span)).pvalue > 1e-4


@pytest.mark.parametrize("quality", [7, 10, 15, 18, 25, 40, 50, 58, 65, 85])
def test_opencv_and_pillow_save_the_same_jpeg(cv2, make_scene, quality):
    noise = np.random.default_rng(0).integers(0, 256, (67, 130, 3), dtype=np.uint8)
    for image in (make_scene(224, 224), make_scene(33, 50), noise, np.full((16, 16, 3), 255, np.uint8)):
        np.testing.assert_array_equal(jpeg.round_trip(image, quality), jpeg.round_trip_pillow(image, quality))


def test_without_opencv_the_pixels_are_the_same(monkeypatch, make_scene):
    images = make_scene(64, 80)[None]
    with_opencv = corrupt(images, "fog", 2, image_ids=["a"], variant="published")
    monkeypatch.setattr(jpeg, "_opencv", lambda: None)
    np.testing.assert_array_equal(corrupt(images, "fog", 2, image_ids=["a"], variant="published"), with_opencv)


@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (64, 64), (97, 200), (224, 224), (131, 500), (660, 333)])
def test_pixelate_equals_pillow(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for factor in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25):
        small = Image.fromarray(image).resize((int(shape[1] * factor), int(shape[0] * factor)), Image.Resampling.BOX)
        expected = np.asarray(small.resize(shape[::-1], Image.Resampling.BOX))
        np.testing.assert_array_equal(pixelate(image, draws(), factor=factor), expected)


@pytest.mark.parametrize("shape", [(16, 16), (40, 91), (224, 224)])
@pytest.mark.parametrize("sigma", [0.7, 1, 2, 4])
def test_drops_have_opencvs_edges_and_rims(published, cv2, shape, sigma):
    rng = np.random.default_rng(3)
    for _ in range(3):
        field = scipy.ndimage.gaussian_filter(rng.normal(0.65, 0.3, shape), sigma)
        field[field < 0.66] = 0
        depth = (field.clip(0, 1) * 255).astype(np.uint8)
        marks = cv2.Canny(depth, 50, 150)
        np.testing.assert_array_equal(edges(depth), marks > 0)
        if not cv2.ipp.useIPP():
            continue  # such builds round the steps of the distance
        distance = np.minimum(cv2.distanceTransform(255 - marks, cv2.DIST_L2, 5), 20)
        near = cv2.equalizeHist(np.uint8(cv2.blur(distance, (3, 3))))
        relief = cv2.filter2D(near, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
        np.testing.assert_array_equal(rims(marks > 0), cv2.blur(relief, (3, 3)))


@pytest.mark.parametrize("radius_smoothing", [*LARGE_SET["defocus_blur"], *SMALL_SET["defocus_blur"], (13.4, 0.7)])
def test_the_disk_is_opencvs(cv2, radius_smoothing):
    radius, smoothing = radius_smoothing
    reach = 8 if radius <= 8 else int(np.ceil(radius))
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.float32(x * x + y * y <= radius * radius)
    disk /= disk.sum()
    expected = cv2.GaussianBlur(disk, (3, 3) if radius <= 8 else (5, 5), sigmaX=smoothing)
    np.testing.assert_allclose(weights_of(radius, smoothing), expected, rtol=3e-7, atol=1e-12)


@pytest.mark.parametrize("shape", [(16, 16), (31, 64), (64, 47), (224, 224)])
@pytest.mark.parametrize("sigma", [0, 0.6, 2.44, 19.5, 170.8])
def test_fields_are_smoothed_as_scipy_does(shape, sigma):
    field = np.random.default_rng(0).uniform(-1, 1, shape)
    expected = scipy.ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3) if sigma else field
    np.testing.assert_allclose(smooth(field, sigma), expected, atol=1e-12)
