"""``bench score --human``: human alignment from folders of observers' answers, without a store."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, unknown_name
from ..results.folder import write_aside
from ..tasks.alignment.consistency import HUMANS, OVERALL, SAMPLED
from ..tasks.alignment.csv_form import is_person
from ..tasks.alignment.datasets import ALIGNMENT_SETS, CUE_CONFLICT, alignment_set
from ..tasks.alignment.measures import Compat
from ..tasks.alignment.response_folder import read_models, read_people
from ..tasks.alignment.rows import ALL, SHAPE_BIAS, AlignmentComparison, AlignmentScore
from ..tasks.alignment.samples import REPLICATES
from ..tasks.alignment.scoring import Scored, score_alignment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SUITE = "human-alignment"

LEGEND = (
    "95 % intervals in brackets: stimuli drawn anew within each condition, the same for every observer; the JSON has "
    "those over people, too. Accuracy difference is squared; κ is error consistency with people, for humans that of "
    "their pairs, the ceiling. Shape bias pools trials."
)

_HOLE = "—"
_HEADS = {
    "accuracy": "OOD accuracy",
    "accuracy_difference": "Acc. difference ↓",
    "observed_consistency": "Observed cons.",
    "error_consistency": "κ",
    SHAPE_BIAS: "Shape bias",
}
_FEW = 6  # models whose numbers are shown by data set
_PROBLEMS = 10


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        human: Folder of people's trials.
        responses: Folder of models' answers; None for the people alone.
        models: Names of models to score; none for all that are found.
        baselines: Names of models that all others are compared with; None compares all pairs.
        data_sets: Names; none for all 17.
        seed: Seed of the samples.
        compat: Whose convention for undefined kappas.
        replicates: Samples.
    """

    human: Path
    responses: Path | None = None
    models: tuple[str, ...] = ()
    baselines: tuple[str, ...] | None = None
    data_sets: tuple[str, ...] = ()
    seed: int = 0
    compat: Compat | None = None
    replicates: int = REPLICATES


def score_folders(request: Request) -> Scored:
    """Read the folders and score.

    Raises:
        DataError: A folder that holds nothing to score, or a file of a person that is not of the expected form.
        UnknownNameError: A model or data set that is not there.
    """
    data_sets = [alignment_set(name) for name in dict.fromkeys(request.data_sets)] or list(ALIGNMENT_SETS.values())
    people = read_people(request.human, data_sets)
    if request.responses is None:
        return score_alignment(people, {}, data_sets, None, request.replicates, request.seed, request.compat)
    models, problems = read_models(request.responses, data_sets)
    names = sorted({name for by_name in models.values() for name in by_name})
    if not names:
        raise DataError(problems[0].reason if problems else f"{request.responses} holds no responses of models.")
    asked = dict.fromkeys([*(request.models or names), *(request.baselines or ())])
    for name in asked:
        if name not in names:
            raise unknown_name("observer", name, names)
    chosen = {data_set: {name: by[name] for name in asked if name in by} for data_set, by in models.items()}
    scored = score_alignment(
        people, chosen, data_sets, request.baselines, request.replicates, request.seed, request.compat
    )
    if {row.observer for row in scored.scores}.isdisjoint(asked):
        raise DataError((*problems, *scored.problems)[0].reason)
    return Scored(scored.scores, scored.comparisons, (*problems, *scored.problems), scored.notes)


def as_json(scored: Scored, request: Request) -> dict[str, Any]:
    """Everything found as plain data; NaN becomes null."""
    plain: dict[str, Any] = _plain(
        {
            "scores": [asdict(row) for row in scored.scores],
            "comparisons": [asdict(row) for row in scored.comparisons],
            "failures": [asdict(row) for row in scored.problems],
            "notes": list(scored.notes),
            "run": {
                "suite": SUITE,
                "human": str(request.human),
                "responses": None if request.responses is None else str(request.responses),
                "replicates": request.replicates,
                "seed": request.seed,
                "compat": request.compat,
            },
        }
    )
    return plain


def write_json(scored: Scored, request: Request, path: Path) -> None:
    """Write `as_json` to a file, all of it or nothing.

    Raises:
        StoreError: It cannot be written.
    """
    write_aside(path, (json.dumps(as_json(scored, request), indent=1) + "\n").encode())


