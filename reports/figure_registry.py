"""The figures by name. Importing this loads no matplotlib: a figure's module is imported when it is drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..errors import unknown_name
from ..results.schema import View
from .data import ReportData
from .figure_spec import FigureSpec
from .figures_of_alignment import ALIGNMENT_FIGURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .focus import Focus

Rows = list[dict[str, Any]]


def _headline(data: ReportData) -> list[str]:
    from .rows import headline_rows

    return [""] if any(cell.measured for row in headline_rows(data) for cell in row.cells) else []


def _draw_headline(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_overview import overview

    return overview(data, models)


def _headline_rows(data: ReportData, subject: str) -> Rows:
    from .figure_overview import overview_rows

    return overview_rows(data)


def _corrupted(data: ReportData) -> list[str]:
    tasks = [str(task["name"]) for task in data.tasks_with(View.SEVERITIES)]
    return [task for task in tasks if data.corruptions(task) and _graded(data, task)]


def _graded(data: ReportData, task: str) -> bool:
    return any(s.task == task and "/" in s.condition and math.isfinite(s.value) for s in data.scores)


def _draw_corruptions(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_severity import accuracy_by_corruption

    return accuracy_by_corruption(data, subject, models)


def _corruption_rows(data: ReportData, subject: str) -> Rows:
    from .figure_severity import severity_rows

    return severity_rows(data, subject, families=False)


def _in_families(data: ReportData) -> list[str]:
    return [task for task in _corrupted(data) if data.task(task).get("families")]


def _draw_families(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_severity import accuracy_by_family

    return accuracy_by_family(data, subject, models)


def _family_rows(data: ReportData, subject: str) -> Rows:
    from .figure_severity import severity_rows

    return severity_rows(data, subject, families=True)


def _shifted(data: ReportData) -> list[str]:
    from .figure_clean_shifted import spots

    tasks = [str(task["name"]) for task in data.tasks_with(View.AGAINST_CLEAN)]
    return [task for task in tasks if any(spot.kind == "measured" for spot in spots(data, task))]


def _draw_shifted(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_clean_shifted import clean_against_shifted

    return clean_against_shifted(data, subject, models)


def _shifted_rows(data: ReportData, subject: str) -> Rows:
    from .figure_clean_shifted import clean_shifted_rows

    return clean_shifted_rows(data, subject)


def _conflicts(data: ReportData) -> list[str]:
    decided = {str(row["task"]) for row in data.shape_decisions}
    return [str(task["name"]) for task in data.tasks_with(View.SHAPE) if task["name"] in decided]


def _draw_shape(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_shape_bias import shape_bias

    return shape_bias(data, subject, models)


def _shape_rows(data: ReportData, subject: str) -> Rows:
    from .figure_shape_bias import shape_bias_rows

    return shape_bias_rows(data, subject)


def _trained(data: ReportData) -> list[str]:
    from .training_curves import trainings

    return [""] if trainings(data) and _headline(data) else []


def _draw_curves(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_curves import checkpoint_curves

    return checkpoint_curves(data, models)


def _curve_rows(data: ReportData, subject: str) -> Rows:
    from .figure_curves import curve_rows

    return curve_rows(data)


def _references(data: ReportData) -> list[str]:
    from .figure_ablation import ablation_rows, references

    return [name for name in references(data) if ablation_rows(data, name)]


def _draw_ablation(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_ablation import ablation

    return ablation(data, subject, models)


def _ablation_rows(data: ReportData, subject: str) -> Rows:
    from .figure_ablation import ablation_rows

    return ablation_rows(data, subject)


FIGURES: dict[str, FigureSpec] = {
    spec.name: spec
    for spec in (
        FigureSpec(
            "headline", "Every headline number of every model, as dots with intervals", "any task",
            _headline, _draw_headline, _headline_rows,
        ),
        FigureSpec(
            "corruptions", "Accuracy against severity, a panel for each corruption; a file for each task",
            "a task of corruptions", _corrupted, _draw_corruptions, _corruption_rows,
        ),
        FigureSpec(
            "corruption-families", "Accuracy against severity, a panel for each family; a file for each task",
            "a task of corruptions in families", _in_families, _draw_families, _family_rows,
        ),
        FigureSpec(
            "clean-shifted", "Shifted against clean accuracy, with the line of effective robustness; a file for each "
            "task", "a shift or corruptions, and the clean counterpart", _shifted, _draw_shifted, _shifted_rows,
        ),
        FigureSpec(
            "shape-bias", "Shape and texture decisions by category; a file for each task", "a cue-conflict task",
            _conflicts, _draw_shape, _shape_rows,
        ),
        FigureSpec(
            "curves", "Every headline number over the steps of a training",
            "two checkpoints or more of one training (training_step in the card, or NAME@STEP)",
            _trained, _draw_curves, _curve_rows,
        ),
        FigureSpec(
            "ablation", "Paired differences of variants to a reference; a file for each reference",
            "two models or more compared with one --baseline", _references, _draw_ablation, _ablation_rows,
        ),
        *ALIGNMENT_FIGURES,
    )
}  # fmt: skip
"""In the order of the listing; a new figure is added here."""


def figure_spec(name: str) -> FigureSpec:
    """A figure by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in FIGURES:
        raise unknown_name("figure", name, FIGURES)
    return FIGURES[name]
