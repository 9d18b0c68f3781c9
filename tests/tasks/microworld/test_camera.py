"""The cameras of the micro-world: smooth states, pure frames, and each effect against an independent reckoning."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.stats import kstest

from vitobench.tasks.microworld import vocabulary as k
from vitobench.tasks.microworld.camera import (
    EXPOSURE,
    FOCUS,
    QUALITY,
    RED,
    SHAKE_ACROSS,
    STATES,
    TEMPER,
    Temper,
    clip_camera,
    develop,
    film,
    states,
)
from vitobench.tasks.microworld.kernel import render_rows
from vitobench.tasks.microworld.lens import TAPS, tone_curve
from vitobench.tasks.microworld.scene import Scene, frame_rows
from vitobench.tasks.microworld.sets import MicroSet, render
from vitobench.tasks.microworld.vocabulary import CLIP_SECONDS
from vitobench.tasks.microworld.worlds import scene_key

STILL = Temper(
    exposure=(0, 0),
    exposure_mean=0,
    balance=(0, 0),
    balance_mean=0,
    focus=(0, 0),
    focus_mean=0,
    aperture=(1e-9, 1e-9),
    shake=(1e-9, 1e-9),
    roll=(0, 0),
    shutter=(1e-9, 1e-9),
    gain=(0, 0),
    shot=0,
    read=0,
    glare=0,
    quality=(98, 98),
    quality_change=(0, 0),
)
"""A camera that does nothing but compress a little."""


def lit(scenes: list[Scene], time: float, size: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, light, depth and surfaces of scenes at a moment, without any shake."""
    n = len(scenes)
    rows = frame_rows(scenes, np.full(n, time))
    light = np.empty((n, size, size, 3), np.float32)
    depth, surfaces = np.empty((n, size, size), np.float32), np.empty((n, size, size), np.uint8)
    render_rows(rows, light, depth, surfaces, np.empty((n, k.MAX_OBJECTS, 4), np.int32))
    return rows, light, depth, surfaces


def on_film(scenes: list[Scene], temper: Temper, time: float = 1.0, after: float = 0.0, size: int = 64) -> np.ndarray:
    """Linear light that a temper's cameras bring onto the sensor; ``after`` is half the exposure in seconds."""
    rows, light, depth, surfaces = lit(scenes, time, size)
    later = frame_rows(scenes, np.full(len(scenes), time + after))
    film(scenes, np.full(len(scenes), time), rows, later, light, depth, surfaces, temper)
    return light


def images_of(scenes: list[Scene], temper: Temper) -> np.ndarray:
    rows, light, depth, surfaces = lit(scenes, 1.0)
    return film(scenes, np.full(len(scenes), 1.0), rows, rows, light, depth, surfaces, temper).astype(float)


def grey(level: float, count: int = 4, size: int = 64) -> tuple[np.ndarray, ...]:
    """Rows, light, depth and surfaces of an evenly lit wall, for scenes of the set "val"."""
    scenes = MicroSet("val", count).scenes(range(count))
    rows = frame_rows(scenes, np.ones(count))
    light = np.full((count, size, size, 3), level, np.float32)
    wall, ids = np.full((count, size, size), 5, np.float32), np.zeros((count, size, size), np.uint8)
    return scenes, rows, light, wall, ids


def photograph_of(level: float, temper: Temper, count: int = 4) -> np.ndarray:
    scenes, rows, light, wall, ids = grey(level, count)
    return film(scenes, np.ones(count), rows, rows, light, wall, ids, temper).astype(float)


def levels(light: float) -> float:
    return 255 * float(tone_curve(np.array(light)))


# The states of a camera.


CAMERAS = [clip_camera(scene_key(0, "test", i)) for i in range(1500)]


def test_states_are_the_same_kind_of_random_at_every_moment() -> None:
    first, last = (states(CAMERAS, np.full(len(CAMERAS), time)) for time in (0.0, CLIP_SECONDS))
    for state in range(STATES):
        assert kstest(first[:, state], last[:, state]).pvalue > 1e-3


