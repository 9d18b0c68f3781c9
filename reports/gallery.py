"""Images on which two models disagree: which of them are shown, and what the page says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 6
"""Images for each of the two sides of a disagreement."""


@dataclass(frozen=True)
class Said:
    """A model's answer to an image: its best class in words, the confidence in it (0 to 1), whether it is right."""

    model: str
    answer: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class Picture:
    """An image as the models saw it.

    Attributes:
        image_id: Its id in the data set.
        label: The right answer in words.
        media: ``"image/webp"`` or ``"image/jpeg"``.
        data: The encoded file.
        size: Side in pixels.
        said: The two models' answers.
    """

    image_id: str
    label: str
    media: str
    data: bytes
    size: int
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Disagreement:
    """Two models on one condition.

    Attributes:
        task: Title of the task.
        condition: As in the scores, ``"clean"`` or ``"fog/5"``.
        a: First model.
        b: Second model, its baseline where it has one.
        counts: Images that both get right, only ``a``, only ``b``, and neither.
        only_a: Some of those that only ``a`` gets right.
        only_b: Likewise.
        conditions: Of how many conditions this is the one with the most disagreements; 1 where there was no choice.
    """

    task: str
    condition: str
    a: str
    b: str
    counts: tuple[int, int, int, int]
    only_a: tuple[Picture, ...] = ()
    only_b: tuple[Picture, ...] = ()
    conditions: int = 1


@dataclass(frozen=True)
class Gallery:
    """Every disagreement that is shown, and why others are not."""

    parts: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()


def counted(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int, int, int]:
    """Of images in the same order: both right, only the first, only the second, neither."""
    pairs = list(zip(a, b, strict=True))
    return (
        pairs.count((True, True)),
        pairs.count((True, False)),
        pairs.count((False, True)),
        pairs.count((False, False)),
    )


def chosen(image_ids: Sequence[str], a: Sequence[bool], b: Sequence[bool], most: int = SHOWN) -> tuple[list[str], ...]:
    """Choose images that one model gets right and the other wrong.

    The order is that of a hash of the ids: a fair sample of the disagreements, the same each time. Choosing striking
    images would bias it.

    Args:
        image_ids: Distinct ids.
        a: Whether the first model is right.
        b: Whether the second one is.
        most: Images for each side.

    Returns:
        Ids that only the first gets right, and that only the second does.
    """
    order = sorted(zip(image_ids, a, b, strict=True), key=lambda row: hashlib.sha256(row[0].encode()).digest())
    first = [image_id for image_id, right, other in order if right and not other]
    second = [image_id for image_id, right, other in order if other and not right]
    return first[:most], second[:most]


def strongest(conditions: Sequence[str], disagreements: Sequence[int]) -> int:
    """The position of the condition of the highest severity with the most disagreements; the first of equals."""
    severities = [int(key.partition("/")[2] or 0) for key in conditions]
    top = max(severities)
    candidates = [place for place, severity in enumerate(severities) if severity == top]
    return max(candidates, key=lambda place: (disagreements[place], -place))
