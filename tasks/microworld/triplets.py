"""Triplets of the micro-world: scenes whose similarity is known, and simulated observers who name the odd one out.

The similarity of two scenes is a weighted sum of four parts, each from 0 to 1: whether they show the same shape,
whether it has the same texture, how alike the sides are from which it is seen, and how alike the directions of the
light are. An observer leaves the pair (a, b) together with a probability proportional to exp(similarity(a, b) /
`TEMPERATURE`), the rule of Luce that VICE assumes of people. So the best accuracy and the weights can be found again
from the judgements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..images.geometry import Geometry
from ..images.source import LoadFailure
from ..similarity.judgements import PAIRS
from ..similarity.triplets import Judged, TripletSource
from . import vocabulary as k
from .scene import Scene, frame_rows, photographed
from .sets import RenderedSource, render
from .vocabulary import CLASSES, CLIP_SECONDS, GENERATOR_VERSION, POSED
from .worlds import NATURAL, Draws, draw_scene, scene_key

WEIGHTS: Mapping[str, float] = {"shape": 1.0, "texture": 0.6, "pose": 0.5, "light": 0.3}
"""How much each part of the similarity counts."""

TEMPERATURE = 0.25
"""Noise of the simulated observers: the smaller, the more often they agree."""

OBSERVERS = 20
"""Judgements of each triplet, as in the repeated triplets of THINGS."""

HELD_OUT = 400
"""Triplets that a transform is fitted on; their scenes are in no triplet that is scored."""

SHAPES = tuple(CLASSES.index(name) for name in POSED)
"""Those of which it is defined from which side they are seen."""

_SHARED = 0.55  # probability that two scenes of a triplet have a shape, or a texture, in common
_WORLD = replace(NATURAL, correlation=0.0, others=(1.0, 0.0, 0.0, 0.0), occluders=0.0)


class _Chosen(Draws):
    """The random numbers of a scene whose texture is given: of the object's own, the second decides it."""

    def __init__(self, seed: int, name: str, index: int, texture: int) -> None:
        super().__init__(seed, name, index)
        self._texture = texture

    def part(self, number: int) -> Iterator[float]:
        """See `Draws.part`."""
        numbers = super().part(number)
        if number:
            return numbers
        next(numbers), next(numbers)
        return iter([1.0, (self._texture + 0.5) / 16, *numbers])


