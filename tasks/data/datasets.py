"""Opening a task's images by the name of their data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError, unknown_name
from ..alignment.datasets import ALIGNMENT_SETS
from ..datasets.registry import PUBLISHED, open_published
from ..plugin_tasks import PREFIX, open_images

if TYPE_CHECKING:
    from .source import ConditionSource, ImageSource

_FOLDERS = {"imagenet-with-depth": ("imagenet", "imagenet-depth")}
"""Data sets that are made of other folders than one of their own name."""

HUMAN = "model-vs-human"
"""The folder of the 17 sets of stimuli that people saw."""

HUMAN_ANSWERS = "model-vs-human-answers"
"""The folder of people's trials on them; it is looked for beside the stimuli where it is not named."""

USER_DATA = {
    "imagenet": "photographs in one folder per WordNet id, such as ImageNet's validation set: --data imagenet=DIR",
    "imagenet-depth": "a depth map for each photograph of imagenet, .npy or 16-bit .png: --data imagenet-depth=DIR",
    HUMAN: f"stimuli of model-vs-human, a folder for each set, with people's trials beside them or in "
    f"--data {HUMAN_ANSWERS}=DIR: --data {HUMAN}=DIR (`bench data get {HUMAN}`)",
    HUMAN_ANSWERS: f"trials of people as CSV, a folder for each set: --data {HUMAN_ANSWERS}=DIR",
} | {
    name: f"{published.title} as published at {published.page}: --data {name}=DIR"
    for name, published in PUBLISHED.items()
}
"""Folders that a user brings, each with what it holds and how to name it."""

MICRO_LENGTH = 1_000_000
"""Sets of the micro-world have no end; this bounds ``--limit``."""


def folders_of(dataset: str) -> tuple[str, ...]:
    """Names of the folders that a data set is made of; none for the micro-world and for plugins."""
    if dataset.startswith(("microworld/", PREFIX)):
        return ()
    return (HUMAN,) if dataset.startswith(f"{HUMAN}/") else _FOLDERS.get(dataset, (dataset,))


def how_to_bring(dataset: str) -> str:
    """What a data set is made of and how to name it."""
    return "; ".join(USER_DATA[name] for name in folders_of(dataset))


def check_data_names(folders: Mapping[str, Path]) -> None:
    """Refuse ``--data`` names that no task asks for, and a folder of stimuli without any.

    Raises:
        UnknownNameError: With the valid names.
        DataError: None of the stimulus sets is in their folder.
    """
    for name in folders:
        if name not in USER_DATA:
            raise unknown_name("data set", name, USER_DATA, "Use --data NAME=DIR.")
    if HUMAN in folders and not any(_stimuli_there(folders[HUMAN], name) for name in ALIGNMENT_SETS):
        raise DataError(
            f"{folders[HUMAN]} has none of the stimulus sets of {HUMAN}; expected folders such as edge, cue-conflict "
            f"or contrast in it, or in its folder datasets. `bench data get {HUMAN}` downloads them."
        )


def _stimuli_there(root: Path, data_set: str) -> bool:
    return (root / data_set).is_dir() or (root / "datasets" / data_set).is_dir()


def available(dataset: str, folders: Mapping[str, Path]) -> bool:
    """Whether a data set can be opened: the micro-world always, others once their folders are named.

    The stimuli that people saw are 17 sets in one folder, of which a user may have a few.
    """
    if any(name not in folders for name in folders_of(dataset)):
        return False
    root, _, data_set = dataset.partition("/")
    return root != HUMAN or _stimuli_there(folders[HUMAN], data_set)


def open_source(
    dataset: str,
    folders: Mapping[str, Path],
    limit: int | None,
    seed: int,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    conditions: Sequence[str] | None = None,
) -> ImageSource | ConditionSource:
    """Open a data set.

    Args:
        dataset: As in `Task.dataset`.
        folders: Folders named by the user.
        limit: Number of images to take from the front, or None for all; for the micro-world a number is needed.
        seed: Seed of the micro-world.
        cache: File in which content hashes of a folder are kept.
        progress: Told ``(done, total)`` of the files of a folder while they are hashed; see `ImageFolder`.
        conditions: Keys of the conditions to read, of sets that were published with them applied.

    Raises:
        DataError: Absent data; the message says how to name it.
        PluginError: Images of a plugin that fails.
    """
    if dataset.startswith("microworld/"):
        return _micro(dataset, min(limit or MICRO_LENGTH, MICRO_LENGTH), seed)
    if dataset.startswith(PREFIX):
        return open_images(dataset, limit, seed)
    if not available(dataset, folders):
        raise DataError(f"No data for {dataset!r}: it needs {how_to_bring(dataset)}.")
    if dataset == "imagenet":
        from .image_folder import ImageFolder

        return ImageFolder(folders[dataset], dataset, manifest_cache=cache, progress=progress)
    if dataset == "imagenet-with-depth":
        from .photographs_with_depth import PhotographsWithDepth

        caches = tuple(cache.with_name(f"{name}.json") if cache else None for name in folders_of(dataset))
        return PhotographsWithDepth(folders["imagenet"], folders["imagenet-depth"], (caches[0], caches[1]), progress)
    if dataset.startswith(f"{HUMAN}/"):
        from .sets.stimuli import PublishedStimuli

        return PublishedStimuli(folders[HUMAN], dataset.partition("/")[2], cache, progress)
    (name,) = folders_of(dataset)
    return open_published(dataset, folders[name], conditions, cache, progress)


def _micro(dataset: str, length: int, seed: int) -> ImageSource:
    if dataset == "microworld/hard":
        from .microworld.hard import HardSet

        return HardSet(length)
    if dataset == "microworld/vid-robust":
        from .microworld.video import MicroVideo

        return MicroVideo(length, seed)
    if dataset.startswith("microworld/alignment/"):
        from .microworld.alignment import AlignmentStimuli

        return AlignmentStimuli(dataset.rpartition("/")[2], length, seed)
    from .microworld.sets import MicroSet

    return MicroSet(dataset.partition("/")[2], length, seed)
