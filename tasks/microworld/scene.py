"""A scene is a clip: random settings (objects, textures, places, light), and how they change over 2.56 seconds."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import vocabulary as k
from .vocabulary import CLIP_SECONDS, TRAINING_BACKGROUNDS, UNSEEN_BACKGROUNDS

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
"""Base colours, shape (16, 3, 3); a scene turns, fades and permutes them."""

@dataclass(frozen=True)
class World:
    """The settings from which scenes are drawn; a set of images is a `World` and a length.

    These are the knobs of the micro-world, together with those of the camera (`camera.Temper`). Their values were
    chosen by looking at an untrained and a supervised network only; docs/microworld.md has the table.

    Attributes:
        correlation: Probability that an object has the texture of its class; otherwise it has any of the 16.
        conflict: Whether shape and texture always differ (cue conflict).
        hue: Largest turn of a palette's hue in either direction; 0.5 is the whole circle.
        contrast: Range of the factor by which the colours of a palette are apart, before they are clipped.
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
    hue: float = 0.5
    contrast: tuple[float, float] = (0.5, 1.2)
    pattern: tuple[float, float] = (0.8, 1.9)
    turn: float = 40.0
    warp: float = 0.25
    others: tuple[float, float, float, float] = (0.4, 0.3, 0.2, 0.1)
    other_size: tuple[float, float] = (0.3, 0.6)
    elevation: tuple[float, float] = (-8.0, 48.0)
    roll: float = 12.0
    tilt: float = 20.0
    backgrounds: tuple[int, ...] = TRAINING_BACKGROUNDS
    unusual_light: bool = False
    occluders: float = 0.2
    occlusion: tuple[float, float] = (0.06, 0.16)
    obstructed: bool = False
    zoom: tuple[float, float] = (0.6, 1.2)
    aim: float = 0.35
    photo_zoom: tuple[float, float] = (0.75, 1.0)
    photo_aim: float = 0.08


NATURAL = World()
WORLDS: dict[str, World] = {
    "train": NATURAL,
    "val": NATURAL,
    "cue-conflict": replace(NATURAL, conflict=True, occluders=0.0),
    "viewpoints": replace(NATURAL, elevation=(55.0, 88.0), roll=180.0, tilt=60.0),
    "backgrounds": replace(NATURAL, backgrounds=UNSEEN_BACKGROUNDS),
    "light": replace(NATURAL, unusual_light=True),
    "occlusion": replace(NATURAL, occluders=1.0, occlusion=(0.14, 0.26), obstructed=True),
}
"""The sets: natural training and validation images, and sets that each differ from these in one respect."""


@dataclass(frozen=True)
class Scene:
    """One clip.

    Attributes:
        label: Shape class of the first object, which is the largest, 0..15.
        texture: Texture of the first object, 0..15.
        key: Names the scene: a hash of (seed, set, index). The camera that films it draws its random numbers from it.
        start: float64 (FIELDS,), the frame at the middle of the clip, without camera and rotations.
        poses: Rotation of each object at the middle of the clip as angles (tilt x, yaw, tilt z) in radians, shape
            (objects, 3).
        spins: Change of ``poses`` in radians per second, shape (objects, 3).
        drifts: Velocity of each object in radii of the first one per second, shape (objects, 3).
        camera: (azimuth, elevation, roll, distance) at the middle, in radians and radii.
        camera_velocity: Change of `camera` per second.
        aim: Point the camera looks at, along its own axes, shape (3,).
        light_turn: Change of the light's azimuth, radians per second.
        occluder_velocity: Image units per second for each occluder, shape (2, 2).
        photo: How a photographer frames the scene: zoom, and place of the object along the image's two axes as shares
            of half the image.
        obstructed: Whether the occluders are in a photograph as well.
    """

    label: int
    texture: int
    key: int
    start: np.ndarray
    poses: np.ndarray
    spins: np.ndarray
    drifts: np.ndarray
    camera: np.ndarray
    camera_velocity: np.ndarray
    aim: np.ndarray
    light_turn: float
    occluder_velocity: np.ndarray
    photo: tuple[float, float, float]
    obstructed: bool


