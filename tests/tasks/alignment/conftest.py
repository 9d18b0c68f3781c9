from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitobench.tasks.alignment.experiments import CATEGORIES, AlignmentSet, alignment_set
from vitobench.tasks.alignment.trials import Panel, Stimuli


@pytest.fixture(scope="session")
def human_folder() -> Path:
    root = os.environ.get("VITOBENCH_TEST_DATA")
    if not root:
        pytest.skip("VITOBENCH_TEST_DATA is not set: no trials of human observers")
    folder = Path(root) / "human"
    if not folder.is_dir():
        pytest.skip("VITOBENCH_TEST_DATA holds no trials of human observers (human/<data set>/*.csv)")
    return folder


@pytest.fixture
def small_set() -> Callable[..., AlignmentSet]:
    """A data set with the names and conditions of a published one and fewer stimuli."""

    def make(name: str, per_condition: int = 16, people: int = 3) -> AlignmentSet:
        return replace(alignment_set(name), per_condition=per_condition, people=people)

    return make


@pytest.fixture
def make_panel() -> Callable[..., Panel]:
    """Observers who are right where it says so; where not, they answer the next category."""

    def make(data_set: AlignmentSet, right: np.ndarray, people: int, conditions: np.ndarray | None = None) -> Panel:
        n = right.shape[1]
        categories = (np.arange(n) % len(CATEGORIES)).astype(np.int16)
        if conditions is None:
            conditions = np.repeat(np.arange(len(data_set.conditions)), n // len(data_set.conditions))
        ids = np.array([f"{number:05d}.png" for number in range(n)])
        stimuli = Stimuli(data_set, ids, conditions, categories, np.arange(n))
        responses = np.where(right, categories, (categories + 1) % len(CATEGORIES)).astype(np.int16)
        names = [f"subject-{k + 1:02d}" if k < people else f"model-{k + 1 - people}" for k in range(len(right))]
        return Panel(stimuli, tuple(names), people, responses)

    return make
