"""Scores as JSON."""

from __future__ import annotations

from typing import Any

from ..files import plain
from .alignment_data import plain_alignment
from .run import Outcome


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything a run found, as plain data: ``scores``, ``comparisons``, ``failures`` and provenance."""
    data = outcome.data
    return plain(
        {
            "scores": data.scores,
            "comparisons": data.comparisons,
            "failures": data.failures,
            "models": data.models,
            "tasks": data.tasks,
            **({"alignment": [plain_alignment(found) for found in data.alignment]} if data.alignment else {}),
            "run": data.run,
        }
    )
