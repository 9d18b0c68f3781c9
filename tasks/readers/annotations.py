"""The annotations of ImageNet-Vid-Robust and YTBB-Robust: which frames belong together, and what they show.

Shankar et al., Do Image Classifiers Generalize Across Time?, ICCV 2021 (arXiv 1906.02168).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...files import read_json
from ...text_files import read_text
from ..images.classes import imagenet_vid_classes, ytbb_classes

NEIGHBOURHOOD = 10
"""Frames to each side of an anchor that are its neighbours: the k of pm-k."""

_VID_FRAMES = "val"
_YTBB_FRAMES = "ytbb_videos"
_DISSIMILAR = frozenset(
    {
        "dissimilar",
        "problematic",
        "incorrect",
        "dont know",
        "deformation",
        "background-change",
        "occlusion-increased",
        "blur-increase",
        "bad-anchor",
    }
)
"""Reviewers' words for a pair whose second frame does not show the same thing as its anchor."""


@dataclass(frozen=True)
class Annotations:
    """The frames of a set in groups.

    Attributes:
        folder: Folder with the frames, below the root of the set.
        neighbours: Anchor to its neighbours in the order of time; ids are paths below the root.
        accepted: Every frame to the classes that count as right, in the set's answer space. Empty where what the frame
            shows has no counterpart in ImageNet: the authors count every answer as wrong.
    """

    folder: str
    neighbours: Mapping[str, tuple[str, ...]]
    accepted: Mapping[str, frozenset[int]]


def read_vid(metadata: Path) -> Annotations:
    """ImageNet-Vid-Robust: ``labels.json`` and ``pmsets.json``. Every frame has labels of its own.

    Args:
        metadata: The folder with the files.

    Raises:
        DataError: A file that is missing or not of its form.
    """
    labels = read_json(metadata / "labels.json")
    neighbours = read_json(metadata / "pmsets.json")
    classes = range(len(imagenet_vid_classes()))
    if not _lists(labels, lambda x: type(x) is int and x in classes):
        raise DataError(f"{metadata / 'labels.json'} does not map frames to lists of classes 0 to {classes[-1]}.")
    if not (neighbours and _lists(neighbours, lambda x: isinstance(x, str))):
        raise DataError(f"{metadata / 'pmsets.json'} does not map anchors to lists of frames.")
    groups = {anchor: tuple(frames) for anchor, frames in neighbours.items()}
    frames = [frame for anchor, others in groups.items() for frame in (anchor, *others)]
    unlabelled = next((frame for frame in frames if not labels.get(frame)), None)
    if unlabelled is not None:
        raise DataError(f"{metadata / 'labels.json'} has no label for {unlabelled}, which pmsets.json names.")
    return Annotations(_VID_FRAMES, groups, {frame: frozenset(labels[frame]) for frame in frames})


def read_ytbb(metadata: Path) -> Annotations:
    """YTBB-Robust: reviews of anchors and of pairs, and the classes that the anchors had before the review.

    An anchor counts if it was called good and neither bad nor unsure, and if in no pair it was called a bad anchor. It
    has the class it came with and those that the review added. Its neighbours are the frames up to `NEIGHBOURHOOD` away
    that were called similar and nothing worse; they have the anchor's classes.

    Reviewers named frames by paths of their own machines; the last folder and the file are what counts.

    Args:
        metadata: The folder with ``anchor_labels.json``, ``pmk_labels.json`` and
            ``ytbb_robustness_test_anchors_full.csv``.

    Raises:
        DataError: A file that is missing or not of its form.
    """
    anchors = _reviews(metadata / "anchor_labels.json")
    pairs = _reviews(metadata / "pmk_labels.json")
    came_with = _original_classes(metadata / "ytbb_robustness_test_anchors_full.csv")
    bad = {_short(pair.partition(",")[0]) for pair, words in pairs.items() if "bad-anchor" in words}
    similar = {
        tuple(_short(frame) for frame in pair.split(","))
        for pair, words in pairs.items()
        if "similar" in words and not words & _DISSIMILAR
    }
    index_of = {c.name: int(c.key) for c in ytbb_classes()}
    position = {int(c.key): n for n, c in enumerate(c for c in ytbb_classes() if c.imagenet)}
    neighbours: dict[str, tuple[str, ...]] = {}
    accepted: dict[str, frozenset[int]] = {}
    for long_name, words in anchors.items():
        anchor = _short(long_name)
        if "good" not in words or words & {"bad", "unsure"} or anchor in bad:
            continue
        folder, frame = _parts(anchor, metadata)
        if folder not in came_with:
            raise DataError(f"{metadata / 'ytbb_robustness_test_anchors_full.csv'} has no row for {folder}.")
        indices = {came_with[folder], *(index_of[word] for word in words if word in index_of)}
        classes = frozenset(position[index] for index in indices if index in position)
        offsets = [k for k in range(-NEIGHBOURHOOD, NEIGHBOURHOOD + 1) if k]
        close = [f"{folder}/frame-{frame + k}.jpg" for k in offsets]
        group = tuple(f"{_YTBB_FRAMES}/{name}" for name in close if (anchor, name) in similar)
        neighbours[f"{_YTBB_FRAMES}/{anchor}"] = group
        accepted |= dict.fromkeys((f"{_YTBB_FRAMES}/{anchor}", *group), classes)
    if not neighbours:
        raise DataError(f"{metadata / 'anchor_labels.json'} marks no anchor as good.")
    return Annotations(_YTBB_FRAMES, neighbours, accepted)


def _lists(value: Any, good: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(v, list) and all(map(good, v)) for v in value.values())


def _reviews(path: Path) -> dict[str, frozenset[str]]:
    """What reviewers said, by the name of what they looked at; the last word counts."""
    content = read_json(path)
    try:
        words = content["labels"]
        return {row["key"]: frozenset(words[n] for n in row["labels"]) for row in content["annotations"]}
    except (TypeError, KeyError, IndexError) as error:
        form = "{'labels': [words], 'annotations': [{'key': frame, 'labels': [positions]}]}"
        raise DataError(f"{path} does not have the form {form}.") from error


def _original_classes(path: Path) -> dict[str, int]:
    """Folder of an anchor to its class; the file has ``none`` and ``car`` the other way round than the class list."""
    try:
        table = csv.DictReader(io.StringIO(read_text(path), newline=""))
        rows = [(f"{row['ytid']}_{row['time_ms']}", int(row["label"])) for row in table]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not have the columns ytid, time_ms and label.") from error
    return {folder: {22: 23, 23: 22}.get(label, label) for folder, label in rows}


def _short(path: str) -> str:
    """The last folder and the file of a path."""
    return "/".join(path.strip().split("/")[-2:])


def _parts(anchor: str, metadata: Path) -> tuple[str, int]:
    """``"VIDEO_66600/frame-1998.jpg"`` to ``("VIDEO_66600", 1998)``."""
    folder, _, file = anchor.partition("/")
    number = file.removeprefix("frame-").removesuffix(".jpg")
    if not number.isdecimal():
        raise DataError(
            f"{metadata / 'anchor_labels.json'} has an anchor {anchor!r} that is not of the form VIDEO_MS/frame-N.jpg."
        )
    return folder, int(number)
