"""Stores with a few made-up predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitobench.results import records
from vitobench.results.predictions import Asked
from vitobench.results.store import Store

TASK, MODEL = "micro-c@0123456789abcdef", "file:/some where/a=b.safetensors?arch=timm:x@fedcba9876543210"
CELLS = (("fog", 3), ("clean", 0))

Columns = Callable[..., dict[str, Any]]


def unit_columns(first: int, count: int, **changes: Any) -> dict[str, Any]:
    """Two conditions for each of some images, image by image."""
    rows = count * len(CELLS)
    number = np.arange(rows)
    found: dict[str, Any] = {
        "condition": [CELLS[n % 2][0] for n in range(rows)],
        "severity": [CELLS[n % 2][1] for n in range(rows)],
        "image_id": [f"val-0-{first + n // 2:06d}" for n in range(rows)],
        "label": (first + number // 2) % 1000,
        "top": (number[:, None] * 7 + np.arange(5)) % 1000,
        "confidence": np.linspace(0.1, 0.9, rows),
        "error": [None] * rows,
    }
    return found | changes


def asked_images(count: int = 20) -> Asked:
    """What the made-up task asks."""
    ids = tuple(f"val-0-{n:06d}" for n in range(count))
    return Asked(ids, np.arange(count) % 1000, 1000, tuple(f"{n}/{s}" if s else n for n, s in CELLS))


@pytest.fixture
def columns() -> Columns:
    return unit_columns


@pytest.fixture
def names() -> tuple[str, str]:
    """Identities of the task and the model."""
    return TASK, MODEL


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.prepare()
    return made


@pytest.fixture
def sound(store: Store) -> Store:
    """Two finished units of one model and task, with their records."""
    store.keep_asked(TASK, asked_images())
    for start in (0, 4):
        store.write_unit(TASK, MODEL, start, start + 4, unit_columns(start, 4))
    records.keep(store, records.TASKS, TASK, {"identity": TASK, "name": "micro-c", "seed": 0})
    records.keep(store, records.MODELS, MODEL, {"identity": MODEL, "name": MODEL.rpartition("@")[0]})
    return store
