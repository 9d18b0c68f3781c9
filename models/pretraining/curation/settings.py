"""Every choice that the paper leaves open, by name and with a default."""

from __future__ import annotations

from dataclasses import dataclass

from ....errors import VitobenchError, unknown_name

FIELDS = ("title", "tags", "categories", "description")
"""Metadata that can be searched for class names."""

MAX_HASH_DISTANCE = 15
"""Above it the index of hashes would look at a large share of all buckets."""


@dataclass(frozen=True)
class CurationSettings:
    """How a collection is curated. What of this the paper states is in docs/curation.md.

    Attributes:
        fields: Metadata that is searched for class names, of `FIELDS`.
        clip_seconds: Length of a clip.
        shortest_seconds: A last clip shorter than this is dropped; 2.56 s is the window from which views are drawn.
        frames: Frames of each clip that are classified and hashed, in the middles of as many equal parts.
        top_k: The class has to be among this many of the classifier's first answers to a frame.
        agree: On at least this many of the frames.
        confidence: And with at least this softmax probability, 0 to 1, on each of them.
        hash_distance: Perceptual hashes that differ in at most this many of 64 bits are of the same picture.
        per_class: Most clips of a class; None takes the median over the classes that have any.
        uncurated: Keep as many clips as curation would, drawn at random from the source: the ablation.
        seed: Of that draw.

    Raises:
        VitobenchError: A value that makes no sense; the message says what would.
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
