"""Draw overviews of the micro-world: ``python -m vitobench.tasks.microworld.contact_sheet FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from . import vocabulary as k
from .sets import SETS, MicroSet, render
from .vocabulary import CLASSES, CLIP_SECONDS

_GAP = 6  # white pixels between bands


def _grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Pictures (n, S, S, 3) in rows of ``columns``."""
    rows, size = len(images) // columns, images.shape[1]
    grid = images.reshape(rows, columns, size, size, 3).swapaxes(1, 2)
    return grid.reshape(rows * size, columns * size, 3)


def _stack(bands: list[np.ndarray]) -> np.ndarray:
    gap = np.full((_GAP, bands[0].shape[1], 3), 255, dtype=np.uint8)
    return np.concatenate([part for band in bands for part in (gap, band)][1:])


def stills(size: int = 96, rows_per_set: int = 2, seed: int = 0) -> np.ndarray:
    """One column per class, a few rows per set, without the training set, which looks like the validation set.

    Args:
        size: Side of a picture in pixels.
        rows_per_set: Rows for each set.
        seed: Seed of the world.

    Returns:
        uint8 (H, W, 3).
    """
    count = rows_per_set * len(CLASSES)
    names = [name for name in SETS if name != "train"]
    return _stack(
        [_grid(MicroSet(name, count, seed).frames(range(count), size).images, len(CLASSES)) for name in names]
    )


def clips(size: int = 96, number: int = 10, seed: int = 0) -> np.ndarray:
    """A row for each clip of the set "train": frames of its own camera over time, and a photograph of the same scene.

    Args:
        size: Side of a picture in pixels.
        number: Clips.
        seed: Seed of the world.

    Returns:
        uint8 (H, W, 3).
    """
    columns = 12
    source = MicroSet("train", 3 * number + 1, seed)
    bands = []
    for index in range(0, 3 * number, 3):  # every third, to show different classes
        times = np.linspace(0, CLIP_SECONDS, columns).tolist()
        filmed = source.frames([index] * columns, size, times).images
        gap = np.full((size, _GAP, 3), 255, dtype=np.uint8)
        bands.append(np.concatenate([source.frames([index], size).images[0], gap, _grid(filmed, columns)], axis=1))
    return np.concatenate(bands)


_COLOURS = np.array(
    [
        [60, 60, 70],
        [110, 110, 120],
        [230, 80, 60],
        [70, 160, 230],
        [240, 190, 50],
        [120, 200, 90],
        [0, 0, 0],
        [0, 0, 0],
    ],
    dtype=np.uint8,
)


def several(size: int = 96, number: int = 12, seed: int = 0) -> np.ndarray:
    """Scenes with three or four objects from an ideal camera, with the ids of their surfaces, boxes, and depth.

    Args:
        size: Side of a picture in pixels.
        number: Scenes.
        seed: Seed of the world.

    Returns:
        uint8 (H, W, 3).
    """
    source = MicroSet("val", 40 * number, seed)
    crowded = [scene for scene in source.scenes(range(40 * number)) if scene.start[k.OBJECTS] >= 3][:number]
    frames = render(crowded, [0.5 * CLIP_SECONDS] * len(crowded), size, camera="ideal")
    ids = _COLOURS[frames.surfaces]
    for picture, boxes in zip(ids, frames.boxes, strict=True):
        for left, top, right, bottom in boxes.tolist():
            if right > left:
                picture[[top, bottom - 1], left:right] = 255
                picture[top:bottom, [left, right - 1]] = 255
    depth = np.clip(255 * 3.0 / frames.depth, 0, 255).astype(np.uint8)[..., None].repeat(3, 3)
    return np.concatenate([_grid(part, len(crowded)) for part in (frames.images, ids, depth)])


SHEETS: dict[str, Callable[[], np.ndarray]] = {
    "microworld.png": stills,
    "microworld-clips.png": clips,
    "microworld-objects.png": several,
}
"""Sheets by the name of their file."""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m vitobench.tasks.microworld.contact_sheet FOLDER")
    for name, draw in SHEETS.items():
        picture = Image.fromarray(draw()).quantize(256, kmeans=2, dither=Image.Dither.NONE)
        picture.save(Path(sys.argv[1]) / name, optimize=True)
