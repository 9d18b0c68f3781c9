"""From p-values to verdicts, and conditions under which a comparison fails (``--fail-if``)."""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import VitobenchError, unknown_name
from ...reports.comparison import Checked
from ...reports.data import ReportData
from ...results.metrics import metric
from ...results.schema import Comparison
from ...results.statistics import ALPHA, holm
from ...tasks.task import Task

# From p-values to verdicts: Holm's correction within families of comparisons.


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
    rows = list(comparisons)
    for family, members in families.items():
        p_values = [comparisons[number].p for number in members]
        adjusted = holm(p_values) if correction == "holm" else p_values
        for number, p in zip(members, adjusted, strict=True):
            row = comparisons[number]
            rows[number] = replace(row, family=family, p_adjusted=p, verdict=verdict_of(row, p))
    return tuple(rows)


def verdict_of(comparison: Comparison, p_adjusted: float) -> str:
    """``"win"``, ``"loss"`` or ``"tie"`` of the first model."""
    if math.isnan(p_adjusted) or p_adjusted >= ALPHA or comparison.difference == 0.0:
        return "tie"
    side = 1 if comparison.difference > 0 else -1
    return "win" if side == metric(comparison.metric).better else "loss"


# Conditions under which a comparison fails: ``imagenet-c.mce > moclr + 0.5``. A small grammar, never run as code.
#
#     EXPRESSION = TASK [. CONDITION] . METRIC  (< | <= | > | >=)  (MODEL | NUMBER)  [(+ | -) NUMBER]
#
# It speaks of the first model that is compared. Numbers are as in the tables: percent, and points of percent for a
# difference.


_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_SHAPE = re.compile(
    rf"\s*(?P<left>[^\s<>]+)\s*(?P<sign><=|>=|<|>)\s*(?P<right>[^\s<>=]\S*?)(?:\s+(?P<way>[+-])\s*(?P<more>{_NUMBER}))?\s*"
)
_FORM = "TASK[.CONDITION].METRIC (<|<=|>|>=) (MODEL|NUMBER) [(+|-) NUMBER], such as 'micro-c.mce > moclr + 0.5'"


@dataclass(frozen=True)
class FailIf:
    """A condition as it was written.

    Attributes:
        text: What the user wrote.
        left: ``TASK[.CONDITION].METRIC``.
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        right: A model, or None where there is only a number.
        number: What is added to the model's value, or the limit itself; as in the tables.
    """

    text: str
    left: str
    sign: str
    right: str | None
    number: float


def parse(text: str) -> FailIf:
    """Read a condition.

    Raises:
        VitobenchError: It has another form.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise VitobenchError(f"Invalid --fail-if {text!r}. The form is {_FORM}.")
    more = float(f"{match['way']}{match['more']}") if match["more"] else 0.0
    if re.fullmatch(rf"[+-]?(?:{_NUMBER})", match["right"]):
        return FailIf(text, match["left"], match["sign"], None, float(match["right"]) + more)
    return FailIf(text, match["left"], match["sign"], match["right"], more)


def check(
    condition: FailIf, data: ReportData, sides: Sequence[str], methods: Mapping[str, Sequence[str]] | None = None
) -> Checked:
    """Apply a condition to the first of the models that are compared.

    Against a model the difference on the images that both answered is taken; against a number the model's own value.

    Args:
        condition: From `parse`.
        data: Scores and comparisons.
        sides: Models and methods, in the order in which they were named.
        methods: The runs of each method, whose value is the mean of theirs.

    Raises:
        UnknownNameError: A task, condition, metric or model that is not there; the message lists what is.
    """
    first = sides[0]
    task, place, measured = _locate(condition, data)
    factor = metric(measured).scale
    if condition.right is None:
        runs = (methods or {}).get(first, (first,))
        scores = [data.score(run, task, place, measured) for run in runs]
        values = [score.value if score is not None else math.nan for score in scores]
        value, what = factor * sum(values) / len(values), first
    else:
        if condition.right == first or condition.right not in sides:
            hint = "Put spaces around + and -." if re.search(r"\d$", condition.right) else ""
            raise unknown_name("model to compare with", condition.right, sides[1:], hint)
        rows = data.comparisons
        key = (first, condition.right, task, place, measured)
        row = next((c for c in rows if (c.a, c.b, c.task, c.condition, c.metric) == key), None)
        value, what = (math.nan if row is None else factor * row.difference), f"{first} − {condition.right}"
    if not math.isfinite(value):
        return Checked(condition.text, None, f"{condition.left} of {what} is missing")
    holds = bool(_COMPARE[condition.sign](value, condition.number))
    return Checked(condition.text, holds, f"{condition.left} of {what} is {value:.2f}, the limit {condition.number:g}")


def _locate(condition: FailIf, data: ReportData) -> tuple[str, str, str]:
    """Task, condition and metric; names of tasks may hold dots, so the longest one that fits is taken."""
    tasks = [str(task["name"]) for task in data.task_records]
    task = max((name for name in tasks if condition.left.startswith(f"{name}.")), key=len, default=None)
    if task is None:
        raise unknown_name("task in this comparison", condition.left.split(".")[0], tasks, f"The form is {_FORM}.")
    place, _, metric = condition.left[len(task) + 1 :].rpartition(".")
    place = place or "overall"
    rows = [score for score in data.scores if score.task == task]
    places = dict.fromkeys(score.condition for score in rows)
    if place not in places:
        raise unknown_name(f"condition of {task}", place, places)
    metrics = dict.fromkeys(score.metric for score in rows if score.condition == place)
    if metric not in metrics:
        raise unknown_name(f"metric of {task} under {place}", metric, metrics)
    return task, place, metric
