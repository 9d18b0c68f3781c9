"""Names and constants of the twelve corruptions, for each severity and image size.

The names and most constants are those of ImageNet-3DCC (Kar, Yeo, Atanov & Zamir, CVPR 2022), which was made at 224
pixels. At other sizes a field whose name ends in ``_px`` is multiplied by side / 224, where *side* is the shorter side;
nothing else is scaled. `docs/corruptions-3d.md` lists which constants are published and which are ours.
"""

from __future__ import annotations

VERSION_3D: int = 1
"""Part of a task's identity. Raise it when the pixels of all corruptions change; for one, raise `VERSIONS`."""

VERSIONS: dict[str, int] = {}
"""Versions of single corruptions, from 0: raise one when a change of its code or constants changes a pixel."""

FAMILIES_3D: dict[str, tuple[str, ...]] = {
    "focus": ("near_focus", "far_focus"),
    "light": ("fog_3d", "flash"),
    "motion": ("xy_motion_blur", "z_motion_blur"),
    "sensor": ("iso_noise", "low_light", "color_quant"),
    "video": ("bit_error", "h265_abr", "h265_crf"),
}
CORRUPTIONS_3D: tuple[str, ...] = tuple(name for family in FAMILIES_3D.values() for name in family)
NEEDS_DEPTH: frozenset[str] = frozenset(name for family in ("focus", "light", "motion") for name in FAMILIES_3D[family])

_TUNED_AT = 224

FIELDS: dict[str, tuple[str, ...]] = {
    "near_focus": ("aperture_px",),
    "far_focus": ("aperture_px",),
    "fog_3d": ("attenuation",),
    "flash": ("gain",),
    "xy_motion_blur": ("travel_px",),
    "z_motion_blur": ("travel",),
    "iso_noise": ("photons", "deviation"),
    "low_light": ("brightest", "photons", "deviation"),
    "color_quant": ("bits",),
    "bit_error": ("bytes_per_error",),
    "h265_abr": ("divisor",),
    "h265_crf": ("crf",),
}
"""The keyword arguments of each kernel, in the order of the rows of `CONSTANTS`."""

CONSTANTS: dict[str, tuple[tuple[float, ...], ...]] = {
    "near_focus": ((3,), (4,), (5,), (6,), (7,)),
    "far_focus": ((1.5,), (2.5,), (3.5,), (4.5,), (5.5,)),
    # Published as 4, 8, 12, 16 and 20 for a depth that ends at 0.5; ours ends at 5 (see `depth`).
    "fog_3d": ((0.4,), (0.8,), (1.2,), (1.6,), (2.0,)),
    "flash": ((1 / 2.4,), (1 / 1.4,), (1 / 0.9,), (1 / 0.6,), (1 / 0.4,)),
    # The published numbers are frames of a clip: 20, 30, 40, 50, 60 and 20, 25, 30, 35, 38. The motion per frame is our
    # choice: half a pixel at the reference depth, and 0.55 % of the reference depth.
    "xy_motion_blur": ((10,), (15,), (20,), (25,), (30,)),
    "z_motion_blur": ((0.11,), (0.1375,), (0.165,), (0.1925,), (0.209,)),
    "iso_noise": ((25, 0.056), (25, 0.084), (25, 0.126), (25, 0.182), (25, 0.266)),
    "low_light": ((0.6, 600, 0.008), (0.5, 250, 0.012), (0.4, 120, 0.018), (0.3, 50, 0.026), (0.2, 30, 0.038)),
    "color_quant": ((5,), (4,), (3,), (2,), (1,)),
    "bit_error": ((100_000,), (50_000,), (30_000,), (20_000,), (10_000,)),
    "h265_abr": ((2,), (4,), (8,), (16,), (32,)),
    "h265_crf": ((24,), (26,), (32,), (39,), (41,)),
}


def parameters(corruption: str, severity: int, height: int, width: int) -> dict[str, float]:
    """The keyword arguments of a corruption's kernel.

    Args:
        corruption: One of `CORRUPTIONS_3D`.
        severity: 1 to 5.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Field name to value; lengths in pixels of this image.
    """
    ratio = min(height, width) / _TUNED_AT
    row = CONSTANTS[corruption][severity - 1]
    return {f: v * ratio if f.endswith("_px") else v for f, v in zip(FIELDS[corruption], row, strict=True)}
