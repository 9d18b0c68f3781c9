"""A small clip, and the real ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vitobench.tests.tasks.clips.kit import write_video


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames at 25 a second with B-frames, in five groups, its index in front."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_video(path, range(0, 2400, 40), container={"movflags": "faststart"}, bf="3")


@pytest.fixture(scope="session")
def videos() -> list[Path]:
    """Real clips, where there are any."""
    where = os.environ.get("VITOBENCH_TEST_DATA")
    found = sorted(p for p in Path(where, "videos").glob("*") if p.suffix in {".mp4", ".avi"}) if where else []
    if not found:
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real clips (videos/*.mp4)")
    return found
