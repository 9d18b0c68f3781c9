from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from vitobench.models.pretraining.curation.duplicates import distance, perceptual_hash, to_text


def picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = gaussian_filter(noise, (12, 12, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return (255 * smooth).astype(np.uint8)


@pytest.mark.parametrize("seed", range(30))
def test_bits_are_those_of_imagehash(seed: int) -> None:
    image = Image.fromarray(picture(seed, 64 + 7 * seed, 300 - 5 * seed))
    assert to_text(perceptual_hash(image)) == str(imagehash.phash(image))


@pytest.mark.parametrize("image", [np.zeros((40, 50, 3), np.uint8), np.full((40, 50, 3), 200, np.uint8)])
def test_flat_pictures_hash_as_in_imagehash(image: np.ndarray) -> None:
    assert to_text(perceptual_hash(image)) == str(imagehash.phash(Image.fromarray(image)))


def test_a_copy_is_near_and_another_picture_far() -> None:
    for seed in range(20):
        image = Image.fromarray(picture(seed))
        buffer = io.BytesIO()
        image.resize((80, 60)).save(buffer, "JPEG", quality=50)
        copy = Image.open(buffer)
        value = perceptual_hash(image)
        assert distance(value, perceptual_hash(copy)) <= 6
        assert distance(value, perceptual_hash(picture(seed + 1000))) > 12


def test_distance_counts_bits() -> None:
    assert distance(0b1011, 0b0010) == 2
    assert distance(0, 2**64 - 1) == 64
