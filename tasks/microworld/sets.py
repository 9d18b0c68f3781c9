"""The named sets of the micro-world, each a pure function of (seed, index), rendered on every core."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cores import usable_cores
from ...errors import DataError, unknown_name
from ..images.source import ImageSource
from .scene import frame_rows, photographed
from .vocabulary import CAMERAS, CLASSES, CLIP_SECONDS
from .vocabulary import GENERATOR_VERSION as GENERATOR_VERSION

if TYPE_CHECKING:
    from ..images.geometry import Geometry
    from ..images.source import LoadFailure
    from .scene import Scene


# Render scenes to pixels, on every core.


_CHUNK = 16  # frames per thread and turn: enough to hide the overhead, few enough to balance the load


@dataclass(frozen=True)
class Frames:
    """Rendered frames with their exact ground truth, which is that of the middle of the exposure.

    Objects are numbered from 0; the first one is the largest and gives the label.

    Attributes:
        images: uint8 (N, S, S, 3), sRGB.
        depth: float32 (N, S, S), distance along the optical axis in radii of the first object.
        mask: bool (N, S, S), true where the first object is visible.
        labels: int64 (N,), shape class of the first object.
        textures: int64 (N,), texture class of the first object.
        poses: float64 (N, 3, 3), rotation of the first object from the camera; the camera's axes point right, up and
            backward.
        surfaces: uint8 (N, S, S), what a pixel shows: 0 the backdrop, 1 the floor, 2 + n object n, 6 + n occluder n.
        classes: int64 (N, 4), shape class of each object; -1 where there is none.
        boxes: int32 (N, 4, 4), left, top, right and bottom of each object's visible part in pixels, right and bottom
            exclusive; all 0 where nothing of it is visible.
        distances: float32 (N, 4), depth of each object's centre; NaN where there is none.
    """

    images: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    textures: np.ndarray
    poses: np.ndarray
    surfaces: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    distances: np.ndarray


def render(
    scenes: Sequence[Scene],
    times: Sequence[float],
    size: int = 64,
    threads: int | None = None,
    camera: str = "filmed",
) -> Frames:
    """Render one frame of each scene.

    Args:
        scenes: The clips, one per frame; a clip may occur several times.
        times: Seconds from the start of each clip, 0..2.56.
        size: Side of the square frame in pixels.
        threads: Threads to use; one per core by default. The pixels do not depend on it.
        camera: One of `vocabulary.CAMERAS`: ``"filmed"`` by the clip's own camera, which shakes and drifts, or
            ``"ideal"``, from a still and perfect one.

    Returns:
        The frames in the order of ``scenes``.

    Raises:
        ValueError: The lengths differ, or the size is less than 8.
        UnknownNameError: There is no such camera.
    """
    # Imported here, so that drawing scenes and listing sets do not load numba.
    from . import vocabulary as k
    from .camera import develop, film, half_exposures, shakes
    from .kernel import render_rows

    if len(scenes) != len(times):
        raise ValueError(f"{len(scenes)} scenes but {len(times)} times; give one time per scene")
    if size < 8:
        raise ValueError(f"size {size} is too small to render; use 8 pixels or more")
    if camera not in CAMERAS:
        raise unknown_name("camera", camera, CAMERAS)
    n = len(scenes)
    moments = np.asarray(times, dtype=np.float64)
    rows = np.empty((n, k.FIELDS))
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    depth = np.empty((n, size, size), dtype=np.float32)
    surfaces = np.empty((n, size, size), dtype=np.uint8)
    boxes = np.empty((n, k.MAX_OBJECTS, 4), dtype=np.int32)

    def work(start: int) -> None:
        part = slice(start, min(start + _CHUNK, n))
        clips, at = scenes[part], moments[part]
        shake = shakes(clips, at) if camera == "filmed" else None
        rows[part] = frame_rows(clips, at, shake)
        light = np.empty((part.stop - part.start, size, size, 3), dtype=np.float32)
        render_rows(rows[part], light, depth[part], surfaces[part], boxes[part])
        if camera == "filmed":
            after = at + half_exposures(clips)
            later = frame_rows(clips, after, shakes(clips, after))
            images[part] = film(clips, at, rows[part], later, light, depth[part], surfaces[part])
        else:
            images[part] = develop(light)

    workers = threads or usable_cores()
    starts = range(0, n, _CHUNK)
    if workers == 1 or n <= _CHUNK:
        for start in starts:
            work(start)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, starts))
    objects = rows[:, : k.OBJECTS].reshape(n, k.MAX_OBJECTS, k.OBJECT_FIELDS)
    absent = np.arange(k.MAX_OBJECTS) >= rows[:, k.OBJECTS, None]
    axes = rows[:, k.AXES : k.AXES + 9].reshape(n, 3, 3)
    offsets = objects[:, :, k.POSITION : k.POSITION + 3] - rows[:, None, k.CAMERA : k.CAMERA + 3]
    turn = objects[:, 0, k.ROTATION : k.ROTATION + 9].reshape(n, 3, 3)
    # The kernel's third axis points forward. Reversing it makes the camera right-handed and the pose a proper rotation.
    backward = axes * np.array([[1.0], [1.0], [-1.0]])
    return Frames(
        images=images,
        depth=depth,
        mask=surfaces == k.OBJECT_ID,
        labels=np.array([s.label for s in scenes], dtype=np.int64),
        textures=np.array([s.texture for s in scenes], dtype=np.int64),
        poses=turn @ backward.transpose(0, 2, 1),
        surfaces=surfaces,
        classes=np.where(absent, -1, objects[:, :, k.SHAPE].astype(np.int64)),
        boxes=boxes,
        distances=np.where(absent, np.nan, np.einsum("nij,nj->ni", offsets, axes[:, 2])).astype(np.float32),
    )


def photographs(scenes: Sequence[Scene], size: int = 64, threads: int | None = None) -> Frames:
    """One photograph of each scene, as people take them: the object near the centre and well in view, all of it sharp.

    Args:
        scenes: The clips; each is photographed once, at the middle of its time.
        size: Side of the square picture in pixels.
        threads: Threads to use; one per core by default.

    Raises:
        ValueError: The size is less than 8.
    """
    framed = [photographed(scene) for scene in scenes]
    return render(framed, [0.5 * CLIP_SECONDS] * len(framed), size, threads, camera="ideal")


# The named sets of the micro-world, each a pure function of (seed, index).


SETS = ("train", "val", "cue-conflict", "viewpoints", "backgrounds", "light", "occlusion")


class RenderedSource(ImageSource):
    """A set of the micro-world: rendered on all cores, at the size that the model asks for."""

    label_space = "microworld-16"
    uses_all_cores = True

    def __getstate__(self) -> dict[str, Any]:
        """A pickled copy makes ids, labels and digest again: they follow from the rest."""
        made = {key for key in self.__dict__ if isinstance(getattr(type(self), key, None), cached_property)}
        return {key: value for key, value in self.__dict__.items() if key not in made}


class ReadByProtocol(RenderedSource):
    """A set that the protocol of a task reads in its own way and at its own size; no class of an image is asked.

    Args:
        length: Number of ids.
        seed: Seed of the world.

    Raises:
        ValueError: The length is less than 1.
    """

    label_space = "none"

    def __init__(self, length: int, seed: int = 0) -> None:
        if length < 1:
            raise ValueError(f"Invalid length {length} of {self.name}; give 1 or more")
        self.length, self.seed = length, seed

    def __len__(self) -> int:
        return self.length

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,), all -1."""
        return np.full(self.length, -1, dtype=np.int64)

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        raise ValueError(f"{self.name} is read by the protocol of a task alone")


