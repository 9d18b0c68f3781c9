"""Cores by affinity and by quota, and the threads of OpenMP."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vitobench.bench.engine.executors import threads_of
from vitobench.bench.settings import Settings
from vitobench.cores import allowed_cores, limit_openmp, usable_cores


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may use four of the machine's cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 4, 6}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("quota", "allowed", "openmp"),
    [("150000 100000", 1.5, "1"), ("50000 100000", 0.5, "1"), ("max 100000", 4, None), ("800000 100000", 4, None)],
)
def test_the_smaller_of_affinity_and_quota_counts(
    four: None, tmp_path: Path, quota: str, allowed: float, openmp: str | None
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert allowed_cores(tmp_path) == allowed
    limit_openmp(tmp_path)
    assert os.environ.pop("OMP_NUM_THREADS", None) == openmp


def test_without_control_groups_affinity_counts(four: None, tmp_path: Path) -> None:
    assert allowed_cores(tmp_path) == 4
    limit_openmp(tmp_path)
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_user_s_number_of_threads_stays(four: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    limit_openmp(tmp_path)
    assert os.environ["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(("quota", "cores", "threads"), [(float("inf"), 4, 2), (2.9, 2, 1), (0.5, 1, 1)])
def test_workers_share_what_the_process_may_use(
    four: None, monkeypatch: pytest.MonkeyPatch, quota: float, cores: int, threads: int
) -> None:
    monkeypatch.setattr("vitobench.cores._quota", lambda limits: quota)
    assert usable_cores() == cores
    assert threads_of(Settings(models=()), 2) == threads


def test_a_system_that_tells_no_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert allowed_cores(tmp_path) == 6
