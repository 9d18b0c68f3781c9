"""ImageNet-C-bar as published, in plain float64 numpy, for the kernels to be held against.

Each function draws from a `RandomState` in the order of the published scripts, so that it gives what they give after
``np.random.seed``, and returns the corrupted square image together with what the kernel needs to be told.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

TURN = 2 * np.pi


def grid(side):
    return np.meshgrid(np.arange(side, dtype=float), np.arange(side, dtype=float), indexing="ij")


def pixels(values):
    return np.clip(values, 0, 255).astype(np.uint8)


def fork(state):
    """The scripts draw a seed and start a second generator from it."""
    return np.random.RandomState(state.randint(0, 2**32, dtype=np.int64))


def single_frequency_greyscale(state, image, level):
    y, x = grid(len(image))
    high = state.uniform(-np.pi, np.pi)
    low = state.uniform(-abs(high), abs(high))
    right, down = np.array([high, low])[state.permutation(2)]
    phase = state.uniform(0, TURN)
    wave = np.sin(x * right + y * down + phase)
    return pixels(image + level * 19.6 * wave[..., None]), {"right": right, "down": down, "phase": phase}


def cocentric_sine_waves(state, image, level):
    side = len(image)
    y, x = grid(side)
    x0, y0 = state.uniform(0, side, 2)
    waves, height, ring = state.uniform(0, 10), state.uniform(0, side / 10), state.uniform(0, side / 10)
    radius = np.hypot(x - x0, y - y0) + height * np.sin(waves * np.arctan2(x - x0, y - y0))
    phase = np.mod(radius, ring) / ring - 0.5
    told = {"centre_x": x0, "centre_y": y0, "waves": waves, "wave_px": height, "ring_px": ring}
    return pixels(image + level * 12.8 * phase[..., None]), told


def plasma_noise(state, image, level):
    side = len(image)
    y, x = grid(side)
    moment, bendings = state.uniform(0, 6 * np.pi), state.randint(4, 7)
    sharpness, scale = state.uniform(0.5, 1), state.uniform(0.075, 0.2) * side
    x, y = x / scale, y / scale
    for n in range(bendings):
        phase, depth = moment / 1.15**n, (2.25 - sharpness) ** n
        u, v = np.cos(y * 1.93**n + phase) / depth, np.sin(x * 1.93**n + phase) / depth
        x, y = x + u - 0.3 * v, y + v + 0.3 * u
    noise = np.stack([np.sin(x - moment), np.sin((x + y + np.sin(moment)) / 2), np.sin(y + moment)], axis=-1)
    told = {"moment": moment, "bendings": bendings, "sharpness": sharpness, "scale_px": scale}
    return pixels((1 - level * 6.4 / 255) * image + level * 6.4 * noise), told


def checkerboard_cutout(state, image, level):
    side = len(image)
    y, x = grid(side)
    angle, field = state.uniform(0, TURN), state.uniform(0.1, 0.25) * side
    fields = int(4 * side // field)
    covered = fork(state).uniform(size=(fields, fields)) < level / 10
    a = (np.cos(angle) * y + np.sin(angle) * x) / field
    b = (-np.sin(angle) * y + np.cos(angle) * x) / field
    dark = np.trunc(a % 2) == np.trunc(b % 2)
    hidden = dark & covered[np.trunc(a).astype(int), np.trunc(b).astype(int)]
    told = {"angle": angle, "field_px": field, "covered": covered}
    return np.where(hidden[..., None], 128, image).astype(np.uint8), told


def star(side, centre, lengths):
    """Glow and profile of one star over the image."""
    y, x = grid(side)
    turned = (np.arctan2(x - centre[1], y - centre[0]) + np.pi) / TURN * len(lengths)
    index = np.floor(turned).astype(int)
    share = turned - index
    near, far = lengths[index % len(lengths)], lengths[(index + 1) % len(lengths)]
    squared = np.hypot(y - centre[0], x - centre[1]) ** 2
    return (near + share * (far - near)) ** 2 / (squared + 1e-4), 1 - (share - 0.5) ** 2


def sparkles(state, image, level):
    side = len(image)
    centres = state.uniform(0, side, (5, 2))
    lengths_of, counts = fork(state), state.randint(50, 200, 5)
    radius = level * 0.01 * side
    lengths = [np.maximum(1, radius + 0.25 * radius * lengths_of.standard_normal(count)) for count in counts]
    value = image
    for centre, rays in zip(centres, lengths, strict=True):
        glow, profile = star(side, centre, rays)
        value = value.astype(np.float32).astype(float)
        value = value + np.clip(profile * glow, 0, 1)[..., None] * (255 - value)
    return pixels(value), {"centres": centres, "lengths": lengths}


def inverse_sparkles(state, image, level):
    side = len(image)
    centre = state.uniform(0.25, 0.75, 2) * side
    lengths_of, count = fork(state), state.randint(50, 200)
    lengths = side / 4 * (1 + 0.25 * lengths_of.standard_normal(count))
    glow, profile = star(side, centre, lengths)
    light = np.clip(profile * glow ** (level * 6.5 / 50), 0, 1)[..., None]
    return pixels(255 + light * (image - 255.0)), {"centre": centre, "lengths": lengths}


def perlin_noise(state, image, level):
    side = len(image)
    state = fork(state)
    gradients = np.array([state.randint(0, 2**31, size=2, dtype=np.int64) % 512 for _ in range(514)]) / 256 - 1
    gradients /= np.linalg.norm(gradients, axis=1, keepdims=True)
    order = np.arange(256)
    for place in range(255, -1, -1):
        partner = state.randint(0, 2**31, dtype=np.int64) % 256
        order[[place, partner]] = order[[partner, place]]

    def noise(a, b):
        a0, b0 = np.floor(a).astype(int), np.floor(b).astype(int)
        corner = {}
        for i in (0, 1):
            for j in (0, 1):
                gradient = gradients[order[(order[(a0 + i) % 256] + b0 + j) % 256]]
                corner[i, j] = (a - a0 - i) * gradient[..., 0] + (b - b0 - j) * gradient[..., 1]
        s, t = ((3 - 2 * (p - p0)) * (p - p0) ** 2 for p, p0 in ((a, a0), (b, b0)))
        rows = [(1 - s) * corner[0, j] + s * corner[1, j] for j in (0, 1)]
        return 1.5 * ((1 - t) * rows[0] + t * rows[1])

    y, x = (axis / (32 * side / 224) for axis in grid(side))
    field = sum(np.abs(noise(f * y, f * x)) / f for f in (1, 2, 4, 8, 16)) / 2 + 0.5
    weight = level * 0.05
    kept = (np.float32(1 - weight) * image.astype(np.float32)).astype(float)
    told = {"gradients": gradients[:256].copy(), "order": order}
    return pixels(kept + 255 * weight * np.clip(field, 0, 1)[..., None]), told


def spectral(state, side, spectrum):
    """Noise of unit deviation, and the phases it came from."""
    left = state.uniform(0, TURN, (side, side // 2))
    middle = state.uniform(0, TURN, side // 2 if side % 2 else 0)
    whole = [left, left[::-1, ::-1]]
    if side % 2:
        whole.insert(1, np.concatenate([middle, [0], middle[::-1]])[:, None])
    y, x = grid(side)
    waves = spectrum(np.hypot(y - side / 2, x - side / 2)) * np.exp(1j * np.concatenate(whole, axis=1))
    noise = np.fft.ifft2(np.roll(waves, (side // 2, side // 2), (0, 1))).real
    return noise / noise.std(), (left, middle)


def blue_noise_sample(state, image, level):
    noise, phases = spectral(fork(state), len(image), lambda frequency: frequency)
    return np.where((noise > level * 0.3 - 2.5)[..., None], image, 0), {"phases": phases}


def brownish_noise(state, image, level):
    state = fork(state)
    channels = [spectral(state, len(image), lambda frequency: 1 / (1 + frequency**2)) for _ in range(3)]
    noise = np.stack([noise for noise, _ in channels], axis=-1)
    return pixels(image + level * 6.4 * noise), {"phases": [phases for _, phases in channels]}


def caustic_refraction(state, image, level):
    side = len(image)
    moment, size = state.uniform(0.5, 2), state.uniform(0.75, 1.25) * side
    p = np.stack([axis / size % 1 * 6.28318530718 - 250 for axis in grid(side)])
    a, b = p
    total = np.ones((side, side))
    for n in range(1, 6):
        t = moment * (1 - 3.5 / n)
        a, b = p[0] + np.cos(t - a) + np.sin(t + b), p[1] + np.sin(t - b) + np.cos(t + a)
        total += 0.005**-1 / np.hypot(p[0] / np.sin(a + t), p[1] / np.cos(b + t))
    pattern = gaussian_filter(np.clip(np.abs(1.17 - (total / 5) ** 1.4) ** 8, 0, 1), 1)

    padded = np.pad(pattern, 1)
    down, right = padded[2:, 1:-1] - padded[:-2, 1:-1], padded[1:-1, 2:] - padded[1:-1, :-2]
    normal = np.stack([down, right, np.ones_like(down)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    bent = normal[..., 2] < 1 - 1e-3
    # Snell's law in the plane of the ray and the normal, turned back by the inverse of that plane's frame.
    n = normal[bent]
    angle = np.arcsin(np.sin(np.arccos(n[:, 2])) / 4)
    upright = np.cross([0.0, 0.0, 1.0], n)
    upright /= np.linalg.norm(upright, axis=1, keepdims=True)
    frame = np.stack([n, np.cross(n, upright), upright], axis=1)
    ray = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    moved = np.zeros((side, side, 2))
    moved[bent] = np.einsum("nij,nj->ni", np.linalg.inv(frame), ray)[:, :2]
    moved = np.round(moved * level * 0.05 * side, 3)

    place = np.stack(grid(side), axis=-1) + moved
    corner = np.floor(place).astype(int)
    share = place - corner
    margin = int(np.abs(moved).max()) + 2
    black = np.pad(image.astype(np.float32) / np.float32(255), ((margin,) * 2, (margin,) * 2, (0, 0))).astype(float)
    value = np.zeros(image.shape)
    for i in (0, 1):
        for j in (0, 1):
            weight = np.abs(1 - i - share[..., 0]) * np.abs(1 - j - share[..., 1])
            value += weight[..., None] * black[corner[..., 0] + i + margin, corner[..., 1] + j + margin]
    value += level * 0.2 * (down - right)[..., None]
    return (np.clip(value, 0, 1) * 255).astype(np.uint8), {"moment": moment, "size_px": size}


PUBLISHED = {
    function.__name__: function
    for function in (
        blue_noise_sample,
        brownish_noise,
        caustic_refraction,
        checkerboard_cutout,
        cocentric_sine_waves,
        inverse_sparkles,
        perlin_noise,
        plasma_noise,
        single_frequency_greyscale,
        sparkles,
    )
}


@pytest.fixture
def published():
    """Corruption name to ``(state, image, level) -> (corrupted, told)``."""
    return SimpleNamespace(**PUBLISHED)
