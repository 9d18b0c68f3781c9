"""Pictures on which networks are compared with the libraries that they come from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real photographs where there are some, of odd sizes; else noise."""
    where = Path(os.environ.get("VITOBENCH_TEST_DATA", "")) / "photos"
    if "VITOBENCH_TEST_DATA" in os.environ and where.is_dir():
        return sorted(where.glob("*/*"))[::42]
    folder, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for number, (height, width) in enumerate(((97, 131), (211, 160), (80, 83))):
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{number}.png")
    return sorted(folder.iterdir())
