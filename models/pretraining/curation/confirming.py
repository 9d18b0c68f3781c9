"""Check whether the classifier confirms the class that the metadata name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .matching import Match
from .queries import QueryClass
from .settings import CurationSettings


@dataclass(frozen=True)
class FrameAnswer:
    """A classifier's top predictions for one frame.

    Attributes:
        labels: Class indices, the most likely first.
        confidences: Their softmax probabilities.
    """

    labels: tuple[int, ...]
    confidences: tuple[float, ...]


def votes(frames: Sequence[FrameAnswer], query: QueryClass, settings: CurationSettings) -> list[float]:
    """The probability of a class on every frame that confirms it.

    A frame confirms a class if one of its members is among the ``top_k`` predictions and has at least the required
    confidence. The most likely member counts; probabilities are not summed over members.

    Args:
        frames: Top predictions for each frame, ``top_k`` or more.
        query: The class.
        settings: ``top_k`` and ``confidence``.
    """
    members = set(query.members)
    confirming = []
    for answer in frames:
        first = zip(answer.labels[: settings.top_k], answer.confidences, strict=False)
        best = max((confidence for label, confidence in first if label in members), default=-1.0)
        if best >= settings.confidence:
            confirming.append(best)
    return confirming


def confirmed_class(
    frames: Sequence[FrameAnswer],
    matches: Sequence[Match],
    queries: Sequence[QueryClass],
    settings: CurationSettings,
) -> int | None:
    """The class that the classifier confirms; of several, the one with the most frames, then the largest probability.

    Args:
        frames: Top predictions for each frame.
        matches: The classes that the metadata name.
        queries: All classes.
        settings: ``top_k``, ``agree`` and ``confidence``.

    Returns:
        Position of the class in ``queries``, or None if none is confirmed.
    """
    ranked = []
    for match in matches:
        confirming = votes(frames, queries[match.query], settings)
        if len(confirming) >= settings.agree:
            ranked.append((-len(confirming), -sum(confirming), match.query))
    return min(ranked)[2] if ranked else None
