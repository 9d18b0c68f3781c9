"""Which models a report draws in colour, and which are checkpoints of one training run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import unknown_name
from .data import ReportData

# Which models a figure shows in colour, so that fifty stay as legible as two.


MANY = 8
"""With more models than this, curves would hide each other: only so many are in colour."""


@dataclass(frozen=True)
class Focus:
    """Two groups of models.

    Attributes:
        shown: Drawn with a pen of their own and named in the legend.
        rest: Drawn in grey behind them, without names.
    """

    shown: tuple[str, ...]
    rest: tuple[str, ...] = ()


def focus(data: ReportData, highlight: Sequence[str] = ()) -> Focus:
    """Choose the models to draw in colour.

    Args:
        data: The figures' input.
        highlight: Names that the user chose; none takes all models up to `MANY`, and of more those with a
            baseline, their baselines, then the first ones.

    Raises:
        UnknownNameError: A name that the data lack.
    """
    names = data.model_names
    for name in highlight:
        if name not in names:
            raise unknown_name("model in the scores", name, names)
    chosen = set(highlight) or set(drawn_models(data))
    return Focus(
        tuple(name for name in names if name in chosen),
        tuple(name for name in names if name not in chosen),
    )


def left_line(left: int) -> str:
    """How many models a figure of the page leaves out, after a space; empty if none."""
    if not left:
        return ""
    words = "1 more model is" if left == 1 else f"{left} more models are"
    return f" {words} only in the tables: more than {MANY} curves would hide each other."


def drawn_models(data: ReportData) -> tuple[str, ...]:
    """Up to `MANY` models; of more, those with a baseline and these baselines go first."""
    names = data.model_names
    if len(names) <= MANY:
        return names
    compared = [name for name in names if data.baseline(name)]
    paired = [name for pair in ((name, data.baseline(name)) for name in compared) for name in pair if name]
    chosen = set(list(dict.fromkeys([*paired, *names]))[:MANY])
    return tuple(name for name in names if name in chosen)


# Which models are checkpoints of one training.


_STEP = re.compile(r"@(\d+)$")
_IN_FILE = re.compile(r"[-_/.]*step[-_=]?\d+(?=\.safetensors$|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Training:
    """Checkpoints of one training.

    Attributes:
        name: Their names without the step.
        models: Names by step, in ascending order.
    """

    name: str
    models: dict[int, str]


def trainings(data: ReportData) -> list[Training]:
    """Group models into trainings.

    The step of a model is ``training_step`` in its record, or a name that ends in ``@STEP``. Models belong
    together if their names are equal without ``@STEP``, ``step-STEP`` and ``.safetensors``; a training needs two steps.

    Args:
        data: The report's input.
    """
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    records = {str(record["name"]): record for record in data.models}
    for model in data.model_names:
        named = _STEP.search(model)
        step = records.get(model, {}).get("training_step")
        if step is None and named:
            step = named[1]
        if step is not None:
            # Of two copies of one step the first counts.
            groups[base_name(model)].setdefault(int(step), model)
    return [
        Training(name, dict(sorted(checkpoints.items())))
        for name, checkpoints in groups.items()
        if len(checkpoints) > 1
    ]


def base_name(model: str) -> str:
    """``vito@500`` and ``file:runs/vito/step-500.safetensors`` without their step."""
    name = _STEP.sub("", model)
    return _IN_FILE.sub("", name).removesuffix(".safetensors") or name
