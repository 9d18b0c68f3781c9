"""ImageNet's validation images in one flat folder: their labels by name, and a folder of links that sorts them.

The archive unpacks to 50,000 files whose names do not tell the class. Links in one folder per WordNet id give every
image the path that it has in a sorted copy, so that predictions of both are the same predictions. The labels come from
a file that the user has: this package ships none.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ...errors import DataError
from ...text_files import read_text
from .classes import NUM_CLASSES, imagenet_wnids, real_labels

IMAGES = 50_000
"""Validation images; a file that lists only classes has a line for each."""

FORMS = (
    "a line for each image with its name and its WordNet id (LOC_val_solution.csv) or class index 0 to 999 (val.txt), "
    f"or {IMAGES:,} lines of WordNet ids in the order of the images (imagenet_2012_validation_synset_labels.txt)"
)
"""The files of labels that can be read, in words."""

_FILE = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:^|[/\\,;\s\"'])ILSVRC2012_val_(\d{8})(?:\.JPEG)?[\"']?[,;\s]+[\"']?(n\d{8}|\d+)\b", re.IGNORECASE
)
_WNID = re.compile(r"n\d{8}")
_LEAST_AGREEMENT = 0.6
"""Of images with reassessed labels, the share whose label must be among them. Of the true ones it is about 0.9; of
labels in another numbering, next to nothing."""

Progress = Callable[[int, int], None]


def read_labels(path: Path) -> dict[int, str]:
    """The WordNet id of each validation image, by the number in its name.

    Raises:
        DataError: The file cannot be read, is of no known form, or numbers the classes in another way.
    """
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"The labels {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    while lines and not lines[-1]:
        lines.pop()
    wnids = imagenet_wnids()
    if lines and all(map(_WNID.fullmatch, lines)):
        if len(lines) != IMAGES:
            raise DataError(f"{path} has {len(lines):,} WordNet ids, not {IMAGES:,}. Expected {FORMS}.")
        labels = dict(enumerate(lines, start=1))
    else:
        labels = _named_labels(path, lines, wnids)
    strange = sorted(set(labels.values()) - set(wnids))
    if strange:
        raise DataError(f"{path} has a WordNet id that is no class of ImageNet-1k: {strange[0]}.")
    _check_numbering(path, labels)
    return labels


def _named_labels(path: Path, lines: list[str], wnids: tuple[str, ...]) -> dict[int, str]:
    labels: dict[int, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _NAMED.search(line)
        if match is None:
            if number == 1:  # a heading
                continue
            raise DataError(f"{path}, line {number}: {line[:60]!r} has no image and class. Expected {FORMS}.")
        image, label = int(match[1]), match[2].lower()
        if label.isdecimal():
            if int(label) >= NUM_CLASSES:
                raise DataError(
                    f"{path}, line {number}: class {label} is not among 0 to {NUM_CLASSES - 1}. The numbers 1 to "
                    f"{NUM_CLASSES} of the development kit are in another order. Expected {FORMS}."
                )
            label = wnids[int(label)]
        if labels.setdefault(image, label) != label:
            raise DataError(f"{path}, line {number}: image {image} has two classes, {labels[image]} and {label}.")
    if not labels:
        raise DataError(f"{path} has no labels. Expected {FORMS}.")
    return labels


def _check_numbering(path: Path, labels: Mapping[int, str]) -> None:
    """Compare with the reassessed labels, which know each image by its number."""
    reassessed = real_labels()
    index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
    known = [(index[wnid], reassessed[n - 1]) for n, wnid in labels.items() if 1 <= n <= len(reassessed)]
    agreement = [label in accepted for label, accepted in known if accepted]
    if len(agreement) >= 20 and sum(agreement) < _LEAST_AGREEMENT * len(agreement):
        raise DataError(
            f"{path} does not fit the images: only {sum(agreement):,} of {len(agreement):,} labels are among the "
            f"reassessed ones, so its classes or images are numbered in another way. Expected {FORMS}."
        )


def flat_images(folder: Path) -> list[str]:
    """Names of the validation images directly in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir() if _FILE.fullmatch(path.name))


def sort_by_links(folder: Path, labels: Mapping[int, str], to: Path, progress: Progress | None = None) -> int:
    """Make a folder with one sub-folder per WordNet id and a link to each image.

    Args:
        folder: The flat folder. It is not changed.
        labels: From `read_labels`.
        to: The folder to make. It appears as a whole or not at all.
        progress: Called with the number of links made and their total.

    Returns:
        The number of images.

    Raises:
        DataError: An image without a label, or a folder that exists or cannot be written.
    """
    images = flat_images(folder)
    lacking = [name for name in images if _number(name) not in labels]
    if not images or lacking:
        what = (
            f"{len(lacking):,} of {len(images):,} images, such as {lacking[0]}, have no label"
            if images
            else "no images"
        )
        raise DataError(f"{folder}: {what}. Nothing was made.")
    if to.exists():
        raise DataError(f"{to} exists already. Name another folder with --links DIR, or remove it.")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
        try:
            for wnid in sorted({labels[_number(name)] for name in images}):
                (aside / wnid).mkdir()
            for done, name in enumerate(images, start=1):
                (aside / labels[_number(name)] / name).symlink_to(folder.resolve() / name)
                if progress is not None:
                    progress(done, len(images))
            aside.chmod(0o755)
            aside.rename(to)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    except OSError as error:
        raise DataError(
            f"{to} cannot be made: {error.strerror or error}. Name another folder with --links DIR."
        ) from None
    return len(images)


def _number(name: str) -> int:
    match = _FILE.fullmatch(name)
    return int(match[1]) if match else 0
