"""The kernels against the published definition on the published draws."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from scipy.stats import ks_2samp

from vitobench.tasks.corruptions import SEVERITIES, corrupt
from vitobench.tasks.corruptions.imagenet_c_bar import CORRUPTIONS_BAR, LEVELS
from vitobench.tasks.corruptions.imagenet_c_bar.parameters import parameters
from vitobench.tasks.corruptions.registry import CORRUPTIONS as REGISTERED

RENDERERS = {
    "blue_noise_sample": "render_blue_noise_sample",
    "brownish_noise": "render_brownish_noise",
    "caustic_refraction": "render_caustic",
    "checkerboard_cutout": "render_checkerboard",
    "cocentric_sine_waves": "render_cocentric_waves",
    "inverse_sparkles": "render_inverse_sparkles",
    "perlin_noise": "render_perlin",
    "plasma_noise": "render_plasma",
    "single_frequency_greyscale": "render_single_frequency",
    "sparkles": "render_sparkles",
}
# These are told the severity through their draws.
DRAWN = {"checkerboard_cutout", "sparkles"}


def render(corruption, image, severity, told):
    function = getattr(import_module(str(REGISTERED[corruption].kernel).partition(":")[0]), RENDERERS[corruption])
    constants = {} if corruption in DRAWN else parameters(corruption, severity, *image.shape[:2])
    return function(image, **told, **constants)


def compare(published, image, corruption, severity, seed):
    """Largest difference in grey levels, and the share of values that differ."""
    level = LEVELS[corruption][severity - 1]
    expected, told = getattr(published, corruption)(np.random.RandomState(seed), image, level)
    before = image.copy()
    found = render(corruption, image, severity, told)
    np.testing.assert_array_equal(image, before)
    assert found.dtype == np.uint8
    assert not np.array_equal(found, image)
    difference = np.abs(found.astype(int) - expected)
    return difference.max(), (difference > 0).mean()


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
def test_equals_the_published_definition_at_224(published, make_scene, corruption, severity):
    largest, share = compare(published, make_scene(224, 224, severity), corruption, severity, seed=severity)
    assert largest <= 1
    assert share < 1e-4


@pytest.mark.parametrize("side", [16, 33, 96])
@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
def test_equals_the_published_definition_at_other_sides(published, make_scene, corruption, side):
    for severity in (2, 5):
        largest, share = compare(published, make_scene(side, side), corruption, severity, seed=severity)
        assert largest <= 1
        assert share < 2e-3


def features(name, value):
    """Numbers that describe a draw: scalars as they are, arrays by their size, spread and some of their values."""
    if isinstance(value, dict):
        return {key: number for part in value for key, number in features(part, value[part]).items()}
    if isinstance(value, (list, tuple)):
        return features(name, {f"{name} {index}": part for index, part in enumerate(value)})
    value = np.asarray(value, float)
    if value.ndim == 0 or not value.size:
        return {name: float(value)} if value.ndim == 0 else {}
    found = {"size": value.size, "mean": value.mean(), "deviation": value.std(), "low": value.min()}
    found |= {"first": value.flat[0], "last": value.flat[-1]}
    return {f"{name} {key}": number for key, number in found.items()}


@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
def test_draws_follow_the_published_law(published, make_scene, monkeypatch, corruption):
    side, severity, count = 25, 3, 150 if corruption == "perlin_noise" else 400
    image, level = make_scene(side, side), LEVELS[corruption][severity - 1]
    module = import_module(str(REGISTERED[corruption].kernel).partition(":")[0])
    constants = parameters(corruption, severity, side, side)
    ours, theirs = [], []

    def record(image, **told):
        ours.append(features("", {name: told[name] for name in told if name not in constants}))
        return image

    monkeypatch.setattr(module, RENDERERS[corruption], record)
    for seed in range(count):
        getattr(module, corruption)(image, np.random.default_rng(seed), **constants)
        theirs.append(features("", getattr(published, corruption)(np.random.RandomState(seed), image, level)[1]))
    assert ours[0].keys() == theirs[0].keys()
    for name in ours[0]:
        assert ks_2samp([draw[name] for draw in ours], [draw[name] for draw in theirs]).pvalue > 1e-4, name


@pytest.mark.parametrize("corruption", CORRUPTIONS_BAR)
def test_effects_follow_the_published_law(published, make_scene, corruption):
    """Brightness and size of the effect are distributed alike over our draws and over the published ones."""
    image = make_scene(48, 48)
    count, severity = 80, 4
    ids = [str(i) for i in range(count)]
    ours = corrupt(np.repeat(image[None], count, 0), corruption, severity, image_ids=ids)
    level = LEVELS[corruption][severity - 1]
    theirs = np.stack([getattr(published, corruption)(np.random.RandomState(i), image, level)[0] for i in range(count)])
    for measure in (np.abs, np.positive, np.square):
        one, other = (measure(many.astype(float) - image).mean((1, 2, 3)) for many in (ours, theirs))
        assert ks_2samp(one, other).pvalue > 1e-3
