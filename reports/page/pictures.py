"""Sections with pictures of single images: what encoders find in them, and those on which models disagree."""

from __future__ import annotations

from ..data import EXAMPLES_RULE, ReportData
from ..figures.figure import Place
from ..focus import drawn_models, left_line
from .sections import ViewSection, page_figures

_FEATURES = (
    "These tasks ask an encoder for its features alone; it is not trained for them, and whatever classes it predicts "
    "do not matter. Random features do well in some, so each number is read beside networks with random weights, "
    "baselines without a network, and what the size of the cells permits."
)


def understanding_sections(data: ReportData) -> list[ViewSection]:
    """Lay out the figures and pictures of tasks that ask for features.

    Args:
        data: The report's input.

    Returns:
        One section, or none where no such task has a number.
    """
    controls = data.partial_models | data.random_models  # always drawn, and in grey
    encoders = data.of([name for name in data.model_names if name not in controls])
    drawn = drawn_models(encoders)
    note = left_line(len(encoders.model_names) - len(drawn))
    figures = page_figures(data.of([*drawn, *controls]), Place.UNDERSTANDING, "understanding-", note)
    if not figures:
        return []
    shown = data.examples
    return [
        ViewSection(
            "Understanding: what the features know",
            "understanding",
            lede=_FEATURES,
            figures=figures,
            notes=(*([EXAMPLES_RULE] if shown.parts else ()), *shown.notes),
            open_notes=True,
            examples=shown.parts,
        )
    ]


_DISAGREEMENTS = (
    "Examples, not evidence: of all images that one model gets right and the other wrong, those whose id has the "
    "smallest hash are shown, as the first model saw them. The counts are given with each group."
)


def gallery_sections(data: ReportData) -> list[ViewSection]:
    """Lay out what `ReportData.gallery` holds.

    Args:
        data: The report's input.

    Returns:
        One section, or none where there is neither an image nor a reason for its absence.
    """
    gallery = data.gallery
    if not (gallery.parts or gallery.notes):
        return []
    return [
        ViewSection(
            "Images on which models disagree",
            "gallery",
            lede=_DISAGREEMENTS if gallery.parts else "",
            notes=gallery.notes,
            open_notes=True,
            pictures=gallery.parts,
        )
    ]