def render(scored: Scored, request: Request, console: Console) -> None:
    """Print the tables, what is remarkable and what is missing."""
    models = _models(scored)
    rows = {(row.observer, row.data_set, row.metric): row for row in scored.scores if row.condition == OVERALL}
    console.print(_headline(rows, models))
    if len(models) <= _FEW:
        console.print(_by_data_set(rows, models, request))
    else:
        console.print(f"Numbers by data set of {len(models)} observers: --json FILE.", style="dim")
    if scored.comparisons and len(models) <= _FEW:
        console.print(_differences(scored.comparisons))
    console.print(LEGEND, style="dim", markup=False)
    for note in scored.notes:
        console.print(f"Note: {note}", markup=False)
    for line in problem_lines(scored):
        console.print(line, markup=False, soft_wrap=True)


def problem_lines(scored: Scored) -> list[str]:
    """What is missing, a line each; of many the first few and their number."""
    problems = scored.problems
    lines = [f"Missing: {p.observer} on {p.data_set}: {p.reason}" for p in problems[:_PROBLEMS]]
    if len(problems) > _PROBLEMS:
        lines.append(f"Missing: {len(problems) - _PROBLEMS} more; --json FILE lists them all.")
    return lines


def _models(scored: Scored) -> list[str]:
    # Single people have no numbers over data sets, which different people did, and no line of their own.
    observers = dict.fromkeys(row.observer for row in scored.scores)
    return [name for name in observers if name != HUMANS and not is_person(name)]


Rows = dict[tuple[str, str, str], AlignmentScore]


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))


def _headline(rows: Rows, models: Sequence[str]) -> Table:
    from rich.markup import escape

    table = _table(f"Mean of the {len(ALIGNMENT_SETS)} data sets; shape bias on {CUE_CONFLICT}")
    table.add_column("Observer")
    for head in _HEADS.values():
        table.add_column(head, justify="right")
    for observer in (*models, HUMANS):
        cells = [
            _cell(rows.get((observer, CUE_CONFLICT if metric == SHAPE_BIAS else ALL, metric))) for metric in _HEADS
        ]
        table.add_row(escape(observer), *cells)
    return table


def _by_data_set(rows: Rows, models: Sequence[str], request: Request) -> Table:
    from rich.markup import escape

    metrics = [metric for metric in _HEADS if metric in SAMPLED]
    table = _table("By data set, over the conditions that count")
    table.add_column("Data set")
    if models:
        table.add_column("Observer")
    for metric in metrics:
        table.add_column(_HEADS[metric], justify="right")
    for name in request.data_sets or ALIGNMENT_SETS:
        for observer in (*models, HUMANS):
            cells = [_cell(rows.get((observer, name, metric))) for metric in metrics]
            table.add_row(name, *([escape(observer)] if models else []), *cells)
    return table


def _differences(comparisons: Sequence[AlignmentComparison]) -> Table:
    """Paired differences over all data sets, or on single ones where there is no mean."""
    from rich.markup import escape

    rows = {(row.a, row.b, row.data_set, row.metric): row for row in comparisons}
    means = any(row.data_set == ALL for row in comparisons)
    table = _table("Paired differences, in bold where the interval excludes 0")
    table.add_column("Difference")
    if not means:
        table.add_column("Data set")
    for head in _HEADS.values():
        table.add_column(head, justify="right")
    for a, b, name in dict.fromkeys((row.a, row.b, row.data_set) for row in comparisons):
        if means and name != ALL:
            continue
        cells = []
        for metric in _HEADS:
            row = rows.get((a, b, CUE_CONFLICT if means and metric == SHAPE_BIAS else name, metric))
            text = _HOLE if row is None else _span(row.difference, row.ci_low, row.ci_high, "+.3f")
            cells.append(f"[bold]{text}[/bold]" if row is not None and row.ci_low * row.ci_high > 0 else text)
        table.add_row(escape(f"{a} − {b}"), *([] if means else [name]), *cells)
    return table


def _cell(row: AlignmentScore | None) -> str:
    return _HOLE if row is None else _span(row.value, row.ci_low, row.ci_high, ".3f")


def _span(value: float, low: float, high: float, form: str) -> str:
    if math.isnan(value):
        return _HOLE
    if math.isnan(low):
        return f"{value:{form}}"
    return f"{value:{form}} \\[{low:{form}},{high:{form}}]"


def _plain(value: Any) -> Any:
    """JSON has no NaN: a hole becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
