"""Milliseconds an image of each ImageNet-C-bar corruption, against the authors' code.

    python tests/benchmarks/corruptions_bar.py [--size 224] [--images 16] [--original CHECKOUT]

One thread. Ours includes the drawing of random numbers and the copy into the batch, and is the best of some runs;
numba's compilation is left out. Without a checkout of ``facebookresearch/augmentation-corruption`` the ratios refer to
earlier times of the authors' code, on a slower machine; with one, to the same severities in this run.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.corruptions.imagenet_c_bar import CORRUPTIONS_BAR, LEVELS

SEVERITIES = (1, 3, 5)
RECORDED = {
    "blue_noise_sample": 125,
    "brownish_noise": 491,
    "caustic_refraction": 4616,
    "checkerboard_cutout": 157,
    "cocentric_sine_waves": 158,
    "inverse_sparkles": 650,
    "perlin_noise": 1343,
    "plasma_noise": 1483,
    "single_frequency_greyscale": 36,
    "sparkles": 3000,
}
"""Milliseconds at 224 pixels and level 5; 12.1 seconds for the ten."""


def photographs(count: int, size: int) -> NDArray[np.uint8]:
    """Smooth colours with some grain, uint8 ``(N, size, size, 3)``; no corruption's time depends on more."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    plain = np.stack([0.2 + 0.6 * x, 0.7 - 0.5 * y, 0.3 + 0.4 * x * y], axis=-1)
    return np.uint8(np.clip(plain + rng.normal(0, 0.1, (count, size, size, 3)), 0, 1) * 255)


def best(work: Callable[[], object], runs: int) -> float:
    """Seconds of the fastest run."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def load_original(checkout: Path) -> dict[str, Any]:
    """The authors' classes by corruption."""
    folder = checkout / "imagenet_c_bar"
    if not (folder / "corrupt.py").is_file():
        raise SystemExit(f"{checkout} holds no imagenet_c_bar/corrupt.py")
    sys.path.insert(0, str(folder))
    module = importlib.import_module("corrupt")
    return {c.name: c for c in vars(module).values() if getattr(c, "name", None) in CORRUPTIONS_BAR}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=224, help="side of an image in pixels")
    parser.add_argument("--images", type=int, default=16, help="images of a batch")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the best counts")
    parser.add_argument("--original", type=Path, help="checkout of facebookresearch/augmentation-corruption")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    images = photographs(options.images, options.size)
    ids = [str(i) for i in range(len(images))]
    original = load_original(options.original) if options.original else {}

    def ours(name: str, severity: int) -> float:
        corrupt(images[:1], name, severity, image_ids=ids[:1])
        seconds = best(lambda: corrupt(images, name, severity, image_ids=ids), options.runs)
        return 1000 * seconds / len(images)

    def theirs(name: str, severity: int) -> float:
        if not original:
            return RECORDED[name]
        transform = original[name](LEVELS[name][severity - 1], options.size)
        return 1000 * best(lambda: transform(images[0]), 1)

    print(
        f"{options.size} pixels, ms an image; original: {'this run' if original else 'recorded, level 5, 224 pixels'}"
    )
    print(
        f"{'corruption':28}" + "".join(f"{f'severity {s}':>12}" for s in SEVERITIES) + f"{'original':>12}{'ratio':>9}"
    )
    sums = np.zeros(2)
    for name in CORRUPTIONS_BAR:
        mine = [ours(name, severity) for severity in SEVERITIES]
        peer = float(np.mean([theirs(name, severity) for severity in SEVERITIES]))
        sums += np.mean(mine), peer
        print(
            f"{name:28}" + "".join(f"{t:12.2f}" for t in mine) + f"{peer:12.1f}{peer / np.mean(mine):9.0f}", flush=True
        )
    print(f"{'sum of the ten':28}{'':24}{sums[0]:12.2f}{sums[1]:12.1f}{sums[1] / sums[0]:9.0f}")
    print(f"mean {sums[0] / len(CORRUPTIONS_BAR):.2f} ms; ratio to the recorded 12.1 s: {12100 / sums[0]:.0f}")


if __name__ == "__main__":
    main()
