"""How many cores this process may use, which is not how many the machine has.

At the root, like errors, because every sub-package shares cores among its threads.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_LIMITS = Path("/sys/fs/cgroup")


def allowed_cores(limits: Path = _LIMITS) -> float:
    """Cores by affinity (``taskset``, SLURM) and by the quota of a container; a fraction where the quota is one.

    Args:
        limits: Where Linux tells the limits of a container (control groups, version 2).
    """
    return min(_affinity(), _quota(limits))


def usable_cores() -> int:
    """Whole cores that threads and workers of this process may share; at least 1."""
    return max(1, int(allowed_cores()))


def limit_openmp(limits: Path = _LIMITS) -> None:
    """Set ``OMP_NUM_THREADS`` where a container has a quota, which OpenMP, and so torch, does not look at.

    It is read when torch loads. What the user has set stays.

    Args:
        limits: As for `allowed_cores`.
    """
    if _quota(limits) < _affinity():
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, int(_quota(limits)))))


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(limits: Path) -> float:
    with suppress(OSError, ValueError):
        quota, period = (limits / "cpu.max").read_text().split()
        return int(quota) / int(period)  # "max" is no number: no quota
    return float("inf")
