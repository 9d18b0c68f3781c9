"""The cameras that take the micro-world's pictures: from light to the bytes of an image.

Every clip has a camera of its own with a temper: how far its exposure hunts, its white balance drifts, its focus
searches and its holder's hand shakes, how noisy its sensor is and how hard it compresses. Each of these states is a
smooth function of time, a sum of three sine waves with random phases, so that its distribution is the same at every
moment of a clip. A frame is a pure function of (seed, set, index, time): the same frame taken twice has the same noise.

The order is that of a real camera: the lens blurs by motion and focus and adds glare, the exposure multiplies, the sensor
adds noise, the white balance scales the channels, the tone curve encodes, and JPEG compresses. The ideal camera has
the tone curve alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numba
import numpy as np
import simplejpeg  # type: ignore[import-untyped]

from .kernel import sources_stamp
from .scene import Scene
from .vocabulary import (
    AXES,
    CAMERA,
    FIELDS,
    MAX_OBJECTS,
    MAX_OCCLUDERS,
    OBJECT_FIELDS,
    OBJECT_ID,
    OBJECTS,
    OCCLUDER,
    OCCLUDER_FIELDS,
    OCCLUDER_ID,
    OCCLUDERS,
    POSITION,
    ROTATION,
    SURFACES,
    TANGENT,
)

# The temper of a clip's camera, and its states as functions of time.


@dataclass(frozen=True)
class Temper:
    """From what the temper of a clip's camera is drawn: the knobs of the camera.

    A pair is a range from which each clip draws once; the number drawn is the standard deviation over time of a state
    of which the clip's mean is drawn as said.

    Attributes:
        exposure: Stops by which the exposure hunts; its mean is normal with `exposure_mean`.
        exposure_mean: Standard deviation between clips of the mean exposure, in stops.
        balance: Log gain by which red and blue drift against green; the mean is normal with `balance_mean`.
        balance_mean: Standard deviation between clips of the mean log gain.
        focus: Error of the focused distance as a logarithm, around a mean that is normal with `focus_mean`.
        focus_mean: Standard deviation between clips of the mean of that error.
        aperture: Diameter of the blur of a point at infinity seen by a camera focused at half the object's distance,
            as a share of half the image; drawn on a logarithmic scale.
        shake: Turn of the camera about its two axes as a share of half the image; drawn on a logarithmic scale.
        roll: Roll, in degrees.
        shutter: Seconds for which the shutter is open; drawn on a logarithmic scale.
        gain: Sensor gain in stops, 0 for a bright day; the exposure's stops are added to it.
        shot: Variance of the noise at gain 1 and light 1.
        read: Standard deviation of the noise in the dark at gain 1.
        glare: Largest share of light that the lens scatters over the image.
        quality: JPEG quality of a clip on average.
        quality_change: Points by which the quality changes over time.
    """

    exposure: tuple[float, float] = (0.1, 0.6)
    exposure_mean: float = 0.25
    balance: tuple[float, float] = (0.02, 0.15)
    balance_mean: float = 0.1
    focus: tuple[float, float] = (0.02, 0.3)
    focus_mean: float = 0.08
    aperture: tuple[float, float] = (0.02, 0.2)
    shake: tuple[float, float] = (0.004, 0.04)
    roll: tuple[float, float] = (0.1, 1.0)
    shutter: tuple[float, float] = (0.004, 0.06)
    gain: tuple[float, float] = (0.0, 5.0)
    shot: float = 4e-4
    read: float = 2e-3
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
    u, normal = rng.random(16).tolist(), rng.standard_normal(4).tolist()

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
        low * (high / low) ** rng.random((STATES, _WAVES)),
        rng.uniform(0.0, 2.0 * math.pi, (STATES, _WAVES)),
        on_a_log_scale(temper.shutter, u[8]),
        between(temper.gain, u[9]),
        on_a_log_scale(temper.aperture, u[10]),
        int(rng.integers(0, 1 << 63)),
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


def shakes(cameras: Sequence[ClipCamera], times: np.ndarray, tangents: np.ndarray) -> np.ndarray:
    """Turns of the cameras about their axes in radians, float64 (n, 3): to the right, upward, and roll."""
    turns = states(cameras, times)[:, [SHAKE_ACROSS, SHAKE_UP, SHAKE_ROLL]]
    turns[:, :2] *= tangents[:, None]
    return turns


# What the compiled part needs to know of a frame: a row of settings, and the rows of the scene at two moments.

SHOT, READ, EXPOSED, GAIN_RED, GAIN_BLUE, VEIL, BLUR, FOCUSED = range(8)
SETTINGS = 8

TAPS = 16
"""Points on the lens, each at another moment of the exposure, through which a pixel's light is spread."""
_SPIRAL = np.arange(TAPS) * (math.pi * (3.0 - math.sqrt(5.0)))
_RADIUS = np.sqrt((np.arange(TAPS) + 0.5) / TAPS)
_LENS_X, _LENS_Y = _RADIUS * np.cos(_SPIRAL), _RADIUS * np.sin(_SPIRAL)
_MOMENT = ((np.arange(TAPS) * 7) % TAPS + 0.5) / TAPS - 0.5  # in another order than the rings of the lens
_LARGEST_BLUR = 0.12  # radius for a point, as a share of half the image: beyond it the taps would leave gaps
_LEAST_SPREAD = 0.6  # pixels; light that spreads over less stays in its pixel

