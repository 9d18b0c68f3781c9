"""Opening a task's images by the name of their data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DataError, unknown_name

if TYPE_CHECKING:
    from .source import ImageSource

USER_DATA = {
    "imagenet": "photographs in one folder per WordNet id, such as ImageNet's validation set: --data imagenet=DIR",
}
"""Data sets that a user brings, each with how to name its folder."""

MICRO_LENGTH = 1_000_000
"""Sets of the micro-world have no end; this bounds ``--limit``."""


def check_data_names(folders: Mapping[str, Path]) -> None:
    """Refuse ``--data`` names that no task asks for.

    Raises:
        UnknownNameError: With the valid names.
    """
    for name in folders:
        if name not in USER_DATA:
            raise unknown_name("data set", name, USER_DATA, "Use --data NAME=DIR.")


def available(dataset: str, folders: Mapping[str, Path]) -> bool:
    """Whether a data set can be opened: the micro-world always, others once their folder is named."""
    return dataset.startswith("microworld/") or dataset in folders


def open_source(
    dataset: str,
    folders: Mapping[str, Path],
    limit: int | None,
    seed: int,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageSource:
    """Open a data set.

    Args:
        dataset: As in `Task.dataset`.
        folders: Folders named by the user.
        limit: Number of images to take from the front, or None for all; for the micro-world a number is needed.
        seed: Seed of the micro-world.
        cache: File in which content hashes of a folder are kept.
        progress: Told ``(done, total)`` of the files of a folder while they are hashed; see `ImageFolder`.

    Raises:
        DataError: Absent data; the message says how to name it.
    """
    if dataset.startswith("microworld/"):
        from .microworld.sets import MicroSet

        return MicroSet(dataset.partition("/")[2], min(limit or MICRO_LENGTH, MICRO_LENGTH), seed)
    if dataset not in folders:
        raise DataError(f"The data set {dataset!r} is not here: it is made of {USER_DATA[dataset]}.")
    from .image_folder import ImageFolder

    return ImageFolder(folders[dataset], dataset, manifest_cache=cache, progress=progress)
