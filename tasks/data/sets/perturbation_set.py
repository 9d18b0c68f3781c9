"""ImageNet-P as one set: the same sequences under every perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..files import list_folders
from ..geometry import Geometry
from ..source import ImageSource, LoadFailure
from .sequences import PerturbationSequences

if TYPE_CHECKING:
    from ...datasets.record import DataSet, Opening, SequenceForm


class PerturbationSet(ImageSource):
    """The sequences that all perturbations have, frame by frame; its conditions are the perturbations.

    Opening it counts the frames of every video, which at the published size, 50,000 videos under ten perturbations,
    takes many minutes; ``bench run --limit`` does not shorten that.

    Attributes:
        conditions: Names of the perturbations that were asked for.
        missing: Those of them that are not there.
        image_ids: ``"n01440764/ILSVRC2012_val_00000293.mp4/007"``, sequence by sequence.
        labels: int64 (n,). Stability does not need them.
        frames: Number of frames of each sequence, by its name.
    """

    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(self, published: DataSet, form: SequenceForm, opening: Opening) -> None:
        """Open each perturbation.

        Args:
            published: The set, for its name and for errors.
            form: Its label space.
            opening: A folder with ``perturbation/class/name.mp4``, and the perturbations to read; one without a folder
                is a missing value. Each has a cache of its own.

        Raises:
            DataError: The folder is missing, has none of the perturbations, or they share no sequence.
        """
        root, perturbations = opening.root, opening.conditions or ()
        there = set(list_folders(root, published.expected(root)))
        self.name, self.label_space = published.name, form.label_space
        self.conditions = tuple(perturbations)
        self.missing = tuple(p for p in perturbations if p not in there)
        present = [p for p in perturbations if p in there]
        if not present:
            raise published.error(f"{root} has none of the perturbations {', '.join(perturbations)}.", root)
        self._parts = {}
        places: dict[Path, str] = {}
        for p in present:
            cache = opening.cache.with_stem(f"{opening.cache.stem}-{p}") if opening.cache else None
            self._parts[p] = PerturbationSequences(published, form, replace(opening, conditions=[p], cache=cache))
            self.left_out += self._parts[p].left_out
            other = places.setdefault(self._parts[p].real_folder, p)
            if other != p:
                raise published.error(f"{p} and {other} in {root} are the same folder, through a link.", root)
        self._index()
        if not self.image_ids:
            raise published.error(f"The perturbations in {root} have no sequence in common.", root)

    def _index(self) -> None:
        counts = [part.frames for part in self._parts.values()]
        shared = [video for video in counts[0] if all(video in other for other in counts[1:])]
        self.frames = {video: min(count[video] for count in counts) for video in shared}
        self.image_ids = tuple(f"{video}/{n:03d}" for video, count in self.frames.items() for n in range(count))
        self._positions = {}
        for perturbation, part in self._parts.items():
            starts = dict(zip(part.frames, np.cumsum([0, *part.frames.values()])[:-1].tolist(), strict=True))
            places = [np.arange(starts[video], starts[video] + count) for video, count in self.frames.items()]
            self._positions[perturbation] = np.concatenate(places) if places else np.empty(0, np.int64)
        first = next(iter(self._parts))
        self.labels = self._parts[first].labels[self._positions[first]]

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "label_space", "conditions", "missing", "_parts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index()

    def _facts(self) -> Any:
        """The videos under all perturbations."""
        return ["imagenet-p", {p: part.digest for p, part in self._parts.items()}]

    def manifest(self) -> dict[str, str]:
        """Videos with the SHA-256 of their content, by perturbation and name."""
        return {f"{p}/{video}": sha for p, part in self._parts.items() for video, sha in part.manifest().items()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        if condition in self._parts:
            return self._parts[condition].load(self._positions[condition][list(indices)].tolist(), geometry)
        pixels = np.zeros((len(indices), geometry.size, geometry.size, 3), np.uint8)
        reason = LoadFailure(f"the folder has no {condition}", transient=False)
        return pixels, dict.fromkeys(range(len(indices)), reason)
