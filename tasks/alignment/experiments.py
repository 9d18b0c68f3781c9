"""The 17 data sets of model-vs-human and their twins in the micro-world: conditions, and what these are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ...errors import DataError, unknown_name
from ...results.schema import DrawnSet
from ..microworld.vocabulary import CLASSES

if TYPE_CHECKING:
    from ..task import Task


# The data sets: their conditions, which of them count, and the names of stimuli.


CATEGORIES = (
    "airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat",
    "chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck",
)  # fmt: skip
"""The 16 entry-level categories in the order of their indices."""

Cues = Literal["agree", "conflict", "shape"]
"""What stimuli show: shape and texture of one category, of two, or a shape with the texture of no category."""

NO_CONDITION = "0"
"""What the condition of data sets without conditions is called, as in the human observers' files."""

CUE_CONFLICT = "cue-conflict"

MEAN = "alignment"
"""Name of the mean over all data sets of the photographs, as a task; the micro-world's is ``micro-alignment``."""

MICRO = "micro-"
"""Prefix of the names of twins."""

_WNID = re.compile(r"n\d{8}")
_CUES = re.compile(r"([a-z]+)\d*-([a-z]+)\d*")


@dataclass(frozen=True)
class AlignmentSet:
    """One experiment with answers of models and of the people they are compared with.

    Attributes:
        name: ``"contrast"``; folders and files are called so.
        title: For people.
        abbreviation: ``"cop"``, the second part of stimulus names.
        conditions: All conditions in order of strength, in the one spelling that this package uses.
        excluded: The conditions that no score over conditions counts: the undistorted control, and those in which
            people are (nearly) at chance. It is the authors' list, not a rule: low-pass 15 is on it at an accuracy of
            exactly 0.2.
        per_condition: Stimuli of a condition.
        people: Number of human observers, who each saw every stimulus once; in the micro-world they are simulated.
        categories: What can be answered; everything else refers to categories by their positions here.
        cues: What the stimuli show.
    """

    name: str
    title: str
    abbreviation: str
    conditions: tuple[str, ...]
    excluded: tuple[str, ...]
    per_condition: int
    people: int
    categories: tuple[str, ...] = CATEGORIES
    cues: Cues = "agree"

    @property
    def mean_task(self) -> str:
        """What the mean over all data sets of the same world is called as a task."""
        return f"{MICRO}{MEAN}" if self.name.startswith(MICRO) else MEAN

    @property
    def task(self) -> str:
        """The task that asks about this data set: ``"alignment-edge"``, ``"micro-alignment-edge"``."""
        return f"{self.mean_task}-{self.name.removeprefix(MICRO)}"

    @property
    def kept(self) -> tuple[str, ...]:
        """Conditions that count."""
        return tuple(condition for condition in self.conditions if condition not in self.excluded)

    @property
    def stimuli(self) -> int:
        """Stimuli of all conditions together."""
        return self.per_condition * len(self.conditions)

    def condition(self, text: str) -> int:
        """Position of a condition among `conditions`, from any spelling in use.

        The same condition is ``0.90``, ``0.9`` or ``.9`` and ``true`` or ``True`` in different files. Data sets without
        conditions ignore the field: people's files say 0, those of models NaN or nothing.

        Raises:
            DataError: Not a condition of this data set.
        """
        if self.conditions == (NO_CONDITION,):
            return 0
        word = text.strip()
        for position, condition in enumerate(self.conditions):
            if word.casefold() == condition.casefold():
                return position
        value = _number(word)
        for position, condition in enumerate(self.conditions):
            if value is not None and value == _number(condition):
                return position
        raise DataError(f"{text!r} is not a condition of {self.name}; expected one of {', '.join(self.conditions)}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _eidolon(coherence: int) -> tuple[str, ...]:
    return tuple(f"{2**power}-{coherence}-10" for power in range(8))


_ALL = (
    AlignmentSet("colour", "Colour", "cl", ("cr", "bw"), ("cr",), 640, 4),
    AlignmentSet(
        "contrast", "Contrast", "cop", ("c100", "c50", "c30", "c15", "c10", "c05", "c03", "c01"),
        ("c100", "c03", "c01"), 160, 4,
    ),
    AlignmentSet(
        "high-pass", "High-pass", "hp", ("inf", "3.0", "1.5", "1.0", "0.7", "0.55", "0.45", "0.4"),
        ("inf", "0.55", "0.45", "0.4"), 160, 4,
    ),
    AlignmentSet("low-pass", "Low-pass", "lp", ("0", "1", "3", "5", "7", "10", "15", "40"), ("0", "15", "40"), 160, 4),
    AlignmentSet(
        "phase-scrambling", "Phase scrambling", "ps", ("0", "30", "60", "90", "120", "150", "180"),
        ("0", "150", "180"), 160, 4,
    ),
    AlignmentSet("power-equalisation", "Power equalisation", "pow", ("0", "pow"), ("0",), 560, 4),
    AlignmentSet("false-colour", "False colour", "fc", ("True", "False"), ("True",), 560, 4),
    AlignmentSet("rotation", "Rotation", "rot", ("0", "90", "180", "270"), ("0",), 320, 4),
    AlignmentSet("eidolonI", "Eidolon I", "eid", _eidolon(10), ("1-10-10", "64-10-10", "128-10-10"), 160, 4),
    AlignmentSet("eidolonII", "Eidolon II", "eid", _eidolon(3), ("1-3-10", "32-3-10", "64-3-10", "128-3-10"), 160, 4),
    AlignmentSet(
        "eidolonIII", "Eidolon III", "eid", _eidolon(0),
        ("1-0-10", "16-0-10", "32-0-10", "64-0-10", "128-0-10"), 160, 4,
    ),
    AlignmentSet(
        "uniform-noise", "Uniform noise", "nse", ("0.0", "0.03", "0.05", "0.1", "0.2", "0.35", "0.6", "0.9"),
        ("0.0", "0.6", "0.9"), 160, 4,
    ),
    AlignmentSet(CUE_CONFLICT, "Cue conflict", "s5n", (NO_CONDITION,), (), 1280, 10, cues="conflict"),
    AlignmentSet("edge", "Edge", "edg", (NO_CONDITION,), (), 160, 10, cues="shape"),
    AlignmentSet("silhouette", "Silhouette", "sif", (NO_CONDITION,), (), 160, 10, cues="shape"),
    AlignmentSet("sketch", "Sketch", "ske", (NO_CONDITION,), (), 800, 7, cues="shape"),
    AlignmentSet("stylized", "Stylized", "sty", (NO_CONDITION,), (), 800, 5, cues="shape"),
)  # fmt: skip

ALIGNMENT_SETS = {data_set.name: data_set for data_set in _ALL}
"""The data sets by name, in the order in which the authors report them."""

_NO_TWIN = ("sketch", "stylized")
_MICRO_OBSERVERS = 4


def _twin(data_set: AlignmentSet) -> AlignmentSet:
    return replace(
        data_set,
        name=MICRO + data_set.name,
        people=_MICRO_OBSERVERS,
        categories=CLASSES,
    )


MICRO_ALIGNMENT_SETS = {
    twin.name: twin for twin in (_twin(data_set) for data_set in _ALL if data_set.name not in _NO_TWIN)
}
"""The 15 twins in the micro-world by name: the same conditions, other categories, simulated observers for people.

It has no sketches and no paintings. All stimuli of the twin of cue-conflict are in conflict.
"""

FAMILIES = (tuple(ALIGNMENT_SETS), tuple(MICRO_ALIGNMENT_SETS))
"""Names of data sets over which a mean is taken, all of them or none."""


def family_of(name: str) -> tuple[str, ...]:
    """The names of all data sets that a mean with this one needs; none for a data set that belongs to no family."""
    return next((family for family in FAMILIES if name in family), ())


def data_set_of(task: Task) -> str:
    """Name of the data set that a task of human alignment asks about: ``"contrast"``, ``"micro-contrast"``."""
    name = task.dataset.rpartition("/")[2]
    return f"{MICRO}{name}" if task.world == "microworld" else name


def mean_of(world: str) -> str:
    """What the mean over all data sets of a world is called in scores."""
    return f"{MICRO}{MEAN}" if world == "microworld" else MEAN


def alignment_set(name: str) -> AlignmentSet:
    """A data set by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in ALIGNMENT_SETS:
        raise unknown_name("data set of human alignment", name, ALIGNMENT_SETS)
    return ALIGNMENT_SETS[name]


def micro_alignment_set(name: str) -> AlignmentSet:
    """The twin of a data set in the micro-world, by its own name or that of the published one.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name in ALIGNMENT_SETS:
        name = MICRO + name
    if name not in MICRO_ALIGNMENT_SETS:
        raise unknown_name("data set of human alignment in the micro-world", name, MICRO_ALIGNMENT_SETS)
    return MICRO_ALIGNMENT_SETS[name]


def image_id(image_name: str) -> str:
    """The part of a stimulus's name that is the same in the files of all observers.

    ``0001_cop_s01_c30_knife_10_n03041632_7380.png`` and ``0417_cop_dnn_c30_knife_10_n03041632_7380.png`` are both
    ``n03041632_7380.png``: the last part of the name, with the WordNet id before it if there is one. Folders before the
    name are ignored, with either kind of slash.
    """
    parts = image_name.replace("\\", "/").rpartition("/")[2].split("_")
    if len(parts) > 1 and _WNID.fullmatch(parts[-2]):
        return f"{parts[-2]}_{parts[-1]}"
    return parts[-1]


def cues(image: str, categories: tuple[str, ...] = CATEGORIES) -> tuple[int, int]:
    """Categories of shape and texture of a cue-conflict stimulus, from its id.

    Args:
        image: ``"bird3-clock2.png"``: a bird's shape with the texture of a clock.
        categories: What the names in it may be.

    Raises:
        DataError: Not of that form.
    """
    match = _CUES.fullmatch(image.rpartition(".")[0] or image)
    if match is None or not {match[1], match[2]} <= set(categories):
        raise DataError(
            f"The name of the cue-conflict stimulus {image!r} has no shape and texture; "
            f"expected a name such as {categories[3]}3-{categories[9]}2.png"
        )
    return categories.index(match[1]), categories.index(match[2])


# Titles of the data sets and labels of their conditions in figures.


@dataclass(frozen=True)
class Axis:
    """How the conditions of a data set are drawn.

    Attributes:
        title: Name for a person.
        label: What the conditions are measures of, with the unit; empty where there is only one.
        tick: From a condition as the data set spells it to the label at the axis.
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
    """A data set as a plain record for figures."""
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
