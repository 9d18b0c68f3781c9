"""What holds for every corruption of every collection, applied as a run applies it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vitobench.errors import UnknownNameError
from vitobench.tasks.corruptions import CORRUPTIONS, EXTRA, collections
from vitobench.tasks.corruptions.bar import CORRUPTIONS_BAR
from vitobench.tasks.corruptions.three_d import CORRUPTIONS_3D, NEEDS_DEPTH
from vitobench.tasks.data.geometry import Geometry
from vitobench.tasks.data.microworld.sets import MicroSet

ALL = (*CORRUPTIONS, *EXTRA, *CORRUPTIONS_BAR, *CORRUPTIONS_3D)
IDS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Four frames of the micro-world, higher than wide, and their depth."""
    source, geometry = MicroSet("val", 4), Geometry(56, 56, "bilinear")
    images, _ = source.load(range(4), geometry)
    depths, _ = source.depths(range(4), geometry)
    return np.ascontiguousarray(images[:, :, :48]), np.ascontiguousarray(depths[:, :, :48])


def test_every_name_belongs_to_one_collection() -> None:
    assert len(set(ALL)) == len(ALL) == 15 + 4 + 10 + 12
    assert {collections.collection_of(name) for name in ALL} == {"imagenet-c", "imagenet-c-bar", "imagenet-3dcc"}
    assert {name for name in ALL if collections.needs_depth(name)} == NEEDS_DEPTH
    with pytest.raises(UnknownNameError, match="Did you mean 'perlin_noise'"):
        collections.collection_of("perlin_nose")
    with pytest.raises(ValueError, match="raw only"):
        collections.apply(np.zeros((1, 16, 16, 3), np.uint8), "sparkles", 1, ["a"], 0, None, "published")


def test_naming_them_loads_no_kernel() -> None:
    code = (
        "import sys, vitobench.tasks.corruptions.collections\n"
        "print(sorted({'numba', 'scipy', 'torch', 'PIL', 'cv2', 'av', 'skimage', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("corruption", ALL)
def test_result_is_new_deterministic_and_independent_of_the_batch(
    batch: tuple[np.ndarray, np.ndarray], corruption: str
) -> None:
    images, depths = batch
    before = images.copy(), depths.copy()

    def drawn(chosen: list[int]) -> np.ndarray:
        ids = [IDS[n] for n in chosen]
        return collections.apply(images[chosen], corruption, 3, ids, 0, depths[chosen])

    whole = collections.apply(images, corruption, 3, IDS, 0, depths)
    assert whole.shape == images.shape
    assert whole.dtype == np.uint8
    assert whole.flags.c_contiguous
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(depths, before[1])
    assert not np.array_equal(whole, images)

    np.random.seed(1)  # the global generator must play no part
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(drawn(order), whole[order])
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(drawn, [[n] for n in [0, 1, 2, 3] * 3]))
    np.testing.assert_array_equal(np.concatenate(alone), whole[[0, 1, 2, 3] * 3])
