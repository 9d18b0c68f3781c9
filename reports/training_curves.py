"""Which models are checkpoints of one training."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

from .data import ReportData

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
