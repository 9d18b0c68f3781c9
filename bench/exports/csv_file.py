"""Scores as CSV."""

from __future__ import annotations

from ...reports.csv_rows import csv_text
from .exporter import Handover
from .long_table import long_rows
from .text_file import put


def export(handover: Handover) -> list[str]:
    """See `Exporter`."""
    rows = long_rows(handover.outcome.data)
    return put(handover, csv_text(rows), f"{len(rows):,} scores")
