"""A scene is a clip: random settings (objects, textures, places, light), and how they change over 2.56 seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import vocabulary as k
from .vocabulary import CLIP_SECONDS


@dataclass(frozen=True)
class Scene:
    """One clip.

    Attributes:
        label: Shape class of the first object, which is the largest: an index of `CLASSES`, then of `UNSEEN_CLASSES`.
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


# From a scene and a moment to the numbers of a frame.


def _rotations(angles: np.ndarray) -> np.ndarray:
    """Object-from-world rotations (n, 3, 3) for (tilt x, yaw, tilt z), shape (n, 3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    out = np.empty((len(angles), 3, 3))
    # About z, then x, then y, multiplied out.
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = cy * cz - sy * sx * sz, cy * sz + sy * sx * cz, -sy * cx
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = -cx * sz, cx * cz, sx
    out[:, 2, 0], out[:, 2, 1], out[:, 2, 2] = sy * cz + cy * sx * sz, sy * sz - cy * sx * cz, cy * cx
    return out


def camera_axes(settings: np.ndarray, aims: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
    axes, places = camera_axes(settings, np.array([s.aim for s in scenes]))
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
