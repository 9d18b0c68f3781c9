"""At which step of its training a checkpoint was written."""

from __future__ import annotations

import re

from .registry import file_of
from .spec import ModelSpec

_IN_NAME = re.compile(r"step[-_=]?(\d+)", re.IGNORECASE)


def training_step(spec: ModelSpec) -> int | None:
    """The step that a checkpoint's card gives (``training_step``, else ``step``), or else its file's name.

    Args:
        spec: Any model.

    Returns:
        Steps of the optimiser, or None where nothing tells. In a name ``step-000500``, ``step_500`` and ``step500``
        are understood; of several the last counts.
    """
    for key in ("training_step", "step"):
        if (text := spec.extra.get(key, "")).isdecimal():
            return int(text)
    file = file_of(spec.name)
    return None if file is None else step_in_name(file.name)


def step_in_name(file: str) -> int | None:
    """The step in a file's name, or None."""
    found = _IN_NAME.findall(file)
    return int(found[-1]) if found else None
