"""A scene is a clip: random settings (object, texture, place, light), and how they change over 2.56 seconds."""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass

import numpy as np

from . import vocabulary as k
from .vocabulary import CLIP_SECONDS, TRAINING_BACKGROUNDS, UNSEEN_BACKGROUNDS

PALETTES = np.array(
    [  # three colours each, sRGB 0..1; a texture carries its palette, as materials do
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
"""Base colours, shape (16, 3, 3); a scene jitters them."""


@dataclass(frozen=True)
class World:
    """The settings from which scenes are drawn; a set of images is a `World` and a length.

    Attributes:
        correlation: Probability that an object has the texture of its class; otherwise it has any of the 16.
        conflict: Whether shape and texture always differ (cue conflict).
        elevation: Range of the camera's elevation in degrees.
        roll: Largest camera roll in degrees, in either direction.
        tilt: Largest tilt of the object from upright, in degrees.
        backgrounds: Background families to draw from.
        unusual_light: Coloured, low or backward light instead of daylight.
        occluders: Probability of each of the two possible occluders.
        occlusion: Range of an occluder's half width, as a share of half the image.
        zoom: Range of the object's radius over half the image's side.
    """

    correlation: float = 1.0
    conflict: bool = False
    elevation: tuple[float, float] = (-8.0, 48.0)
    roll: float = 12.0
    tilt: float = 20.0
    backgrounds: tuple[int, ...] = TRAINING_BACKGROUNDS
    unusual_light: bool = False
    occluders: float = 0.2
    occlusion: tuple[float, float] = (0.06, 0.16)
    zoom: tuple[float, float] = (0.75, 1.3)


NATURAL = World()
WORLDS: dict[str, World] = {
    "train": NATURAL,
    "val": NATURAL,
    "cue-conflict": World(conflict=True, occluders=0.0, zoom=(0.75, 1.05)),
    "viewpoints": World(elevation=(55.0, 88.0), roll=180.0, tilt=60.0),
    "backgrounds": World(backgrounds=UNSEEN_BACKGROUNDS),
    "light": World(unusual_light=True),
    "occlusion": World(occluders=1.0, occlusion=(0.14, 0.26)),
}
"""The sets: natural training and validation images, and sets that each differ from these in one respect."""


@dataclass(frozen=True)
class Scene:
    """One clip.

    Attributes:
        label: Shape class, 0..15.
        texture: Texture, 0..15.
        start: float64 (FIELDS,), the frame at the middle of the clip, without camera and rotations.
        spin: Change of the three angles of ``pose``, radians per second, shape (3,).
        pose: Object rotation at the middle of the clip as angles (tilt x, yaw, tilt z) in radians, shape (3,).
        drift: Object velocity in radii per second, shape (3,).
        camera: (azimuth, elevation, roll, distance) at the middle, in radians and radii.
        camera_velocity: Change of `camera` per second.
        aim: Point the camera looks at, world coordinates, shape (3,).
        light_turn: Change of the light's azimuth, radians per second.
        occluder_velocity: Image units per second for each occluder, shape (2, 2).
    """

    label: int
    texture: int
    start: np.ndarray
    spin: np.ndarray
    pose: np.ndarray
    drift: np.ndarray
    camera: np.ndarray
    camera_velocity: np.ndarray
    aim: np.ndarray
    light_turn: float
    occluder_velocity: np.ndarray


class Draws:
    """The random numbers of one scene: a counter-based stream with the key (seed, set, index) alone.

    All numbers are drawn at once, because a generator's calls cost more than its numbers. A scene may use at most 128
    uniform and 32 normal ones.
    """

    def __init__(self, seed: int, name: str, index: int) -> None:
        key = hashlib.blake2b(f"{seed}/{name}/{index}".encode(), digest_size=16).digest()
        rng = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
        self._uniforms = iter(rng.random(128).tolist())
        self._normals = iter(rng.standard_normal(32).tolist())

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * next(self._uniforms)

    def normal(self, deviation: float) -> float:
        """A Gaussian number with mean 0."""
        return deviation * next(self._normals)

    def integer(self, stop: int) -> int:
        """An integer in 0..stop-1."""
        return int(next(self._uniforms) * stop)


def _colour(rng: Draws, saturation: tuple[float, float], value: tuple[float, float]) -> tuple[float, ...]:
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(*saturation), rng.uniform(*value))


def _palette(rng: Draws, texture: int) -> np.ndarray:
    """The texture's three colours, all with the same random shift in hue, saturation and brightness."""
    hue, gain = rng.uniform(-0.05, 0.05), rng.uniform(0.8, 1.15)
    fade = rng.uniform(0.75, 1.1)
    out = np.empty((3, 3))
    for n, colour in enumerate(PALETTES[texture]):
        h, s, v = colorsys.rgb_to_hsv(*colour)
        out[n] = colorsys.hsv_to_rgb((h + hue) % 1.0, min(s * fade, 1.0), min(v * gain, 1.0))
    return out


def _light(rng: Draws, row: np.ndarray, unusual: bool) -> None:
    azimuth = rng.uniform(0, 2 * np.pi)
    if unusual:
        elevation = np.deg2rad(rng.uniform(2.0, 25.0))
        row[k.LIGHT_COLOUR : k.LIGHT_COLOUR + 3] = np.array(_colour(rng, (0.35, 0.75), (0.9, 1.0))) * rng.uniform(
            0.8, 1.4
        )
        row[k.AMBIENT : k.AMBIENT + 3] = np.array(_colour(rng, (0.2, 0.5), (0.9, 1.0))) * rng.uniform(0.25, 0.45)
    else:
        elevation = np.deg2rad(rng.uniform(30.0, 80.0))
        warmth = rng.uniform(-0.08, 0.12)
        white = np.array([1.0 + warmth, 1.0, 1.0 - warmth])
        row[k.LIGHT_COLOUR : k.LIGHT_COLOUR + 3] = white * rng.uniform(0.55, 0.9)
        row[k.AMBIENT : k.AMBIENT + 3] = (2.0 - white) * rng.uniform(0.5, 0.75)
    level = np.cos(elevation)
    row[k.LIGHT : k.LIGHT + 3] = level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)


