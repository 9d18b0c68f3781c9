"""Published numbers of human alignment, on the stimuli and against the people of model-vs-human."""

from __future__ import annotations

import math

from .rows import PublishedScore, published_rows


def published_alignment() -> tuple[PublishedScore, ...]:
    """All of them.

    A model may have two values of one metric from two sources; the one whose protocol is nearest to ours comes first.
    """
    return published_rows("human-alignment")


def published_value(model: str, metric: str, data_set: str = "all") -> float:
    """The first value of this kind; NaN where there is none."""
    for row in published_alignment():
        if (row.model, row.metric, row.data_set) == (model, metric, data_set):
            return row.value
    return math.nan
