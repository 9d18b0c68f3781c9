"""Figures as files: PDF, SVG and PNG, with their numbers beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..files import write_file
from ..identity import digest
from ..results.layout import safe_name
from ..text import utf8
from .csv_rows import csv_text
from .data import ReportData
from .figure import FigureSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .focus import Focus

FORMATS = ("pdf", "svg", "png")
_DOTS = 220  # an inch
# A date would give other bytes every day.
_METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


def figure_bytes(figure: Figure, form: str) -> bytes:
    """A figure as a file's content, the same bytes for the same figure.

    Args:
        figure: The figure.
        form: One of `FORMATS`.
    """
    from .style import styled

    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=form, dpi=_DOTS, metadata=_METADATA[form])
    return buffer.getvalue()


def file_stem(spec: FigureSpec, subject: str) -> str:
    """``corruptions-micro-c``: stable names; with a digest where the subject is no name of a file."""
    safe = safe_name(subject)
    apart = f"-{digest(subject)[:8]}" if safe != subject else ""
    return f"{spec.name}-{safe}{apart}" if subject else spec.name


def write_figures(
    data: ReportData, specs: Sequence[FigureSpec], models: Focus, folder: Path, formats: Sequence[str]
) -> Iterator[tuple[FigureSpec, list[Path]]]:
    """Draw and write figures, one after the other.

    Args:
        data: What to draw.
        specs: Which.
        models: Which models are in colour.
        folder: Created if missing.
        formats: Of `FORMATS`.

    Yields:
        Each figure with the files that were written of it; none where the data are not enough.

    Raises:
        StoreError: A file cannot be written.
    """
    for spec in specs:
        paths = []
        for subject in spec.subjects(data):
            stem = file_stem(spec, subject)
            figure = spec.draw(data, subject, models)
            contents = {form: figure_bytes(figure, form) for form in formats}
            contents["csv"] = utf8(csv_text(spec.rows(data, subject)))
            for ending, content in contents.items():
                path = folder / f"{stem}.{ending}"
                write_file(path, content)
                paths.append(path)
        yield spec, paths
