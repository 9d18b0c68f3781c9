"""Small tasks and made-up predictions for the tests of scoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vitobench.tasks.registry import TASKS
from vitobench.tasks.task import Condition, Task

CORRUPTED = replace(
    TASKS["micro-c"],
    conditions=tuple(Condition(name, severity) for name in ("shot_noise", "fog") for severity in (1, 2)),
    families={"noise": ("shot_noise",), "weather": ("fog",)},
    reference="reference",
)


def rows(
    task: Task, correct: np.ndarray, ids: Sequence[str] | None = None, leave_out: Sequence[str] = ()
) -> pd.DataFrame:
    """Prediction rows of one model from a matrix of hits: the label is i % 16, a miss decides for the next class."""
    names = list(ids) if ids is not None else [f"i{n:03d}" for n in range(len(correct))]
    found = []
    for column, condition in enumerate(task.conditions):
        if condition.key in leave_out:
            continue
        for row, name in enumerate(names):
            label = int(name[-3:]) % 16
            top1 = label if correct[row, column] else (label + 1) % 16
            found.append(("m@0", task.name, condition.name, condition.severity, name, label, top1, 0.5, None))
    columns = ["model", "task", "condition", "severity", "image_id", "label", "top1", "confidence", "error"]
    frame = pd.DataFrame(found, columns=columns)
    return frame.astype({"condition": "category", "image_id": "category", "severity": "int8", "top1": "int16"})


@pytest.fixture
def corrupted() -> Task:
    return CORRUPTED


@pytest.fixture
def make_rows() -> Callable[..., pd.DataFrame]:
    return rows
