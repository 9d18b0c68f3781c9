"""What the data sets and their conditions are called where they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...results.schema import DrawnSet
from .datasets import MICRO, AlignmentSet


@dataclass(frozen=True)
class Axis:
    """How the conditions of a data set are drawn.

    Attributes:
        title: Name for a person.
        label: What the conditions are measures of, with the unit; empty where there is only one.
        tick: From a condition as the data set spells it to what stands at the axis.
    """

    title: str
    label: str = ""
    tick: Callable[[str], str] = str


def _words(**ticks: str) -> Callable[[str], str]:
    return lambda condition: ticks.get(f"_{condition}", condition)


def _percent(condition: str) -> str:
    return str(int(condition.removeprefix("c")))


def _log_reach(condition: str) -> str:
    return str(int(condition.partition("-")[0]).bit_length() - 1)


_AXES = {
    "colour": Axis("Colour", "Colour", _words(_cr="colour", _bw="greyscale")),
    "contrast": Axis("Contrast", "Contrast (%)", _percent),
    "high-pass": Axis("High-pass", "Filter standard deviation (pixels)", _words(_inf="∞")),
    "low-pass": Axis("Low-pass", "Filter standard deviation (pixels)"),
    "phase-scrambling": Axis("Phase noise", "Phase noise width (°)"),
    "power-equalisation": Axis("Power equalisation", "Power spectrum", _words(_0="original", _pow="equalised")),
    "false-colour": Axis("Opponent colour", "Colour", _words(_True="true", _False="opponent")),
    "rotation": Axis("Rotation", "Rotation angle (°)"),
    "eidolonI": Axis("Eidolon I", "Log₂ of 'reach'", _log_reach),
    "eidolonII": Axis("Eidolon II", "Log₂ of 'reach'", _log_reach),
    "eidolonIII": Axis("Eidolon III", "Log₂ of 'reach'", _log_reach),
    "uniform-noise": Axis("Uniform noise", "Uniform noise width"),
    "cue-conflict": Axis("Cue conflict"),
    "edge": Axis("Edges"),
    "silhouette": Axis("Silhouettes"),
    "sketch": Axis("Sketches"),
    "stylized": Axis("Stylized"),
}


def described(data_set: AlignmentSet) -> DrawnSet:
    """A data set as a plain record for those who draw it."""
    axis = _AXES.get(data_set.name.removeprefix(MICRO), Axis(data_set.name))
    number = len(data_set.conditions)
    return {
        "name": data_set.name,
        "task": data_set.task,
        "title": axis.title,
        "axis": axis.label,
        "conditions": list(data_set.conditions),
        "ticks": [axis.tick(condition) for condition in data_set.conditions] if axis.label else [""] * number,
        "excluded": list(data_set.excluded),
        "kind": "nonparametric" if number == 1 else "binary" if number == 2 else "parametric",
    }
