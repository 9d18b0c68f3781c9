"""Opening a published set by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....errors import DataError
from ..hashing import Progress
from ..source import ConditionSource, ImageSource
from .cifar_c import CifarC
from .class_folders import ClassFolders
from .condition_folders import ConditionFolders
from .frames import FrameGroups
from .imagenet_val import ImageNetReal
from .perturbation_set import PerturbationSet
from .published import published_set
from .sequences import PerturbationSequences


def open_published(
    name: str,
    root: Path,
    conditions: Sequence[str] | None = None,
    manifest_cache: Path | None = None,
    progress: Progress | None = None,
) -> ImageSource | ConditionSource:
    """Open a published set with the reader that knows its protocol.

    Args:
        name: As in `PUBLISHED`.
        root: Its folder.
        conditions: For sets of several conditions, the keys of those to read, or None for all that are there; for
            ImageNet-P the perturbations to read, one or several. Others have none.
        manifest_cache: JSON file in which content hashes are kept.
        progress: Told ``(done, total)`` of the files while they are hashed.

    Raises:
        UnknownNameError: No such set; with the nearest names.
        DataError: The folder is missing or not of the set's form.
    """
    published = published_set(name)
    if published.reader == "condition-folders":
        return ConditionFolders(root, name, conditions, None, manifest_cache, progress)
    if published.reader == "cifar-c":
        return CifarC(root, name, conditions, None, manifest_cache, progress)
    if published.reader == "sequences":
        if not conditions:
            raise DataError(f"{published.title} needs its perturbations named, such as 'brightness'.")
        if len(conditions) == 1:
            return PerturbationSequences(root, conditions[0], None, manifest_cache, progress)
        return PerturbationSet(root, conditions, name, manifest_cache, progress)
    if conditions is not None:
        raise DataError(f"{published.title} has no conditions to choose from.")
    if published.reader == "real":
        return ImageNetReal(root, name, manifest_cache, progress)
    if published.reader == "frames":
        return FrameGroups(root, name, None, manifest_cache, progress)
    return ClassFolders(root, name, None, manifest_cache, progress)
