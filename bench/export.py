"""Scores as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..results.folder import write_aside
from .run import Outcome


def _plain(value: Any) -> Any:
    """JSON has no NaN: a hole becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything a run found, as plain data: ``scores``, ``comparisons``, ``failures`` and provenance."""
    data = outcome.data
    plain: dict[str, Any] = _plain(
        {
            "scores": [asdict(row) for row in data.scores],
            "comparisons": [asdict(row) for row in data.comparisons],
            "failures": [asdict(row) for row in data.failures],
            "models": [dict(record) for record in data.models],
            "tasks": [dict(record) for record in data.tasks],
            "run": dict(data.run),
        }
    )
    return plain


def write_json(outcome: Outcome, path: Path) -> None:
    """Write `as_json` to a file, all of it or nothing.

    Raises:
        StoreError: It cannot be written.
    """
    write_aside(path, (json.dumps(as_json(outcome), indent=1) + "\n").encode())
