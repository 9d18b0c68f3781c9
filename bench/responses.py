"""Write stored predictions on the stimuli of human alignment as model-vs-human's files."""

from __future__ import annotations

from pathlib import Path

from ..errors import StoreError
from ..results.layout import safe_name
from ..results.store import Store
from ..tasks.alignment.answered import trials_of
from ..tasks.alignment.csv_form import write_trials
from ..tasks.answers import collect
from .alignment import set_of
from .recall import NOT_THERE, recall
from .settings import Settings


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
    store = Store(settings.store)
    plan = recall(settings, store)
    written: list[Path] = []
    # Of a suite, the data sets that were never run are not missing.
    told = dict.fromkeys(f.reason for f in plan.failures if settings.tasks or not f.reason.startswith(NOT_THERE))
    for planned, spec in plan.cells():
        if planned.task.kind.together:
            asked = store.asked(safe_name(planned.identity), planned.images)
            told |= {asked: None} if isinstance(asked, str) else {}
            found, problems = store.read(planned.identity, spec.identity, planned.ranges())
            told |= dict.fromkeys(f"{spec.name}, {planned.task.name}: {problem}" for problem in problems)
            answers = {spec.name: collect(planned.task, spec.name, found)}
            written += [write_trials(trials, folder) for trials in trials_of(set_of(planned), answers).values()]
    if not written:
        raise StoreError(f"The store {store.location} has no predictions on the stimuli of human alignment.")
    return written, list(told)
