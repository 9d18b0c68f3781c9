"""A set of triplets: three pictures and what people chose, as images one above the other for models to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..images.geometry import Geometry
from ..images.source import ImageSource, LoadFailure


@dataclass(frozen=True)
class Judged:
    """Triplets with judgements.

    Attributes:
        triplets: int64 (n, 3), positions of pictures in a `TripletSource.pictures`; -1 where the picture is absent.
        votes: float64 (n, 3), how many people made which choice; see `judgements.PAIRS`.
    """

    triplets: np.ndarray
    votes: np.ndarray

    def __len__(self) -> int:
        return len(self.triplets)


NO_TRIPLETS = Judged(np.empty((0, 3), np.int64), np.empty((0, 3)))


class TripletSource(ImageSource):
    """Triplets, each an image of three pictures one above the other.

    A subclass sets the ids, what was judged, and the pictures. A triplet of which a picture is absent or cannot be read
    is reported, and no other with it.

    Attributes:
        image_ids: One id for each triplet.
        judged: The triplets that are scored, in the order of the ids.
        held_out: Triplets that a transform may be fitted on, none of which is scored; empty where there are none.
        pictures: The pictures as a set of images.
        picture_names: By position, what a file of features may call a picture.
        names: For each triplet the names of its pictures, whether these are there or not.
        held_out_names: Likewise, of the triplets that are held out.
        kind: The name of the kind of judgement, which is part of the digest.
    """

    label_space = "triplets"
    stacked = 3
    image_ids: tuple[str, ...]
    judged: Judged
    held_out: Judged = NO_TRIPLETS
    pictures: ImageSource
    picture_names: tuple[str, ...]
    names: Sequence[tuple[str, str, str]]
    held_out_names: Sequence[tuple[str, str, str]] = ()
    kind: str

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,), the choice of most people, the first of several."""
        return self.judged.votes.argmax(axis=1)

    @property
    def votes(self) -> np.ndarray:
        """float64 (n, 3), how many people made which choice."""
        return self.judged.votes

    def _facts(self) -> Any:
        """Pictures, triplets and judgements, also of those that a transform is fitted on."""
        scored = [list(row) for row in zip(self.image_ids, self.names, self.judged.votes.tolist(), strict=True)]
        fitted = [list(row) for row in zip(self.held_out_names, self.held_out.votes.tolist(), strict=True)]
        return ["triplets", self.kind, self.pictures.digest, scored, fitted]

    def manifest(self) -> Mapping[str, Any]:
        """The judgements of each triplet, and what the pictures are made of."""
        choices = {
            i: " ".join(f"{count:g}" for count in votes)
            for i, votes in zip(self.image_ids, self.judged.votes.tolist(), strict=True)
        }
        return {"judgements": choices, "held_out": len(self.held_out), "pictures": self.pictures.manifest()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        wanted = self.judged.triplets[list(indices)].reshape(-1)
        there = np.flatnonzero(wanted >= 0)
        size = geometry.size
        pixels = np.zeros((len(wanted), size, size, 3), np.uint8)
        failed: dict[int, LoadFailure] = {}
        if len(there):
            pixels[there], reasons = self.pictures.load(wanted[there].tolist(), geometry)
            for place, why in reasons.items():
                at = int(there[place])
                name = self.picture_names[int(wanted[at])]
                failed.setdefault(at // 3, LoadFailure(f"{name}: {why.reason}", why.transient))
        for at in np.flatnonzero(wanted < 0).tolist():
            name = self.names[int(indices[at // 3])][at % 3]
            failed.setdefault(at // 3, LoadFailure(f"there is no picture of {name}", transient=False))
        return pixels.reshape(len(indices), 3 * size, size, 3), failed
