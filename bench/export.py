"""Scores as JSON."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from .alignment_data import plain_alignment
from .json_file import plain, write_plain
from .run import Outcome


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything a run found, as plain data: ``scores``, ``comparisons``, ``failures`` and provenance."""
    data = outcome.data
    found: dict[str, Any] = plain(
        {
            "scores": [asdict(row) for row in data.scores],
            "comparisons": [asdict(row) for row in data.comparisons],
            "failures": [asdict(row) for row in data.failures],
            "models": [dict(record) for record in data.models],
            "tasks": [dict(record) for record in data.tasks],
            **({"alignment": [plain_alignment(found) for found in data.alignment]} if data.alignment else {}),
            "run": dict(data.run),
        }
    )
    return found


def write_json(outcome: Outcome, path: Path) -> None:
    """Write `as_json` to a file, all of it or nothing.

    Raises:
        StoreError: It cannot be written.
    """
    write_plain(path, as_json(outcome))
