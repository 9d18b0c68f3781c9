"""ImageNet-P as one set: the same sequences under every perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ....identity import digest
from ...datasets.record import SequenceForm
from ...datasets.registry import of_form
from ..files import list_folders
from ..geometry import Geometry
from ..hashing import Progress
from ..source import LoadFailure
from ..walking import NOTHING
from .sequences import PerturbationSequences


class PerturbationSet:
    """The sequences that all perturbations have, frame by frame; a `ConditionSource` whose conditions they are.

    Opening it counts the frames of every video, which at the published size, 50,000 videos under ten perturbations,
    takes many minutes; ``bench run --limit`` does not shorten that.

    Attributes:
        name: ``"imagenet-p"``.
        label_space: ``"imagenet-1k"``.
        conditions: Names of the perturbations that were asked for.
        missing: Those of them that are not there.
        image_ids: ``"n01440764/ILSVRC2012_val_00000293.mp4/007"``, sequence by sequence.
        labels: int64 (n,). Stability does not need them.
        frames: Number of frames of each sequence, by its name.
        left_out: What the listing left out; a pickled copy does not know it.
    """

    label_space = "imagenet-1k"
    left_out = NOTHING

    def __init__(
        self,
        root: Path,
        perturbations: Sequence[str],
        name: str = "imagenet-p",
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Open each perturbation.

        Args:
            root: Folder with ``perturbation/class/name.mp4``.
            perturbations: Which to read; one without a folder is a missing value.
            name: What the data set is called.
            manifest_cache: JSON file in which content hashes are kept, with the perturbation in its name.
            progress: See `PerturbationSequences`.

        Raises:
            DataError: The folder is missing, has none of the perturbations, or they share no sequence.
        """
        published, _ = of_form("imagenet-p", SequenceForm)
        there = set(list_folders(Path(root), published.expected(Path(root))))
        self.name = name
        self.conditions = tuple(perturbations)
        self.missing = tuple(p for p in perturbations if p not in there)
        present = [p for p in perturbations if p in there]
        if not present:
            raise published.error(f"{root} has none of the perturbations {', '.join(perturbations)}.", Path(root))
        self._parts = {}
        places: dict[Path, str] = {}
        for p in present:
            cache = manifest_cache.with_stem(f"{manifest_cache.stem}-{p}") if manifest_cache else None
            self._parts[p] = PerturbationSequences(root, p, None, cache, progress)
            self.left_out += self._parts[p].left_out
            other = places.setdefault(self._parts[p].real_folder, p)
            if other != p:
                raise published.error(f"{p} and {other} in {root} are the same folder, through a link.", Path(root))
        self._index()
        if not self.image_ids:
            raise published.error(f"The perturbations in {root} have no sequence in common.", Path(root))

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
        return {name: getattr(self, name) for name in ("name", "conditions", "missing", "_parts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index()

    def __len__(self) -> int:
        return len(self.image_ids)

    @cached_property
    def digest(self) -> str:
        """Identity of the videos under all perturbations."""
        return digest(["imagenet-p", {p: part.digest for p, part in self._parts.items()}])

    def manifest(self) -> dict[str, str]:
        """Videos with the SHA-256 of their content, by perturbation and name."""
        return {f"{p}/{video}": sha for p, part in self._parts.items() for video, sha in part.manifest().items()}

    def load(
        self, indices: Sequence[int], geometry: Geometry, condition: str
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Frames under one perturbation; see `PerturbationSequences.load`."""
        if condition in self._parts:
            return self._parts[condition].load(self._positions[condition][list(indices)].tolist(), geometry)
        pixels = np.zeros((len(indices), geometry.size, geometry.size, 3), np.uint8)
        reason = LoadFailure(f"the folder has no {condition}", transient=False)
        return pixels, dict.fromkeys(range(len(indices)), reason)
