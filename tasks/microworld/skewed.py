"""Clips as one would find them on the internet: skewed, mislabelled and with copies, to try curation on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from .vocabulary import CLASSES, SYNONYMS

if TYPE_CHECKING:
    from .scene import Scene

EMPTY = -1
"""Class of a clip that shows no object."""

FIRST_INDEX = 1 << 20
"""Index in the set "train" of the source's first clip: far beyond the clips that the shipped models were trained on."""

_TITLES = (
    "my {} at home",
    "Unboxing: {}",
    "{} in slow motion",
    "How to film a {}",
    "Two minutes with the {}",
    "{} compilation 2019",
    "THE BIGGEST {}!!!",
    "old {} restored",
)
_NAMELESS = ("Sunday vlog", "test upload", "IMG 0412", "Holiday, part two", "live stream highlights")
_TAGS = ("clip", "hd", "fun", "daily")


@dataclass(frozen=True)
class SkewedClip:
    """One clip of the source, with its metadata and its true class.

    Attributes:
        name: ``"clip-000012"``, by its position in the source.
        title: Invented title; it may name a class, and even a wrong one.
        tags: Invented tags, which name the same class as the title.
        index: Index of its scene in the set "train".
        shows: Its true class, 0..15, or `EMPTY`.
        copy_of: Name of the clip that this one is a brighter copy of, or empty.
    """

    name: str
    title: str
    tags: tuple[str, ...]
    index: int
    shows: int
    copy_of: str = ""


@cache
def zipf(exponent: float) -> tuple[float, ...]:
    """Probabilities of the 16 classes: that of rank r, from 1, is proportional to ``r ** -exponent``.

    Classes are ranked in a fixed random order, so that the rank is unrelated to the class index.
    """
    order = np.random.default_rng(0x5EED).permutation(len(CLASSES))
    shares = np.empty(len(CLASSES))
    shares[order] = np.arange(1, len(CLASSES) + 1, dtype=np.float64) ** -exponent
    return tuple((shares / shares.sum()).tolist())


def skewed_clips(
    length: int,
    seed: int = 0,
    exponent: float = 1.0,
    wrong: float = 0.2,
    empty: float = 0.1,
    nameless: float = 0.1,
    copies: float = 0.1,
) -> tuple[SkewedClip, ...]:
    """Draw the source. The same arguments give the same clips, and a longer source begins with the shorter one.

    Args:
        length: Number of clips, 1 or more.
        seed: Seed of this draw; the scenes have the seed of the world.
        exponent: Exponent of Zipf's law over the classes; 0 is balanced.
        wrong: Probability that the metadata name a wrong class (any of the other 15 with equal probability).
        empty: Probability that a clip shows no object, although its metadata name one.
        nameless: Probability that the metadata name no class.
        copies: Probability that a clip is a brighter copy of an earlier one, with its own title.

    Raises:
        ValueError: The length is less than 1, or a probability is outside 0..1.
    """
    for name, value in (("wrong", wrong), ("empty", empty), ("nameless", nameless), ("copies", copies)):
        if not 0 <= value <= 1:
            raise ValueError(f"Invalid {name} = {value}; choose a probability from 0 to 1")
    if length < 1:
        raise ValueError(f"Invalid length {length}; give 1 or more clips")
    shares = np.cumsum(zipf(exponent))
    counts = [0] * len(CLASSES)
    clips: list[SkewedClip] = []
    for place in range(length):
        u = np.random.default_rng([seed, 0x21BF, place]).random(10)
        name = f"clip-{place:06d}"
        if place and u[0] < copies:
            original = clips[int(u[1] * place)]
            shows, index, copy_of = original.shows, original.index, original.copy_of or original.name
            scene_class = index % len(CLASSES)
        else:
            scene_class = min(int(np.searchsorted(shares, u[2], side="right")), len(CLASSES) - 1)
            index = FIRST_INDEX + counts[scene_class] * len(CLASSES) + scene_class
            counts[scene_class] += 1
            shows, copy_of = (EMPTY if u[3] < empty else scene_class), ""
        named_class: int | None = scene_class
        if u[4] < nameless:
            named_class = None
        elif u[5] < wrong:
            named_class = (scene_class + 1 + int(u[6] * (len(CLASSES) - 1))) % len(CLASSES)
        title, tags = _words(named_class, u[7:])
        clips.append(SkewedClip(name, title, tags, index, shows, copy_of))
    return tuple(clips)


def _words(named_class: int | None, u: np.ndarray) -> tuple[str, tuple[str, ...]]:
    extra = _TAGS[int(u[1] * len(_TAGS))]
    if named_class is None:
        return _NAMELESS[int(u[0] * len(_NAMELESS))], (extra,)
    words = (CLASSES[named_class], *SYNONYMS.get(CLASSES[named_class], ()))
    title = _TITLES[int(u[0] * len(_TITLES))].format(words[int(u[2] * len(words))])
    return title, (extra, CLASSES[named_class])


def skewed_scene(index: int, shows: int, seed: int = 0) -> Scene:
    """The scene of a clip; if the clip is empty, nothing is on its floor.

    Args:
        index: Index in the set "train".
        shows: Class, or `EMPTY`.
        seed: Seed of the world.
    """
    from .scene import without_objects
    from .sets import MicroSet

    scene = MicroSet("train", index + 1, seed).scene(index)
    return scene if shows != EMPTY else without_objects(scene)


def skewed_frames(
    clips: Sequence[tuple[int, int]], times: Sequence[float], size: int = 64, seed: int = 0
) -> np.ndarray:
    """Frames of clips, one for each pair of clip and time.

    Args:
        clips: (index, class) of each frame's clip; the class `EMPTY` leaves the object out.
        times: Seconds from the start of each clip, 0..2.56.
        size: Side in pixels.
        seed: Seed of the world.

    Returns:
        uint8 (n, size, size, 3).
    """
    from .sets import render

    return render([skewed_scene(index, shows, seed) for index, shows in clips], times, size).images


def brighter(frames: np.ndarray) -> np.ndarray:
    """Frames of a copy, from those of its original: contrast 0.9 and 12 levels brighter; uint8 of any shape."""
    return (frames.astype(np.float32) * 0.9 + 12.0).round().clip(0, 255).astype(np.uint8)