def test_states_swing_as_far_as_their_temper_says_and_smoothly() -> None:
    some = CAMERAS[:60]
    times = np.linspace(0, 400, 4000)  # long enough for slow waves
    values = np.array([states([camera] * len(times), times) for camera in some])
    means, swings = (np.array([getattr(c, name) for c in some]) for name in ("means", "swings"))
    np.testing.assert_allclose(values.mean(1), means, atol=0.05 * swings.max(0).max())
    # Waves of nearly the same frequency beat for longer than that; on average they do not.
    np.testing.assert_allclose((values.std(1) / swings).mean(0), 1.0, atol=0.05)
    here, soon = (states(some, np.full(60, time)) for time in (1.0, 1.001))
    # A wave of f hertz and amplitude a changes by at most 2 pi f a a second.
    steepest = np.array([2 * np.pi * c.hertz.sum(1) * np.sqrt(2 / 3) * c.swings for c in some])
    assert (np.abs(soon - here) <= 0.001 * steepest + 1e-12).all()
    assert (np.abs(soon - here)[:, [EXPOSURE, RED, FOCUS, SHAKE_ACROSS, QUALITY]] > 0).mean() > 0.99


def test_clips_have_cameras_of_their_own() -> None:
    for name in ("shutter", "gain", "aperture", "noise_key"):
        assert len({getattr(camera, name) for camera in CAMERAS}) == len(CAMERAS)
    low, high = TEMPER.gain
    assert kstest([(c.gain - low) / (high - low) for c in CAMERAS], "uniform").pvalue > 1e-3


# Frames.


def test_a_frame_is_the_same_whatever_other_frames_are_asked_for() -> None:
    scene, other = MicroSet("train", 2).scenes([0, 1])
    alone = render([scene], [1.3], 32).images[0]
    pair = render([other, scene, scene, scene], [1.3, 0.2, 1.3, 1.3], 32).images
    np.testing.assert_array_equal(pair[2], alone)
    np.testing.assert_array_equal(pair[3], alone)
    assert (pair[1] != alone).any()


def test_the_ideal_camera_encodes_light_by_the_tone_curve_alone() -> None:
    scenes = MicroSet("val", 4).scenes(range(4))
    _, light, _, _ = lit(scenes, 0.5)
    expected = 255 * tone_curve(np.maximum(light, 0))
    images = render(scenes, [0.5] * 4, camera="ideal").images
    np.testing.assert_array_equal(images, develop(light))
    assert np.abs(images - expected).max() < 0.6


def test_the_tone_curve_is_srgb_below_its_shoulder_and_never_clips() -> None:
    srgb = np.array([0, 16, 64, 128, 180, 210]) / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(tone_curve(light), srgb, atol=1e-6)
    bright = tone_curve(np.linspace(0, 4, 400))
    assert (np.diff(bright) > 0).all()
    assert bright.max() <= 1


def test_a_still_camera_changes_nothing_but_what_jpeg_does() -> None:
    scenes = MicroSet("val", 8).scenes(range(8))
    ideal = render(scenes, [1.0] * 8, camera="ideal").images
    compressed = []
    for image in ideal:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "JPEG", quality=98, subsampling=2)
        compressed.append(np.asarray(Image.open(content)))
    # Pillow smooths colour over neighbouring blocks of two pixels on the way back, which we do as well.
    assert np.abs(images_of(scenes, STILL) - np.array(compressed, float)).mean() < 1.0


# Each effect.


def test_exposure_is_in_stops_and_balance_in_logarithms() -> None:
    one_stop = replace(STILL, exposure_mean=1.0, balance_mean=0.3)
    scenes, *_ = grey(0.1)
    images = photograph_of(0.1, one_stop)
    for scene, image in zip(scenes, images, strict=True):
        means = clip_camera(scene.key, one_stop).means
        exposed = 0.1 * 2 ** means[EXPOSURE]
        expected = [levels(exposed * np.exp(means[RED])), levels(exposed), levels(exposed * np.exp(means[RED + 1]))]
        np.testing.assert_allclose(image.mean((0, 1)), expected, atol=2.0)


@pytest.mark.parametrize("stops", [0.0, 3.0])
def test_noise_is_that_of_photons_and_of_the_sensor_and_grows_with_gain(stops: float) -> None:
    noisy = replace(STILL, shot=4e-4, read=2e-3, gain=(stops, stops))
    scenes, rows, light, wall, ids = grey(0.2, 2, 128)
    images = film(scenes, np.ones(2), rows, rows, light, wall, ids, noisy).astype(float)
    assert images.mean() == pytest.approx(levels(0.2), abs=1.5)
    gain = 2**stops
    expected = np.sqrt(gain * 4e-4 * 0.2 + (gain * 2e-3) ** 2)
    slope = (levels(0.201) - levels(0.199)) / 0.002
    # Brightness is what JPEG keeps at full resolution; the three channels' noise averages by the weights of luma.
    luma = images @ [0.299, 0.587, 0.114]
    weights = np.linalg.norm([0.299, 0.587, 0.114])
    assert luma.std() == pytest.approx(np.hypot(expected * slope * weights, 0.5), rel=0.15)  # 0.5 is what rounding adds
    assert np.abs(np.corrcoef(luma[:, :, 1:].ravel(), luma[:, :, :-1].ravel())[0, 1]) < 0.1
    assert np.abs(np.corrcoef(luma[0].ravel(), luma[1].ravel())[0, 1]) < 0.1


