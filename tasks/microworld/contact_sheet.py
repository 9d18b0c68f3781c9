"""Draw an overview of the micro-world: ``python -m vitobench.tasks.microworld.contact_sheet FILE.png``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from .sets import SETS, MicroSet
from .vocabulary import CLASSES


def contact_sheet(size: int = 96, rows_per_set: int = 2, seed: int = 0) -> np.ndarray:
    """One column per class, a few rows per set, without the training set, which looks like the validation set.

    Args:
        size: Side of a frame in pixels.
        rows_per_set: Rows for each set.
        seed: Seed of the world.

    Returns:
        uint8 (H, W, 3).
    """
    columns = len(CLASSES)
    bands = []
    for name in SETS:
        if name == "train":
            continue
        frames = MicroSet(name, rows_per_set * columns, seed).frames(range(rows_per_set * columns), size).images
        grid = frames.reshape(rows_per_set, columns, size, size, 3).swapaxes(1, 2)
        bands.append(grid.reshape(rows_per_set * size, columns * size, 3))
        bands.append(np.full((6, columns * size, 3), 255, dtype=np.uint8))
    return np.concatenate(bands[:-1])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m vitobench.tasks.microworld.contact_sheet FILE.png")
    Image.fromarray(contact_sheet()).save(Path(sys.argv[1]), optimize=True)