_BRIGHTEST = 4.0
_CURVE_STEPS = 4096
_STEPS_PER_ROOT = _CURVE_STEPS / math.sqrt(_BRIGHTEST)


def tone_curve(light: np.ndarray) -> np.ndarray:
    """The sRGB value 0..1 of linear light: the standard's curve, after a shoulder that keeps highlights from clipping.

    Args:
        light: Linear light, 0 or more.
    """
    soft = np.where(light < 0.7, light, 0.7 + 0.3 * (1.0 - np.exp((0.7 - light) / 0.3)))
    return np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.maximum(soft, 1e-9) ** (1 / 2.4) - 0.055)


# By the root of light, since equal steps of light itself would be coarse in the dark.
_CURVE = (255.0 * tone_curve((np.arange(_CURVE_STEPS + 1) / _STEPS_PER_ROOT) ** 2) + 0.5).astype(np.uint8)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _byte(light: float, curve: np.ndarray) -> int:
    return curve[int(min(math.sqrt(max(light, 0.0)) * _STEPS_PER_ROOT + 0.5, float(_CURVE_STEPS)))]


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S16, _S32, _S48 = (np.uint64(n) for n in (30, 27, 31, 16, 32, 48))
_LOW = np.uint64(0xFFFF)
_ROOT3 = math.sqrt(3.0)


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _normal(key: np.uint64, number: int) -> float:
    """A number with mean 0, variance 1 and very nearly a Gaussian distribution: four uniform ones added up."""
    h = key + np.uint64(number) * _GOLDEN
    h = (h ^ (h >> _S30)) * _MIX1
    h = (h ^ (h >> _S27)) * _MIX2
    h = h ^ (h >> _S31)
    total = np.int64(h & _LOW) + np.int64((h >> _S16) & _LOW) + np.int64((h >> _S32) & _LOW) + np.int64(h >> _S48)
    return _ROOT3 * (total * (1.0 / 65536.0) - (2.0 - 2.0 / 65536.0))


@numba.njit(nogil=True, error_model="numpy")
def _motion(p: np.ndarray, q: np.ndarray, table: np.ndarray) -> None:
    """How the image of each surface moves between two rows: per surface, the affine map that `_moved` applies.

    A point at depth ``z`` seen at (u, v) is ``z (1, u, v)`` times a matrix in the camera's axes of the first moment. The
    map takes it through the object's motion into the axes of the second, where a division by depth gives the image.
    """
    k = p[TANGENT]
    for s in range(OCCLUDER_ID):
        base = (s - OBJECT_ID) * OBJECT_FIELDS
        if s >= OBJECT_ID + int(p[OBJECTS]):
            return
        for a in range(3):  # axes of the second camera
            ax, ay, az = q[AXES + 3 * a], q[AXES + 3 * a + 1], q[AXES + 3 * a + 2]
            x, y, z = p[CAMERA] - q[CAMERA], p[CAMERA + 1] - q[CAMERA + 1], p[CAMERA + 2] - q[CAMERA + 2]
            if s >= OBJECT_ID:
                # First into the object's coordinates at the first moment, then out of those at the second: the axis
                # is turned the other way round instead of each point.
                r, r2, o = base + ROTATION, base + ROTATION, base + POSITION
                ux = q[r2] * ax + q[r2 + 1] * ay + q[r2 + 2] * az
                uy = q[r2 + 3] * ax + q[r2 + 4] * ay + q[r2 + 5] * az
                uz = q[r2 + 6] * ax + q[r2 + 7] * ay + q[r2 + 8] * az
                bx = p[r] * ux + p[r + 3] * uy + p[r + 6] * uz
                by = p[r + 1] * ux + p[r + 4] * uy + p[r + 7] * uz
                bz = p[r + 2] * ux + p[r + 5] * uy + p[r + 8] * uz
                offset = bx * (p[CAMERA] - p[o]) + by * (p[CAMERA + 1] - p[o + 1]) + bz * (p[CAMERA + 2] - p[o + 2])
                offset += ax * (q[o] - q[CAMERA]) + ay * (q[o + 1] - q[CAMERA + 1]) + az * (q[o + 2] - q[CAMERA + 2])
                ax, ay, az = bx, by, bz
            else:
                offset = ax * x + ay * y + az * z
            table[s, a, 0] = offset
            table[s, a, 1] = ax * p[AXES + 6] + ay * p[AXES + 7] + az * p[AXES + 8]
            table[s, a, 2] = k * (ax * p[AXES] + ay * p[AXES + 1] + az * p[AXES + 2])
            table[s, a, 3] = k * (ax * p[AXES + 3] + ay * p[AXES + 4] + az * p[AXES + 5])


