"""Real photographs for the tests of the readers, where there are any."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photographs() -> Path:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    if not where or not (Path(where) / "photos").is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real photographs (photos/nXXXXXXXX/*.JPEG)")
    return Path(where) / "photos"