def _contents(rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Shapes and textures of the three scenes: two of them may share the one, and maybe others the other."""
    shapes = [SHAPES[n] for n in rng.permutation(len(SHAPES))[:3]]
    textures = [int(n) for n in rng.permutation(len(k.TEXTURES))[:3]]
    for values in (shapes, textures):
        shared, (a, b) = rng.random() < _SHARED, PAIRS[int(rng.integers(3))]
        if shared:
            values[b] = values[a]
    return shapes, textures


def parts_of(scenes: Sequence[Scene]) -> np.ndarray:
    """The four parts of the similarity of each pair of a triplet, in the order of `WEIGHTS`.

    Args:
        scenes: Three times n of them, triplet by triplet.

    Returns:
        float64 (n, 3, 4), for the pair that each choice leaves; see `judgements.PAIRS`.
    """
    rows = frame_rows([photographed(scene) for scene in scenes], np.full(len(scenes), 0.5 * CLIP_SECONDS))
    axes = rows[:, k.AXES : k.AXES + 9].reshape(-1, 3, 3)
    turns = rows[:, k.ROTATION : k.ROTATION + 9].reshape(-1, 3, 3) @ axes.transpose(0, 2, 1)
    light = np.einsum("nij,nj->ni", axes, rows[:, k.LIGHT : k.LIGHT + 3])
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    shape = np.array([scene.label for scene in scenes])
    texture = np.array([scene.texture for scene in scenes])

    def pair(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        turned = (np.einsum("nij,nij->n", turns[a], turns[b]) - 1) / 2
        apart = np.einsum("ni,ni->n", light[a], light[b])
        alike = [1 - np.arccos(np.clip(cosine, -1.0, 1.0)) / np.pi for cosine in (turned, apart)]
        return np.stack([shape[a] == shape[b], texture[a] == texture[b], *alike], axis=1).astype(np.float64)

    first = np.arange(0, len(scenes), 3)
    return np.stack([pair(first + a, first + b) for a, b in PAIRS], axis=1)


def choice_probabilities(scenes: Sequence[Scene]) -> np.ndarray:
    """float64 (n, 3), how often an observer makes each choice."""
    values = parts_of(scenes) @ np.array(list(WEIGHTS.values())) / TEMPERATURE
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class _Part:
    """Triplets that are drawn from one stream: those that are scored, or those that a transform is fitted on."""

    name: str
    count: int
    seed: int

    def _rng(self, what: str, index: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=scene_key(self.seed, f"{self.name}/{what}", index)))

    def scenes(self, index: int) -> list[Scene]:
        """The three scenes of a triplet."""
        shapes, textures = _contents(self._rng("contents", index))
        draws = [_Chosen(self.seed, self.name, 3 * index + n, texture) for n, texture in enumerate(textures)]
        return [draw_scene(_WORLD, own, shape) for own, shape in zip(draws, shapes, strict=True)]

    def votes(self) -> np.ndarray:
        """float64 (n, 3), what the observers chose."""
        scenes = [scene for index in range(self.count) for scene in self.scenes(index)]
        shares = choice_probabilities(scenes)
        counts = [self._rng("observers", n).multinomial(OBSERVERS, share) for n, share in enumerate(shares)]
        return np.array(counts, dtype=np.float64)


class TripletPictures(RenderedSource):
    """The pictures of the triplets: three for each that is scored, then three for each held out."""

    name = "microworld/triplets, pictures"

    def __init__(self, parts: Sequence[_Part]) -> None:
        self.parts = tuple(parts)

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """``"triplets-0-000012/1"``: set, seed, triplet and place from 1."""
        return tuple(
            f"{part.name}-{part.seed}-{n // 3:06d}/{n % 3 + 1}" for part in self.parts for n in range(3 * part.count)
        )

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) shape classes."""
        return np.array([scene.label for scene in map(self.scene, range(len(self)))], dtype=np.int64)

    def __len__(self) -> int:
        return 3 * sum(part.count for part in self.parts)

    def scene(self, index: int) -> Scene:
        """The scene of a picture."""
        return self._triplet(index // 3)[index % 3]

    def _triplet(self, triplet: int) -> list[Scene]:
        for part in self.parts:
            if triplet < part.count:
                return part.scenes(triplet)
            triplet -= part.count
        raise IndexError(triplet)

    def _facts(self) -> Any:
        return self.manifest()

    def manifest(self) -> dict[str, Any]:
        """What determines the pictures. Not how many are scored, since each has an id."""
        return {
            "generator_version": GENERATOR_VERSION,
            "names": [[part.name, part.seed] for part in self.parts],
            "shapes": list(SHAPES),
            "shared": _SHARED,
        }

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        drawn = {triplet: self._triplet(triplet) for triplet in {index // 3 for index in indices}}
        scenes = [photographed(drawn[index // 3][index % 3]) for index in indices]
        frames = render(scenes, [0.5 * CLIP_SECONDS] * len(scenes), geometry.size, camera="ideal")
        return frames.images, {}


class MicroTriplets(TripletSource):
    """Triplets of scenes, judged by simulated observers.

    Args:
        length: Number of triplets that are scored.
        seed: Seed of the world and of the observers.
    """

    name = "microworld/triplets"
    kind = "odd-one-out"
    uses_all_cores = True

    def __init__(self, length: int, seed: int = 0) -> None:
        self.length, self.seed = length, seed
        self._scored = _Part("triplets", length, seed)
        self._fitted = _Part("triplets-held-out", HELD_OUT, seed)
        self.pictures = TripletPictures((self._scored, self._fitted))

    def __getstate__(self) -> dict[str, Any]:
        """As `RenderedSource`: the rest follows."""
        made = {key for key in self.__dict__ if isinstance(getattr(type(self), key, None), cached_property)}
        return {key: value for key, value in self.__dict__.items() if key not in made}

    def __len__(self) -> int:
        return self.length

    @cached_property
    def image_ids(self) -> tuple[str, ...]:  # type: ignore[override]
        """``"triplets-0-000012"``: set, seed and index."""
        return tuple(f"triplets-{self.seed}-{n:06d}" for n in range(self.length))

    @property
    def names(self) -> tuple[tuple[str, str, str], ...]:  # type: ignore[override]
        """Ids of the pictures of each triplet."""
        return self._named(0, self.length)

    @property
    def held_out_names(self) -> tuple[tuple[str, str, str], ...]:  # type: ignore[override]
        """Likewise, of the triplets that are held out."""
        return self._named(self.length, HELD_OUT)

    def _named(self, start: int, count: int) -> tuple[tuple[str, str, str], ...]:
        ids = self.pictures.image_ids
        return tuple((ids[3 * n], ids[3 * n + 1], ids[3 * n + 2]) for n in range(start, start + count))

    @property
    def picture_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Ids of the pictures."""
        return tuple(self.pictures.image_ids)

    @cached_property
    def judged(self) -> Judged:  # type: ignore[override]
        """Triplet n has the pictures 3 n to 3 n + 2."""
        return Judged(np.arange(3 * self.length, dtype=np.int64).reshape(-1, 3), self._scored.votes())

    @cached_property
    def held_out(self) -> Judged:  # type: ignore[override]
        """Their pictures follow those of the triplets that are scored."""
        places = 3 * self.length + np.arange(3 * HELD_OUT, dtype=np.int64)
        return Judged(places.reshape(-1, 3), self._fitted.votes())

    def _facts(self) -> Any:
        """What determines pictures and judgements. Not the length, since each triplet has an id."""
        return self.name, self.manifest()

    def manifest(self) -> dict[str, Any]:
        """The weights, the observers and the pictures."""
        return {
            "weights": dict(WEIGHTS),
            "temperature": TEMPERATURE,
            "observers": OBSERVERS,
            "held_out": HELD_OUT,
            "pictures": self.pictures.manifest(),
        }
