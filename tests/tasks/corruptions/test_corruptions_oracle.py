"""The kernels against the package `imagecorruptions`, where its functions are ImageNet-C's, and at other sizes.

Its snow, frost and elastic transform are not, and its impulse noise cannot be seeded. Tiny ImageNet-C's versions of
these are written out here with OpenCV, scipy and scikit-image.
"""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage

from vitobench.tasks.corruptions import SEVERITIES, corrupt
from vitobench.tasks.corruptions.imagenet_c.parameters import parameters
from vitobench.tasks.corruptions.imagenet_c.weather import FILES, folder
from vitobench.tasks.corruptions.registry import find
from vitobench.tests.tasks.corruptions.reference import LegacyDraws, corrupt_reference


class _OldNumpy:
    """numpy with the alias that the oracle was written for."""

    float_ = np.float64

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.fixture(scope="module")
def cv2(published):
    return published.cv2


@pytest.fixture(scope="module")
def gaussian(published):
    return published.skimage.filters.gaussian


@pytest.fixture(scope="module")
def oracle(cv2, gaussian):
    found = importlib.util.find_spec("imagecorruptions")
    if found is None:
        pytest.skip("imagecorruptions is not installed")
    path = Path(found.submodule_search_locations[0]) / "corruptions.py"
    spec = importlib.util.spec_from_file_location("corruptions_oracle", path)
    module = importlib.util.module_from_spec(spec)
    stub = types.ModuleType("pkg_resources")
    stub.resource_filename = lambda package, name: str(path.parent / name)
    absent = "pkg_resources" not in sys.modules
    sys.modules.setdefault("pkg_resources", stub)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
            module.map_coordinates  # noqa: B018  # its lookup is what warns
    finally:
        if absent:
            del sys.modules["pkg_resources"]
    module.np = _OldNumpy()
    module.gaussian = lambda x, sigma, multichannel=False, **more: gaussian(
        x, sigma=sigma, channel_axis=-1 if multichannel else None, **more
    )
    return module


@pytest.fixture(params=["scene", "photo"])
def image(request, make_scene):
    """224x224, generated and real."""
    return make_scene(224, 224) if request.param == "scene" else request.getfixturevalue("photographs")[0]


def close(ours, reference, levels=1, share=1.0):
    """Agreement within `levels` grey levels, and no more than `share` of the values differing at all."""
    assert ours.dtype == np.uint8
    difference = np.abs(ours.astype(int) - np.uint8(reference).astype(int))
    assert difference.max() <= levels
    assert (difference > 0).mean() <= share


def ours_large(name, image, severity, seed):
    """Our kernel with the constants of 224 pixels, whatever the size of the image."""
    draws = LegacyDraws(np.random.RandomState(seed))
    return find(name).load()(image, draws, **parameters(name, severity, 224, 224))


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("gaussian_noise", 1e-4),
        ("shot_noise", 0.0),
        ("speckle_noise", 1e-4),
        ("defocus_blur", 0.001),
        ("motion_blur", 1.0),  # the oracle truncates where ImageMagick rounds
        ("zoom_blur", 0.001),
        ("fog", 0.0),
        ("brightness", 0.0),
        ("contrast", 1e-4),
        ("saturate", 0.0),
        ("gaussian_blur", 0.0),
        ("spatter", 1e-3),
        ("pixelate", 0.0),
        ("jpeg_compression", 0.0),
    ],
)
def test_equals_the_oracle_given_its_draws(oracle, image, name, share, severity):
    from PIL import Image

    np.random.seed(7)
    reference = getattr(oracle, name)(Image.fromarray(image), severity)
    close(ours_large(name, image, severity, 7), reference, 1, share)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_glass_blur_equals_the_oracle(oracle, image, severity):
    part = np.ascontiguousarray(image[60:130, 50:140])  # its Python loop is slow
    np.random.seed(3)
    reference = oracle.glass_blur(part, severity)
    close(ours_large("glass_blur", part, severity, 3), reference, 0)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_shot_noise_has_the_oracles_effect(oracle, image, severity):
    np.random.seed(0)
    reference = np.uint8(oracle.shot_noise(image, severity)).astype(float)
    ours = corrupt(image[None], "shot_noise", severity, image_ids=["a"])[0].astype(float)
    assert np.abs(ours - image).mean() == pytest.approx(np.abs(reference - image).mean(), rel=0.02)
    assert ours.mean() == pytest.approx(reference.mean(), abs=0.8)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_impulse_noise_has_the_oracles_law(oracle, severity):
    grey = np.full((224, 224, 3), 100, np.uint8)
    theirs = np.uint8(oracle.impulse_noise(grey, severity))
    ours = corrupt(grey[None], "impulse_noise", severity, image_ids=["a"])[0]
    for level in (0, 255):
        share = (theirs == level).mean()
        assert (ours == level).mean() == pytest.approx(share, abs=6 * np.sqrt(share / grey.size))


