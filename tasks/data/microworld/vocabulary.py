"""The names of the micro-world's 16 object classes, 16 textures and backgrounds. Imports nothing."""

from __future__ import annotations

CLASSES = (
    "ball",
    "box",
    "ring",
    "can",
    "cone",
    "bottle",
    "mug",
    "chair",
    "table",
    "aeroplane",
    "hammer",
    "star",
    "dumbbell",
    "house",
    "mushroom",
    "car",
)
"""Object classes; the index is the label. The order is that of the distance functions in `shapes`."""

SYNONYMS = {
    "box": ("crate",),
    "mug": ("cup",),
    "aeroplane": ("airplane", "plane"),
    "mushroom": ("toadstool",),
    "car": ("automobile",),
}
"""Other words that titles of clips use for a class."""

TEXTURES = (
    "stripes",
    "checks",
    "marble",
    "wood",
    "brick",
    "dots",
    "grass",
    "waves",
    "leopard",
    "zebra",
    "lava",
    "camouflage",
    "cells",
    "confetti",
    "weave",
    "metal",
)
"""Solid textures; in the natural sets class ``i`` usually has texture ``i``."""

BACKGROUNDS = ("plain", "clouds", "wallpaper", "tiles", "planks", "hedge", "pebbles", "rings", "maze")
"""Background families."""

TRAINING_BACKGROUNDS = (0, 1, 2, 3, 4, 5)
UNSEEN_BACKGROUNDS = (6, 7, 8)
"""Families that do not occur in training clips; the set "backgrounds" only has these."""

CLIP_SECONDS = 2.56
"""Length of a clip in seconds: the window from which VITO draws its two frames."""
