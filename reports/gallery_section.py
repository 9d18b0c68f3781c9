"""Images on which models disagree, on the page."""

from __future__ import annotations

from .data import ReportData
from .sections import ViewSection

_LEDE = (
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
    title = "Images on which models disagree"
    return [
        ViewSection(
            title,
            "gallery",
            lede=_LEDE if gallery.parts else "",
            notes=gallery.notes,
            open_notes=True,
            pictures=gallery.parts,
        )
    ]
