"""The constants of each corruption of ImageNet-C-bar, for each severity and image size.

The published benchmark defines five levels between 0 and 10 for every corruption (`LEVELS`). As in the authors'
scripts, a constant of the corruption turns its level into an amount (`parameters`).

Size rule. The authors' definitions work for a square image of any side, so they already are a rule for other sizes:
radii, rings, scales, cells and the strength of the lens are fractions of the side; the frequencies of
``single_frequency_greyscale`` (per pixel), the numbers of rays, waves per turn and octaves, the smoothing of the
caustic (one pixel), and all amplitudes are not scaled. Here *side* is the shorter side, positions are drawn over the
whole height and width, and spatial frequencies are counted per *side*. For a square image every corruption is therefore
the published definition at that side, and at 224 pixels it is the published benchmark. The levels were only tuned at
224 pixels.
"""

from __future__ import annotations

VERSION_BAR: int = 1
"""Part of a task's identity. Raise it when the pixels of all corruptions change; for one, raise `VERSIONS`."""

VERSIONS: dict[str, int] = {}
"""Versions of single corruptions, from 0: raise one when a change of its code or constants changes a pixel."""

LEVELS: dict[str, tuple[float, ...]] = {
    "blue_noise_sample": (0.8, 1.6, 2.4, 4.0, 5.6),
    "brownish_noise": (1.0, 2.0, 3.0, 4.0, 5.0),
    "caustic_refraction": (2.35, 3.2, 4.9, 6.6, 9.15),
    "checkerboard_cutout": (2.0, 3.0, 4.0, 5.0, 6.0),
    "cocentric_sine_waves": (3.0, 5.0, 8.0, 9.0, 10.0),
    "inverse_sparkles": (1.0, 2.0, 4.0, 9.0, 10.0),
    "perlin_noise": (4.6, 5.2, 5.8, 7.6, 8.8),
    "plasma_noise": (4.75, 7.0, 8.5, 9.25, 10.0),
    "single_frequency_greyscale": (1.0, 1.5, 2.0, 4.5, 5.0),
    "sparkles": (1.0, 2.0, 3.0, 5.0, 6.0),
}
"""The published level of each severity. The authors' scripts name folders by level, their download by severity."""

CORRUPTIONS_BAR: tuple[str, ...] = tuple(LEVELS)

MODULES: dict[str, tuple[str, ...]] = {
    "waves": ("blue_noise_sample", "brownish_noise", "cocentric_sine_waves", "single_frequency_greyscale"),
    "light": ("caustic_refraction", "inverse_sparkles", "sparkles"),
    "clouds": ("checkerboard_cutout", "perlin_noise", "plasma_noise"),
}
"""The kernels of each module of this package."""


def parameters(corruption: str, severity: int, height: int, width: int) -> dict[str, float]:
    """The keyword arguments of a corruption's kernel, by the rule in this module's description.

    Args:
        corruption: One of `CORRUPTIONS_BAR`.
        severity: 1 to 5.
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        Argument name to value; grey levels on a scale of 255, lengths in pixels of this image.
    """
    share = LEVELS[corruption][severity - 1] / 10
    side = min(height, width)
    if corruption == "caustic_refraction":
        return {"lens_px": share * 0.5 * side, "lighting": share * 2}
    if corruption == "sparkles":
        return {"radius_px": share * 0.1 * side}
    name, full = {
        "blue_noise_sample": ("threshold", 3.0),
        "brownish_noise": ("deviation", 64.0),
        "checkerboard_cutout": ("share", 1.0),
        "cocentric_sine_waves": ("amplitude", 128.0),
        "inverse_sparkles": ("falloff", 65 / 50),
        "perlin_noise": ("weight", 0.5),
        "plasma_noise": ("amplitude", 64.0),
        "single_frequency_greyscale": ("amplitude", 196.0),
    }[corruption]
    amount = share * full
    return {name: amount - 2.5 if corruption == "blue_noise_sample" else amount}
