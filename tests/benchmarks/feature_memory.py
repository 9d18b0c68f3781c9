"""Peak memory of protocols on features: classes retrieved from memories of two sizes, masks carried along clips.

    python -m vitobench.tests.benchmarks.feature_memory retrieved [CELLS]
    python -m vitobench.tests.benchmarks.feature_memory carried [HEIGHT WIDTH FRAMES]

Features and images are random, so no data are needed; each size has a process of its own. What a process takes before
it begins (Python, torch and the protocol) is printed beside its peak.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from typing import Any

import numpy as np

from vitobench.tasks.understanding.retrieval import Retrieval
from vitobench.tasks.understanding.video_objects import Carrying

LABELLED, JUDGED, CLASSES = 100, 8, 21
SIZES: dict[str, tuple[tuple[int, ...], ...]] = {
    "retrieved": ((25_600,), (102_400,)),
    "carried": ((240, 428, 30), (240, 428, 90), (480, 854, 30)),
}
"""Cells of a memory; height and width of frames, and how many. From the 22nd on, all that are compared are there."""


class Noise:
    """An encoder of random features.

    Args:
        channels: Of its maps.
    """

    name = identity = "noise"

    def __init__(self, channels: int) -> None:
        self._channels = channels

    def patch(self, height: int, width: int) -> int:
        return 0

    def maps(self, images: np.ndarray, within: int, stride: int) -> Any:
        import torch

        return torch.randn(len(images), self._channels, *(-(-side // stride) for side in images.shape[1:3]))


class Scenes:
    """Photographs of 375 x 500 pixels with random classes in blocks of 25."""

    digest = name = "scenes"
    image_ids = tuple(f"judged {n}" for n in range(JUDGED))
    memory_ids = tuple(f"labelled {n}" for n in range(LABELLED))

    def picture(self, image_id: str) -> np.ndarray:
        return np.zeros((375, 500, 3), np.uint8)

    def classes_of(self, image_id: str) -> np.ndarray:
        blocks = np.random.default_rng(list(image_id.encode())).integers(CLASSES, size=(15, 20), dtype=np.uint8)
        return np.kron(blocks, np.ones((25, 25), np.uint8))


class Clip:
    """A clip with one object that stays.

    Args:
        height: Of its frames in pixels.
        width: Likewise.
        frames: How many.
    """

    name = "clip"

    def __init__(self, height: int, width: int, frames: int) -> None:
        self._size, self._frames = (height, width), frames

    def object_at(self, position: int) -> tuple[str, int]:
        return self.name, 1

    def length_of(self, clip: str) -> int:
        return self._frames

    def objects(self, clip: str) -> int:
        return 1

    def frame(self, clip: str, number: int) -> np.ndarray:
        return np.zeros((*self._size, 3), np.uint8)

    def mask(self, clip: str, number: int) -> np.ndarray:
        mask = np.zeros(self._size, np.uint8)
        mask[60:120, 100:200] = 1
        return mask


def peak() -> float:
    """Of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def retrieved(cells: int) -> None:
    """Retrieve the classes of the judged photographs from a memory of this many cells."""
    how = Retrieval(tuple(f"class {n}" for n in range(CLASSES)), memory=cells)
    found = how.examiner(Noise(384), Scenes()).numbers(range(JUDGED))  # type: ignore[arg-type]
    assert len(found.positions) == JUDGED


def carried(height: int, width: int, frames: int) -> None:
    """Carry a mask along a clip."""
    clip = Clip(height, width, frames)
    found = Carrying(shorter=0).examiner(Noise(112), clip)  # type: ignore[arg-type]
    assert sum(1 for _ in found.masks(clip.name)) == frames - 2


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=SIZES)
    parser.add_argument("size", nargs="*", type=int, help="this size only, in this process")
    options = parser.parse_args()
    if options.size:
        import torch

        torch.randn(64, 64) @ torch.randn(64, 64)  # loads what multiplies
        before = peak()
        if options.what == "retrieved":
            retrieved(*options.size)
        else:
            carried(*options.size)
        print(f"peak {peak():.0f} MB, before it {before:.0f} MB")
        return
    for size in SIZES[options.what]:
        command = [sys.executable, "-m", __spec__.name, options.what, *map(str, size)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        print(f"{options.what} {' x '.join(map(str, size))}: {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