def scene_key(seed: int, name: str, index: int) -> int:
    """The 128-bit key of a scene, from which all its random numbers follow."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{name}/{index}".encode(), digest_size=16).digest(), "little")


class Draws:
    """The random numbers of one scene: a counter-based stream with the key (seed, set, index) alone.

    All numbers are drawn at once, because a generator's calls cost more than its numbers. A scene may use at most 256
    uniform and 64 normal ones.
    """

    def __init__(self, seed: int, name: str, index: int) -> None:
        self.key = scene_key(seed, name, index)
        rng = np.random.Generator(np.random.Philox(key=self.key))
        self._uniforms = iter(rng.random(256).tolist())
        self._normals = iter(rng.standard_normal(64).tolist())

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * next(self._uniforms)

    def scale(self, low: float, high: float) -> float:
        """A number in [low, high) whose logarithm is uniform."""
        return low * (high / low) ** next(self._uniforms)

    def normal(self, deviation: float) -> float:
        """A Gaussian number with mean 0."""
        return deviation * next(self._normals)

    def integer(self, stop: int) -> int:
        """An integer in 0..stop-1."""
        return int(next(self._uniforms) * stop)


def linear(colour: Sequence[float]) -> list[float]:
    """Light of an sRGB colour in 0..1, by the inverse of the standard's curve."""
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]


def _colour(rng: Draws, saturation: tuple[float, float], value: tuple[float, float]) -> list[float]:
    return linear(colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)))


def _palette(rng: Draws, texture: int, world: World) -> np.ndarray:
    """The texture's three colours, linear: with one turn of hue and one change of contrast and brightness for all."""
    hue, fade = rng.uniform(-world.hue, world.hue), rng.uniform(0.5, 1.2)
    contrast, brightness = rng.uniform(*world.contrast), rng.uniform(0.3, 0.65)
    colours = PALETTES[texture]
    values = colours.max(axis=1)
    middle = 0.5 * (values.max() + values.min())
    out = np.empty((3, 3))
    for n, colour in enumerate(colours):
        h, s, v = colorsys.rgb_to_hsv(*colour)
        v = min(max(brightness + contrast * (v - middle), 0.04), 0.96)
        out[n] = linear(colorsys.hsv_to_rgb((h + hue) % 1.0, min(s * fade, 1.0), v))
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


def _draw_object(rng: Draws, world: World, row: np.ndarray, base: int, label: int) -> None:
    """Write an object's shape, texture and scale; its place is another matter."""
    texture, own = (label + 1 + rng.integer(15)) % 16, rng.uniform() < world.correlation
    other = rng.integer(16)
    if not world.conflict:
        texture = label if own else other
    row[base + k.SHAPE], row[base + k.TEXTURE], row[base + k.SCALE] = label, texture, 1.0
    angles = np.deg2rad([rng.uniform(-world.turn, world.turn), 0.0, rng.uniform(-world.turn, world.turn)])
    turned = _rotations(angles[None])[0] * rng.scale(*world.pattern)
    row[base + k.PATTERN : base + k.PATTERN + 9] = turned.ravel()
    row[base + k.PATTERN_OFFSET : base + k.PATTERN_OFFSET + 3] = [rng.uniform(-8, 8) for _ in range(3)]
    row[base + k.WARP], row[base + k.WARP_PHASE] = rng.uniform(0.0, world.warp), rng.uniform(0.0, 2 * np.pi)
    row[base + k.PALETTE : base + k.PALETTE + 9] = _palette(rng, texture, world).ravel()
    shine = rng.uniform()
    row[base + k.SPECULAR] = 0.4 + 0.3 * shine if texture == 15 else 0.25 * shine


def _place_others(rng: Draws, world: World, row: np.ndarray, view: np.ndarray, reach: float) -> int:
    """Draw the further objects, each on the floor beside or behind the first one; the number that found room.

    Args:
        rng: Random numbers of the scene.
        world: Settings.
        row: The frame at the middle of the clip, written.
        view: Camera at the middle: rows right, upward, forward and position, shape (4, 3).
        reach: Distance from the optical axis to the edge of the image, per unit of depth.
    """
    count = int(np.searchsorted(np.cumsum(world.others), rng.uniform(), side="right"))
    right, _, forward, camera = view
    distance = float(-camera @ forward)
    placed = 1
    for n in range(1, k.MAX_OBJECTS):
        base = placed * k.OBJECT_FIELDS
        _draw_object(rng, world, row, base, rng.integer(16))
        size, tries = rng.uniform(*world.other_size), [(rng.uniform(-0.9, 0.9), rng.uniform(0.85, 1.9)) for _ in "123"]
        if n > min(count, 3):
            continue
        for across, away in tries:
            depth = away * distance
            radius = size * away
            point = camera + depth * forward + across * reach * depth * right
            # On the floor, which is rarely where the ray through that place of the image would be.
            point[1] = row[k.FLOOR] + 0.85 * radius
            others = [row[q + k.POSITION : q + k.POSITION + 3] for q in range(0, base, k.OBJECT_FIELDS)]
            radii = [row[q + k.SCALE] for q in range(0, base, k.OBJECT_FIELDS)]
            if all(
                np.linalg.norm(point - place) > 0.95 * (radius + r) for place, r in zip(others, radii, strict=True)
            ):
                row[base + k.SCALE] = radius
                row[base + k.POSITION : base + k.POSITION + 3] = point
                placed += 1
                break
    return placed