@numba.njit(inline="always", nogil=True, error_model="numpy")
def _moved(
    p: np.ndarray, q: np.ndarray, table: np.ndarray, s: int, u: float, v: float, depth: float
) -> tuple[float, float]:
    """Image point at the second moment of what is seen at (u, v) at the first."""
    if s >= OCCLUDER_ID:
        o = OCCLUDER + (s - OCCLUDER_ID) * OCCLUDER_FIELDS
        return u + q[o + 1] - p[o + 1], v + q[o + 2] - p[o + 2]
    m = table[s]
    x = m[0, 0] + depth * (m[0, 1] + u * m[0, 2] + v * m[0, 3])
    y = m[1, 0] + depth * (m[1, 1] + u * m[1, 2] + v * m[1, 3])
    z = m[2, 0] + depth * (m[2, 1] + u * m[2, 2] + v * m[2, 3])
    z = max(z, 1e-3) * p[TANGENT]
    return x / z, y / z


@numba.njit(nogil=True, error_model="numpy")
def _through_the_lens(
    p: np.ndarray,
    q: np.ndarray,
    settings: np.ndarray,
    light: np.ndarray,
    depth: np.ndarray,
    surfaces: np.ndarray,
    table: np.ndarray,
    spread: np.ndarray,
) -> None:
    """Spread every pixel's light along its motion and over its blur; ``light`` becomes the image on the sensor.

    Light goes from where it comes from to where it falls, so that a moving edge smears over what is behind it. ``q`` is
    the row half an exposure later.
    """
    size = light.shape[0]
    half = 0.5 * size
    _motion(p, q, table)
    spread[:] = 0.0
    blur, focused = settings[BLUR], 1.0 / settings[FOCUSED]
    any_spread = False
    for i in range(size):
        v = 1.0 - (i + 0.5) / half
        for j in range(size):
            u = (j + 0.5) / half - 1.0
            z = depth[i, j]
            u2, v2 = _moved(p, q, table, surfaces[i, j], u, v, z)
            dx, dy = 2.0 * half * (u2 - u), -2.0 * half * (v2 - v)
            radius = half * min(blur * abs(focused - 1.0 / z), _LARGEST_BLUR)
            r, g, b = light[i, j, 0], light[i, j, 1], light[i, j, 2]
            if abs(dx) + abs(dy) + 2.0 * radius < _LEAST_SPREAD:
                spread[i, j, 0] += TAPS * r
                spread[i, j, 1] += TAPS * g
                spread[i, j, 2] += TAPS * b
                spread[i, j, 3] += TAPS
                continue
            any_spread = True
            for n in range(TAPS):
                x = int(math.floor(j + 0.5 + dx * _MOMENT[n] + radius * _LENS_X[n]))
                y = int(math.floor(i + 0.5 + dy * _MOMENT[n] + radius * _LENS_Y[n]))
                if 0 <= x < size and 0 <= y < size:
                    spread[y, x, 0] += r
                    spread[y, x, 1] += g
                    spread[y, x, 2] += b
                    spread[y, x, 3] += 1.0
    if any_spread:
        for i in range(size):
            for j in range(size):
                weight = spread[i, j, 3]
                if weight > 0.0:
                    for c in range(3):
                        light[i, j, c] = spread[i, j, c] / weight


