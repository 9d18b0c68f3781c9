"""What ``bench saliency`` shows and writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..files import plain
from ..reports.wording import HOLE, MINUS
from ..results.saliency import SaliencyScore
from ..tasks.alignment.saliency.baselines import BASELINES, CENTRE
from ..tasks.data.walking import left_out_of
from .catalogue import model_record
from .saliency import Outcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_HEADS = {"alignment": "Alignment", "spearman": "Spearman", "dice": "Dice", "iou": "IoU"}
_SHOWN = 10


def as_json(outcome: Outcome, command: str) -> dict[str, Any]:
    """Everything found as plain data; NaN becomes null."""
    plan = outcome.plan
    task = plan.task
    found: dict[str, Any] = plain(
        {
            "scores": outcome.scores,
            "comparisons": outcome.comparisons,
            "failures": outcome.failures,
            "task": task.facts(plan.source.digest)
            | {
                "identity": plan.identity,
                "title": task.title,
                "reference": task.reference,
                "ceiling": task.ceiling,
                "citation": task.citation,
                "n": plan.count,
                "left_out": left_out_of(plan.source).record(task.name),
            },
            "models": [model_record(piece.spec) for piece in plan.pieces if piece.spec is not None],
            "run": {"command": command, "store": str(plan.request.store), "seed": plan.request.seed},
        }
    )
    # A model stands in the plan once for each explainer.
    found["models"] = list({record["identity"]: record for record in found["models"]}.values())
    return found


def render(outcome: Outcome, console: Console) -> None:
    """Print the table, the differences and what is missing."""
    plan = outcome.plan
    console.print(_score_table(outcome))
    if outcome.comparisons:
        console.print(_difference_table(outcome))
    console.print(_legend(outcome), style="dim", markup=False)
    for line in undefined_lines(outcome.scores, plan.task.reference):
        console.print(f"Note: {line}", markup=False)
    for line in problem_lines(outcome):
        console.print(line, markup=False, soft_wrap=True)


def undefined_lines(scores: Sequence[SaliencyScore], reference: str) -> list[str]:
    """A line for each measure and number of images on which it is undefined."""
    groups: dict[tuple[str, int], list[str]] = {}
    for row in scores:
        if row.undefined and row.metric in ("spearman", "dice"):
            name = row.observer if row.observer in BASELINES else f"{row.observer} ({row.map})"
            groups.setdefault((row.metric, row.undefined), []).append(name)
    return [
        f"{_HEADS[metric]} is undefined on {count} images whose {reference} or own map is constant; these are left "
        f"out: {', '.join(names)}."
        for (metric, count), names in groups.items()
    ]


def problem_lines(outcome: Outcome) -> list[str]:
    """What is missing, a line each; of many the first few and their number."""
    problems = outcome.failures
    lines = []
    for failure in problems[:_SHOWN]:
        who = "every model" if failure.model == "*" else failure.model
        where = "" if failure.image_id == "*" else f" on {failure.image_id}"
        lines.append(f"Missing: {who}{where}: {failure.reason}")
    if len(problems) > _SHOWN:
        lines.append(f"Missing: {len(problems) - _SHOWN} more; --json FILE lists them all.")
    return lines


def _metrics(outcome: Outcome) -> list[str]:
    # Where the ceiling is 1, alignment is the correlation itself.
    return [name for name in _HEADS if name != "alignment" or outcome.plan.task.ceiling != 1]


def _legend(outcome: Outcome) -> str:
    task = outcome.plan.task
    ceiling = (
        "The masks are exact, so the ceiling is 1."
        if task.ceiling == 1
        else f"Alignment is the mean Spearman correlation over {task.ceiling}, that of people with one another."
    )
    extent = "the mask and the same number of a map's highest pixels" if task.exact else "the upper tenth of each map"
    return (
        f"Means over images with 95 % bootstrap intervals; 1 is agreement with the {task.reference}. {ceiling} centre "
        f"is a Gaussian in the middle, mean map the mean {task.reference} of all other images: neither sees the image. "
        f"Dice and IoU are of {extent}. Differences are paired, in bold where the interval excludes 0."
    )


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))


def _score_table(outcome: Outcome) -> Table:
    from rich.markup import escape

    plan = outcome.plan
    table = _table(f"{plan.task.title}: saliency against the {plan.task.reference}, {plan.count:,} images")
    table.add_column("Model")
    table.add_column("Map")
    metrics = _metrics(outcome)
    for name in metrics:
        table.add_column(_HEADS[name], justify="right", no_wrap=True)
    rows = {(row.observer, row.map, row.metric): row for row in outcome.scores}
    last = ""
    for observer, map_ in dict.fromkeys((row.observer, row.map) for row in outcome.scores):
        if observer in BASELINES and last not in BASELINES:
            table.add_section()
        cells = [_span(*_values(rows[observer, map_, name]), ".3f") for name in metrics]
        table.add_row("" if observer == last else escape(observer), "" if observer in BASELINES else map_, *cells)
        last = observer
    return table


def _values(row: SaliencyScore) -> tuple[float, float, float]:
    return row.value, row.ci_low, row.ci_high


def _difference_table(outcome: Outcome) -> Table:
    from rich.markup import escape

    table = _table("Differences")
    table.add_column("Of")
    table.add_column("Map")
    metrics = _metrics(outcome)
    for name in metrics:
        table.add_column(_HEADS[name], justify="right", no_wrap=True)
    rows = {(row.a, row.a_map, row.b, row.b_map, row.metric): row for row in outcome.comparisons}
    for key in dict.fromkeys(key[:4] for key in rows):
        if key[2] == CENTRE:  # the stronger baseline says enough here; the JSON has both
            continue
        cells = []
        for name in metrics:
            row = rows.get((*key, name))
            text = HOLE if row is None else _span(row.difference, row.ci_low, row.ci_high, "+.3f")
            cells.append(f"[bold]{text}[/bold]" if row is not None and row.ci_low * row.ci_high > 0 else text)
        table.add_row(escape(f"{key[0]} {MINUS} {key[2]}"), key[1], *cells)
    return table


def _span(value: float, low: float, high: float, form: str) -> str:
    if not math.isfinite(value):
        return HOLE
    text = f"{value:{form}}" + (f" \\[{low:{form}}, {high:{form}}]" if math.isfinite(low) else "")
    return text.replace("-", MINUS)