def draw_scene(world: World, rng: Draws, label: int) -> Scene:
    """Draw all settings of one clip.

    The order of the draws is part of the world: to change it changes every image. That is why the settings of objects
    and occluders are drawn even if there are none.

    Args:
        world: Settings of the set.
        rng: The scene's random numbers.
        label: Shape class, 0..15; sets derive it from the index, so that classes are balanced.
    """
    row = np.zeros(k.FIELDS)
    _draw_object(rng, world, row, 0, label)
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
    poses = np.array([[rng.uniform(-tilt, tilt), rng.uniform(0, 2 * np.pi), rng.uniform(-tilt, tilt)]])
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
    axes, place = _cameras(camera[None], aim[None])
    objects = _place_others(rng, world, row, np.concatenate([axes[0], place]), tangent)
    row[k.OBJECTS] = objects
    yaws = np.zeros((k.MAX_OBJECTS - 1, 3))
    yaws[:, 1] = [rng.uniform(0, 2 * np.pi) for _ in yaws]
    spins = [[rng.normal(0.12), rng.normal(0.45), rng.normal(0.12)] for _ in range(k.MAX_OBJECTS)]
    drifts = [[rng.normal(0.07), rng.normal(0.07), rng.normal(0.07)] for _ in range(k.MAX_OBJECTS)]
    return Scene(
        label=label,
        texture=int(row[k.TEXTURE]),
        key=rng.key,
        start=row,
        poses=np.concatenate([poses, yaws])[:objects],
        spins=np.array(spins[:objects]),
        drifts=np.array(drifts[:objects]),
        camera=camera,
        camera_velocity=camera_velocity,
        aim=aim,
        light_turn=rng.normal(0.25),
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


def photographed(scene: Scene) -> Scene:
    """The scene as a photographer frames it: the object near the centre and well in view, nothing in the way."""
    zoom, across, above = scene.photo
    tangent = scene.start[k.TANGENT]
    distance = 1.0 / (tangent * zoom)
    start = scene.start.copy()
    if not scene.obstructed:
        start[k.OCCLUDERS] = 0
    for n in range(int(start[k.OCCLUDERS])):
        # An occluder keeps its place between camera and object.
        start[k.OCCLUDER + n * k.OCCLUDER_FIELDS + 5] *= distance / scene.camera[3]
    reach = distance * tangent
    camera = scene.camera.copy()
    camera[3] = distance
    start[k.DOME] = max(start[k.DOME], 1.5 * distance)
    return replace(scene, start=start, camera=camera, aim=np.array([across * reach, above * reach, 0.0]))


def without_objects(scene: Scene) -> Scene:
    """The scene with nothing on its floor."""
    start = scene.start.copy()
    start[k.OBJECTS] = 0
    return replace(scene, start=start)


# From a scene and a time to the numbers of a frame.


def _rotations(angles: np.ndarray) -> np.ndarray:
    """Object-from-world rotations (n, 3, 3) for (tilt x, yaw, tilt z), shape (n, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    out = np.empty((len(angles), 3, 3))
    # About z, then x, then y, multiplied out.
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = cy * cz - sy * sx * sz, cy * sz + sy * sx * cz, -sy * cx
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = -cx * sz, cx * cz, sx
    out[:, 2, 0], out[:, 2, 1], out[:, 2, 2] = sy * cz + cy * sx * sz, sy * sz - cy * sx * cz, cy * cx
    return out


def _cameras(settings: np.ndarray, aims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (n, 3, 3), rows right, upward and forward, and places (n, 3) of cameras.

    Args:
        settings: (azimuth, elevation, roll, distance), shape (n, 4).
        aims: Points looked at, along the camera's axes, shape (n, 3).
    """
    azimuth, elevation, roll, distance = settings.T
    level, height = np.cos(elevation), np.sin(elevation)
    sine, cosine = np.sin(azimuth), np.cos(azimuth)
    zero = np.zeros_like(sine)
    forward = -np.stack([level * sine, height, level * cosine], 1)
    side = np.stack([cosine, zero, -sine], 1)
    upward = np.stack([-height * sine, level, -height * cosine], 1)
    turn, rest = np.cos(roll)[:, None], np.sin(roll)[:, None]
    axes = np.stack([turn * side + rest * upward, turn * upward - rest * side, forward], 1)
    # The aim is in the plane of the image, so that it bounds how far the object is from the centre.
    places = aims[:, :1] * axes[:, 0] + aims[:, 1:2] * axes[:, 1] - distance[:, None] * forward
    return axes, places


def frame_rows(scenes: Sequence[Scene], times: np.ndarray, shake: np.ndarray | None = None) -> np.ndarray:
    """The kernel's rows of one frame of each scene.

    Args:
        scenes: The clips.
        times: Seconds from the start of each clip, float64 (n,).
        shake: Small turns of the camera about its axes in radians: to the right, upward, and roll, shape (n, 3).

    Returns:
        float64 (n, FIELDS).
    """
    n = len(scenes)
    since = np.asarray(times, dtype=np.float64) - 0.5 * CLIP_SECONDS
    rows = np.array([s.start for s in scenes]).reshape(n, k.FIELDS)
    counts = [len(s.poses) for s in scenes]
    owner = np.repeat(np.arange(n), counts)
    number = np.concatenate([np.arange(c) for c in counts])
    moments = since[owner, None]
    angles = np.concatenate([s.poses for s in scenes]) + moments * np.concatenate([s.spins for s in scenes])
    objects = rows[:, : k.OBJECTS].reshape(n, k.MAX_OBJECTS, k.OBJECT_FIELDS)
    objects[owner, number, k.ROTATION : k.ROTATION + 9] = _rotations(angles).reshape(-1, 9)
    objects[owner, number, k.POSITION : k.POSITION + 3] += moments * np.concatenate([s.drifts for s in scenes])
    settings = np.array([s.camera for s in scenes]) + since[:, None] * np.array([s.camera_velocity for s in scenes])
    # In a window much longer than the clip, a receding camera would leave the dome.
    settings[:, 3] = np.minimum(settings[:, 3], 0.85 * rows[:, k.DOME])
    axes, places = _cameras(settings, np.array([s.aim for s in scenes]))
    if shake is not None:
        axes = _shaken(axes, shake)
        tangent = rows[:, k.TANGENT]
        for place in range(k.OCCLUDER, k.FIELDS, k.OCCLUDER_FIELDS):
            rows[:, place + 1] -= shake[:, 0] / tangent
            rows[:, place + 2] -= shake[:, 1] / tangent
    rows[:, k.AXES : k.AXES + 9] = axes.reshape(n, 9)
    rows[:, k.CAMERA : k.CAMERA + 3] = places
    turns = since * np.array([s.light_turn for s in scenes])
    cosine, sine = np.cos(turns), np.sin(turns)
    x, z = rows[:, k.LIGHT].copy(), rows[:, k.LIGHT + 2].copy()
    rows[:, k.LIGHT], rows[:, k.LIGHT + 2] = cosine * x + sine * z, cosine * z - sine * x
    moved = since[:, None, None] * np.array([s.occluder_velocity for s in scenes])
    for number_of in range(k.MAX_OCCLUDERS):
        q = k.OCCLUDER + number_of * k.OCCLUDER_FIELDS
        rows[:, q + 1 : q + 3] += moved[:, number_of]
    return rows


def _shaken(axes: np.ndarray, shake: np.ndarray) -> np.ndarray:
    """Axes (n, 3, 3) turned by small angles, and kept orthonormal."""
    right, above, forward = axes[:, 0], axes[:, 1], axes[:, 2]
    across, up, roll = shake[:, :1], shake[:, 1:2], shake[:, 2:]
    forward = forward + across * right + up * above
    forward = forward / np.linalg.norm(forward, axis=1, keepdims=True)
    right = np.cos(roll) * right + np.sin(roll) * above
    right = right - (right * forward).sum(1, keepdims=True) * forward
    right = right / np.linalg.norm(right, axis=1, keepdims=True)
    # The third axis points forward, so that the second one is their product in this order.
    return np.stack([right, np.cross(right, forward), forward], 1)


def frame_parameters(scene: Scene, time: float) -> np.ndarray:
    """The kernel's row, float64 (FIELDS,), at `time` seconds from the start of the clip, 0..`CLIP_SECONDS`."""
    return frame_rows([scene], np.array([time]))[0]
