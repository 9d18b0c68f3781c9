"""The two saliency tasks: people's maps of ClickMe, and the exact object masks of the micro-world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import DataError, unknown_name
from ....identity import digest
from ...data.microworld.sets import MicroSet
from ...data.saliency_maps import MapSource
from .preparation import Preparation

if TYPE_CHECKING:
    from ...data.source import LoadFailure

CLICKME_CEILING = 0.65753
"""How well people's maps on ClickMe agree with one another, Spearman; the constant of the reference's code."""

DATA = {"clickme": "ClickMe's TFRecords, or images/ and maps/ of your own: --data clickme=DIR"}
"""Folders that a user brings."""


@dataclass(frozen=True)
class SaliencyTask:
    """What is compared with what.

    Attributes:
        name: As in the store.
        title: For tables.
        reference: What the maps are that a model's are compared with.
        label_space: In which classes the labels are.
        images: Number of images; None is all.
        preparation: How those maps are made ready.
        exact: The maps are masks; see `rows.reference_of`.
        ceiling: What the alignment score divides the mean Spearman correlation by.
        citation: Of the protocol.
        version: Raised when the protocol changes.
    """

    name: str
    title: str
    reference: str
    label_space: str
    images: int | None
    preparation: Preparation
    exact: bool
    ceiling: float
    citation: str
    version: int = 1

    def facts(self, data_digest: str) -> dict[str, Any]:
        """What the identity covers. The ceiling is none of it: rows do not depend on it."""
        return {
            "name": self.name,
            "version": self.version,
            "data": data_digest,
            "images": self.images,
            "preparation": asdict(self.preparation),
            "exact": self.exact,
        }

    def identity(self, data_digest: str) -> str:
        """``name@digest``."""
        return f"{self.name}@{digest(self.facts(data_digest))[:16]}"


CLICKME = SaliencyTask(
    name="clickme",
    title="ClickMe",
    reference="people's map",
    label_space="imagenet-1k",
    images=None,
    preparation=Preparation(),
    exact=False,
    ceiling=CLICKME_CEILING,
    citation="Fel et al., Harmonizing the object recognition strategies of deep neural networks with humans, NeurIPS "
    "2022 (arXiv 2211.04533)",
)
MICRO = SaliencyTask(
    name="micro-saliency",
    title="Micro-world, validation scenes",
    reference="object mask",
    label_space="microworld-16",
    images=480,
    # Nothing to be compatible with: the kernel is centred, nothing favours the middle, and the result has the size of
    # the images.
    preparation=Preparation(side=64, centred=True, renormalised=True),
    exact=True,
    # A mask is exact, so nothing keeps a model from agreeing with it wholly.
    ceiling=1.0,
    citation="this project",
)
SALIENCY_TASKS = {task.name: task for task in (MICRO, CLICKME)}


class ObjectMasks(MicroSet, MapSource):
    """Validation scenes of the micro-world with the exact mask of the visible object."""

    def __init__(self, length: int, seed: int = 0) -> None:
        super().__init__("val", length, seed)

    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Masks at 64 pixels, 1 on the object and 0 elsewhere; none fails."""
        return list(self.frames(indices).mask.astype(np.float32)), {}


def choose_task(folders: Mapping[str, Path]) -> SaliencyTask:
    """The task of the folders that were named: ClickMe where one is, else the micro-world.

    Raises:
        UnknownNameError: Another folder.
    """
    for name in folders:
        if name not in DATA:
            raise unknown_name("data set with maps", name, DATA, "Use --data NAME=DIR.")
    return CLICKME if folders else MICRO


def open_task(
    task: SaliencyTask,
    folders: Mapping[str, Path],
    seed: int = 0,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MapSource:
    """Open the images and maps of a task.

    Args:
        task: One of `SALIENCY_TASKS`.
        folders: Folders that the user named.
        seed: Seed of the micro-world.
        cache: JSON file in which content hashes of files are kept.
        progress: Told ``(done, total)`` of the files while they are hashed.

    Raises:
        DataError: A folder that is absent or not of the expected form.
    """
    if task.name == MICRO.name:
        return ObjectMasks(task.images or 1, seed)
    if task.name not in folders:
        raise DataError(f"The data of {task.name} is not here: {DATA[task.name]}.")
    from ...data.clickme import open_maps

    return open_maps(folders[task.name], cache, progress)
