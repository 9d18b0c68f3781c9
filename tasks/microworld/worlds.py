"""From what scenes are drawn: the worlds behind the sets, and the random numbers of a scene."""

from __future__ import annotations

import colorsys
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import vocabulary as k
from .scene import Scene
from .vocabulary import TRAINING_BACKGROUNDS, UNSEEN_BACKGROUNDS

PALETTES = np.array(
    [  # three colours each, sRGB 0..1
        [[0.80, 0.16, 0.18], [0.93, 0.90, 0.84], [0.80, 0.16, 0.18]],  # stripes
        [[0.10, 0.14, 0.35], [0.90, 0.80, 0.35], [0.10, 0.14, 0.35]],  # checks
        [[0.90, 0.89, 0.87], [0.36, 0.38, 0.44], [0.70, 0.70, 0.72]],  # marble
        [[0.64, 0.42, 0.22], [0.36, 0.20, 0.09], [0.50, 0.31, 0.15]],  # wood
        [[0.62, 0.25, 0.17], [0.78, 0.74, 0.68], [0.50, 0.20, 0.15]],  # brick
        [[0.16, 0.38, 0.78], [0.95, 0.95, 0.92], [0.16, 0.38, 0.78]],  # dots
        [[0.17, 0.42, 0.12], [0.46, 0.66, 0.20], [0.10, 0.26, 0.08]],  # grass
        [[0.08, 0.45, 0.60], [0.55, 0.86, 0.86], [0.05, 0.25, 0.45]],  # waves
        [[0.86, 0.62, 0.28], [0.22, 0.13, 0.07], [0.66, 0.40, 0.16]],  # leopard
        [[0.93, 0.92, 0.88], [0.08, 0.08, 0.09], [0.93, 0.92, 0.88]],  # zebra
        [[0.13, 0.06, 0.06], [0.98, 0.62, 0.10], [0.80, 0.15, 0.05]],  # lava
        [[0.32, 0.37, 0.20], [0.55, 0.50, 0.33], [0.18, 0.19, 0.13]],  # camouflage
        [[0.55, 0.30, 0.65], [0.20, 0.08, 0.28], [0.75, 0.55, 0.82]],  # cells
        [[0.92, 0.45, 0.65], [0.30, 0.75, 0.55], [0.96, 0.85, 0.30]],  # confetti
        [[0.80, 0.70, 0.52], [0.52, 0.42, 0.28], [0.30, 0.24, 0.17]],  # weave
        [[0.62, 0.65, 0.68], [0.42, 0.45, 0.50], [0.85, 0.87, 0.90]],  # metal
    ],
    dtype=np.float64,
)
"""Base colours, shape (16, 3, 3); a scene turns their hue, fades them and changes their contrast."""

_HSV = [[colorsys.rgb_to_hsv(*colour) for colour in palette] for palette in PALETTES.tolist()]


@dataclass(frozen=True)
class World:
    """The settings from which scenes are drawn; a set of images is a `World` and a length.

    These are the knobs of the micro-world, together with those of the camera (`camera.Temper`). Their values were
    chosen by looking at an untrained and a supervised network only; docs/microworld.md has the table.

    Attributes:
        correlation: Probability that an object has the texture of its class; otherwise it has any of the 16.
        conflict: Whether shape and texture always differ (cue conflict).
        hue: Largest turn of a palette's hue in either direction; 0.5 is the whole circle.
        saturation: Range of a palette's mean saturation.
        contrast: Range of the difference between a palette's brightest and darkest colour, in sRGB.
        brightness: Range of the middle between these two.
        pattern: Range of a pattern's frequency, relative to its texture's own.
        turn: Largest turn of a pattern on its object about each of two axes, in degrees.
        warp: Largest bend of a pattern, in units of its own coordinates.
        others: Probabilities of 0, 1, 2 and 3 further objects.
        other_size: Range of a further object's radius as it appears, relative to the first object's.
        elevation: Range of the camera's elevation in degrees.
        roll: Largest camera roll in degrees, in either direction.
        tilt: Largest tilt of the object from upright, in degrees.
        backgrounds: Background families to draw from.
        unusual_light: Coloured, low or backward light instead of daylight.
        occluders: Probability of each of the two possible occluders.
        occlusion: Range of an occluder's half width, as a share of half the image.
        obstructed: Whether occluders stay in the way of photographs, which otherwise have none.
        zoom: Range of the object's radius over half the image's side in a clip.
        aim: How far from the centre the object may be in a clip, as a share of half the image.
        photo_zoom: As ``zoom``, in a photograph.
        photo_aim: As ``aim``, in a photograph.
    """

    correlation: float = 1.0
    conflict: bool = False
    hue: float = 0.42
    saturation: tuple[float, float] = (0.1, 0.7)
    contrast: tuple[float, float] = (0.7, 1.0)
    brightness: tuple[float, float] = (0.25, 0.75)
    pattern: tuple[float, float] = (1.8, 2.7)
    turn: float = 5.0
    warp: float = 0.03
    others: tuple[float, float, float, float] = (0.4, 0.3, 0.2, 0.1)
    other_size: tuple[float, float] = (0.3, 0.6)
    elevation: tuple[float, float] = (-8.0, 48.0)
    roll: float = 25.0
    tilt: float = 35.0
    backgrounds: tuple[int, ...] = TRAINING_BACKGROUNDS
    unusual_light: bool = False
    occluders: float = 0.2
    occlusion: tuple[float, float] = (0.06, 0.16)
    obstructed: bool = False
    zoom: tuple[float, float] = (0.6, 1.2)
    aim: float = 0.45
    photo_zoom: tuple[float, float] = (0.45, 0.93)
    photo_aim: float = 0.28


