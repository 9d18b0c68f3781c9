"""Milliseconds of processor time an image of each distortion of LAION-C, beside the other collections at 64 pixels.

    python tests/benchmarks/corruptions_laion.py [--images 8]

One thread, with the random draws and the copy into the batch; the best of three runs. numba's compilation and the small
pictures that mosaic and stickers are made of, which are drawn once, are left out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from vitobench.tasks.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from vitobench.tasks.corruptions.imagenet_3dcc import CORRUPTIONS_3D
from vitobench.tasks.corruptions.imagenet_c_bar import CORRUPTIONS_BAR
from vitobench.tasks.corruptions.laion_c import CORRUPTIONS_LAION


def pictures(count: int, side: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Smooth colours with some grain, uint8 ``(N, side, side, 3)``, and a slope as their depth, ``(N, side, side)``."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : 1 : side * 1j, 0 : 1 : side * 1j]
    plain = np.stack([0.2 + 0.6 * x, 0.7 - 0.5 * y, 0.3 + 0.4 * x * y], axis=-1)
    noisy = np.uint8(np.clip(plain + rng.normal(0, 0.1, (count, side, side, 3)), 0, 1) * 255)
    return noisy, np.broadcast_to(np.float32(2 - y), (count, side, side)).copy()


def milliseconds(name: str, severity: int, images: NDArray[np.uint8], depths: NDArray[np.float32]) -> float:
    """Of one image, the best of three runs."""
    ids = [str(n) for n in range(len(images))]
    corrupt(images[:1], name, severity, image_ids=ids[:1], depths=depths[:1])
    times = []
    for _ in range(3):
        started = time.process_time()
        corrupt(images, name, severity, image_ids=ids, depths=depths)
        times.append(time.process_time() - started)
    return 1000 * min(times) / len(images)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8)
    count = parser.parse_args().images
    for side in (224, 64):
        images, depths = pictures(count, side)
        every = []
        for name in CORRUPTIONS_LAION:
            row = [milliseconds(name, severity, images, depths) for severity in SEVERITIES]
            every += row
            print(f"{side} px  {name:24}", " / ".join(f"{value:.2f}" for value in row))
        print(f"{side} px  {'mean':24} {np.mean(every):.2f}")
    for title, names in (("ImageNet-C", CORRUPTIONS), ("C-bar", CORRUPTIONS_BAR), ("3DCC", CORRUPTIONS_3D)):
        mean = np.mean([milliseconds(name, severity, images, depths) for name in names for severity in SEVERITIES])
        print(f"64 px  {title:24} {mean:.2f}")


if __name__ == "__main__":
    main()