def draw_scene(world: World, rng: Draws, label: int) -> Scene:
    """Draw all settings of one clip.

    The order of the draws is part of the world: to change it changes every image. That is why an occluder's settings
    are drawn even if there is none.

    Args:
        world: Settings of the set.
        rng: The scene's random numbers.
        label: Shape class, 0..15; sets derive it from the index, so that classes are balanced.
    """
    row = np.zeros(k.FIELDS)
    texture = label
    if world.conflict:
        texture = (label + 1 + rng.integer(15)) % 16
    elif rng.uniform() >= world.correlation:
        texture = rng.integer(16)
    row[k.SHAPE], row[k.TEXTURE] = label, texture
    row[k.PATTERN_OFFSET : k.PATTERN_OFFSET + 3] = [rng.uniform(-8, 8) for _ in range(3)]
    row[k.PATTERN_SCALE] = rng.uniform(1.0, 1.6)
    row[k.PALETTE : k.PALETTE + 9] = _palette(rng, texture).ravel()
    row[k.SPECULAR] = rng.uniform(0.4, 0.7) if texture == 15 else rng.uniform(0.0, 0.25)
    row[k.SCALE] = 1.0
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
    tilt = np.deg2rad(world.tilt)
    pose = np.array([rng.uniform(-tilt, tilt), rng.uniform(0, 2 * np.pi), rng.uniform(-tilt, tilt)])
    camera = np.array(
        [0.0, np.deg2rad(rng.uniform(*world.elevation)), np.deg2rad(rng.uniform(-world.roll, world.roll)), distance]
    )
    camera_velocity = np.array([rng.normal(0.25), rng.normal(0.06), rng.normal(0.05), distance * rng.normal(0.06)])
    reach = distance * tangent
    aim = np.array([rng.uniform(-0.3, 0.3) * reach, rng.uniform(-0.3, 0.3) * reach, 0.0])
    count = 0
    velocities = np.zeros((k.MAX_OCCLUDERS, 2))
    for _ in range(k.MAX_OCCLUDERS):
        present, kind = rng.uniform() < world.occluders, rng.integer(2)
        place, angle, half = (
            (rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6)),
            rng.uniform(-0.8, 0.8),
            rng.uniform(*world.occlusion),
        )
        near = distance * rng.uniform(0.45, 0.6)
        colour, pattern = _colour(rng, (0.1, 0.7), (0.2, 0.9)), rng.uniform(0, 50)
        velocity = (rng.normal(0.15), rng.normal(0.15))
        if present:
            q = k.OCCLUDER + count * k.OCCLUDER_FIELDS
            row[q : q + k.OCCLUDER_FIELDS] = (
                kind,
                place[0],
                place[1],
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
    return Scene(
        label=label,
        texture=texture,
        start=row,
        spin=np.array([rng.normal(0.12), rng.normal(0.45), rng.normal(0.12)]),
        pose=pose,
        drift=np.array([rng.normal(0.07), rng.normal(0.07), rng.normal(0.07)]),
        camera=camera,
        camera_velocity=camera_velocity,
        aim=aim,
        light_turn=rng.normal(0.25),
        occluder_velocity=velocities,
    )


def _object_rotation(angles: np.ndarray) -> np.ndarray:
    """Object-from-world rotation for (tilt x, yaw, tilt z)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def frame_parameters(scene: Scene, time: float) -> np.ndarray:
    """The kernel's row, float64 (FIELDS,), at `time` seconds from the start of the clip, 0..`CLIP_SECONDS`."""
    since = time - 0.5 * CLIP_SECONDS
    row = scene.start.copy()
    row[k.ROTATION : k.ROTATION + 9] = _object_rotation(scene.pose + since * scene.spin).ravel()
    row[k.POSITION : k.POSITION + 3] = since * scene.drift
    azimuth, elevation, roll, distance = scene.camera + since * scene.camera_velocity
    level = np.cos(elevation)
    forward = -np.array([level * np.sin(azimuth), np.sin(elevation), level * np.cos(azimuth)])
    side = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    upward = np.cross(side, forward)
    right = np.cos(roll) * side + np.sin(roll) * upward
    above = np.cos(roll) * upward - np.sin(roll) * side
    row[k.AXES : k.AXES + 9] = np.concatenate([right, above, forward])
    # The aim is in the plane of the image, so that it bounds how far the object is from the centre.
    row[k.CAMERA : k.CAMERA + 3] = scene.aim[0] * right + scene.aim[1] * above - distance * forward
    c, s = np.cos(since * scene.light_turn), np.sin(since * scene.light_turn)
    x, z = row[k.LIGHT], row[k.LIGHT + 2]
    row[k.LIGHT], row[k.LIGHT + 2] = c * x + s * z, c * z - s * x
    for n in range(int(row[k.OCCLUDERS])):
        q = k.OCCLUDER + n * k.OCCLUDER_FIELDS
        row[q + 1 : q + 3] += since * scene.occluder_velocity[n]
    return row