NATURAL = World()
WORLDS: dict[str, World] = {
    "train": NATURAL,
    "val": NATURAL,
    "cue-conflict": replace(NATURAL, conflict=True, occluders=0.0),
    "viewpoints": replace(NATURAL, elevation=(55.0, 88.0), roll=180.0, tilt=60.0),
    "backgrounds": replace(NATURAL, backgrounds=UNSEEN_BACKGROUNDS),
    "light": replace(NATURAL, unusual_light=True),
    # Without further objects: behind large occluders, the label's object would not always be the largest in view.
    "occlusion": replace(NATURAL, occluders=1.0, occlusion=(0.14, 0.26), obstructed=True, others=(1.0, 0.0, 0.0, 0.0)),
}
"""The sets: natural training and validation images, and sets that each differ from these in one respect."""


def scene_key(seed: int, name: str, index: int) -> int:
    """The 128-bit key of a scene, from which all its random numbers follow."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}/{index}".encode(), digest_size=16).digest(), "little")


class Draws:
    """The random numbers of one scene: a counter-based stream with the key (seed, set, index) alone.

    All numbers are drawn at once, because a generator's calls cost more than its numbers. A scene may use at most 128
    uniform and 48 normal ones. Each of its objects has 32 uniform ones more, from a part of the stream of its own.
    """

    def __init__(self, seed: int, name: str, index: int) -> None:
        self.key = scene_key(seed, name, index)
        rng = np.random.Generator(np.random.Philox(key=self.key))
        self._all = rng.random(128 + _PART * k.MAX_OBJECTS).tolist()
        self._uniforms = iter(self._all[:128])
        self._normals = iter(rng.standard_normal(48).tolist())

    def part(self, number: int) -> Iterator[float]:
        """The uniform numbers of an object."""
        start = 128 + _PART * number
        return iter(self._all[start : start + _PART])

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * next(self._uniforms)

    def normal(self, deviation: float) -> float:
        """A Gaussian number with mean 0."""
        return deviation * next(self._normals)

    def integer(self, stop: int) -> int:
        """An integer in 0..stop-1."""
        return int(next(self._uniforms) * stop)


_PART = 32


def _between(pair: tuple[float, float], share: float) -> float:
    return pair[0] + (pair[1] - pair[0]) * share


def linear(colour: Sequence[float]) -> list[float]:
    """Light of an sRGB colour in 0..1, by the inverse of the standard's curve."""
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]


def _colour(rng: Draws, saturation: tuple[float, float], value: tuple[float, float]) -> list[float]:
    return linear(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)))


def _palette(u: Iterator[float], texture: int, world: World) -> list[float]:
    """The texture's three colours, linear: how they differ is its own, all else is drawn for the scene."""
    hue, saturation = world.hue * (2.0 * next(u) - 1.0), _between(world.saturation, next(u))
    contrast, brightness = _between(world.contrast, next(u)), _between(world.brightness, next(u))
    colours = _HSV[texture]
    values = [v for _, _, v in colours]
    middle, span = 0.5 * (max(values) + min(values)), max(values) - min(values)
    usual = sum(s for _, s, _ in colours) / 3
    out: list[float] = []
    for h, s, v in colours:
        value = min(max(brightness + contrast * (v - middle) / span, 0.03), 0.97)
        out += linear(colorsys.hsv_to_rgb((h + hue) % 1.0, min(max(s - usual + saturation, 0.0), 0.95), value))
    return out


