"""The kernels against code that is not ours, fed with the same random draws.

`imagecorruptions` is the oracle where its functions equal those of ImageNet-C. Its snow, frost and elastic transform do
not; for these the published definition is written out here with OpenCV, scipy and scikit-image.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from vitobench.tasks.corruptions import SEVERITIES, corrupt
from vitobench.tasks.corruptions.engine import kernel_of
from vitobench.tasks.corruptions.frost_textures import FILES, folder
from vitobench.tasks.corruptions.parameters import parameters


class _OldNumpy:
    """numpy with the alias that the oracle was written for."""

    float_ = np.float64

    def __getattr__(self, name):
        return getattr(np, name)


@pytest.fixture(scope="module")
def cv2():
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cv2
    except ImportError as error:
        pytest.skip(f"OpenCV cannot be imported: {error}")
    return cv2


@pytest.fixture(scope="module")
def gaussian():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filters = pytest.importorskip("skimage.filters")
    return filters.gaussian


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
    if request.param == "scene":
        return make_scene(224, 224)
    root = os.environ.get("VITOBENCH_TEST_DATA")
    if not root:
        pytest.skip("VITOBENCH_TEST_DATA is not set")
    files = sorted(p for p in (Path(root) / "photos").rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    if not files:
        pytest.skip("there are no photographs in VITOBENCH_TEST_DATA/photos")
    from PIL import Image, ImageOps

    with Image.open(files[3 % len(files)]) as photo:
        return np.asarray(ImageOps.fit(photo.convert("RGB"), (224, 224)))


def close(ours, reference, levels=1, share=1.0):
    """Agreement within `levels` grey levels, and no more than `share` of the values differing at all."""
    assert ours.dtype == np.uint8
    difference = np.abs(ours.astype(int) - np.uint8(reference).astype(int))
    assert difference.max() <= levels
    assert (difference > 0).mean() <= share


def ours_large(name, image, severity, rng):
    """Our kernel with the constants of 224 pixels, whatever the size of the image."""
    return kernel_of(name)(image, rng, **parameters(name, severity, 224, 224))


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("gaussian_noise", 0.0),
        ("defocus_blur", 0.001),
        ("motion_blur", 1.0),  # the oracle truncates where ImageMagick rounds
        ("zoom_blur", 0.001),
        ("fog", 0.0),
        ("brightness", 0.0),
        ("contrast", 0.0),
        ("pixelate", 0.0),
        ("jpeg_compression", 0.0),
    ],
)
def test_equals_the_oracle_given_its_draws(oracle, legacy_draws, image, name, share, severity):
    from PIL import Image

    np.random.seed(7)
    reference = getattr(oracle, name)(Image.fromarray(image), severity)
    close(ours_large(name, image, severity, legacy_draws(7)), reference, 1, share)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_glass_blur_equals_the_oracle(oracle, legacy_draws, image, severity):
    part = np.ascontiguousarray(image[60:130, 50:140])  # its Python loop is slow
    np.random.seed(3)
    reference = oracle.glass_blur(part, severity)
    close(ours_large("glass_blur", part, severity, legacy_draws(3)), reference, 0)


@pytest.mark.parametrize("side", [224, 64])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_shot_noise_inverts_the_poisson_law(make_scene, severity, side):
    image = make_scene(64, 64)
    c = parameters("shot_noise", severity, side, side)["photons"]
    uniforms = np.random.default_rng(5).random(image.size).reshape(image.shape)
    ours = kernel_of("shot_noise")(image, np.random.default_rng(5), photons=c)
    counts = scipy.stats.poisson.ppf(uniforms, image / 255.0 * c)
    counts[image == 0] = 0
    close(ours, np.clip(counts / c, 0, 1) * 255, 0)


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
    reference = np.uint8(oracle.impulse_noise(grey, severity))
    ours = corrupt(grey[None], "impulse_noise", severity, image_ids=["a"])[0]
    share = parameters("impulse_noise", severity, 224, 224)["share"]
    for result in (reference, ours):
        error = 4 * np.sqrt(share / 2 / grey.size)
        assert (result == 255).mean() == pytest.approx(share / 2, abs=error)
        assert (result == 0).mean() == pytest.approx(share / 2, abs=error)
    untouched = {*np.unique(ours)} - {0, 255}
    assert untouched == {*np.unique(reference)} - {0, 255}
    # Channels are struck on their own, not whole pixels.
    assert ((ours == 255).any(axis=-1) & ~(ours == 255).all(axis=-1)).mean() > share


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


@pytest.mark.parametrize("severity", SEVERITIES)
def test_snow_at_224(oracle, cv2, legacy_draws, image, severity):
    constants = {
        1: (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        2: (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        3: (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        4: (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        5: (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    }[severity]
    close(
        ours_large("snow", image, severity, legacy_draws(2)),
        snow_reference(oracle, cv2, image, 2, *constants),
        1,
        0.01,
    )


def frost_reference(cv2, image, seed, scale, weight, ice_weight):
    np.random.seed(seed)
    ice = cv2.imread(str(folder() / FILES[np.random.randint(5)]))
    if scale != 1:
        ice = cv2.resize(ice, (0, 0), fx=scale, fy=scale)
    height, width = image.shape[:2]
    top, left = np.random.randint(0, ice.shape[0] - height), np.random.randint(0, ice.shape[1] - width)
    ice = ice[top : top + height, left : left + width][..., [2, 1, 0]]
    return np.clip(weight * np.array(image) + ice_weight * ice, 0, 255)


@pytest.mark.parametrize("seed", range(6))
def test_frost_at_224_and_64(cv2, legacy_draws, make_scene, seed):
    severity = seed % 5 + 1
    large, small = make_scene(224, 224), make_scene(64, 64)
    weights = {1: (1, 0.4), 2: (0.8, 0.6), 3: (0.7, 0.7), 4: (0.65, 0.7), 5: (0.6, 0.75)}[severity]
    reference = frost_reference(cv2, large, seed, 1, *weights)
    close(ours_large("frost", large, severity, legacy_draws(seed)), reference, 0)
    weights = {1: (1, 0.3), 2: (0.9, 0.4), 3: (0.8, 0.45), 4: (0.75, 0.5), 5: (0.7, 0.55)}[severity]
    reference = frost_reference(cv2, small, seed, 0.3, *weights)
    ours = kernel_of("frost")(small, legacy_draws(seed), **parameters("frost", severity, 64, 64))
    close(ours, reference, 1, 0.15)  # OpenCV resizes with 11-bit weights


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


ELASTIC_LARGE = {
    1: (244 * 2, 244 * 0.7, 244 * 0.1),
    2: (244 * 2, 244 * 0.08, 244 * 0.2),
    3: (244 * 0.05, 244 * 0.01, 244 * 0.02),
    4: (244 * 0.07, 244 * 0.01, 244 * 0.02),
    5: (244 * 0.12, 244 * 0.01, 244 * 0.02),
}


@pytest.mark.parametrize("severity", SEVERITIES)
def test_elastic_transform_at_224(cv2, gaussian, legacy_draws, image, severity):
    ours = ours_large("elastic_transform", image, severity, legacy_draws(4))
    close(ours, elastic_reference(cv2, gaussian, image, 4, *ELASTIC_LARGE[severity], exact=True), 1, 0.01)
    with_opencv = np.uint8(elastic_reference(cv2, gaussian, image, 4, *ELASTIC_LARGE[severity], exact=False))
    assert np.abs(ours.astype(float) - with_opencv).mean() < 1


@pytest.mark.parametrize(("height", "width"), [(40, 56), (64, 64)])
def test_kernels_of_the_small_set(oracle, cv2, gaussian, legacy_draws, make_scene, height, width):
    image = make_scene(height, width)
    unit = image / 255.0

    def ours(name, severity):
        return kernel_of(name)(image, legacy_draws(9), **parameters(name, severity, 64, 64))

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
