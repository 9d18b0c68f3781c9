"""Positions of a frame's parameters in the row that the compiled renderer reads."""

from __future__ import annotations

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
