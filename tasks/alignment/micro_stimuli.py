"""Stimuli of the experiments on human alignment, made of micro-world scenes: conditions, images and a sheet of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from ...errors import unknown_name
from ..distortions.spatial import eidolon, equalise_power, high_pass, low_pass, scramble_phases
from ..distortions.tone import Grey, Pixels, false_colour, low_contrast, rotated, uniform_noise, without_colour
from ..images.geometry import Geometry
from ..microworld.sets import RenderedSource
from ..microworld.vocabulary import CLASSES, GENERATOR_VERSION
from .decisions import NO_TEXTURE
from .evidence import SIZE as SEEN_SIZE
from .evidence import Evidence, measure, unpacked, uprightness
from .experiments import ALIGNMENT_SETS, CUE_CONFLICT, NO_CONDITION

if TYPE_CHECKING:
    from ..images.source import LoadFailure
    from ..microworld.scene import Scene
    from ..microworld.sets import Frames
    from ..microworld.worlds import World


# The distortion for each condition of a data set of model-vs-human.


VERSION = 1
"""Part of the identity of every distorted data set; increase it whenever a pixel changes."""

DISTORTED = (
    "colour",
    "contrast",
    "high-pass",
    "low-pass",
    "phase-scrambling",
    "power-equalisation",
    "false-colour",
    "rotation",
    "eidolonI",
    "eidolonII",
    "eidolonIII",
    "uniform-noise",
)
"""Data sets whose conditions are distortions of a picture."""


def distort(
    image: Pixels, data_set: str, condition: str, rng: np.random.Generator, amplitudes: Callable[[], Grey]
) -> Pixels:
    """Distort a picture as in one condition of a data set.

    All data sets but colour and false colour are grey, even in the undistorted condition.

    Args:
        image: uint8 (S, S, 3).
        data_set: One of `DISTORTED`.
        condition: A condition, spelled as in `alignment.datasets`.
        rng: Random numbers of this stimulus; not used if nothing is random.
        amplitudes: Returns the mean amplitude spectrum of all pictures; only called if it is needed.

    Returns:
        uint8 (S, S, 3).

    Raises:
        UnknownNameError: There is no such data set.
        ValueError: The data set does not have this condition.
    """
    if data_set not in DISTORTED:
        raise unknown_name("distortion", data_set, DISTORTED)
    if condition not in ALIGNMENT_SETS[data_set].conditions:
        raise ValueError(f"{condition!r} is not a condition of {data_set}")
    match data_set, condition:
        case ("colour", "cr") | ("false-colour", "True"):
            return image
        case ("colour", "bw") | ("high-pass", "inf") | (("low-pass" | "phase-scrambling" | "power-equalisation"), "0"):
            return without_colour(image)
        case "false-colour", "False":
            return false_colour(image)
        case "power-equalisation", "pow":
            return equalise_power(image, amplitudes())
        case "contrast", _:
            return low_contrast(image, int(condition.removeprefix("c")) / 100)
        case "high-pass", _:
            return high_pass(image, float(condition))
        case "low-pass", _:
            return low_pass(image, float(condition))
        case "phase-scrambling", _:
            return scramble_phases(image, float(condition), rng)
        case "rotation", _:
            return rotated(image, int(condition))
        case (("eidolonI" | "eidolonII" | "eidolonIII"), _):
            reach, coherence, grain = map(float, condition.split("-"))
            return eidolon(image, reach, coherence / 10, grain, rng)
        case "uniform-noise", _:
            return uniform_noise(image, float(condition), rng)
    raise AssertionError(f"{data_set} has conditions without a distortion")


# Stimuli for human alignment made from micro-world scenes: a twin for most data sets of model-vs-human.


EDGE, SILHOUETTE, ROTATION = "edge", "silhouette", "rotation"

TWINS = tuple(name for name in ALIGNMENT_SETS if name not in ("sketch", "stylized"))
"""Data sets that have a twin. Sketches and stylised photographs have no counterpart in the micro-world."""

_AT_ONCE = 256


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
        self._measured: dict[int, list[float]] = {}

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
        from ..microworld.worlds import Draws, draw_scene

        # Cue conflict uses the scenes of the set of that name; the other data sets each have scenes of their own.
        set_name = CUE_CONFLICT if self.data_set.name == CUE_CONFLICT else f"alignment/{self.data_set.name}"
        return draw_scene(_world(self.data_set.name), Draws(self.seed, set_name, index), index % len(CLASSES))

    def frames(self, indices: Sequence[int], size: int = 64) -> Frames:
        """The undistorted photographs."""
        from ..microworld.sets import photographs

        return photographs([self.scene(i) for i in indices], size)

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        # Rendered at the model's own size and distorted there: nothing is resized, and nothing fails.
        images = self._made(indices, geometry.size)
        return images, {}

    def _made(self, indices: Sequence[int], size: int) -> np.ndarray:
        """The stimuli as shown; their evidence is measured on the way, where they have the size for it."""
        from ..corruptions.draws import generator
        from ..distortions.tone import edges, silhouette

        name, frames = self.data_set.name, self.frames(indices, size)
        images, masks = frames.images, frames.mask
        turns = np.zeros(len(indices))
        for position, index in enumerate(indices):
            if name == EDGE:
                images[position] = edges(images[position], masks[position])
            elif name == SILHOUETTE:
                images[position] = silhouette(masks[position])
            elif name in DISTORTED:
                images[position] = distort(
                    images[position],
                    name,
                    self.shown(index),
                    generator(self.seed, self.image_ids[index], name, 0),
                    lambda: _mean_amplitudes(name, self.seed, size),
                )
            if name == ROTATION:
                turns[position] = int(self.shown(index))
                masks[position] = np.rot90(masks[position], int(self.shown(index)) // 90)
        if size == SEEN_SIZE:
            textures = np.full(len(indices), NO_TEXTURE) if self.data_set.cues == "shape" else frames.textures
            upright = uprightness(frames.poses, turns)
            rows = measure(images, masks, upright, textures).packed()
            self._measured.update(zip(map(int, indices), rows, strict=True))
        return images

    def evidence(self, indices: Sequence[int]) -> Evidence:
        """What stimuli show a simulated observer, at the size at which it looks at them.

        Whatever was loaded at that size has been measured already; the rest is made now.
        """
        lacking = [index for index in dict.fromkeys(map(int, indices)) if index not in self._measured]
        for start in range(0, len(lacking), _AT_ONCE):
            self._made(lacking[start : start + _AT_ONCE], SEEN_SIZE)
        return unpacked([self._measured[int(index)] for index in indices])

    def measured(self) -> dict[str, list[float]]:
        """The evidence that has been measured so far, by image id, as plain numbers."""
        return {self.image_ids[index]: row for index, row in sorted(self._measured.items())}

    def know(self, rows: Mapping[str, Sequence[float]]) -> None:
        """Take evidence that was measured before, by image id; ids of other images are passed over.

        Raises:
            ValueError: A row that is not evidence.
        """
        unpacked(list(rows.values()))
        for index, name in enumerate(self.image_ids):
            if name in rows:
                self._measured.setdefault(index, list(rows[name]))


def _world(data_set: str) -> World:
    from ..microworld.worlds import NATURAL, WORLDS

    if data_set in (EDGE, SILHOUETTE):
        # A contour is only recognisable if nothing is in front of the object.
        return replace(NATURAL, occluders=0.0, others=(1.0, 0.0, 0.0, 0.0))
    return WORLDS[CUE_CONFLICT] if data_set == CUE_CONFLICT else NATURAL


@lru_cache(maxsize=8)
def _mean_amplitudes(data_set: str, seed: int, size: int) -> np.ndarray:
    """Mean amplitude spectrum of all undistorted stimuli of a set, so that a part of the set gives the same pixels."""
    from ..distortions.spatial import mean_amplitudes

    all_stimuli = AlignmentStimuli(data_set, ALIGNMENT_SETS[data_set].stimuli, seed)
    step = 16 * len(CLASSES)
    parts = (range(start, min(start + step, len(all_stimuli))) for start in range(0, len(all_stimuli), step))
    return mean_amplitudes(image for part in parts for image in all_stimuli.frames(part, size).images)


# Draw an overview of the micro-world's stimuli for human alignment.
#
# Run ``python -m vitobench.tasks.alignment.micro_stimuli FILE.png``.


_MARGIN = 104  # pixels left of the pictures, for names
_LINE = 13  # pixels above each picture, for its condition
_COLUMNS = 8


def contact_sheet(size: int = 64, seed: int = 0) -> Image.Image:
    """A row for each data set, with a column for each of its conditions or, without conditions, for each class.

    A row with conditions shows one class: its first stimulus in each condition.

    Args:
        size: Side of a picture in pixels.
        seed: Seed of the world.
    """
    sheet = Image.new("RGB", (_MARGIN + _COLUMNS * (size + 2), len(TWINS) * (size + _LINE + 2)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(TWINS):
        stimuli = AlignmentStimuli(name, _COLUMNS * len(CLASSES), seed)
        conditions = stimuli.data_set.conditions
        several = len(conditions) > 1
        # Each row shows another class; k * 16 + row is the stimulus of that class in condition k.
        indices = [k * len(CLASSES) + row for k in range(len(conditions))] if several else list(range(_COLUMNS))
        images, _ = stimuli.load(indices, Geometry(size, size, "bilinear"))
        top = row * (size + _LINE + 2)
        pen.text((2, top + _LINE + size // 2 - 6), name, fill="black")
        for column, (index, image) in enumerate(zip(indices, images, strict=True)):
            left = _MARGIN + column * (size + 2)
            pen.text((left, top), stimuli.shown(index) if several else CLASSES[index], fill="black")
            sheet.paste(Image.fromarray(np.ascontiguousarray(image)), (left, top + _LINE))
    return sheet


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m vitobench.tasks.alignment.micro_stimuli FILE.png")
    contact_sheet().quantize(256, kmeans=3, dither=Image.Dither.NONE).save(Path(sys.argv[1]), optimize=True)