@numba.njit(nogil=True, error_model="numpy")
def _on_the_sensor(
    settings: np.ndarray, key: np.uint64, light: np.ndarray, curve: np.ndarray, image: np.ndarray
) -> None:
    """Glare, exposure, noise, white balance and tone curve."""
    size = light.shape[0]
    red, green, blue = 0.0, 0.0, 0.0
    for i in range(size):
        for j in range(size):
            red, green, blue = red + light[i, j, 0], green + light[i, j, 1], blue + light[i, j, 2]
    exposed, veil = settings[EXPOSED], settings[VEIL]
    direct, scattered = exposed * (1.0 - veil), exposed * veil / (size * size)
    red, green, blue = scattered * red, scattered * green, scattered * blue
    shot, dark = settings[SHOT], settings[READ] * settings[READ]
    for i in range(size):
        for j in range(size):
            n = 3 * (i * size + j)
            r, g, b = direct * light[i, j, 0] + red, direct * light[i, j, 1] + green, direct * light[i, j, 2] + blue
            r += math.sqrt(shot * r + dark) * _normal(key, n)
            g += math.sqrt(shot * g + dark) * _normal(key, n + 1)
            b += math.sqrt(shot * b + dark) * _normal(key, n + 2)
            image[i, j, 0] = _byte(settings[GAIN_RED] * r, curve)
            image[i, j, 1] = _byte(g, curve)
            image[i, j, 2] = _byte(settings[GAIN_BLUE] * b, curve)


Film = Callable[..., None]


def _entry_points(sources: int) -> tuple[Film, Film]:
    # See `kernel._entry_point` for why the checksum is a closure value.
    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def film_rows(
        rows: np.ndarray,
        later: np.ndarray,
        settings: np.ndarray,
        keys: np.ndarray,
        light: np.ndarray,
        depth: np.ndarray,
        surfaces: np.ndarray,
        curve: np.ndarray,
        images: np.ndarray,
    ) -> None:
        _ = sources
        size = light.shape[1]
        table = np.zeros((SURFACES, 3, 4))
        spread = np.empty((size, size, 4), dtype=np.float32)
        for f in range(rows.shape[0]):
            _through_the_lens(rows[f], later[f], settings[f], light[f], depth[f], surfaces[f], table, spread)
            _on_the_sensor(settings[f], keys[f], light[f], curve, images[f])

    @numba.njit(nogil=True, error_model="numpy", cache=True)
    def develop_rows(light: np.ndarray, curve: np.ndarray, images: np.ndarray) -> None:
        _ = sources
        size = light.shape[1]
        for f in range(light.shape[0]):
            for i in range(size):
                for j in range(size):
                    for c in range(3):
                        images[f, i, j, c] = _byte(light[f, i, j, c], curve)

    return film_rows, develop_rows


_film_rows, _develop_rows = _entry_points(sources_stamp(Path(__file__).parent, ("camera", "vocabulary")))


def develop(light: np.ndarray) -> np.ndarray:
    """Images of the ideal camera: uint8 (n, S, S, 3) from linear light, float32 of the same shape."""
    images = np.empty(light.shape, dtype=np.uint8)
    _develop_rows(light, _CURVE, images)
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
    keys = np.array([c.noise_key for c in cameras], dtype=np.uint64) ^ (moments * _GOLDEN)
    images = np.empty(light.shape, dtype=np.uint8)
    _film_rows(rows, later, settings, keys, light, depth, surfaces, _CURVE, images)
    for image, quality in zip(images, now[:, QUALITY], strict=True):
        # Exact transforms: the fast ones differ between builds of the library.
        content = simplejpeg.encode_jpeg(image, int(min(max(quality, 12.0), 98.0)), colorsubsampling="420")
        image[:] = simplejpeg.decode_jpeg(content, fastdct=False, fastupsample=False)
    return images


def half_exposures(scenes: Sequence[Scene], temper: Temper = TEMPER) -> np.ndarray:
    """Half of the time for which each clip's shutter is open, in seconds, float64 (n,)."""
    return np.array([0.5 * clip_camera(s.key, temper).shutter for s in scenes])


def camera_shakes(scenes: Sequence[Scene], times: np.ndarray, temper: Temper = TEMPER) -> np.ndarray:
    """Turns of each clip's camera in its holder's hand; see `scene.frame_rows`."""
    from .vocabulary import TANGENT as place

    return shakes([clip_camera(s.key, temper) for s in scenes], times, np.array([s.start[place] for s in scenes]))
