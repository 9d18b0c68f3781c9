"""The checkpoints of one training run, run like any models, as a curve over its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, VitobenchError
from ..models import registry
from ..models.sources.files import name_of
from ..reports.headline import headline_rows
from ..results.metrics import metric
from ..results.schema import Score, View
from ..tasks.images.walking import walk
from .catalogue import step_in_name, training_step
from .run import Outcome

_EXAMPLE = "step-000500.safetensors"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a training run in a folder.

    Attributes:
        steps: Model names by step, in ascending order.
        passed_over: Why other checkpoints of the folder are not on the curve.
    """

    steps: Mapping[int, str]
    passed_over: tuple[str, ...]


@dataclass(frozen=True)
class Column:
    """A number that is plotted over the training.

    Attributes:
        task: Task name.
        title: Task title.
        condition: As in the scores.
        metric: As in the scores.
        label: What the number is called.
    """

    task: str
    title: str
    condition: str
    metric: str
    label: str


def find_checkpoints(folder: Path) -> Checkpoints:
    """Find the checkpoints below a folder that state their step.

    Args:
        folder: Any depth is looked into; see `walk`.

    Raises:
        VitobenchError: No such folder, no checkpoint that states its step, or two different ones of the same step.
    """
    if not folder.is_dir():
        raise VitobenchError(f"There is no folder {folder}; name a folder with the checkpoints of one training run.")
    by_step: dict[int, tuple[str, str]] = {}
    passed: list[str] = []
    # Of two copies the one that is named by its step counts: it does not change when the training continues.
    paths = [folder / name for name in walk(folder, (".safetensors",)).files]
    for path in sorted(paths, key=lambda path: (step_in_name(path.name) is None, path)):
        name = name_of(path)
        try:
            spec = registry.resolve(name)
        except CheckpointError as error:
            passed.append(str(error))
            continue
        step = training_step(spec)
        if step is None:
            passed.append(f"{path} does not state its training step.")
            continue
        identity = spec.identity.rpartition("@")[2]
        known = by_step.setdefault(step, (name, identity))
        if known[1] != identity:
            other = registry.file_of(known[0])
            raise VitobenchError(
                f"{other} and {path} are both from step {step} but differ; name a folder with only one training run."
            )
    if not by_step:
        reasons = "".join(f"\n{line}" for line in passed)
        raise VitobenchError(
            f"{folder} has no checkpoint that states its step, in its card (training_step) or in its name "
            f"({_EXAMPLE}).{reasons}"
        )
    return Checkpoints({step: by_step[step][0] for step in sorted(by_step)}, tuple(passed))


def columns(outcome: Outcome) -> list[Column]:
    """The numbers that a curve shows: the headline of every task without its parts, and alignment."""
    data = outcome.data
    chosen = [
        Column(row.task, row.title, row.condition, row.metric, row.label) for row in headline_rows(data) if not row.part
    ]
    for task in data.tasks_with(View.ALIGNMENT):
        name, main = str(task["name"]), metric(str(task["metric"]))
        chosen.append(Column(name, data.titles[name], "overall", main.name, main.label))
    return chosen


def points(outcome: Outcome, checkpoints: Checkpoints, column: Column) -> dict[int, Score | None]:
    """The scores of a column by step; None where there is none."""
    return {
        step: outcome.data.score(name, column.task, column.condition, column.metric)
        for step, name in checkpoints.steps.items()
    }


def curve_json(outcome: Outcome, checkpoints: Checkpoints) -> dict[str, Any]:
    """Every score of every checkpoint with its step, as plain data: ``points`` and what belongs to them."""
    from ..files import plain

    steps = {name: step for step, name in checkpoints.steps.items()}
    rows = [{"step": steps[score.model]} | asdict(score) for score in outcome.data.scores if score.model in steps]
    return plain(
        {
            "checkpoints": [{"step": step, "model": name} for step, name in checkpoints.steps.items()],
            "points": sorted(rows, key=lambda row: row["step"]),
            "failures": outcome.data.failures,
            "passed_over": list(checkpoints.passed_over),
            "run": outcome.data.run,
        }
    )
