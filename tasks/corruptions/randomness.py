"""Random numbers that depend only on the seed, the image and the condition."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def generator(seed: int, image_id: str, corruption: str, severity: int) -> np.random.Generator:
    """The random numbers of one image under one condition.

    Args:
        seed: The seed of the whole benchmark.
        image_id: The image's stable name.
        corruption: The corruption's name.
        severity: 1 to 5.

    Returns:
        A generator on a counter-based Philox stream whose 128-bit key is a hash of the arguments, so that streams of
        different images never overlap and need no order.
    """
    # JSON separates the parts unambiguously, whatever characters an id contains.
    text = json.dumps([int(seed), str(image_id), corruption, int(severity)])
    key = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
