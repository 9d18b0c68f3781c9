"""Trials as files: scores from folders of trials, data for reports, and stored predictions in model-vs-human's form."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError, StoreError, unknown_name
from ...files import plain
from ...reports.alignment_data import AlignmentData
from ...results.layout import safe_name
from ...results.published.tables import published_alignment
from ...results.schema import ObserverComparison, ObserverScore
from ...results.store import Store
from ...tasks.alignment.consistency import HUMANS, REPLICATES
from ...tasks.alignment.cues import cue_counts
from ...tasks.alignment.decisions import agreement_matrix, trials_of
from ...tasks.alignment.experiments import ALIGNMENT_SETS, AlignmentSet, alignment_set, described, family_of
from ...tasks.alignment.measures import Compat
from ...tasks.alignment.observers import PREFIX
from ...tasks.alignment.scoring import Scored, score_alignment
from ...tasks.alignment.trial_files import is_person, left_out_of_folder, read_models, read_people, write_trials
from ...tasks.scoring.samples import collect
from ..planning.stored import NOT_THERE, recall
from ..settings import Settings
from .alignment import set_of

if TYPE_CHECKING:
    from rich.console import Console


# What reports of human alignment are made from, and the same as plain data.


def alignment_data(
    scored: Scored,
    reference: str,
    data_sets: Sequence[AlignmentSet],
    pairs: Sequence[tuple[str, str]] | None = None,
) -> AlignmentData:
    """Lay out what was scored.

    Args:
        scored: From `score_alignment`.
        reference: The group that models were compared with, as one observer.
        data_sets: Those that were asked, in their order.
        pairs: (model, baseline) to compare; None for all that were compared.
    """
    observers = dict.fromkeys(row.model for row in scored.scores)
    conflict = [panel for panel in scored.panels.values() if panel.stimuli.data_set.cues == "conflict"]
    return AlignmentData(
        scores=scored.scores,
        data_sets=[described(data_set) for data_set in data_sets],
        observers=[{"name": name, "kind": _kind(name, reference), "label": name} for name in observers],
        reference=reference,
        agreement=[
            {
                "data_set": name,
                "observers": list(panel.observers),
                "values": [[float(value) for value in row] for row in agreement_matrix(panel)],
            }
            for name, panel in scored.panels.items()
        ],
        shape_decisions=[count for panel in conflict for count in cue_counts(panel, reference)],
        published=published_alignment(),
        comparisons=[row for row in scored.comparisons if pairs is None or (row.a, row.b) in pairs],
        notes=scored.notes,
        family=family_of(data_sets[0].name) if data_sets else (),
    )


def _kind(name: str, reference: str) -> str:
    """What an observer is; a simulated one that does not stand in people's place is drawn like a model."""
    if name.startswith(PREFIX) or (name == reference and reference != HUMANS):
        return "simulated"
    return "human" if name == reference or is_person(name) else "model"


def plain_alignment(data: AlignmentData) -> dict[str, Any]:
    """The same as plain data for JSON, without what others published."""
    return {
        "reference": data.reference,
        **plain_rows(data.scores, data.comparisons),
        "agreement": [dict(row) for row in data.agreement],
        "shape_decisions": [dict(row) for row in data.shape_decisions],
        "notes": list(data.notes),
    }


_SCORE_COLUMNS = (
    "observer", "reference", "data_set", "condition", "counted", "metric", "value", "ci_low", "ci_high",
    "people_ci_low", "people_ci_high", "n",
)  # fmt: skip
_COMPARISON_COLUMNS = ("a", "b", "data_set", "metric", "difference", "ci_low", "ci_high", "p", "n")
_OTHER_NAMES = {"observer": "model", "p": "p_bootstrap"}
"""Fields that are called otherwise in JSON."""


def plain_rows(
    scores: Sequence[ObserverScore], comparisons: Sequence[ObserverComparison]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of human alignment as JSON has them; their ``p`` is the bootstrap's, not corrected."""

    def plain(row: ObserverScore | ObserverComparison, columns: Sequence[str]) -> dict[str, Any]:
        return {column: getattr(row, _OTHER_NAMES.get(column, column)) for column in columns}

    return {
        "scores": [plain(row, _SCORE_COLUMNS) for row in scores],
        "comparisons": [plain(row, _COMPARISON_COLUMNS) for row in comparisons],
    }


# ``bench score --human``: human alignment from folders of trials, without a store.


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
    from ...reports.tables.alignment import LEGEND, render_tables

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


# Write stored predictions on the stimuli of human alignment as model-vs-human's files.


def write_responses(settings: Settings, folder: Path) -> tuple[list[Path], list[str]]:
    """Write a CSV file for each model and data set, which model-vs-human reads where it keeps its raw data.

    Args:
        settings: Models (none: all), suite or tasks, and the store.
        folder: Holds a folder for each data set, made where it is absent.

    Returns:
        The files, and a line for whatever is missing from them.

    Raises:
        VitobenchError: There is no store, nothing in it that was asked, or a file cannot be written.
    """
    store = Store(settings.store, settings.layers)
    plan = recall(settings, store)
    written: list[Path] = []
    # Of a suite, the data sets that were never run are not missing.
    told = dict.fromkeys(f.reason for f in plan.failures if settings.tasks or not f.reason.startswith(NOT_THERE))
    for planned, spec in plan.cells():
        if planned.task.kind.together:
            asked = store.asked(safe_name(planned.identity), planned.images)
            told |= {asked: None} if isinstance(asked, str) else {}
            predictions, problems = store.read(planned.identity, spec.identity, planned.ranges())
            told |= dict.fromkeys(f"{spec.name}, {planned.task.name}: {problem}" for problem in problems)
            answers = {spec.name: collect(planned.task, spec.name, predictions)}
            written += [write_trials(trials, folder) for trials in trials_of(set_of(planned), answers).values()]
    if not written:
        raise StoreError(f"The store {store.location} has no predictions on the stimuli of human alignment.")
    return written, list(told)
