"""From p-values to verdicts: Holm's correction within families of comparisons."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..results.metrics import metric
from ..results.schema import Comparison
from ..results.significance import ALPHA, holm
from ..tasks.task import Task

FAMILIES = {
    "primary": "the main metric of every whole task",
    "secondary": "the other metrics of whole tasks",
    "conditions": "single conditions, such as one corruption at one severity",
    "groups": "means over several conditions, such as a corruption or a family of them, categories of shape, and "
    "further maps of a model",
}
"""Comparisons that are corrected together: within each of these, all tasks and all pairs of one command."""

CORRECTIONS = ("holm", "none")


def family_of(task: Task, comparison: Comparison) -> str:
    """A name of `FAMILIES`.

    What a benchmark is run for is asked once per task, and must not pay for hundreds of looks at the parts.
    """
    if comparison.condition == task.kind.whole(task):
        return "primary" if comparison.metric == task.metric else "secondary"
    single = any(condition.key == comparison.condition for condition in task.conditions)
    return "conditions" if single and comparison.metric in ("top1", task.metric) else "groups"


def judged(
    comparisons: Sequence[Comparison], tasks: Mapping[str, Task], correction: str = "holm"
) -> tuple[Comparison, ...]:
    """Give every comparison its family, corrected p-value and verdict.

    Args:
        comparisons: All of one command.
        tasks: By name.
        correction: A name of `CORRECTIONS`.
    """
    families: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(comparisons):
        families[family_of(tasks[row.task], row)].append(number)
    found = list(comparisons)
    for family, members in families.items():
        p_values = [comparisons[number].p for number in members]
        adjusted = holm(p_values) if correction == "holm" else p_values
        for number, p in zip(members, adjusted, strict=True):
            row = comparisons[number]
            found[number] = replace(row, family=family, p_adjusted=p, verdict=verdict_of(row, p))
    return tuple(found)


def verdict_of(comparison: Comparison, p_adjusted: float) -> str:
    """``"win"``, ``"loss"`` or ``"tie"`` of the first model."""
    if math.isnan(p_adjusted) or p_adjusted >= ALPHA or comparison.difference == 0.0:
        return "tie"
    side = 1 if comparison.difference > 0 else -1
    return "win" if side == metric(comparison.metric).better else "loss"
