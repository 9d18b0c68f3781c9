"""The figures of a report. Each returns a `matplotlib.figure.Figure`; `style.to_svg` puts one into a page."""

from __future__ import annotations

from matplotlib.figure import Figure

from .data import ReportData
from .figure_overview import overview
from .figure_severity import accuracy_by_corruption, accuracy_by_family
from .figure_shape_bias import shape_bias

__all__ = ["accuracy_by_corruption", "accuracy_by_family", "accuracy_by_severity", "overview", "shape_bias"]


def accuracy_by_severity(data: ReportData, task: str) -> tuple[Figure, Figure]:
    """Both views of a corruption task.

    Args:
        data: The report's input.
        task: Name of a corruption task.

    Returns:
        The figure by family and the figure by corruption.
    """
    return accuracy_by_family(data, task), accuracy_by_corruption(data, task)
