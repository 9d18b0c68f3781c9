"""Stimuli for human alignment made from micro-world scenes: a twin for most data sets of model-vs-human."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import unknown_name
from ...alignment.datasets import ALIGNMENT_SETS, CUE_CONFLICT, NO_CONDITION
from .sets import GENERATOR_VERSION, RenderedSource
from .vocabulary import CLASSES, CLIP_SECONDS

if TYPE_CHECKING:
    from ..geometry import Geometry
    from ..source import LoadFailure
    from .render import Frames
    from .scene import Scene, World

EDGE, SILHOUETTE = "edge", "silhouette"

TWINS = tuple(name for name in ALIGNMENT_SETS if name not in ("sketch", "stylized"))
"""Data sets that have a twin. Sketches and stylised photographs have no counterpart in the micro-world."""


class AlignmentStimuli(RenderedSource):
    """The twin of one data set: as many stimuli under the same conditions, with a new scene for every stimulus.

    Stimulus ``i`` has class ``i % 16`` and condition ``i // 16 % n``, so that a short prefix covers all conditions.

    Args:
        data_set: One of `TWINS`.
        length: Number of stimuli taken from the front; never more than the data set has.
        seed: Seed of the world.

    Raises:
        UnknownNameError: A data set without a twin.
        ValueError: A length under 1.
    """

    def __init__(self, data_set: str, length: int, seed: int = 0) -> None:
        if data_set not in TWINS:
            raise unknown_name("data set of human alignment in the micro-world", data_set, TWINS)
        if length < 1:
            raise ValueError(f"Invalid length {length}; give 1 or more images")
        self.data_set = ALIGNMENT_SETS[data_set]
        self.name = f"microworld/alignment/{data_set}"
        self.length = min(length, self.data_set.stimuli)
        self.seed = seed

    def __len__(self) -> int:
        return self.length

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """File names in the format of model-vs-human, with the micro-world's classes as categories.

        ``"0017_cop_dnn_c50_ball_10_contrast-0-000016.png"``: trial, data set, observer, condition, class, stimuli per
        class and condition, and the scene (data set, seed and index). Without conditions it is ``"ball/ball2.png"``,
        and for cue conflict ``"ball/ball2-chair2.png"``: shape, then the class that the texture belongs to.
        """
        if self.data_set.conditions == (NO_CONDITION,):
            return tuple(self._plain_id(i) for i in range(self.length))
        per_class = self.data_set.per_condition // len(CLASSES)
        return tuple(
            f"{i + 1:04d}_{self.data_set.abbreviation}_dnn_{self.shown(i)}_{CLASSES[i % len(CLASSES)]}_{per_class}_"
            f"{self.data_set.name}-{self.seed}-{i:06d}.png"
            for i in range(self.length)
        )

    def _plain_id(self, index: int) -> str:
        shape, number = CLASSES[index % len(CLASSES)], index // len(CLASSES) + 1
        texture = f"-{CLASSES[self.scene(index).texture]}{number}" if self.data_set.name == CUE_CONFLICT else ""
        return f"{shape}/{shape}{number}{texture}.png"

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.arange(self.length, dtype=np.int64) % len(CLASSES)

    def shown(self, index: int) -> str:
        """The condition of a stimulus."""
        return self.data_set.conditions[index // len(CLASSES) % len(self.data_set.conditions)]

    def _facts(self) -> Any:
        """The manifest. The length is not part of it, because each image has its own id."""
        return self.manifest()

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels: data set, seed, versions, and the settings of the world."""
        from ..distortions.conditions import VERSION

        facts = {
            "set": self.name,
            "seed": self.seed,
            "generator_version": GENERATOR_VERSION,
            "distortions_version": VERSION,
            "conditions": self.data_set.conditions,
            "settings": asdict(_world(self.data_set.name)),
        }
        return json.loads(json.dumps(facts))  # turns tuples into lists, as in a manifest read from a file

    def scene(self, index: int) -> Scene:
        """The clip behind a stimulus."""
        from .scene import Draws, draw_scene

        # Cue conflict uses the scenes of the set of that name; the other data sets each have scenes of their own.
        set_name = CUE_CONFLICT if self.data_set.name == CUE_CONFLICT else f"alignment/{self.data_set.name}"
        return draw_scene(_world(self.data_set.name), Draws(self.seed, set_name, index), index % len(CLASSES))

    def frames(self, indices: Sequence[int], size: int = 64) -> Frames:
        """The undistorted frames."""
        from .render import render

        return render([self.scene(i) for i in indices], [0.5 * CLIP_SECONDS] * len(indices), size)

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        # Rendered at the model's own size and distorted there: nothing is resized, and nothing fails.
        from ...corruptions.randomness import generator
        from ..distortions.conditions import DISTORTED, distort
        from ..distortions.outline import edges, silhouette

        name, frames = self.data_set.name, self.frames(indices, geometry.size)
        images = frames.images
        for position, index in enumerate(indices):
            if name == EDGE:
                images[position] = edges(images[position], frames.mask[position])
            elif name == SILHOUETTE:
                images[position] = silhouette(frames.mask[position])
            elif name in DISTORTED:
                images[position] = distort(
                    images[position],
                    name,
                    self.shown(index),
                    generator(self.seed, self.image_ids[index], name, 0),
                    lambda: _mean_amplitudes(name, self.seed, geometry.size),
                )
        return images, {}


def _world(data_set: str) -> World:
    from .scene import NATURAL, WORLDS

    if data_set in (EDGE, SILHOUETTE):
        # A contour is only recognisable if the object is not occluded and hardly cut off.
        return replace(NATURAL, occluders=0.0, zoom=WORLDS[CUE_CONFLICT].zoom)
    return WORLDS[CUE_CONFLICT] if data_set == CUE_CONFLICT else NATURAL


@lru_cache(maxsize=8)
def _mean_amplitudes(data_set: str, seed: int, size: int) -> np.ndarray:
    """Mean amplitude spectrum of all undistorted stimuli of a set, so that a part of the set gives the same pixels."""
    from ..distortions.frequency import mean_amplitudes

    all_stimuli = AlignmentStimuli(data_set, ALIGNMENT_SETS[data_set].stimuli, seed)
    step = 16 * len(CLASSES)
    parts = (range(start, min(start + step, len(all_stimuli))) for start in range(0, len(all_stimuli), step))
    return mean_amplitudes(image for part in parts for image in all_stimuli.frames(part, size).images)
