"""The named sets of the micro-world, each a pure function of (seed, index)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ....errors import unknown_name
from ..source import ImageSource
from .vocabulary import CLASSES, CLIP_SECONDS

if TYPE_CHECKING:
    from ..geometry import Geometry
    from ..source import LoadFailure
    from .render import Frames
    from .scene import Scene

GENERATOR_VERSION = 1
"""Part of every set's identity; increase it whenever a pixel of the micro-world changes."""

SETS = ("train", "val", "cue-conflict", "viewpoints", "backgrounds", "light", "occlusion")


class RenderedSource(ImageSource):
    """A set of the micro-world: rendered on all cores, at the size that the model asks for."""

    label_space = "microworld-16"
    uses_all_cores = True

    def __getstate__(self) -> dict[str, Any]:
        """A pickled copy makes ids, labels and digest again: they follow from the rest."""
        made = {key for key in self.__dict__ if isinstance(getattr(type(self), key, None), cached_property)}
        return {key: value for key, value in self.__dict__.items() if key not in made}


class MicroSet(RenderedSource):
    """One set of the micro-world. Image ``i`` is the middle frame of clip ``i`` and has class ``i % 16``.

    Args:
        name: One of `SETS`.
        length: Number of images.
        seed: Seed of the world; another seed gives another world of the same kind.

    Raises:
        UnknownNameError: There is no such set.
        ValueError: The length is less than 1.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, name: str, length: int, seed: int = 0) -> None:
        if name not in SETS:
            raise unknown_name("micro-world set", name, SETS)
        if length < 1:
            raise ValueError(f"Invalid length {length}; give 1 or more images")
        self.name = f"microworld/{name}"
        self.set_name = name
        self.length = length
        self.seed = seed

    def __len__(self) -> int:
        return self.length

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"val-0-000012"``: set, seed and index."""
        return tuple(f"{self.set_name}-{self.seed}-{i:06d}" for i in range(self.length))

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.arange(self.length, dtype=np.int64) % len(CLASSES)

    def _facts(self) -> Any:
        """Generator version, settings and seed. Not the length, since each image has an id."""
        facts = self.manifest()
        return [facts[key] for key in ("generator_version", "set", "seed", "settings")]

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels: set, seed, generator version, and the settings of the set's world."""
        from .scene import WORLDS

        facts = {
            "set": self.set_name,
            "seed": self.seed,
            "generator_version": GENERATOR_VERSION,
            "settings": asdict(WORLDS[self.set_name]),
        }
        return json.loads(json.dumps(facts))  # turns tuples into lists, as in a manifest read from a file

    def scene(self, index: int) -> Scene:
        """The clip behind image ``index``."""
        from .scene import WORLDS, Draws, draw_scene

        return draw_scene(WORLDS[self.set_name], Draws(self.seed, self.set_name, index), index % len(CLASSES))

    def frames(self, indices: Sequence[int], size: int = 64, times: Sequence[float] | None = None) -> Frames:
        """Frames with depth, mask, texture and pose; at the middle of the clips unless ``times`` are given."""
        from .render import render

        scenes = [self.scene(i) for i in indices]
        return render(scenes, times if times is not None else [0.5 * CLIP_SECONDS] * len(scenes), size)

    def textures(self) -> np.ndarray:
        """int64 (n,) texture classes, without rendering."""
        return np.array([self.scene(i).texture for i in range(self.length)], dtype=np.int64)

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        # At the model's own size: nothing is resized, and nothing can fail to decode.
        return self.frames(indices, geometry.size).images, {}

    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Exact masks of the visible object at 64 pixels, 1 on it and 0 elsewhere; see `MapSource.maps`. None fails.

        The set has no end: indices may lie beyond its length.
        """
        return list(self.frames(indices).mask.astype(np.float32)), {}

    def depths(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Exact depth of the same pixels, float32 (n, size, size), infinite in the sky; nothing can fail."""
        from .kernel import FAR

        depth = self.frames(indices, geometry.size).depth
        return np.where(depth >= FAR, np.float32(np.inf), depth), {}
