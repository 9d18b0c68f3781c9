"""The page of a curation: what was kept, what was dropped and why, with pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_file
from ..text import utf8
from .template import template

_OPEN_CLASSES = 30
"""Classes whose bars are shown at once; the others are folded."""


@dataclass(frozen=True)
class ShownClip:
    """A clip of the contact sheet.

    Attributes:
        clip: Its id.
        title: Of the video.
        reason: The verdict.
        kept: Whether it is in the set.
        named: Its class; empty if it has none.
        answer: The classifier's first answer to the middle frame; empty if it was not asked.
        confidence: Of that answer, 0 to 1.
        duplicate_of: What it looks like; empty if nothing.
        problem: Why it could not be read; empty if it could.
        picture: JPEG; None where there is none.
    """

    clip: str
    title: str
    reason: str
    kept: bool
    named: str
    answer: str
    confidence: float
    duplicate_of: str
    problem: str
    picture: bytes | None

    @property
    def picture_text(self) -> str:
        """The picture in base 64; empty if there is none."""
        return base64.b64encode(self.picture).decode("ascii") if self.picture else ""


def render_curation_page(summary: Mapping[str, Any], clips: Sequence[ShownClip]) -> str:
    """Lay out the page: one file, no script, nothing from elsewhere.

    Args:
        summary: As in ``summary.json``.
        clips: Clips for the contact sheet, those of a verdict together.
    """
    groups: dict[str, list[ShownClip]] = {}
    for clip in clips:
        groups.setdefault(clip.reason, []).append(clip)
    classes = list(summary["classes"])
    return template("curation.html.j2").render(
        summary=summary,
        truth=summary.get("truth"),
        unnamed=summary["classes_asked"] - summary["classes_named"],
        classes=classes[:_OPEN_CLASSES],
        more=classes[_OPEN_CLASSES:],
        largest=max((row["candidates"] for row in classes), default=1),
        most=max((row["clips"] for row in summary["reasons"]), default=1),
        # Readers look at the kept clips first; the table above has the verdicts in the order in which they apply.
        groups=[(row, groups[row["reason"]]) for row in reversed(summary["reasons"]) if row["reason"] in groups],
        settings=[(name.replace("_", " "), _words(value)) for name, value in summary["settings"].items()],
    )


def _words(value: Any) -> str:
    if value is None:
        return "median over classes"  # the one setting that may be absent is the quota
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def write_curation_page(summary: Mapping[str, Any], clips: Sequence[ShownClip], path: Path) -> None:
    """Write the page; a reader never sees half of it.

    Raises:
        StoreError: It cannot be written.
    """
    write_file(path, utf8(render_curation_page(summary, clips)))
