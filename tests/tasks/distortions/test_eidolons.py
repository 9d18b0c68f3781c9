from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray

from vitobench.tasks.distortions.spatial import SCALES, displacements, eidolon, layers

Frames = Callable[[int, int], np.ndarray]


def test_layers_are_differences_of_gaussians_and_sum_to_the_image(frames: Frames) -> None:
    grey = rgb2gray(frames(1, 224)[0])
    found = layers(grey)
    assert found.shape == (len(SCALES) + 1, 224, 224)
    np.testing.assert_allclose(found.sum(axis=0), grey, atol=1e-12)
    blurs = [gaussian_filter(grey, deviation, mode="reflect", truncate=6) for deviation in SCALES[:8]]
    np.testing.assert_allclose(found[0], blurs[0], atol=1e-4)
    np.testing.assert_allclose(found[1:8], np.diff(blurs, axis=0), atol=1e-4)


def test_no_reach_moves_nothing(frames: Frames) -> None:
    image = frames(1, 64)[0]
    for coherence in (0.0, 0.3, 1.0):
        found = eidolon(image, 0.0, coherence, 10.0, np.random.default_rng(0))[:, :, 0] / 255
        np.testing.assert_allclose(found, rgb2gray(image), atol=0.6 / 255)


def test_incoherent_fields_are_independent_and_of_one_size() -> None:
    fields = displacements(64, 0.0, 10.0, np.random.default_rng(0))
    assert fields.shape == (2, len(SCALES) + 1, 64, 64)
    np.testing.assert_allclose(fields.std(axis=(2, 3)), 1.0, rtol=1e-4)
    between = np.corrcoef(fields[:, :-1].reshape(2 * len(SCALES), -1))
    others = between[~np.eye(len(between), dtype=bool)]
    assert np.sqrt(np.mean(others**2)) < 0.2
    # Noise blurred by s has the correlation exp(-(d / 2 s)^2) at a distance d; 10 pixels at 224 are 2.9 at 64.
    near = np.mean(fields[:, :, :, 3:] * fields[:, :, :, :-3])
    assert near == pytest.approx(np.exp(-((3 / (2 * 10 * 64 / 224)) ** 2)), abs=0.04)


def test_coherent_fields_carry_detail_along_with_coarse_blobs() -> None:
    fields = np.stack([displacements(64, 1.0, 10.0, np.random.default_rng(seed)) for seed in range(40)])
    spread = np.sqrt(np.mean(fields**2, axis=(0, 1, 3, 4)))
    # Variances 1, 1/2, 1/4, ... of independent parts add up.
    expected = np.sqrt(np.cumsum(0.5 ** np.arange(len(SCALES))))
    np.testing.assert_allclose(spread[:-1], expected, rtol=0.08)
    fine, coarse = fields[:, :, -2].ravel(), fields[:, :, 0].ravel()
    assert np.corrcoef(fine, coarse)[0, 1] == pytest.approx(expected[0] / expected[-1], abs=0.12)


@pytest.mark.parametrize("coherence", [1.0, 0.3, 0.0])
def test_likeness_falls_with_reach_and_coherence_preserves_edges(frames: Frames, coherence: float) -> None:
    images = frames(8, 64)
    greys = rgb2gray(images)

    def likeness(reach: float) -> float:
        found = [eidolon(image, reach, coherence, 10.0, np.random.default_rng(n)) for n, image in enumerate(images)]
        pairs = [np.corrcoef(a[:, :, 0].ravel(), b.ravel())[0, 1] for a, b in zip(found, greys, strict=True)]
        return float(np.mean(pairs))

    values = [likeness(reach) for reach in (1, 4, 16, 64)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.92
    assert values[-1] < 0.5


def test_an_eidolon_depends_on_its_random_numbers_alone(frames: Frames) -> None:
    image = frames(1, 64)[0]
    one, two, other = (eidolon(image, 8.0, 0.3, 10.0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
