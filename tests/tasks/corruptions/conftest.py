from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Something like a photograph: gradients, saturated shapes, sharp edges, black, white and a little texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.stack([0.2 + 0.6 * x, 0.7 - 0.5 * y, 0.3 + 0.4 * x * y], axis=-1)
    for _ in range(12):
        cy, cx, radius = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.04, 0.2)
        image[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.uniform(0, 1, 3)
    image[: height // 8, : width // 8] = 1
    image[-(height // 8) :, -(width // 8) :] = 0
    return np.uint8(np.clip(image + rng.normal(0, 0.03, image.shape), 0, 1) * 255)


@pytest.fixture
def make_scene():
    return scene


@pytest.fixture(scope="session")
def published():
    """The module beside this file with the published definitions."""
    for name in ("cv2", "skimage", "imagecorruptions"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    spec = importlib.util.spec_from_file_location("published_corruptions", Path(__file__).with_name("published.py"))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        pytest.skip(f"OpenCV cannot be imported: {error}")
    return module


@pytest.fixture(scope="session")
def photographs():
    """Three real photographs, resized and cropped to 224 pixels as for ImageNet-C."""
    root = os.environ.get("VITOBENCH_TEST_DATA")
    if not root:
        pytest.skip("VITOBENCH_TEST_DATA is not set")
    files = sorted((Path(root) / "photos").rglob("*.JPEG"))
    if len(files) < 3:
        pytest.skip("there are no photographs in VITOBENCH_TEST_DATA/photos")
    from PIL import Image, ImageOps

    images = []
    for file in files[3 :: len(files) // 3][:3]:
        with Image.open(file) as photo:
            images.append(np.asarray(ImageOps.fit(photo.convert("RGB"), (256, 256)).crop((16, 16, 240, 240))))
    return images
