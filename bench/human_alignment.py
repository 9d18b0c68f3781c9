"""``bench score --human``: human alignment from folders of trials, without a store."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, unknown_name
from ..files import plain
from ..tasks.alignment.consistency import HUMANS
from ..tasks.alignment.datasets import ALIGNMENT_SETS, alignment_set
from ..tasks.alignment.measures import Compat
from ..tasks.alignment.response_folder import left_out_of_folder, read_models, read_people
from ..tasks.alignment.samples import REPLICATES
from ..tasks.alignment.scoring import Scored, score_alignment
from .alignment_data import alignment_data, plain_rows

if TYPE_CHECKING:
    from rich.console import Console

SUITE = "human-alignment"

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
    folders = dict.fromkeys(folder for folder in (request.human, request.responses) if folder is not None)
    left_out = tuple(filter(None, (left_out_of_folder(folder, data_sets).line(str(folder)) for folder in folders)))
    if request.responses is None:
        scored = score_alignment(people, {}, data_sets, None, request.replicates, request.seed, request.compat)
        return replace(scored, notes=(*scored.notes, *left_out))
    models, problems = read_models(request.responses, data_sets)
    names = sorted({name for by_name in models.values() for name in by_name})
    if not names:
        raise DataError(problems[0].reason if problems else f"{request.responses} has no predictions of models.")
    asked = dict.fromkeys([*(request.models or names), *(request.baselines or ())])
    for name in asked:
        if name not in names:
            raise unknown_name("observer", name, names)
    chosen = {data_set: {name: by[name] for name in asked if name in by} for data_set, by in models.items()}
    scored = score_alignment(
        people, chosen, data_sets, request.baselines, request.replicates, request.seed, request.compat
    )
    if {row.model for row in scored.scores}.isdisjoint(asked):
        raise DataError((*problems, *scored.problems)[0].reason)
    return Scored(scored.scores, scored.comparisons, (*problems, *scored.problems), (*scored.notes, *left_out))


def as_json(scored: Scored, request: Request) -> dict[str, Any]:
    """Everything found as plain data; NaN becomes null."""
    return plain(
        {
            **plain_rows(scored.scores, scored.comparisons),
            "failures": scored.problems,
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


def render(scored: Scored, request: Request, console: Console) -> None:
    """Print the tables, what is remarkable and what is missing."""
    from ..reports.alignment_table import LEGEND, render_tables

    names = request.data_sets or tuple(ALIGNMENT_SETS)
    data = alignment_data(scored, HUMANS, [ALIGNMENT_SETS[name] for name in names])
    render_tables(data, console)
    console.print(LEGEND, style="dim", markup=False)
    for note in scored.notes:
        console.print(f"Note: {note}", markup=False)
    for line in problem_lines(scored, data.without(HUMANS)):  # those were named above
        console.print(line, markup=False, soft_wrap=True)


def problem_lines(scored: Scored, said: Container[str] = ()) -> list[str]:
    """What is missing and why: one line for all observers that miss the same; of many, the first few and their number.

    Args:
        scored: From `score_folders`.
        said: Data sets of which it was said already that people have no trials.
    """
    sets: dict[tuple[str, str], list[str]] = {}
    for problem in scored.problems:
        if problem.observer != HUMANS or problem.data_set not in said:
            sets.setdefault((problem.observer, problem.reason), []).append(problem.data_set)
    observers: dict[tuple[str, str], list[str]] = {}
    for (observer, reason), names in sets.items():
        observers.setdefault((", ".join(names), reason), []).append(observer)
    lines = [f"Missing: {', '.join(who)} on {where}: {reason}" for (where, reason), who in observers.items()]
    if len(lines) > _PROBLEMS:
        lines[_PROBLEMS:] = [f"Missing: {len(lines) - _PROBLEMS} more; --json FILE lists them all."]
    return lines
