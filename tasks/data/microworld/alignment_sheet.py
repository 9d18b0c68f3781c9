"""Draw an overview of the micro-world's stimuli for human alignment.

Run ``python -m vitobench.tasks.data.microworld.alignment_sheet FILE.png``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..geometry import Geometry
from .alignment import TWINS, AlignmentStimuli
from .vocabulary import CLASSES

_MARGIN = 104  # pixels left of the pictures, for names
_LINE = 13  # pixels above each picture, for its condition
_COLUMNS = 8


def contact_sheet(size: int = 64, seed: int = 0) -> Image.Image:
    """A row for each data set, with a column for each of its conditions or, without conditions, for each class.

    A row with conditions shows one class: its first stimulus in each condition.

    Args:
        size: Side of a picture in pixels.
        seed: Seed of the world.
    """
    sheet = Image.new("RGB", (_MARGIN + _COLUMNS * (size + 2), len(TWINS) * (size + _LINE + 2)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(TWINS):
        stimuli = AlignmentStimuli(name, _COLUMNS * len(CLASSES), seed)
        conditions = stimuli.data_set.conditions
        several = len(conditions) > 1
        # Each row shows another class; k * 16 + row is the stimulus of that class in condition k.
        indices = [k * len(CLASSES) + row for k in range(len(conditions))] if several else list(range(_COLUMNS))
        images, _ = stimuli.load(indices, Geometry(size, size, "bilinear"))
        top = row * (size + _LINE + 2)
        pen.text((2, top + _LINE + size // 2 - 6), name, fill="black")
        for column, (index, image) in enumerate(zip(indices, images, strict=True)):
            left = _MARGIN + column * (size + 2)
            pen.text((left, top), stimuli.shown(index) if several else CLASSES[index], fill="black")
            sheet.paste(Image.fromarray(np.ascontiguousarray(image)), (left, top + _LINE))
    return sheet


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m vitobench.tasks.data.microworld.alignment_sheet FILE.png")
    contact_sheet().quantize(256, kmeans=3, dither=Image.Dither.NONE).save(Path(sys.argv[1]), optimize=True)
