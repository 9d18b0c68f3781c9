"""Does the classifier see the class that the metadata name?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .matching import Match
from .queries import QueryClass
from .settings import CurationSettings


@dataclass(frozen=True)
class FrameAnswer:
    """A classifier's first answers to one frame.

    Attributes:
        labels: Class indices, the likeliest first.
        confidences: Their softmax probabilities.
    """

    labels: tuple[int, ...]
    confidences: tuple[float, ...]


def votes(answers: Sequence[FrameAnswer], query: QueryClass, settings: CurationSettings) -> list[float]:
    """The probability of a class on every frame that confirms it.

    A frame confirms a class when one of its members is among the first ``top_k`` answers with at least the confidence
    asked. The likeliest member counts; members are not summed.

    Args:
        answers: One per frame, of ``top_k`` answers or more.
        query: The class.
        settings: ``top_k`` and ``confidence``.
    """
    members = set(query.members)
    found = []
    for answer in answers:
        first = zip(answer.labels[: settings.top_k], answer.confidences, strict=False)
        best = max((confidence for label, confidence in first if label in members), default=-1.0)
        if best >= settings.confidence:
            found.append(best)
    return found


def confirmed_class(
    answers: Sequence[FrameAnswer],
    matches: Sequence[Match],
    queries: Sequence[QueryClass],
    settings: CurationSettings,
) -> int | None:
    """The query that the classifier confirms; of several the one with the most frames, then the largest probability.

    Args:
        answers: One per frame.
        matches: The classes that the metadata name.
        queries: All classes.
        settings: ``top_k``, ``agree`` and ``confidence``.

    Returns:
        Position of the class in ``queries``, or None where none is confirmed.
    """
    ranked = []
    for match in matches:
        found = votes(answers, queries[match.query], settings)
        if len(found) >= settings.agree:
            ranked.append((-len(found), -sum(found), match.query))
    return min(ranked)[2] if ranked else None
