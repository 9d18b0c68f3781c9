"""The words of the micro-world: classes, textures with their colours, and the row of numbers of a frame."""

from __future__ import annotations

import numpy as np

# The names of the micro-world's 16 object classes, 16 textures and backgrounds. Imports nothing.


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


# The colours of each texture.


PALETTES = np.array(
    [  # three colours each, sRGB 0..1; a texture carries its palette, as materials do
        [[0.80, 0.16, 0.18], [0.93, 0.90, 0.84], [0.80, 0.16, 0.18]],  # stripes
        [[0.10, 0.14, 0.35], [0.90, 0.80, 0.35], [0.10, 0.14, 0.35]],  # checks
        [[0.90, 0.89, 0.87], [0.36, 0.38, 0.44], [0.70, 0.70, 0.72]],  # marble
        [[0.64, 0.42, 0.22], [0.36, 0.20, 0.09], [0.50, 0.31, 0.15]],  # wood
        [[0.62, 0.25, 0.17], [0.78, 0.74, 0.68], [0.50, 0.20, 0.15]],  # brick
        [[0.16, 0.38, 0.78], [0.95, 0.95, 0.92], [0.16, 0.38, 0.78]],  # dots
        [[0.17, 0.42, 0.12], [0.46, 0.66, 0.20], [0.10, 0.26, 0.08]],  # grass
        [[0.08, 0.45, 0.60], [0.55, 0.86, 0.86], [0.05, 0.25, 0.45]],  # waves
        [[0.86, 0.62, 0.28], [0.22, 0.13, 0.07], [0.66, 0.40, 0.16]],  # leopard
        [[0.93, 0.92, 0.88], [0.08, 0.08, 0.09], [0.93, 0.92, 0.88]],  # zebra
        [[0.13, 0.06, 0.06], [0.98, 0.62, 0.10], [0.80, 0.15, 0.05]],  # lava
        [[0.32, 0.37, 0.20], [0.55, 0.50, 0.33], [0.18, 0.19, 0.13]],  # camouflage
        [[0.55, 0.30, 0.65], [0.20, 0.08, 0.28], [0.75, 0.55, 0.82]],  # cells
        [[0.92, 0.45, 0.65], [0.30, 0.75, 0.55], [0.96, 0.85, 0.30]],  # confetti
        [[0.80, 0.70, 0.52], [0.52, 0.42, 0.28], [0.30, 0.24, 0.17]],  # weave
        [[0.62, 0.65, 0.68], [0.42, 0.45, 0.50], [0.85, 0.87, 0.90]],  # metal
    ],
    dtype=np.float64,
)
"""Base colours, shape (16, 3, 3); a scene jitters them."""


# Positions of a frame's parameters in the row that the compiled renderer reads.


# Each constant is the position of a parameter's first number.
SHAPE, TEXTURE, PATTERN_OFFSET, PATTERN_SCALE, PALETTE, SPECULAR = 0, 1, 2, 5, 6, 15
ROTATION, SCALE, POSITION = 16, 25, 26
CAMERA, AXES, TANGENT = 29, 32, 41
LIGHT, LIGHT_COLOUR, AMBIENT = 42, 45, 48
BACKGROUND, SKY_A, SKY_B, SKY_SCALE, SKY_OFFSET = 51, 52, 55, 58, 59
FLOOR, FLOOR_A, FLOOR_B, FLOOR_PATTERN = 60, 61, 64, 67
OCCLUDERS, OCCLUDER = 68, 69
OCCLUDER_FIELDS = 11
MAX_OCCLUDERS = 2
FIELDS = OCCLUDER + MAX_OCCLUDERS * OCCLUDER_FIELDS