class MicroSet(RenderedSource):
    """One set of the micro-world. Image ``i`` is a photograph of scene ``i`` and has class ``i % 16``.

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
        from .worlds import WORLDS

        facts = {
            "set": self.set_name,
            "seed": self.seed,
            "generator_version": GENERATOR_VERSION,
            "settings": asdict(WORLDS[self.set_name]),
        }
        return json.loads(json.dumps(facts))  # turns tuples into lists, as in a manifest read from a file

    def scene(self, index: int) -> Scene:
        """The clip behind image ``index``."""
        from .worlds import WORLDS, Draws, draw_scene

        return draw_scene(WORLDS[self.set_name], Draws(self.seed, self.set_name, index), index % len(CLASSES))

    def scenes(self, indices: Sequence[int]) -> list[Scene]:
        """The clips behind images; each is drawn once, however often its index occurs."""
        drawn = {index: self.scene(index) for index in set(indices)}
        return [drawn[index] for index in indices]

    def frames(
        self, indices: Sequence[int], size: int = 64, times: Sequence[float] | None = None, camera: str = "filmed"
    ) -> Frames:
        """The set's images with their ground truth, or, at given times, frames of the clips behind them.

        Args:
            indices: Images; they may lie beyond the set's length.
            size: Side in pixels.
            times: Seconds from the start of each clip. Without, the photographs that the set consists of.
            camera: How clips are filmed, one of `vocabulary.CAMERAS`; photographs are always sharp.
        """
        if times is None:
            return photographs(self.scenes(indices), size)
        return render(self.scenes(indices), times, size, camera=camera)

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
        """Exact depth of the same pixels, float32 (n, size, size); nothing can fail."""
        return self.frames(indices, geometry.size).depth, {}


# Clips frame by frame: the micro-world's counterpart of ImageNet-Vid-Robust.


NEIGHBOURS = 10
"""Frames on either side of an anchor, as in ImageNet-Vid-Robust."""

FRAMES = 2 * NEIGHBOURS + 1
STEP_SECONDS = 0.04
"""Time between frames: 25 a second."""


class MicroVideo(RenderedSource):
    """Anchor frames in the middle of clips, each with the ten frames before and after it.

    Image ``21 c + f`` is frame ``f`` of clip ``c`` of the set "val", as its camera films it; frame 10 is the anchor.

    Args:
        length: Number of images; rounded down to a multiple of 21, to get whole clips, but at least 21.
        seed: Seed of the world.
    """

    name = "microworld/vid-robust"

    def __init__(self, length: int, seed: int = 0) -> None:
        self.clips = max(1, length // FRAMES)
        self.seed = seed
        self._set = MicroSet("val", self.clips, seed)

    def __len__(self) -> int:
        return self.clips * FRAMES

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"video-0-000012/03"``: seed, clip and frame."""
        return tuple(f"video-{self.seed}-{i // FRAMES:06d}/{i % FRAMES:02d}" for i in range(len(self)))

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.arange(len(self), dtype=np.int64) // FRAMES % len(CLASSES)

    @cached_property
    def anchors(self) -> dict[str, tuple[str, ...]]:
        """The neighbours of each anchor, by the anchor's id."""
        neighbours = {}
        for clip in range(self.clips):
            ids = self.image_ids[clip * FRAMES : (clip + 1) * FRAMES]
            anchor = ids[NEIGHBOURS]
            neighbours[anchor] = tuple(i for i in ids if i != anchor)
        return neighbours

    def _facts(self) -> Any:
        """The clips and the frames of each. The length is not part of it, because each image has its own id."""
        return self.name, self._set.digest, NEIGHBOURS, STEP_SECONDS

    def manifest(self) -> dict[str, Any]:
        """What determines the pixels."""
        return {"neighbours": NEIGHBOURS, "step_seconds": STEP_SECONDS, "frames": self._set.manifest()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        clips = [i // FRAMES for i in indices]
        times = [0.5 * CLIP_SECONDS + (i % FRAMES - NEIGHBOURS) * STEP_SECONDS for i in indices]
        return self._set.frames(clips, geometry.size, times).images, {}


# Photographs that a fixed committee of networks gets wrong: the micro-world's counterpart of ImageNet-A.


def facts() -> dict[str, Any]:
    """How they were chosen: set and seed, searched images, the committee, and the chosen indices."""
    record: dict[str, Any] = json.loads(resources.files(__package__).joinpath("hard.json").read_text(encoding="utf-8"))
    return record


class HardSet(RenderedSource):
    """A fixed list of photographs that all networks of a committee get wrong.

    The committee are supervised networks, as ImageNet-A's images are those that a supervised ResNet-50 gets wrong. None
    of them is shipped, so that no model is wrong everywhere by construction. The list was made once, by
    ``tests/benchmarks/world_calibration.py choose``, and does not depend on a run's seed.

    Args:
        length: Number of photographs taken from the front; never more than there are.
    """

    name = "microworld/hard"

    def __init__(self, length: int) -> None:
        record = facts()
        self._indices = tuple(record["indices"][:length])
        self._frames = MicroSet(record["set"], max(record["indices"]) + 1, record["seed"])

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """Ids of the frames in the set that they come from."""
        return tuple(f"{self._frames.set_name}-{self._frames.seed}-{i:06d}" for i in self._indices)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.array(self._indices, dtype=np.int64) % len(CLASSES)

    def _facts(self) -> Any:
        """Which frames of which set. The length is not part of it, because each image has its own id."""
        return self.name, self._frames.digest, facts()["indices"]

    def manifest(self) -> dict[str, Any]:
        """How the frames were chosen, and the manifest of the set they come from."""
        return facts() | {"frames": self._frames.manifest()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        chosen_in = facts()["generator"]
        if chosen_in != GENERATOR_VERSION:
            raise DataError(
                f"The list of Micro-A was chosen in another micro-world (generator version {chosen_in}, and this is "
                f"version {GENERATOR_VERSION}), where its images were hard. Choose it anew: python "
                "tests/benchmarks/world_calibration.py choose FOLDER. For answers about the old list, use the version "
                "of vitobench that made them."
            )
        return self._frames.load([self._indices[i] for i in indices], geometry)
