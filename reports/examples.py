"""Pictures with what models found in them, beside the truth: a few of each task, chosen by a rule."""

from __future__ import annotations

from dataclasses import dataclass

EXAMPLES = 3
"""Of each task."""

RULE = (
    f"Examples, not evidence: of each task those {EXAMPLES} whose id has the smallest SHA-256, the same for every "
    "model; nobody chose them."
)


@dataclass(frozen=True)
class Overlay:
    """A picture, alone or with a map of labels over it.

    Attributes:
        title: ``"truth"``, or the name of a model; empty for the picture alone.
        value: How good the map is, for people.
        media: ``"image/webp"``.
        data: The encoded file.
        size: Width and height in pixels.
    """

    title: str
    value: str
    media: str
    data: bytes
    size: tuple[int, int]


@dataclass(frozen=True)
class Example:
    """One picture of a task with the maps of some models.

    Attributes:
        title: Which it is, for people.
        overlays: The picture alone, the truth, then models.
    """

    title: str
    overlays: tuple[Overlay, ...]


@dataclass(frozen=True)
class Examples:
    """What is shown, by title of the task, and why other things are not."""

    parts: tuple[tuple[str, tuple[Example, ...]], ...] = ()
    notes: tuple[str, ...] = ()