def test_noise_is_another_at_another_moment() -> None:
    noisy = replace(STILL, shot=4e-3)
    scenes, rows, light, wall, ids = grey(0.2, 2)
    one, two = (
        film(scenes, np.full(2, t), rows, rows, light.copy(), wall, ids, noisy).astype(float) for t in (1, 1.04)
    )
    assert np.abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.2


def test_motion_blur_is_the_mean_of_what_happens_while_the_shutter_is_open() -> None:
    # At a size at which it matters little that light falls on whole pixels.
    scenes, size, half = MicroSet("train", 8).scenes(range(8)), 160, 0.06
    for scene in scenes:
        scene.spins[:] *= 3
        scene.drifts[:] *= 8
    moments = 1.0 + half * (np.arange(12) + 0.5 - 6) / 6
    mean = np.mean([lit(scenes, time, size)[1] for time in moments], axis=0)
    sharp = lit(scenes, 1.0, size)[1]
    halved, right, doubled = (np.abs(on_film(scenes, STILL, 1.0, half * f, size) - mean).sum() for f in (0.5, 1, 2))
    # Highlights, shadows and what comes into view are not carried along.
    assert right < 0.6 * np.abs(sharp - mean).sum()
    assert right < 0.8 * min(halved, doubled)


def test_light_that_the_lens_spreads_is_not_lost() -> None:
    scenes = MicroSet("train", 8).scenes(range(8))
    sharp = lit(scenes, 1.0)[1]
    blurred = on_film(scenes, replace(STILL, aperture=(0.2, 0.2)), after=0.05)
    np.testing.assert_allclose(blurred.mean((1, 2)), sharp.mean((1, 2)), rtol=0.05)
    assert (blurred.std((1, 2)) < sharp.std((1, 2))).all()


def test_what_is_in_focus_stays_sharp_and_the_rest_blurs_with_its_distance() -> None:
    scenes, rows, light, wall, ids = grey(0.1, 1)
    scenes = [replace(scenes[0], camera=np.array([0.0, 0.0, 0.0, 5.0]))]  # focused at 5
    light[:, 32, 32] = 1.0
    spread = []
    for depth in (5.0, 7.0, 12.0):
        wall[:] = depth
        after = light.copy()
        film(scenes, np.ones(1), rows, rows, after, wall, ids, replace(STILL, aperture=(0.1, 0.1)))
        spread.append(int((after[0, :, :, 1] > 0.1001).sum()))
    assert spread[0] == 1
    assert 1 < spread[1] < spread[2] <= TAPS


def test_glare_lifts_the_dark_and_keeps_the_mean() -> None:
    scenes, rows, light, wall, ids = grey(0.0, 2)
    light[:, :32] = 0.8
    dim = replace(STILL, glare=0.5)
    image = film(scenes, np.ones(2), rows, rows, light, wall, ids, dim).astype(float)
    veils = [float(np.clip(states([clip_camera(s.key, dim)], np.ones(1))[0, 7], 0, 0.6)) for s in scenes]
    for shown, veil in zip(image, veils, strict=True):
        assert shown[40:].mean() == pytest.approx(levels(0.4 * veil), abs=2)
        assert shown[:24].mean() == pytest.approx(levels(0.8 * (1 - veil) + 0.4 * veil), abs=2)


def test_harder_compression_loses_more() -> None:
    scenes = MicroSet("val", 8).scenes(range(8))
    ideal = render(scenes, [1.0] * 8, camera="ideal").images.astype(float)
    losses = [np.abs(images_of(scenes, replace(STILL, quality=(q, q))) - ideal).mean() for q in (98, 70, 40, 15)]
    assert losses == sorted(losses)
    assert losses[0] < 3 < losses[-1]


def test_the_hand_shakes_the_truth_along_with_the_image() -> None:
    scenes = MicroSet("train", 32).scenes(range(32))
    filmed = render(scenes, [1.0] * 32, 64)
    still = render(scenes, [1.0] * 32, 64, camera="ideal")
    assert (filmed.mask != still.mask).any(axis=(1, 2)).mean() > 0.8
    # By a few pixels at most.
    overlap = (filmed.mask & still.mask).sum((1, 2)) / (filmed.mask | still.mask).sum((1, 2))
    assert np.median(overlap) > 0.8
