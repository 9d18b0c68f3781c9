"""The words of the micro-world: its classes, textures and backgrounds, and the row of numbers of a frame."""

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
