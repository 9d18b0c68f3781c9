from __future__ import annotations

import numpy as np
import pytest

from vitobench.tasks.microworld.sets import MicroSet


@pytest.fixture(scope="session")
def micro():
    """Four scenes of the micro-world with their exact depth."""
    return MicroSet("val", 4).frames(range(4), 64)


def two_planes(height: int, width: int, near: float, far: float) -> np.ndarray:
    """The left half at one depth, the right half at another: float32 (height, width)."""
    depth = np.full((height, width), far, np.float32)
    depth[:, : width // 2] = near
    return depth


@pytest.fixture
def planes():
    return two_planes