def _light(rng: Draws, row: np.ndarray, unusual: bool) -> None:
    azimuth = rng.uniform(0, 2 * np.pi)
    if unusual:
        elevation = np.deg2rad(rng.uniform(2.0, 25.0))
        row[k.LIGHT_COLOUR : k.LIGHT_COLOUR + 3] = np.array(_colour(rng, (0.3, 0.6), (0.9, 1.0))) * rng.uniform(
            0.9, 1.8
        )
        row[k.AMBIENT : k.AMBIENT + 3] = np.array(_colour(rng, (0.15, 0.4), (0.9, 1.0))) * rng.uniform(0.12, 0.3)
    else:
        elevation = np.deg2rad(rng.uniform(30.0, 80.0))
        warmth = rng.uniform(-0.12, 0.18)
        white = np.array([1.0 + warmth, 1.0, 1.0 - warmth])
        row[k.LIGHT_COLOUR : k.LIGHT_COLOUR + 3] = white * rng.uniform(0.5, 1.1)
        row[k.AMBIENT : k.AMBIENT + 3] = (2.0 - white) * rng.uniform(0.3, 0.6)
    level = np.cos(elevation)
    row[k.LIGHT : k.LIGHT + 3] = level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)


def _draw_object(u: Iterator[float], world: World, row: np.ndarray, base: int, label: int) -> None:
    """Write an object's shape, texture and scale; its place is another matter."""
    own, other = next(u) < world.correlation, next(u)
    texture = (label + 1 + int(other * 15)) % 16 if world.conflict else label if own else int(other * 16)
    about_x, about_z = (math.radians(world.turn) * (2.0 * next(u) - 1.0) for _ in "xz")
    cx, sx, cz, sz = math.cos(about_x), math.sin(about_x), math.cos(about_z), math.sin(about_z)
    f = world.pattern[0] * (world.pattern[1] / world.pattern[0]) ** next(u)
    pattern = (f * cz, f * sz, 0.0, -f * cx * sz, f * cx * cz, f * sx, f * sx * sz, -f * sx * cz, f * cx)
    offset = (16.0 * next(u) - 8.0, 16.0 * next(u) - 8.0, 16.0 * next(u) - 8.0)
    warp, phase = world.warp * next(u), 2.0 * math.pi * next(u)
    shine = 0.4 + 0.3 * next(u) if texture == 15 else 0.25 * next(u)
    row[base : base + k.ROTATION] = (
        label,
        texture,
        *pattern,
        *offset,
        warp,
        phase,
        *_palette(u, texture, world),
        shine,
    )
    row[base + k.SCALE] = 1.0


def _place_others(rng: Draws, world: World, row: np.ndarray, elevation: float, distance: float) -> list[float]:
    """Draw the further objects, each on the floor around the first one and in view, as many as find room.

    Args:
        rng: Random numbers of the scene.
        world: Settings.
        row: The frame at the middle of the clip, when the camera's azimuth is 0; written.
        elevation: Of the camera at the middle, in radians.
        distance: Of the camera from the first object.

    Returns:
        The yaw of each object that was placed.
    """
    share, count = rng.uniform(), 0
    while count < k.MAX_OBJECTS - 1 and share >= sum(world.others[: count + 1]):
        count += 1
    floor, tangent = float(row[k.FLOOR]), float(row[k.TANGENT])
    # How far away from the camera, along the floor, until the edge of the image.
    farthest = min(0.9 * distance, 0.8 * tangent * distance / max(math.sin(elevation), 0.05))
    nearest = -min(0.2 * distance, farthest)
    placed, yaws = [(0.0, 0.0, 0.0, 1.0)], []
    for number in range(1, count + 1):
        u = rng.part(number)
        label, size, yaw = int(next(u) * 16), _between(world.other_size, next(u)), 2.0 * math.pi * next(u)
        for _ in range(5):
            across, away = 1.8 * next(u) - 0.9, nearest + (farthest - nearest) * next(u)
            depth = distance + away * math.cos(elevation)
            radius = size * depth / distance
            x, y, z = across * tangent * depth, floor + 0.85 * radius, -away
            if all(math.dist((x, y, z), place[:3]) > 0.95 * (radius + place[3]) for place in placed):
                base = len(placed) * k.OBJECT_FIELDS
                _draw_object(u, world, row, base, label)
                row[base + k.SCALE : base + k.OBJECT_FIELDS] = radius, x, y, z
                placed.append((x, y, z, radius))
                yaws.append(yaw)
                break
    return yaws


