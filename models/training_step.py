"""Find the training step of a checkpoint."""

from __future__ import annotations

import re

from .registry import file_of
from .spec import ModelSpec

_IN_NAME = re.compile(r"step[-_=]?(\d+)", re.IGNORECASE)


def training_step(spec: ModelSpec) -> int | None:
    """The step in a checkpoint's card (``training_step``, else ``step``), or else in the name of its file.

    Returns:
        Steps of the optimiser, or None if neither gives it. A name may contain ``step-000500``, ``step_500`` or
        ``step500``; of several, the last one counts.
    """
    for key in ("training_step", "step"):
        if (text := spec.extra.get(key, "")).isdecimal():
            return int(text)
    file = file_of(spec.name)
    return None if file is None else step_in_name(file.name)


def step_in_name(file: str) -> int | None:
    """The step in a file's name, or None."""
    numbers = _IN_NAME.findall(file)
    return int(numbers[-1]) if numbers else None
