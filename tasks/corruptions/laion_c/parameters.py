"""The constants of each distortion of LAION-C, for each level and image size.

The published constants are for images of 224 pixels. Size rule: lengths are multiplied by the shorter side over 224,
and the numbers of shapes and stickers by the area over that of the square of the shorter side, so that the same share
of the image is covered at every size. Two things are counted in pixels whatever the size, because nothing is thinner
than a pixel: the lines of ``vertical_lines`` are one pixel thick, so their distance is kept too, and every other row of
``glitched`` is black. At 224 pixels all constants are the published ones.
"""

from __future__ import annotations

from typing import Any

VERSION_LAION: int = 1
"""Part of a task's identity. Raise it when the pixels of all distortions change; for one, raise `VERSIONS`."""

VERSIONS: dict[str, int] = {}
"""Versions of single distortions, from 0: raise one when a change of its code or constants changes a pixel."""

PUBLISHED_SIDE = 224

CONSTANTS: dict[str, tuple[Any, ...]] = {
    "geometric_shapes": (150, 300, 600, 800, 1000),  # how many
    "glitched": (2, 4, 5, 8, 10),  # amount of glitch-this, at most 10
    "luminance_checkerboard": ((0, 50), (50, 100), (100, 125), (125, 150), (150, 255)),  # grey levels, from and to
    "mosaic": (4, 6, 8, 16, 28),  # side of a tile
    "stickers": (100, 200, 400, 600, 1200),  # how many
    "vertical_lines": ((224, 1), (178, 2), (112, 4), (84, 6), (60, 8)),  # number of lines, rows in a step
}
"""The published constants of levels 1 to 5. The names are those of the published folders."""

CORRUPTIONS_LAION: tuple[str, ...] = tuple(CONSTANTS)

MODULES: dict[str, tuple[str, ...]] = {
    "drawing": ("geometric_shapes", "vertical_lines"),
    "screen": ("glitched", "luminance_checkerboard"),
    "tiles": ("mosaic", "stickers"),
}
"""The kernels of each module of this package."""

_CHECKERS = 16  # fields along 224 pixels, of 14 pixels each
_STICKER = 16  # side of a sticker
_REACH = 40  # how far a black pixel moves a vertical line


def parameters(corruption: str, severity: int, height: int, width: int) -> dict[str, Any]:
    """The keyword arguments of a distortion's kernel, by the rule in this module's description.

    Args:
        corruption: One of `CORRUPTIONS_LAION`.
        severity: 1 to 5.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Argument name to value; grey levels on a scale of 255, lengths in pixels of this image.
    """
    level = CONSTANTS[corruption][severity - 1]
    side = min(height, width)
    scale = side / PUBLISHED_SIDE
    if corruption == "glitched":
        return {"amount": level, "channel_px": 2 * level * scale}
    if corruption == "luminance_checkerboard":
        return {"low": float(level[0]), "high": float(level[1]), "field_px": side / _CHECKERS}
    if corruption == "mosaic":
        return {"tile_px": max(1.0, level * scale)}
    if corruption == "vertical_lines":
        lines, step = level
        return {
            "lines": max(1, round(lines * width / PUBLISHED_SIDE)),
            "step": max(1, round(step * scale)),
            "reach_px": _REACH * scale,
        }
    count = round(level * height * width / side**2)
    if corruption == "stickers":
        return {"count": count, "side_px": max(1, round(_STICKER * scale))}
    return {"count": count, "scale": scale}
