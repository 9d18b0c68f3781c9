"""The settings of curation, with defaults for every choice that the paper leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import VitobenchError, unknown_name

FIELDS = ("title", "tags", "categories", "description")
"""Metadata that can be searched for class names."""

MAX_HASH_DISTANCE = 15
"""With a larger distance, the index would have to look up a large share of all buckets."""


@dataclass(frozen=True)
class CurationSettings:
    """How a collection is curated. docs/curation.md lists which of these settings the paper states.

    Attributes:
        fields: Metadata fields to search for class names, from `FIELDS`.
        clip_seconds: Length of a clip.
        shortest_seconds: Drop a last clip shorter than this; 2.56 s is the window from which views are drawn.
        frames: Frames to classify and hash in each clip, at the midpoints of equal parts.
        top_k: The class must be among this many top predictions for a frame,
        agree: for at least this many of the frames,
        confidence: and with at least this softmax probability, 0 to 1, for each of them.
        hash_distance: Perceptual hashes that differ in at most this many of 64 bits count as the same picture.
        per_class: Maximum number of clips per class; None takes the median over classes that have clips.
        uncurated: For the ablation, keep as many clips as curation would, drawn at random from the source.
        seed: Seed of that draw.

    Raises:
        VitobenchError: A value is invalid; the message says which values are valid.
    """

    fields: tuple[str, ...] = ("title", "tags")
    clip_seconds: float = 10.0
    shortest_seconds: float = 2.56
    frames: int = 3
    top_k: int = 5
    agree: int = 1
    confidence: float = 0.0
    hash_distance: int = 6
    per_class: int | None = None
    uncurated: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.fields:
            if name not in FIELDS:
                raise unknown_name("metadata field", name, FIELDS)
        if not self.fields:
            raise VitobenchError(f"No metadata field to search; name one or more of {', '.join(FIELDS)}.")
        if not 0 < self.shortest_seconds <= self.clip_seconds:
            raise VitobenchError(
                f"The shortest clip ({self.shortest_seconds} s) must be above 0 and at most the length of a clip "
                f"({self.clip_seconds} s)."
            )
        if self.frames < 1 or self.top_k < 1:
            raise VitobenchError(f"frames ({self.frames}) and top-k ({self.top_k}) must be 1 or more.")
        if not 1 <= self.agree <= self.frames:
            raise VitobenchError(f"agree = {self.agree} must be from 1 to the number of frames, {self.frames}.")
        if not 0 <= self.confidence <= 1:
            raise VitobenchError(f"Invalid confidence {self.confidence}; choose a probability from 0 to 1.")
        if not 0 <= self.hash_distance <= MAX_HASH_DISTANCE:
            raise VitobenchError(
                f"Invalid hash distance {self.hash_distance}; choose 0 to {MAX_HASH_DISTANCE}. Unrelated pictures "
                "differ in about 32 of 64 bits."
            )
        if self.per_class is not None and self.per_class < 1:
            raise VitobenchError(f"Invalid per-class = {self.per_class}: it would keep nothing; choose 1 or more.")