def zoomed_centre(x, factor):
    """Crop, zoom with scipy, trim what is too much on both sides."""
    side = x.shape[0]
    crop = int(np.ceil(side / factor))
    start = (side - crop) // 2
    x = scipy.ndimage.zoom(x[start : start + crop, start : start + crop], (factor, factor, 1), order=1)
    trim = (x.shape[0] - side) // 2
    return x[trim : trim + side, trim : trim + side]


def snow_reference(oracle, cv2, image, seed, loc, scale, zoom, threshold, radius, sigma, weight):
    np.random.seed(seed)
    x = np.array(image, dtype=np.float32) / 255.0
    layer = np.random.normal(size=x.shape[:2], loc=loc, scale=scale)
    layer = zoomed_centre(layer[..., None], zoom)
    layer[layer < threshold] = 0
    layer = (np.clip(layer[..., 0], 0, 1) * 255).astype(np.uint8)
    layer = oracle._motion_blur(layer, radius=radius, sigma=sigma, angle=np.random.uniform(-135, -45))
    layer = (np.round(layer) / 255.0)[..., None]
    grey = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None]
    x = weight * x + (1 - weight) * np.maximum(x, grey * 1.5 + 0.5)
    return np.clip(x + layer + np.rot90(layer, k=2), 0, 1) * 255


def frost_reference(cv2, image, seed, scale, weight, ice_weight):
    np.random.seed(seed)
    ice = cv2.imread(str(folder() / FILES[np.random.randint(5)]))
    if scale != 1:
        ice = cv2.resize(ice, (0, 0), fx=scale, fy=scale)
    height, width = image.shape[:2]
    top, left = np.random.randint(0, ice.shape[0] - height), np.random.randint(0, ice.shape[1] - width)
    ice = ice[top : top + height, left : left + width][..., [2, 1, 0]]
    return np.clip(weight * np.array(image) + ice_weight * ice, 0, 255)


@pytest.mark.parametrize("seed", range(5))
def test_frost_at_64(cv2, make_scene, seed):
    severity, small = seed % 5 + 1, make_scene(64, 64)
    weights = {1: (1, 0.3), 2: (0.9, 0.4), 3: (0.8, 0.45), 4: (0.75, 0.5), 5: (0.7, 0.55)}[severity]
    reference = frost_reference(cv2, small, seed, 0.3, *weights)
    # OpenCV resizes with 11-bit weights.
    close(corrupt_reference(small, "frost", severity, np.random.RandomState(seed)), reference, 1, 0.15)


def elastic_reference(cv2, gaussian, image, seed, alpha, sigma, affine, exact):
    """As published; `exact` replaces OpenCV's warp, which may round coordinates, by scipy's."""
    np.random.seed(seed)
    x = np.array(image, dtype=np.float32) / 255.0
    size = x.shape[:2]
    centre = np.float32(size) // 2
    side = min(size) // 3
    before = np.float32([centre + side, [centre[0] + side, centre[1] - side], centre - side])
    after = before + np.random.uniform(-affine, affine, size=before.shape).astype(np.float32)
    matrix = cv2.getAffineTransform(before, after)
    rows, columns = np.mgrid[: size[0], : size[1]]
    if exact:
        linear = np.linalg.inv(matrix[:, :2])
        at = np.einsum("ij,jyx->iyx", linear, np.stack([columns, rows]) - matrix[:, 2, None, None])
        x = np.stack(
            [scipy.ndimage.map_coordinates(x[..., c], (at[1], at[0]), order=1, mode="mirror") for c in range(3)],
            axis=-1,
        )
    else:
        x = cv2.warpAffine(x, matrix, size[::-1], borderMode=cv2.BORDER_REFLECT_101)
    fields = []
    for _ in range(2):
        field = np.random.uniform(-1, 1, size=size)
        fields.append((gaussian(field, sigma, mode="reflect", truncate=3) * alpha).astype(np.float32))
    at = (rows + fields[1], columns + fields[0])
    moved = [scipy.ndimage.map_coordinates(x[..., c], at, order=1, mode="reflect") for c in range(3)]
    return np.clip(np.stack(moved, axis=-1), 0, 1) * 255


