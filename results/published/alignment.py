"""Published numbers of human alignment, each with its source and what was done otherwise than here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from .tables import _rows


@dataclass(frozen=True)
class PublishedAlignment:
    """One published number.

    Attributes:
        model: As the source calls it; the size of the training data is added where only that tells two apart.
        data_set: One of the 17, or ``"all"`` for their mean.
        metric: ``"accuracy"``, ``"accuracy_difference"``, ``"observed_consistency"``, ``"error_consistency"`` or
            ``"shape_bias"``.
        value: As printed.
        source: Where it stands.
        protocol: What its authors did otherwise than this package, as far as it is known.
    """

    model: str
    data_set: str
    metric: str
    value: float
    source: str
    protocol: str


@cache
def published_alignment() -> tuple[PublishedAlignment, ...]:
    """All of them, on the stimuli and against the people of model-vs-human.

    A model may have two values of one metric from two sources; the one whose protocol is nearest to ours comes first.
    """
    sources = {row["key"]: row for row in _rows("human-alignment-sources.csv")}
    return tuple(
        PublishedAlignment(
            row["model"], row["data_set"], row["metric"], float(row["value"]),
            sources[row["source"]]["source"], sources[row["source"]]["protocol"],
        )
        for row in _rows("human-alignment.csv")
    )  # fmt: skip


def published_value(model: str, metric: str, data_set: str = "all") -> float:
    """The first value of this kind; NaN where there is none."""
    for row in published_alignment():
        if (row.model, row.metric, row.data_set) == (model, metric, data_set):
            return row.value
    return math.nan
