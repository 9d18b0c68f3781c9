"""Small tasks and made-up predictions for the tests of scoring, and real photographs where there are any."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vitobench.results.predictions import Predictions, gather
from vitobench.results.unit_file import decode, encode, table_of
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers, collect
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


def stored(frame: pd.DataFrame) -> Predictions:
    """Rows as they come back from a store."""
    columns = {name: frame[name].tolist() for name in ("condition", "severity", "image_id", "label", "confidence")}
    errors = [None if pd.isna(reason) else str(reason) for reason in frame["error"]]
    top = np.array(frame["top1"].tolist(), dtype=np.int16)[:, None]
    table = table_of("task@0", "m@0", columns | {"error": errors, "top": top})
    name = "predictions/task@0/m@0/0000000-0000001.parquet"
    return gather([decode(encode(table, name), name)])


Collect = Callable[[Task, str, pd.DataFrame], Answers]


@pytest.fixture(scope="session")
def collected() -> Collect:
    """Rows to answers, by way of a stored file."""
    return lambda task, model, frame: collect(task, model, stored(frame))


@pytest.fixture
def corrupted() -> Task:
    return CORRUPTED


@pytest.fixture
def make_rows() -> Callable[..., pd.DataFrame]:
    return rows


@pytest.fixture(scope="session")
def change_in_place() -> Callable[[Path], None]:
    """Flips the last bit of a file; its size and modification time stay what they were."""

    def change(path: Path) -> None:
        status, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return change
