"""What reports of human alignment are made from, and the same as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..reports.alignment_data import AlignmentData
from ..results.published.alignment import published_alignment
from ..results.schema import ObserverComparison, ObserverScore
from ..tasks.alignment.agreement import agreement_matrix
from ..tasks.alignment.axes import described
from ..tasks.alignment.consistency import HUMANS
from ..tasks.alignment.csv_form import is_person
from ..tasks.alignment.cue_counts import cue_counts
from ..tasks.alignment.datasets import AlignmentSet, family_of
from ..tasks.alignment.observers import PREFIX
from ..tasks.alignment.scoring import Scored


def alignment_data(
    scored: Scored,
    reference: str,
    data_sets: Sequence[AlignmentSet],
    pairs: Sequence[tuple[str, str]] | None = None,
) -> AlignmentData:
    """Lay out what was scored.

    Args:
        scored: From `score_alignment`.
        reference: Whom models were compared with, as one observer.
        data_sets: Those that were asked, in their order.
        pairs: (model, baseline) to compare; None for all that were compared.
    """
    observers = dict.fromkeys(row.model for row in scored.scores)
    conflict = [panel for panel in scored.panels.values() if panel.stimuli.data_set.cues == "conflict"]
    return AlignmentData(
        scores=scored.scores,
        data_sets=[described(data_set) for data_set in data_sets],
        observers=[{"name": name, "kind": _kind(name, reference), "label": name} for name in observers],
        reference=reference,
        agreement=[
            {
                "data_set": name,
                "observers": list(panel.observers),
                "values": [[float(value) for value in row] for row in agreement_matrix(panel)],
            }
            for name, panel in scored.panels.items()
        ],
        shape_decisions=[count for panel in conflict for count in cue_counts(panel, reference)],
        published=published_alignment(),
        comparisons=[row for row in scored.comparisons if pairs is None or (row.a, row.b) in pairs],
        notes=scored.notes,
        family=family_of(data_sets[0].name) if data_sets else (),
    )


def _kind(name: str, reference: str) -> str:
    """What an observer is; a simulated one that does not stand in people's place is drawn like a model."""
    if name.startswith(PREFIX) or (name == reference and reference != HUMANS):
        return "simulated"
    return "human" if name == reference or is_person(name) else "model"


def plain_alignment(data: AlignmentData) -> dict[str, Any]:
    """The same as plain data for JSON, without what others published."""
    return {
        "reference": data.reference,
        **plain_rows(data.scores, data.comparisons),
        "agreement": [dict(row) for row in data.agreement],
        "shape_decisions": [dict(row) for row in data.shape_decisions],
        "notes": list(data.notes),
    }


_SCORE_COLUMNS = (
    "observer", "reference", "data_set", "condition", "counted", "metric", "value", "ci_low", "ci_high",
    "people_ci_low", "people_ci_high", "n",
)  # fmt: skip
_COMPARISON_COLUMNS = ("a", "b", "data_set", "metric", "difference", "ci_low", "ci_high", "p", "n")
_OTHER_NAMES = {"observer": "model", "p": "p_bootstrap"}
"""Fields that are called otherwise in JSON."""


def plain_rows(
    scores: Sequence[ObserverScore], comparisons: Sequence[ObserverComparison]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of human alignment as JSON has them; their ``p`` is the bootstrap's, not corrected."""

    def plain(row: ObserverScore | ObserverComparison, columns: Sequence[str]) -> dict[str, Any]:
        return {column: getattr(row, _OTHER_NAMES.get(column, column)) for column in columns}

    return {
        "scores": [plain(row, _SCORE_COLUMNS) for row in scores],
        "comparisons": [plain(row, _COMPARISON_COLUMNS) for row in comparisons],
    }
