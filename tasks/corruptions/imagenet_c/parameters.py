"""The constants of each corruption, for each severity and image size.

Two sets are published (Hendrycks & Dietterich, ICLR 2019; the constants are those of their scripts): ImageNet-C's,
tuned at 224 pixels, and Tiny-ImageNet-C's, tuned at 64 pixels. The rule for every other size, with *side* the shorter
side:

* side >= 128 uses the 224 set, with all lengths in pixels multiplied by side / 224;
* side < 128 uses the 64 set, with all lengths in pixels multiplied by side / 64;
* amplitudes, weights, counts, contrasts, JPEG qualities, and relative zooms and resizes are not scaled.

A length in pixels is a field whose name ends in ``_px``: radii and standard deviations of blurs, the reach of glass
blur, the displacements of the elastic transform, and the sizes of a snowflake (the zoom of its noise; at least 1), of a
pixel of a frost picture, and of drops of spatter. Fields that end in ``_int_px`` are rounded and at least 1. At sides
of exactly 224 and 64 every constant is the published one. Lengths outside the scripts' tables of constants (the edge
filters of spatter and the 20 pixels at which its distances end) are the same at every size, because they are the same
in both published sets.
"""

from __future__ import annotations

VERSION: int = 2
"""Part of a task's identity. Raise it when the pixels of all corruptions change; for one, raise `VERSIONS`."""

VERSIONS: dict[str, int] = {}
"""Versions of single corruptions, from 0: raise one when a change of its code or constants changes a pixel."""

