"""ImageNet-C's functions at 224 pixels, from their published definitions, slowly and plainly.

Written with numpy, scipy, scikit-image, OpenCV and Pillow; nothing is shared with the kernels, not even constants. Each
function takes a uint8 image, a severity and a `numpy.random.RandomState`, draws in the published order, and returns
values that numpy truncates to uint8.
"""

from __future__ import annotations

import importlib.util
import io
import warnings
from pathlib import Path

import numpy as np
import scipy.ndimage
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import cv2
    import skimage.color
    import skimage.filters

EXACT_WARP = int(cv2.__version__.split(".")[0]) >= 5
"""Older versions round the coordinates of an affine warp to 32nds of a pixel."""


def _levels(unit):
    return np.uint8(np.clip(unit, 0, 1) * 255)


def gaussian_noise(image, severity, state):
    deviation = [0.08, 0.12, 0.18, 0.26, 0.38][severity - 1]
    return _levels(image / 255.0 + state.normal(size=image.shape, scale=deviation))


def shot_noise(image, severity, state):
    photons = [60, 25, 12, 5, 3][severity - 1]
    return _levels(state.poisson(image / 255.0 * photons) / photons)


def impulse_noise(image, severity, state):
    share = [0.03, 0.06, 0.09, 0.17, 0.27][severity - 1]
    struck = state.choice([True, False], size=image.shape, p=[share, 1 - share])
    salt = state.choice([True, False], size=image.shape, p=[0.5, 0.5])
    return np.where(struck, np.where(salt, 255, 0), _levels(image / 255.0))


def speckle_noise(image, severity, state):
    deviation = [0.15, 0.2, 0.35, 0.45, 0.6][severity - 1]
    unit = image / 255.0
    return _levels(unit + unit * state.normal(size=image.shape, scale=deviation))


def gaussian_blur(image, severity, state):
    sigma = [1, 2, 3, 4, 6][severity - 1]
    return _levels(skimage.filters.gaussian(image / 255.0, sigma=sigma, channel_axis=-1))


def defocus_blur(image, severity, state):
    radius, smoothing = [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)][severity - 1]
    reach = max(8, radius)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    disk = np.float32(x * x + y * y <= radius * radius)
    disk /= disk.sum()
    disk = cv2.GaussianBlur(disk, (3, 3) if radius <= 8 else (5, 5), sigmaX=smoothing)
    return _levels(np.dstack([cv2.filter2D(plane, -1, disk) for plane in cv2.split(image / 255.0)]))


def glass_blur(image, severity, state):
    sigma, reach, sweeps = [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)][severity - 1]
    height, width, _ = image.shape
    blurred = np.uint8(skimage.filters.gaussian(image / 255.0, sigma=sigma, channel_axis=-1) * 255)
    pixels = [tuple(p) for p in blurred.reshape(-1, 3).tolist()]
    for _ in range(sweeps):
        for row in range(height - reach, reach, -1):
            moves = state.randint(-reach, reach, size=(width - 2 * reach, 2)).tolist()
            here = row * width + width - reach
            for right, down in moves:
                pixels[here] = pixels[here + down * width + right]  # meant as a swap, but it copies
                here -= 1
    scattered = np.array(pixels, np.uint8).reshape(image.shape)
    return _levels(skimage.filters.gaussian(scattered / 255.0, sigma=sigma, channel_axis=-1))


def _motion(plane, radius, sigma, angle):
    """ImageMagick's: half a Gaussian along a line, offsets rounded half down, edges repeated, result rounded."""
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-(taps**2) / (2.0 * sigma**2))
    weights /= weights.sum()
    reach = 2 * radius + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for tap, weight in zip(taps, weights, strict=True):
        down, right = tap * np.sin(np.deg2rad(angle)), tap * np.cos(np.deg2rad(angle))
        kernel[reach + int(np.ceil(down - 0.5)), reach + int(np.ceil(right - 0.5))] += weight
    blurred = cv2.filter2D(np.float64(plane), -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.uint8(np.clip(np.floor(blurred + 0.5), 0, 255))


def motion_blur(image, severity, state):
    radius, sigma = [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)][severity - 1]
    angle = state.uniform(-45, 45)
    return np.dstack([_motion(plane, radius, sigma, angle) for plane in cv2.split(image)])


