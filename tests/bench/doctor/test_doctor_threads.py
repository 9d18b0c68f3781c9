"""Variables that decide how many threads compute."""

from __future__ import annotations

import pytest

from vitobench.bench.doctor.check import OK, WARN, Check
from vitobench.bench.doctor.machine import check_threads


def rows(**environment: str) -> dict[str, Check]:
    return {check.name: check for check in check_threads(environment, 8)}


def test_nothing_set_is_well() -> None:
    found = rows()
    assert {check.status for check in found.values()} == {OK}
    assert list(found) == ["OMP_NUM_THREADS", "OMP_WAIT_POLICY"]


@pytest.mark.parametrize(
    ("value", "status"),
    [("8", OK), ("8,2", OK), ("1", WARN), ("16", WARN), ("many", WARN), ("0", WARN), ("-2", WARN), ("", WARN)],
)
def test_openmp(value: str, status: str) -> None:
    found = rows(OMP_NUM_THREADS=value)["OMP_NUM_THREADS"]
    assert found.status == status
    assert bool(found.advice) == (status == WARN)


def test_other_libraries_are_told_where_they_are_set() -> None:
    found = rows(MKL_NUM_THREADS="99", NUMBA_NUM_THREADS="2")
    assert (found["MKL_NUM_THREADS"].status, found["NUMBA_NUM_THREADS"].status) == (WARN, OK)


@pytest.mark.parametrize(("policy", "status"), [("PASSIVE", OK), ("active", WARN)])
def test_threads_that_spin_are_a_warning(policy: str, status: str) -> None:
    assert rows(OMP_WAIT_POLICY=policy)["OMP_WAIT_POLICY"].status == status
