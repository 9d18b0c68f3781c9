"""The distortion for each condition of a data set of model-vs-human."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....errors import unknown_name
from ...alignment.datasets import ALIGNMENT_SETS
from .eidolon import eidolon
from .frequency import equalise_power, high_pass, low_pass, scramble_phases
from .grey import Grey, Pixels, low_contrast, rotated, uniform_noise, without_colour
from .opponent import false_colour

VERSION = 1
"""Part of the identity of every distorted data set; increase it whenever a pixel changes."""

DISTORTED = (
    "colour",
    "contrast",
    "high-pass",
    "low-pass",
    "phase-scrambling",
    "power-equalisation",
    "false-colour",
    "rotation",
    "eidolonI",
    "eidolonII",
    "eidolonIII",
    "uniform-noise",
)
"""Data sets whose conditions are distortions of a picture."""


def distort(
    image: Pixels, data_set: str, condition: str, rng: np.random.Generator, amplitudes: Callable[[], Grey]
) -> Pixels:
    """Distort a picture as in one condition of a data set.

    All data sets but colour and false colour are grey, even in the undistorted condition.

    Args:
        image: uint8 (S, S, 3).
        data_set: One of `DISTORTED`.
        condition: A condition, spelled as in `alignment.datasets`.
        rng: Random numbers of this stimulus; not used if nothing is random.
        amplitudes: Returns the mean amplitude spectrum of all pictures; only called if it is needed.

    Returns:
        uint8 (S, S, 3).

    Raises:
        UnknownNameError: There is no such data set.
        ValueError: The data set does not have this condition.
    """
    if data_set not in DISTORTED:
        raise unknown_name("distortion", data_set, DISTORTED)
    if condition not in ALIGNMENT_SETS[data_set].conditions:
        raise ValueError(f"{condition!r} is not a condition of {data_set}")
    match data_set, condition:
        case ("colour", "cr") | ("false-colour", "True"):
            return image
        case ("colour", "bw") | ("high-pass", "inf") | (("low-pass" | "phase-scrambling" | "power-equalisation"), "0"):
            return without_colour(image)
        case "false-colour", "False":
            return false_colour(image)
        case "power-equalisation", "pow":
            return equalise_power(image, amplitudes())
        case "contrast", _:
            return low_contrast(image, int(condition.removeprefix("c")) / 100)
        case "high-pass", _:
            return high_pass(image, float(condition))
        case "low-pass", _:
            return low_pass(image, float(condition))
        case "phase-scrambling", _:
            return scramble_phases(image, float(condition), rng)
        case "rotation", _:
            return rotated(image, int(condition))
        case (("eidolonI" | "eidolonII" | "eidolonIII"), _):
            reach, coherence, grain = map(float, condition.split("-"))
            return eidolon(image, reach, coherence / 10, grain, rng)
        case "uniform-noise", _:
            return uniform_noise(image, float(condition), rng)
    raise AssertionError(f"{data_set} has conditions without a distortion")