@pytest.mark.parametrize(("height", "width"), [(40, 56), (64, 64)])
def test_kernels_of_the_small_set(oracle, published, cv2, gaussian, make_scene, height, width):
    image = make_scene(height, width)
    unit = image / 255.0

    def ours(name, severity):
        draws = LegacyDraws(np.random.RandomState(9))
        return find(name).load()(image, draws, **parameters(name, severity, 64, 64))

    for severity, (radius, alias) in enumerate([(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)], 1):
        disk = oracle.disk(radius=radius, alias_blur=alias)
        blurred = np.stack([cv2.filter2D(unit[..., c].copy(), -1, disk) for c in range(3)], axis=-1)
        close(ours("defocus_blur", severity), np.clip(blurred, 0, 1) * 255, 1, 0.01)

    for severity, (radius, sigma) in enumerate([(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)], 1):
        np.random.seed(9)
        blurred = oracle._motion_blur(image, radius, sigma, np.random.uniform(-45, 45))
        close(ours("motion_blur", severity), np.round(blurred), 1, 0.01)

    glass = [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)]
    for severity, (sigma, reach, sweeps) in enumerate(glass, 1):
        np.random.seed(9)
        x = np.uint8(gaussian(unit, sigma=sigma, channel_axis=-1) * 255)
        for _ in range(sweeps):
            for y in range(height - reach, reach, -1):
                for z in range(width - reach, reach, -1):
                    right, down = np.random.randint(-reach, reach, size=2)
                    x[y, z] = x[y + down, z + right]
        close(ours("glass_blur", severity), np.clip(gaussian(x / 255.0, sigma=sigma, channel_axis=-1), 0, 1) * 255, 0)

    if height == width:
        stops = [1.06, 1.11, 1.16, 1.21, 1.26]
        for severity, stop in enumerate(stops, 1):
            factors = np.arange(1, stop, 0.01)
            x = unit.astype(np.float32)
            total = sum((zoomed_centre(x, f) for f in factors), np.zeros_like(x))
            close(ours("zoom_blur", severity), np.clip((x + total) / (len(factors) + 1), 0, 1) * 255, 1, 0.001)

        flakes = [
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ]
        for severity, constants in enumerate(flakes, 1):
            close(ours("snow", severity), snow_reference(oracle, cv2, image, 9, *constants), 1, 0.01)

        for severity, (amount, decay) in enumerate([(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)], 1):
            np.random.seed(9)
            x = unit + amount * oracle.plasma_fractal(64, decay)[..., None]
            close(ours("fog", severity), np.clip(x * unit.max() / (unit.max() + amount), 0, 1) * 255, 0)

        waves = [(0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)]
        for severity, shares in enumerate(waves, 1):
            reference = elastic_reference(cv2, gaussian, image, 9, *(64 * s for s in shares), exact=True)
            close(ours("elastic_transform", severity), reference, 1, 0.01)

    for severity, sigma in enumerate([0.5, 0.75, 1, 1.25, 1.5], 1):
        close(ours("gaussian_blur", severity), np.clip(gaussian(unit, sigma=sigma, channel_axis=-1), 0, 1) * 255, 0)

    deviations = [0.15, 0.2, 0.25, 0.3, 0.35]
    for severity, deviation in enumerate(deviations, 1):
        noise = np.random.RandomState(9).normal(size=image.shape, scale=deviation)
        close(ours("speckle_noise", severity), np.clip(unit + unit * noise, 0, 1) * 255, 1, 1e-3)

    drops = [(0.62, 0.1, 0.7, 0.7, 0.6), (0.65, 0.1, 0.8, 0.7, 0.6), (0.65, 0.3, 1, 0.69, 0.6)]
    for severity, (mean, deviation, sigma, threshold, strength) in enumerate(drops, 1):
        liquid = np.random.RandomState(9).normal(size=image.shape[:2], loc=mean, scale=deviation)
        liquid = gaussian(liquid, sigma=sigma)
        liquid[liquid < threshold] = 0
        water = published.water_from(np.uint8(np.int64(liquid * 255)), strength)[..., None]
        drop = np.float32(np.array([175, 238, 238]) / 255.0)
        close(ours("spatter", severity), np.clip(np.float32(image) / 255 + water * drop, 0, 1) * 255, 1, 1e-3)

    for severity, (deviation, sigma, threshold) in enumerate([(0.1, 0.7, 0.68), (0.1, 0.5, 0.67)], 4):
        liquid = np.random.RandomState(9).normal(size=image.shape[:2], loc=0.65, scale=deviation)
        mud = gaussian(np.float32(gaussian(liquid, sigma=sigma) > threshold), sigma=0.6)[..., None]
        mud[mud < 0.8] = 0
        brown = np.float32(np.array([63, 42, 20]) / 255.0)
        close(ours("spatter", severity), (np.float32(image) / 255 * (1 - mud) + brown * mud) * 255, 1, 1e-3)
