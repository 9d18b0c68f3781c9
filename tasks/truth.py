"""Facts about a task's images beyond their labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Truth:
    """Facts about images, by image id. A task needs those of its kind; what is not given is empty.

    Attributes:
        textures: Texture class of each image; cue conflict.
        categories: Names of the classes, in the order of the labels; cue conflict.
        anchors: For each anchor frame its neighbours, possibly none; video.
        sequences: For each perturbation, and each sequence by the name of its source image, its frames in order;
            sequences. Frames either have ids of their own under one condition, or the task has a condition named like
            each perturbation and the same ids recur.
        accepted: Classes that count as right; multi-label, and video where a frame has several.
    """

    textures: Mapping[str, int] = field(default_factory=dict)
    categories: Sequence[str] = ()
    anchors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sequences: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    accepted: Mapping[str, Collection[int]] = field(default_factory=dict)
