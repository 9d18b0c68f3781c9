"""What holds for every corruption of every collection, applied as a run applies it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from vitobench import plugins
from vitobench.errors import UnknownNameError
from vitobench.tasks.corruptions import CORRUPTIONS, EXTRA, corrupt, registry
from vitobench.tasks.corruptions.imagenet_3dcc import CORRUPTIONS_3D, NEEDS_DEPTH
from vitobench.tasks.corruptions.imagenet_c_bar import CORRUPTIONS_BAR
from vitobench.tasks.corruptions.laion_c import CORRUPTIONS_LAION
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.registry import TASKS
from vitobench.tasks.task import Condition

ALL = (*CORRUPTIONS, *EXTRA, *CORRUPTIONS_BAR, *CORRUPTIONS_3D, *CORRUPTIONS_LAION)
IDS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Four frames of the micro-world, higher than wide, and their depth."""
    source, geometry = MicroSet("val", 4), Geometry(56, 56, "bilinear")
    images, _ = source.load(range(4), geometry)
    depths, _ = source.depths(range(4), geometry)
    return np.ascontiguousarray(images[:, :, :48]), np.ascontiguousarray(depths[:, :, :48])


def test_every_name_belongs_to_one_collection() -> None:
    assert len(set(ALL)) == len(ALL) == 15 + 4 + 10 + 12 + 6
    assert set(registry.CORRUPTIONS) == set(ALL)
    assert {found.collection.name for found in registry.CORRUPTIONS.values()} == {
        "imagenet-c", "imagenet-c-bar", "imagenet-3dcc", "laion-c"
    }  # fmt: skip
    assert {name for name in ALL if registry.find(name).needs_depth} == NEEDS_DEPTH
    with pytest.raises(UnknownNameError, match="Did you mean 'perlin_noise'"):
        registry.find("perlin_nose")
    with pytest.raises(ValueError, match="only has the variant 'raw'"):
        corrupt(np.zeros((1, 16, 16, 3), np.uint8), "sparkles", 1, image_ids=["a"], variant="published")


def test_a_corruption_of_a_plugin_is_drawn_and_enters_identities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_REGISTERED", {})
    mine = registry.Collection("mine", 1)

    def darker(image: np.ndarray, draws: np.random.Generator, *, share: float) -> np.ndarray:
        return (image * share).astype(np.uint8)

    def constants(severity: int, height: int, width: int) -> dict[str, float]:
        return {"share": 1 - severity / 10}

    given = registry.Corruption("darker", mine, darker, constants)
    plugins.register(plugins.CORRUPTIONS, "darker", given)
    images = np.full((2, 16, 16, 3), 200, np.uint8)
    assert (corrupt(images, "darker", 3, image_ids=["a", "b"]) == 140).all()
    assert "darker" in registry.all_corruptions()
    task = replace(TASKS["micro-c"], conditions=(Condition("darker", 3),))
    assert task.identity_facts("d", 0)["corruptions"] == [0, "mine 1 raw"]
    plugins.register(plugins.CORRUPTIONS, "darker", replace(given, version=2))
    assert task.identity_facts("d", 0)["corruptions"] == [0, "darker 2", "mine 1 raw"]
    plugins.register(plugins.CORRUPTIONS, "darker", replace(given, collection=registry.IMAGENET_C))
    with pytest.raises(plugins.PluginError, match="published and closed"):
        registry.find("darker")
    plugins.register(plugins.CORRUPTIONS, "darker", darker)
    with pytest.raises(plugins.PluginError, match="must be a Corruption, not function"):
        registry.find("darker")
    assert "darker" not in registry.all_corruptions()


def test_naming_them_loads_no_kernel() -> None:
    code = (
        "import sys, vitobench.tasks.corruptions.registry\n"
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
        return corrupt(images[chosen], corruption, 3, image_ids=ids, depths=depths[chosen])

    whole = corrupt(images, corruption, 3, image_ids=IDS, depths=depths)
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