def _zoomed(image, factor):
    """Crop the centre, magnify it with scipy, trim what is too much on both sides."""
    side = image.shape[0]
    crop = int(np.ceil(side / factor))
    start = (side - crop) // 2
    large = scipy.ndimage.zoom(image[start : start + crop, start : start + crop], (factor, factor, 1), order=1)
    trim = (large.shape[0] - side) // 2
    return large[trim : trim + side, trim : trim + side]


def zoom_blur(image, severity, state):
    stop, step = [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)][severity - 1]
    factors = np.arange(1, stop, step)
    sharp = np.float32(image / 255.0)
    total = np.zeros_like(sharp)
    for factor in factors:
        total += _zoomed(sharp, factor)
    return _levels((sharp + total) / (len(factors) + 1))


def snow(image, severity, state):
    mean, deviation, flake, threshold, radius, sigma, weight = [
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ][severity - 1]
    sharp = np.float32(image) / 255
    layer = state.normal(size=image.shape[:2], loc=mean, scale=deviation)
    layer = _zoomed(layer[..., None], flake)[..., 0]
    layer[layer < threshold] = 0
    layer = _motion(_levels(layer), radius, sigma, state.uniform(-135, -45))[..., None] / 255.0
    pale = cv2.cvtColor(sharp, cv2.COLOR_RGB2GRAY)[..., None] * 1.5 + 0.5
    return _levels(weight * sharp + (1 - weight) * np.maximum(sharp, pale) + layer + np.rot90(layer, 2))


def frost_pictures() -> Path:
    """The folder of the pictures inside the package ``imagecorruptions``, which need not be importable."""
    return Path(importlib.util.find_spec("imagecorruptions").submodule_search_locations[0]) / "frost"


def frost(image, severity, state):
    image_weight, frost_weight = [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)][severity - 1]
    number = state.randint(5) + 1
    picture = cv2.imread(str(next(frost_pictures().glob(f"frost{number}.*"))))[..., ::-1]
    height, width, _ = image.shape
    top, left = state.randint(0, picture.shape[0] - height), state.randint(0, picture.shape[1] - width)
    mixed = image_weight * image + frost_weight * picture[top : top + height, left : left + width]
    return np.uint8(np.clip(mixed, 0, 255))


def _plasma(side, decay, state):
    """Diamond-square on a torus: each new point is the mean of four older ones and a wobble."""
    height = np.zeros((side, side))
    step, wobble = side, 100
    while step >= 2:
        half = step // 2

        def settle(four, wobble=wobble):
            return four / 4 + wobble * state.uniform(-wobble, wobble, four.shape)

        corner = height[::step, ::step]
        two = corner + np.roll(corner, -1, 0)
        height[half::step, half::step] = settle(two + np.roll(two, -1, 1))
        middle = height[half::step, half::step]
        height[::step, half::step] = settle(middle + np.roll(middle, 1, 0) + (corner + np.roll(corner, -1, 1)))
        height[half::step, ::step] = settle(middle + np.roll(middle, 1, 1) + (corner + np.roll(corner, -1, 0)))
        step, wobble = half, wobble / decay
    height -= height.min()
    return height / height.max()


def fog(image, severity, state):
    amount, decay = [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)][severity - 1]
    unit = image / 255.0
    brightest = unit.max()
    foggy = unit + amount * _plasma(256, decay, state)[: image.shape[0], : image.shape[1], None]
    return _levels(foggy * brightest / (brightest + amount))


