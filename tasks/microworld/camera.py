"""The cameras that take the micro-world's pictures.

Every clip has a camera of its own with a temper: how far its exposure hunts, its white balance drifts, its focus
searches and its holder's hand shakes, how noisy its sensor is and how hard it compresses. Each of these states is a
smooth function of time, a sum of three sine waves with random phases, so that its distribution is the same at every
moment of a clip. A frame is a pure function of (seed, set, index, time): the same frame taken twice has the same noise.

The order is that of a real camera: the lens blurs by motion and focus and adds glare, the exposure multiplies, the
sensor adds noise, the white balance scales the channels, the tone curve encodes, and JPEG compresses. The ideal camera
has the tone curve alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import simplejpeg  # type: ignore[import-untyped]

from .lens import (
    BLUR,
    CURVE,
    EXPOSED,
    FOCUSED,
    GAIN_BLUE,
    GAIN_RED,
    READ,
    SETTINGS,
    SHOT,
    VEIL,
    develop_rows,
    film_rows,
)
from .scene import Scene
from .vocabulary import TANGENT

# The temper of a clip's camera, and its states as functions of time.


@dataclass(frozen=True)
class Temper:
    """From what the temper of a clip's camera is drawn: the knobs of the camera.

    A pair is a range from which each clip draws one number. For a state that changes over time, it is the standard
    deviation over time; how the clip's mean is drawn is said with each.

    Attributes:
        exposure: Stops by which the exposure hunts; its mean is normal with `exposure_mean`.
        exposure_mean: Standard deviation between clips of the mean exposure, in stops.
        balance: Log gain by which red and blue drift against green; the mean is normal with `balance_mean`.
        balance_mean: Standard deviation between clips of the mean log gain.
        focus: Error of the focused distance as a logarithm, around a mean that is normal with `focus_mean`.
        focus_mean: Standard deviation between clips of the mean of that error.
        aperture: Radius of the blur of a point at infinity where the object is in focus, as a share of half the image;
            drawn on a logarithmic scale.
        shake: Turn of the camera about its two axes as a share of half the image; drawn on a logarithmic scale.
        roll: Roll, in degrees.
        shutter: Seconds for which the shutter is open; drawn on a logarithmic scale.
        gain: Sensor gain in stops, 0 for a bright day; the exposure's stops are added to it.
        shot: Variance of the noise at gain 1 and light 1.
        read: Standard deviation of the noise in the dark at gain 1.
        glare: Share of light that the lens scatters over the image. A clip draws this times the square of a uniform
            number; half of that is the mean, and the standard deviation over time. Never more than 0.6.
        quality: JPEG quality of a clip on average.
        quality_change: Points by which the quality changes over time.
    """

    exposure: tuple[float, float] = (0.1, 0.6)
    exposure_mean: float = 0.25
    balance: tuple[float, float] = (0.02, 0.15)
    balance_mean: float = 0.1
    focus: tuple[float, float] = (0.02, 0.22)
    focus_mean: float = 0.08
    aperture: tuple[float, float] = (0.02, 0.15)
    shake: tuple[float, float] = (0.004, 0.04)
    roll: tuple[float, float] = (0.1, 1.0)
    shutter: tuple[float, float] = (0.004, 0.06)
    gain: tuple[float, float] = (0.0, 4.0)
    shot: float = 2e-4
    read: float = 1e-3
    glare: float = 0.25
    quality: tuple[float, float] = (30.0, 90.0)
    quality_change: tuple[float, float] = (2.0, 12.0)


TEMPER = Temper()

# The states of a camera, in the order of their columns.
EXPOSURE, RED, BLUE, FOCUS, SHAKE_ACROSS, SHAKE_UP, SHAKE_ROLL, GLARE, QUALITY = range(9)
STATES = 9
_WAVES = 3
_HERTZ = np.array(
    [[0.15, 1.0]] * 3 + [[0.2, 1.5]] + [[0.5, 6.0]] * 3 + [[0.1, 0.6], [0.2, 2.0]]
)  # range of frequencies of each state's waves


@dataclass(frozen=True)
class ClipCamera:
    """The camera of one clip.

    Attributes:
        means: float64 (STATES,), mean of each state.
        swings: float64 (STATES,), standard deviation of each state over time.
        hertz: float64 (STATES, 3), frequencies of its waves.
        phases: float64 (STATES, 3), their phases.
        shutter: Seconds for which the shutter is open.
        gain: Stops of sensor gain.
        aperture: See `Temper`.
        noise_key: 64 bits that name the clip for the sensor's noise.
    """

    means: np.ndarray
    swings: np.ndarray
    hertz: np.ndarray
    phases: np.ndarray
    shutter: float
    gain: float
    aperture: float
    noise_key: int


@lru_cache(maxsize=1024)
def clip_camera(key: int, temper: Temper = TEMPER) -> ClipCamera:
    """The camera of the scene with this key."""
    # Another key than the scene's own numbers have, so that camera and scene are independent.
    rng = np.random.Generator(np.random.Philox(key=key ^ 0xCA3E7A))
    waves = rng.random((2, STATES, _WAVES))
    u, normal = rng.random(12).tolist(), rng.standard_normal(4).tolist()

    def between(pair: tuple[float, float], share: float) -> float:
        return pair[0] + (pair[1] - pair[0]) * share

    def on_a_log_scale(pair: tuple[float, float], share: float) -> float:
        return pair[0] * (pair[1] / pair[0]) ** share

    shake, balance, glare = on_a_log_scale(temper.shake, u[0]), between(temper.balance, u[1]), temper.glare * u[2] ** 2
    swings = [
        between(temper.exposure, u[3]),
        balance,
        balance,
        between(temper.focus, u[4]),
        shake,
        shake,
        math.radians(between(temper.roll, u[5])),
        0.5 * glare,
        between(temper.quality_change, u[6]),
    ]
    means = [
        temper.exposure_mean * normal[0],
        temper.balance_mean * normal[1],
        temper.balance_mean * normal[2],
        temper.focus_mean * normal[3],
        0.0,
        0.0,
        0.0,
        0.5 * glare,
        between(temper.quality, u[7]),
    ]
    low, high = _HERTZ[:, :1], _HERTZ[:, 1:]
    return ClipCamera(
        np.array(means),
        np.array(swings),
        low * (high / low) ** waves[0],
        2.0 * math.pi * waves[1],
        on_a_log_scale(temper.shutter, u[8]),
        between(temper.gain, u[9]),
        on_a_log_scale(temper.aperture, u[10]),
        key & 0xFFFFFFFFFFFFFFFF,
    )


def states(cameras: Sequence[ClipCamera], times: np.ndarray) -> np.ndarray:
    """The states of cameras at moments, float64 (n, STATES); exposure in stops, balance and focus as logarithms.

    Args:
        cameras: A camera for each frame.
        times: Seconds from the start of each clip, shape (n,).
    """
    hertz, phases = np.array([c.hertz for c in cameras]), np.array([c.phases for c in cameras])
    waves = np.sin(2.0 * math.pi * hertz * times[:, None, None] + phases).sum(-1) * math.sqrt(2.0 / _WAVES)
    out: np.ndarray = np.array([c.means for c in cameras]) + np.array([c.swings for c in cameras]) * waves
    return out


def shakes(scenes: Sequence[Scene], times: np.ndarray, temper: Temper = TEMPER) -> np.ndarray:
    """Turns of each clip's camera in its holder's hand, in radians, float64 (n, 3); see `scene.frame_rows`."""
    now = states([clip_camera(s.key, temper) for s in scenes], times)
    turns: np.ndarray = now[:, [SHAKE_ACROSS, SHAKE_UP, SHAKE_ROLL]]
    turns[:, :2] *= np.array([s.start[TANGENT] for s in scenes])[:, None]
    return turns


def develop(light: np.ndarray) -> np.ndarray:
    """Images of the ideal camera: uint8 (n, S, S, 3) from linear light, float32 of the same shape."""
    images = np.empty(light.shape, dtype=np.uint8)
    develop_rows(light, CURVE, images)
    return images


def film(
    scenes: Sequence[Scene],
    times: np.ndarray,
    rows: np.ndarray,
    later: np.ndarray,
    light: np.ndarray,
    depth: np.ndarray,
    surfaces: np.ndarray,
    temper: Temper = TEMPER,
) -> np.ndarray:
    """Images as the clips' own cameras take them.

    Args:
        scenes: The clip of each frame.
        times: Seconds from the start of each clip, float64 (n,).
        rows: The kernel's rows at these times, with the camera's shake.
        later: The rows half an exposure later.
        light: Linear light, float32 (n, S, S, 3); overwritten by what falls on the sensor.
        depth: float32 (n, S, S).
        surfaces: uint8 (n, S, S), ids.
        temper: From what cameras are drawn.

    Returns:
        uint8 (n, S, S, 3).
    """
    cameras = [clip_camera(s.key, temper) for s in scenes]
    now = states(cameras, times)
    stops = now[:, EXPOSURE]
    gain = 2.0 ** np.clip(np.array([c.gain for c in cameras]) + stops, 0.0, None)
    distance = np.array([s.camera[3] for s in scenes])
    settings = np.empty((len(scenes), SETTINGS))
    settings[:, SHOT], settings[:, READ] = temper.shot * gain, temper.read * gain
    settings[:, EXPOSED] = 2.0**stops
    settings[:, GAIN_RED], settings[:, GAIN_BLUE] = np.exp(now[:, RED]), np.exp(now[:, BLUE])
    settings[:, VEIL] = np.clip(now[:, GLARE], 0.0, 0.6)
    settings[:, BLUR] = np.array([c.aperture for c in cameras]) * distance
    settings[:, FOCUSED] = distance * np.exp(np.clip(now[:, FOCUS], -1.2, 1.2))
    moments = np.asarray(times, dtype=np.float64).view(np.uint64)
    keys = np.array([c.noise_key for c in cameras], dtype=np.uint64) ^ (moments * np.uint64(0x9E3779B97F4A7C15))
    images = np.empty(light.shape, dtype=np.uint8)
    film_rows(rows, later, settings, keys, light, depth, surfaces, CURVE, images)
    for image, quality in zip(images, now[:, QUALITY], strict=True):
        # Exact transforms: the fast ones differ between builds of the library.
        content = simplejpeg.encode_jpeg(image, int(min(max(quality, 12.0), 98.0)), colorsubsampling="420")
        image[:] = simplejpeg.decode_jpeg(content, fastdct=False, fastupsample=False)
    return images


def half_exposures(scenes: Sequence[Scene], temper: Temper = TEMPER) -> np.ndarray:
    """Half of the time for which each clip's shutter is open, in seconds, float64 (n,)."""
    return np.array([0.5 * clip_camera(s.key, temper).shutter for s in scenes])
