"""The figures of human alignment, with their headings and how to read them."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.figure import Figure

from .alignment_data import AlignmentData
from .figure_alignment_bars import benchmark_bars
from .figure_alignment_matrix import agreement_matrix
from .figure_alignment_scatter import accuracy_against_consistency
from .figure_alignment_shape import shape_bias_matrix
from .figure_alignment_strength import accuracy_by_strength, consistency_by_strength

_INTERVAL = "Bands and bars are 95 % intervals over stimuli."


def alignment_figures(data: AlignmentData) -> Iterator[tuple[Figure, str, str]]:
    """Every figure that the data are enough for, with a heading and a caption.

    Args:
        data: What to draw.
    """
    words = {"humans": "people"}.get(data.reference, data.reference)
    simulated = f" {words.capitalize()} are no people: they see what was rendered, with noise of stated strength."
    more = simulated if data.simulated else ""
    if data.shape_set:
        yield (
            shape_bias_matrix(data),
            "Shape bias by category",
            "A row for each category of shape; a marker is the share of decisions for the texture (left is more by "
            f"shape). Vertical lines pool all trials, with their 95 % intervals.{more}",
        )
    if data.graded:
        yield (
            accuracy_by_strength(data),
            "Accuracy against strength of distortion",
            f"Shaded conditions do not count: the control, and those near chance (dotted). {_INTERVAL}{more}",
        )
        yield (
            consistency_by_strength(data),
            "Error consistency against strength of distortion",
            f"Agreement with {words} beyond what accuracy explains, 0 by chance; for {words} that of their pairs. "
            f"{_INTERVAL}{more}",
        )
    for record in data.data_sets:
        if record["kind"] == "nonparametric" and any(row["data_set"] == record["name"] for row in data.agreement):
            yield (
                agreement_matrix(data, str(record["name"])),
                f"Error consistency of all pairs: {record['title']}",
                f"Every observer with every other one, single {words} among them.{more}",
            )
    if any(score["data_set"] == "all" for score in data.scores):
        yield (
            accuracy_against_consistency(data),
            "Accuracy against consistency",
            "Means over data sets. The dashed line is the consistency that accuracy alone would give. "
            f"{_INTERVAL}{more}",
        )
        yield (
            benchmark_bars(data),
            "Benchmark",
            "Means over data sets; hatched bars are numbers that others published, on the same stimuli and people. "
            f"{_INTERVAL}{more}"
            if not data.simulated
            else f"Means over data sets. {_INTERVAL}{more}",
        )
