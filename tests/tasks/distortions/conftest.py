"""Frames of the micro-world to be distorted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from vitobench.tasks.microworld.sets import MicroSet


@cache
def _frames(count: int, size: int) -> np.ndarray:
    images = MicroSet("val", count, seed=5).frames(range(count), size).images
    images.flags.writeable = False
    return images


@pytest.fixture(scope="session")
def frames() -> Callable[[int, int], np.ndarray]:
    """How many, and of which size; uint8 (n, S, S, 3)."""
    return _frames
