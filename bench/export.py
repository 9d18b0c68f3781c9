"""Scores as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..results.folder import write_aside
from .alignment_data import plain_alignment
from .run import Outcome


def plain(value: Any) -> Any:
    """JSON has no NaN: a hole becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


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
    write_aside(path, (json.dumps(as_json(outcome), indent=1) + "\n").encode())
