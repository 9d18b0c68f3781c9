"""A folder of DAVIS that is made by hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PALETTE = [(value * 37) % 256 for value in range(3 * 256)]
"""Of all 256 numbers: with fewer, Pillow would keep fewer bits of each."""


def write_mask(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8), mode="P")
    image.putpalette(PALETTE)
    image.save(path)


def write_davis(root: Path, clips: dict[str, int], frames: int = 8, size: tuple[int, int] = (48, 80)) -> Path:
    """Squares of plain colours that move to the right over noise, as many as a clip has objects."""
    for clip, objects in clips.items():
        rng = np.random.default_rng(len(clip))
        ground = rng.integers(0, 60, (*size, 3), dtype=np.uint8)
        for number in range(frames):
            frame, mask = ground.copy(), np.zeros(size, np.uint8)
            for one in range(1, objects + 1):
                top, left = 4 + 15 * (one - 1), 4 + 4 * number
                frame[top : top + 12, left : left + 16] = (80 * one, 255 - 60 * one, 120)
                mask[top : top + 12, left : left + 16] = one
            mask[0, :] = 255  # nobody says what this is
            place = root / "JPEGImages" / "480p" / clip
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame).save(place / f"{number:05d}.jpg", quality=95)
            write_mask(root / "Annotations" / "480p" / clip / f"{number:05d}.png", mask)
    for year in ("2016", "2017"):
        listing = root / "ImageSets" / year / "val.txt"
        listing.parent.mkdir(parents=True, exist_ok=True)
        listing.write_text("".join(f"{clip}\n" for clip in clips))
    return root


@pytest.fixture(scope="session")
def davis_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_davis(tmp_path_factory.mktemp("davis"), {"two": 2, "single": 1})


@pytest.fixture(scope="session")
def real_davis() -> Path:
    where = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "davis"
    if not (where / "osvos-reference.json").is_file():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with sequences of DAVIS (davis/osvos-reference.json)")
    return where
