"""Human alignment's part of the registry of figures. Its subjects are worlds: ``photographs`` or ``microworld``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .alignment_data import ALL, AlignmentData
from .data import ReportData
from .figure_spec import FigureSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .focus import Focus


def _world(data: AlignmentData) -> str:
    """Observers are simulated in the micro-world and there alone."""
    return "microworld" if data.simulated else "photographs"


def _find(data: ReportData, subject: str) -> tuple[AlignmentData, str]:
    """A world's data, and the data set that the subject names beyond it."""
    for found in data.alignment:
        world, _, data_set = subject.partition("-")
        if _world(found) == world:
            return found, data_set
    raise KeyError(subject)


def _has_shape(data: AlignmentData) -> bool:
    return bool(data.shape_set)


def _has_grades(data: AlignmentData) -> bool:
    return bool(data.graded)


def _has_mean(data: AlignmentData) -> bool:
    return any(score["data_set"] == ALL for score in data.scores)


def _spec(
    name: str,
    title: str,
    needs: str,
    enough: Callable[[AlignmentData], bool],
    module: str,
    draw: str,
    rows: str,
    metric: Sequence[str] = (),
) -> FigureSpec:
    """A figure for each world; ``draw`` and ``rows`` are functions of a module of this package.

    ``metric`` is what ``rows`` asks for beyond the data, if anything.
    """

    def subjects(data: ReportData) -> list[str]:
        return [_world(found) for found in data.alignment if enough(found)]

    def drawn(data: ReportData, subject: str, models: Focus) -> Figure:
        figure: Figure = getattr(import_module(f".{module}", __package__), draw)(_find(data, subject)[0], models)
        return figure

    def numbers(data: ReportData, subject: str) -> list[dict[str, Any]]:
        function = getattr(import_module(f".{module}", __package__), rows)
        found: list[dict[str, Any]] = function(_find(data, subject)[0], *metric)
        return found

    return FigureSpec(f"alignment-{name}", title, needs, subjects, drawn, numbers)


def _matrices(data: ReportData) -> list[str]:
    return [f"{_world(found)}-{record['data_set']}" for found in data.alignment for record in found.agreement]


def _draw_matrix(data: ReportData, subject: str, models: Focus) -> Figure:
    from .figure_alignment_matrix import agreement_matrix

    return agreement_matrix(*_find(data, subject))


def _matrix_rows(data: ReportData, subject: str) -> list[dict[str, Any]]:
    from .figure_alignment_matrix import agreement_rows

    found, data_set = _find(data, subject)
    return [row for row in agreement_rows(found) if row["data_set"] == data_set]


_ANY = "tasks of human alignment"
_GRADED = f"{_ANY} with graded distortions"
_WHOLE = f"{_ANY}, all data sets"

ALIGNMENT_FIGURES = (
    _spec(
        "benchmark", "Means over data sets as bars, published models among them", _WHOLE, _has_mean,
        "figure_alignment_bars", "benchmark_bars", "benchmark_rows",
    ),
    _spec(
        "scatter", "Consistency with people against accuracy", _WHOLE, _has_mean,
        "figure_alignment_scatter", "accuracy_against_consistency", "scatter_rows",
    ),
    _spec(
        "accuracy", "Accuracy against strength of distortion", _GRADED, _has_grades,
        "figure_alignment_strength", "accuracy_by_strength", "strength_rows", ("accuracy",),
    ),
    _spec(
        "consistency", "Error consistency against strength of distortion", _GRADED, _has_grades,
        "figure_alignment_strength", "consistency_by_strength", "strength_rows", ("error_consistency",),
    ),
    _spec(
        "shape-bias", "Shape bias by category, people among the models", f"{_ANY}, cue conflict", _has_shape,
        "figure_alignment_shape", "shape_bias_matrix", "shape_bias_rows",
    ),
    FigureSpec(
        "alignment-matrix", "Error consistency of all pairs of observers; a file for each data set", _ANY,
        _matrices, _draw_matrix, _matrix_rows,
    ),
)  # fmt: skip
