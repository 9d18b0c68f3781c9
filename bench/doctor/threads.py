"""Check the environment variables that set how many threads compute, and how idle threads wait."""

from __future__ import annotations

from collections.abc import Mapping

from .check import OK, WARN, Check

GROUP = "threads"

_OF_LIBRARIES = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def check_threads(environment: Mapping[str, str], cores: int) -> list[Check]:
    """Rows for ``OMP_NUM_THREADS``, for the variables of other libraries if they are set, and for how threads wait.

    Args:
        environment: Environment variables.
        cores: Cores that this process may use.
    """
    rows = [_openmp(environment.get("OMP_NUM_THREADS"), cores)]
    for name in _OF_LIBRARIES:
        value = environment.get(name)
        if value is not None:
            rows.append(_library(name, value, cores))
    return [*rows, _waiting(environment.get("OMP_WAIT_POLICY", ""))]


def _openmp(value: str | None, cores: int) -> Check:
    name = "OMP_NUM_THREADS"
    if value is None:
        return Check(GROUP, name, OK, f"not set: a forward pass uses all {cores} cores")
    number = _count(value)
    if number is None:
        return Check(GROUP, name, WARN, f"{value!r} is not a number of threads", f"unset it, or set it to {cores}")
    if number > cores:
        return Check(GROUP, name, WARN, f"{number}, but there are {cores} cores", f"unset it, or set it to {cores}")
    if number < cores:
        words = f"a run with one worker uses {number} of {cores} cores"
        return Check(GROUP, name, WARN, words, "unset it, unless other programs need the rest")
    return Check(GROUP, name, OK, value)


def _library(name: str, value: str, cores: int) -> Check:
    number = _count(value)
    if number is None or number > cores:
        return Check(GROUP, name, WARN, value, f"unset it, or set it to {cores} at most")
    return Check(GROUP, name, OK, value)


def _waiting(policy: str) -> Check:
    if policy.strip().upper() == "ACTIVE":
        advice = (
            "unset it (bench sets PASSIVE): spinning threads take the cores from those that read and corrupt images"
        )
        return Check(GROUP, "OMP_WAIT_POLICY", WARN, "ACTIVE: waiting threads spin", advice)
    return Check(GROUP, "OMP_WAIT_POLICY", OK, policy or "not set")


def _count(value: str) -> int | None:
    # OpenMP accepts a list such as "4,2", a number for each level of nesting; only the outermost matters here.
    first = value.split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None
