"""Real photographs for the tests of the readers, where there are any."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photographs() -> Path:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    if not where or not (Path(where) / "photos").is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real photographs (photos/nXXXXXXXX/*.JPEG)")
    return Path(where) / "photos"


@pytest.fixture(scope="session")
def change_in_place() -> Callable[[Path], None]:
    """Flips the last bit of a file; its size and modification time stay what they were."""

    def change(path: Path) -> None:
        status, content = path.stat(), path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    return change