def spatter(image, severity, state):
    mean, deviation, sigma, threshold, strength, mud = [
        (0.65, 0.3, 4, 0.69, 0.6, False),
        (0.65, 0.3, 3, 0.68, 0.6, False),
        (0.65, 0.3, 2, 0.68, 0.5, False),
        (0.65, 0.3, 1, 0.65, 1.5, True),
        (0.67, 0.4, 1, 0.65, 1.5, True),
    ][severity - 1]
    sharp = np.float32(image) / 255
    liquid = skimage.filters.gaussian(state.normal(size=image.shape[:2], loc=mean, scale=deviation), sigma=sigma)
    liquid[liquid < threshold] = 0
    if mud:
        cover = skimage.filters.gaussian(np.float32(liquid > threshold), sigma=strength)
        cover[cover < 0.8] = 0
        brown = np.float32(np.array([63, 42, 20]) / 255.0)
        return _levels(sharp * (1 - cover[..., None]) + brown * cover[..., None])
    with np.errstate(invalid="ignore"):
        depth = np.uint8(np.int64(liquid * 255))
    return _levels(sharp + water_from(depth, strength)[..., None] * np.float32(np.array([175, 238, 238]) / 255.0))


def water_from(depth, strength):
    """How bright the water is, by OpenCV."""
    distance = cv2.distanceTransform(255 - cv2.Canny(depth, 50, 150), cv2.DIST_L2, 5)
    near = np.uint8(cv2.blur(np.minimum(distance, 20), (3, 3)))
    relief = cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    water = depth * np.float32(cv2.blur(relief, (3, 3)))
    return water / water.max() * np.float32(strength)


def brightness(image, severity, state):
    hsv = skimage.color.rgb2hsv(image / 255.0)
    hsv[..., 2] = np.clip(hsv[..., 2] + [0.1, 0.2, 0.3, 0.4, 0.5][severity - 1], 0, 1)
    return _levels(skimage.color.hsv2rgb(hsv))


def saturate(image, severity, state):
    factor, shift = [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)][severity - 1]
    hsv = skimage.color.rgb2hsv(image / 255.0)
    hsv[..., 1] = np.clip(hsv[..., 1] * factor + shift, 0, 1)
    return _levels(skimage.color.hsv2rgb(hsv))


def contrast(image, severity, state):
    unit = image / 255.0
    means = unit.mean(axis=(0, 1))
    return _levels((unit - means) * [0.4, 0.3, 0.2, 0.1, 0.05][severity - 1] + means)


def elastic_transform(image, severity, state):
    # 244 is what the script says.
    amplitude, sigma, reach = 244 * np.array(
        [(2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)][severity - 1]
    )
    sharp = np.float32(image) / 255
    height, width, _ = image.shape
    centre, side = np.float32([height // 2, width // 2]), min(height, width) // 3
    before = np.float32([centre + side, [centre[0] + side, centre[1] - side], centre - side])
    after = before + np.float32(state.uniform(-reach, reach, size=(3, 2)))
    matrix = cv2.getAffineTransform(before, after)
    if EXACT_WARP:
        moved = cv2.warpAffine(sharp, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    else:
        y, x = np.mgrid[:height, :width]
        at = np.linalg.inv(matrix[:, :2]) @ np.stack([x.ravel() - matrix[0, 2], y.ravel() - matrix[1, 2]])
        planes = [scipy.ndimage.map_coordinates(p, at[::-1], order=1, mode="mirror") for p in cv2.split(sharp)]
        moved = np.stack(planes, -1).reshape(sharp.shape)
    field = [
        skimage.filters.gaussian(state.uniform(-1, 1, size=(height, width)), sigma, mode="reflect", truncate=3)
        for _ in range(2)
    ]
    right, down = (np.float32(f * amplitude) for f in field)
    y, x = np.mgrid[:height, :width]
    planes = [
        scipy.ndimage.map_coordinates(p, (y + down, x + right), order=1, mode="reflect") for p in cv2.split(moved)
    ]
    return _levels(np.dstack(planes))


def pixelate(image, severity, state):
    height, width, _ = image.shape
    share = [0.6, 0.5, 0.4, 0.3, 0.25][severity - 1]
    small = Image.fromarray(image).resize((int(width * share), int(height * share)), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BOX))


def saved_as_jpeg(image, quality, **options):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality, **options)
    return np.asarray(Image.open(stream).convert("RGB"))


def jpeg_compression(image, severity, state):
    return saved_as_jpeg(image, [25, 18, 15, 10, 7][severity - 1])


def published(image):
    """How the published folders were saved."""
    return saved_as_jpeg(image, 85, optimize=True)