MODULES: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("snow", "frost", "fog"),
    "spatter": ("spatter",),
    "colour": ("brightness", "saturate", "contrast"),
    "elastic": ("elastic_transform",),
    "digital": ("pixelate", "jpeg_compression"),
}
"""The kernels of each module of this package."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS: tuple[str, ...] = tuple(name for family in FAMILIES.values() for name in family)
EXTRA_FAMILIES: dict[str, tuple[str, ...]] = {
    "noise": ("speckle_noise",),
    "blur": ("gaussian_blur",),
    "weather": ("spatter",),
    "digital": ("saturate",),
}
"""Families of the corruptions that ImageNet-C reserves for tuning; they are not part of a mean corruption error."""
EXTRA: tuple[str, ...] = tuple(name for family in EXTRA_FAMILIES.values() for name in family)
SEVERITIES: tuple[int, ...] = (1, 2, 3, 4, 5)
VARIANTS: tuple[str, ...] = ("raw", "published")
"""``published`` adds the compression of the published folders: JPEG at quality 85. Scores of the two variants are not
comparable, so the variant is part of the identity of everything computed from the pixels."""

SMALLEST_SIDE = 16
_FIRST_LARGE_SIDE = 128
_LARGE, _SMALL = 224, 64

FIELDS: dict[str, tuple[str, ...]] = {
    "gaussian_noise": ("deviation",),
    "shot_noise": ("photons",),
    "impulse_noise": ("share",),
    "defocus_blur": ("radius_px", "smoothing_px"),
    "glass_blur": ("sigma_px", "reach_int_px", "sweeps"),
    "motion_blur": ("radius_px", "sigma_px"),
    "zoom_blur": ("zoom_stop", "zoom_step"),
    "snow": ("mean", "deviation", "flake_px", "threshold", "radius_px", "sigma_px", "image_weight"),
    "frost": ("image_weight", "frost_weight", "texel_px"),
    "fog": ("amount", "decay"),
    "brightness": ("shift",),
    "contrast": ("factor",),
    "elastic_transform": ("amplitude_px", "sigma_px", "affine_px"),
    "pixelate": ("factor",),
    "jpeg_compression": ("quality",),
    "speckle_noise": ("deviation",),
    "gaussian_blur": ("sigma_px",),
    # A mud_sigma_px of 0 means water; strength is only used for water.
    "spatter": ("mean", "deviation", "sigma_px", "threshold", "strength", "mud_sigma_px"),
    "saturate": ("factor", "shift"),
}
"""The keyword arguments of each kernel, in the order of the rows of `LARGE_SET` and `SMALL_SET`."""

Rows = tuple[tuple[float, ...], ...]

LARGE_SET: dict[str, Rows] = {
    "gaussian_noise": ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
    "shot_noise": ((60,), (25,), (12,), (5,), (3,)),
    "impulse_noise": ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
    "defocus_blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    "zoom_blur": ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    "frost": ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    "brightness": ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    "contrast": ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
    # The published script has 244, surely a typo for 224; it is part of the benchmark.
    "elastic_transform": (
        (244 * 2, 244 * 0.7, 244 * 0.1),
        (244 * 2, 244 * 0.08, 244 * 0.2),
        (244 * 0.05, 244 * 0.01, 244 * 0.02),
        (244 * 0.07, 244 * 0.01, 244 * 0.02),
        (244 * 0.12, 244 * 0.01, 244 * 0.02),
    ),
    "pixelate": ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
    "jpeg_compression": ((25,), (18,), (15,), (10,), (7,)),
    "speckle_noise": ((0.15,), (0.2,), (0.35,), (0.45,), (0.6,)),
    "gaussian_blur": ((1,), (2,), (3,), (4,), (6,)),
    "spatter": (
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 0, 1.5),
        (0.67, 0.4, 1, 0.65, 0, 1.5),
    ),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
}

SMALL_SET: dict[str, Rows] = {
    "gaussian_noise": ((0.04,), (0.08,), (0.12,), (0.15,), (0.18,)),
    "shot_noise": ((250,), (100,), (50,), (30,), (15,)),
    "impulse_noise": ((0.01,), (0.02,), (0.05,), (0.08,), (0.14,)),
    "defocus_blur": ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
    "glass_blur": ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    "motion_blur": ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    "zoom_blur": ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    "snow": (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
    ),
    "frost": ((1, 0.3, 0.3), (0.9, 0.4, 0.3), (0.8, 0.45, 0.3), (0.75, 0.5, 0.3), (0.7, 0.55, 0.3)),
    "fog": ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
    "brightness": ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    "contrast": ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
    "elastic_transform": (
        (64 * 0, 64 * 0, 64 * 0.08),
        (64 * 0.05, 64 * 0.3, 64 * 0.06),
        (64 * 0.1, 64 * 0.08, 64 * 0.06),
        (64 * 0.1, 64 * 0.03, 64 * 0.03),
        (64 * 0.16, 64 * 0.03, 64 * 0.02),
    ),
    "pixelate": ((0.9,), (0.8,), (0.7,), (0.6,), (0.5,)),
    "jpeg_compression": ((65,), (58,), (50,), (40,), (25,)),
    "speckle_noise": ((0.15,), (0.2,), (0.25,), (0.3,), (0.35,)),
    "gaussian_blur": ((0.5,), (0.75,), (1,), (1.25,), (1.5,)),
    "spatter": (
        (0.62, 0.1, 0.7, 0.7, 0.6, 0),
        (0.65, 0.1, 0.8, 0.7, 0.6, 0),
        (0.65, 0.3, 1, 0.69, 0.6, 0),
        (0.65, 0.1, 0.7, 0.68, 0, 0.6),
        (0.65, 0.1, 0.5, 0.67, 0, 0.6),
    ),
    "saturate": ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
}


def parameters(corruption: str, severity: int, height: int, width: int) -> dict[str, float]:
    """The keyword arguments of a corruption's kernel, by the rule in this module's description.

    Args:
        corruption: One of `CORRUPTIONS` or `EXTRA`.
        severity: 1 to 5.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Field name to value; lengths in pixels of this image.
    """
    side = min(height, width)
    published, tuned_at = (LARGE_SET, _LARGE) if side >= _FIRST_LARGE_SIDE else (SMALL_SET, _SMALL)
    row = published[corruption][severity - 1]
    ratio = side / tuned_at
    scaled: dict[str, float] = {}
    for field, value in zip(FIELDS[corruption], row, strict=True):
        if field.endswith("_int_px"):
            value = max(1, round(value * ratio))
        elif field.endswith("_px") and ratio != 1:
            value = value * ratio
        scaled[field] = value
    if "flake_px" in scaled:
        scaled["flake_px"] = max(1.0, scaled["flake_px"])  # noise has no detail finer than a pixel to zoom out to
    return scaled
