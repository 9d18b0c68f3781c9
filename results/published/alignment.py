"""Published numbers of human alignment, on the stimuli and against the people of model-vs-human."""

from __future__ import annotations

from .rows import PublishedScore, published_rows


def published_alignment() -> tuple[PublishedScore, ...]:
    """All of them.

    A model may have two values of one metric from two sources; the one whose protocol is nearest to ours comes first.
    """
    return published_rows("human-alignment")