def draw_scene(world: World, rng: Draws, label: int) -> Scene:
    """Draw all settings of one clip.

    The order of the draws is part of the world: to change it changes every image. That is why an occluder's settings
    are drawn even if there is none.

    Args:
        world: Settings of the set.
        rng: The scene's random numbers.
        label: Shape class, an index of `CLASSES`, then of `UNSEEN_CLASSES`; sets derive it from the image's index, so
            that classes are balanced.
    """
    row = np.zeros(k.FIELDS)
    _draw_object(rng.part(0), world, row, 0, label)
    _light(rng, row, world.unusual_light)
    row[k.BACKGROUND] = world.backgrounds[rng.integer(len(world.backgrounds))]
    row[k.SKY_A : k.SKY_A + 3] = _colour(rng, (0.05, 0.6), (0.35, 0.95))
    row[k.SKY_B : k.SKY_B + 3] = _colour(rng, (0.05, 0.6), (0.25, 0.95))
    row[k.SKY_SCALE], row[k.SKY_OFFSET] = rng.uniform(0.7, 1.6), rng.uniform(0, 50)
    row[k.FLOOR] = -rng.uniform(0.85, 1.1)
    row[k.FLOOR_A : k.FLOOR_A + 3] = _colour(rng, (0.05, 0.5), (0.3, 0.9))
    row[k.FLOOR_B : k.FLOOR_B + 3] = _colour(rng, (0.05, 0.5), (0.2, 0.8))
    row[k.FLOOR_PATTERN] = rng.integer(3)

    tangent = np.tan(np.deg2rad(rng.uniform(16.0, 26.0)))
    row[k.TANGENT] = tangent
    distance = 1.0 / (tangent * rng.uniform(*world.zoom))
    row[k.DOME] = distance * rng.uniform(1.5, 3.0)
    tilt = np.deg2rad(world.tilt)
    pose = [rng.uniform(-tilt, tilt), rng.uniform(0, 2 * np.pi), rng.uniform(-tilt, tilt)]
    camera = np.array(
        [0.0, np.deg2rad(rng.uniform(*world.elevation)), np.deg2rad(rng.uniform(-world.roll, world.roll)), distance]
    )
    camera_velocity = np.array([rng.normal(0.25), rng.normal(0.06), rng.normal(0.05), distance * rng.normal(0.06)])
    reach = distance * tangent
    aim = np.array([rng.uniform(-world.aim, world.aim) * reach, rng.uniform(-world.aim, world.aim) * reach, 0.0])
    photo = (
        rng.uniform(*world.photo_zoom),
        rng.uniform(-world.photo_aim, world.photo_aim),
        rng.uniform(-world.photo_aim, world.photo_aim),
    )
    velocities = _draw_occluders(rng, world, row, distance)
    yaws = _place_others(rng, world, row, float(camera[1]), distance)
    objects = 1 + len(yaws)
    row[k.OBJECTS] = objects
    spins = [[rng.normal(0.12), rng.normal(0.45), rng.normal(0.12)] for _ in range(objects)]
    drifts = [[rng.normal(0.07), rng.normal(0.07), rng.normal(0.07)] for _ in range(objects)]
    light_turn = rng.normal(0.25)
    return Scene(
        label=label,
        texture=int(row[k.TEXTURE]),
        key=rng.key,
        start=row,
        poses=np.array([pose, *([0.0, yaw, 0.0] for yaw in yaws)]),
        spins=np.array(spins),
        drifts=np.array(drifts),
        camera=camera,
        camera_velocity=camera_velocity,
        aim=aim,
        light_turn=light_turn,
        occluder_velocity=velocities,
        photo=photo,
        obstructed=world.obstructed,
    )


def _draw_occluders(rng: Draws, world: World, row: np.ndarray, distance: float) -> np.ndarray:
    """Write the occluders; their velocities, shape (2, 2)."""
    count = 0
    velocities = np.zeros((k.MAX_OCCLUDERS, 2))
    for _ in range(k.MAX_OCCLUDERS):
        present, kind = rng.uniform() < world.occluders, rng.integer(2)
        place = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)
        angle, half = rng.uniform(-0.8, 0.8), rng.uniform(*world.occlusion)
        near = distance * rng.uniform(0.45, 0.6)
        colour, pattern = _colour(rng, (0.1, 0.7), (0.2, 0.9)), rng.uniform(0, 50)
        velocity = (rng.normal(0.15), rng.normal(0.15))
        if present:
            q = k.OCCLUDER + count * k.OCCLUDER_FIELDS
            row[q : q + k.OCCLUDER_FIELDS] = (
                kind,
                *place,
                half * (1.0 if kind == 0 else 2.0),
                np.cos(angle),
                near,
                *colour,
                pattern,
                np.sin(angle),
            )
            velocities[count] = velocity
            count += 1
    row[k.OCCLUDERS] = count
    return velocities
