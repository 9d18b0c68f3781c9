"""The words of the micro-world: its classes, textures and backgrounds, and the row of numbers of a frame."""

from __future__ import annotations

GENERATOR_VERSION = 2
"""Part of the identity of every set and the version of every task; increase it whenever a pixel changes."""

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
"""Object classes; the index is the label. The order is that of the distance functions in `solids`."""

SCENE_CLASSES = ("background", *CLASSES)
"""Classes of pixels: backdrop, floor and occluders are background."""

UNSEEN_CLASSES = ("pyramid", "jack", "arch", "hourglass", "stairs", "ladder", "tripod", "figure eight")
"""Solids that no clip and no other set shows; their distance functions follow those of `CLASSES`."""

POSED = ("mug", "chair", "aeroplane", "hammer", "house", "car")
"""Classes that look different from every side, since no rotation leaves their shape as it is."""

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

ACTIONS = (
    "the camera approaches",
    "the camera recedes",
    "the object turns to the left",
    "the object turns to the right",
    "the camera circles to the left",
    "the camera circles to the right",
)
"""What moves how in clips of actions. Left and right are those of the image: where the front of the object goes, and
where the camera goes."""

PLAYED = ("forwards", "backwards")
"""The classes of clips of the arrow of time: a motion that slows down, and the same frames in reverse."""

GAPS = (0.2, 1.28, 2.56)
"""Seconds between the frames of a pair in which points correspond."""

VIEWS = {"0 to 30 degrees": (0.0, 30.0), "30 to 60 degrees": (30.0, 60.0), "60 to 90 degrees": (60.0, 90.0)}
"""How far apart the sides are from which two objects of one class are seen: from, and below."""

CAMERAS = ("filmed", "ideal")
"""How frames of clips are taken: by the clip's own imperfect camera, or by one that adds nothing."""


# Positions of a frame's parameters in the row that the compiled renderer reads.

MAX_OBJECTS, MAX_OCCLUDERS = 4, 2

# An object's fields; each constant is the position of a parameter's first number. Object ``n`` begins at
# ``n * OBJECT_FIELDS``, so that the constants by themselves are those of the first object, which gives the label.
SHAPE, TEXTURE, PATTERN, PATTERN_OFFSET, WARP, WARP_PHASE, PALETTE, SPECULAR = 0, 1, 2, 11, 14, 15, 16, 25
ROTATION, SCALE, POSITION = 26, 35, 36
OBJECT_FIELDS = 39

OBJECTS = MAX_OBJECTS * OBJECT_FIELDS
CAMERA, AXES, TANGENT = OBJECTS + 1, OBJECTS + 4, OBJECTS + 13
LIGHT, LIGHT_COLOUR, AMBIENT = OBJECTS + 14, OBJECTS + 17, OBJECTS + 20
BACKGROUND, SKY_A, SKY_B, SKY_SCALE, SKY_OFFSET, DOME = (OBJECTS + n for n in (23, 24, 27, 30, 31, 32))
FLOOR, FLOOR_A, FLOOR_B, FLOOR_PATTERN = (OBJECTS + n for n in (33, 34, 37, 40))
OCCLUDERS, OCCLUDER = OBJECTS + 41, OBJECTS + 42
OCCLUDER_FIELDS = 11
FIELDS = OCCLUDER + MAX_OCCLUDERS * OCCLUDER_FIELDS


# What a pixel shows: the ids of surfaces.

BACKDROP_ID, FLOOR_ID, OBJECT_ID = 0, 1, 2
"""Ids of the backdrop, of the floor and of the first object; further objects follow, then the occluders."""
OCCLUDER_ID = OBJECT_ID + MAX_OBJECTS
SURFACES = OCCLUDER_ID + MAX_OCCLUDERS
