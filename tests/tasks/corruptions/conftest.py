from __future__ import annotations

import numpy as np
import pytest


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Something like a photograph: gradients, saturated shapes, sharp edges, black, white and a little texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.stack([0.2 + 0.6 * x, 0.7 - 0.5 * y, 0.3 + 0.4 * x * y], axis=-1)
    for _ in range(12):
        cy, cx, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.04, 0.2)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0, 1, 3)
    image[: height // 8, : width // 8] = 1
    image[-(height // 8) :, -(width // 8) :] = 0
    return np.uint8(np.clip(image + rng.normal(0, 0.03, image.shape), 0, 1) * 255)


class LegacyDraws:
    """The parts of numpy's new interface that the kernels use, on the stream of the old one."""

    def __init__(self, seed: int) -> None:
        self.state = np.random.RandomState(seed)
        self.normal = self.state.normal
        self.uniform = self.state.uniform
        self.random = self.state.random_sample

    def integers(self, low, high, size=None, dtype=None):
        return self.state.randint(low, high, size=size)


@pytest.fixture
def make_scene():
    return scene


@pytest.fixture
def legacy_draws():
    return LegacyDraws
