"""Cores and memory, as a container is allowed to use them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from vitobench.bench.doctor.check import OK, WARN, Check
from vitobench.bench.doctor.machine import Machine, check_machine, measure_machine

BIG = Machine("Linux", 8, 8, 64_000_000_000, 32_000_000_000)


def row(machine: Machine, name: str) -> Check:
    (found,) = (check for check in check_machine(machine) if check.name == name)
    return found


def test_a_large_machine_is_well() -> None:
    assert {check.status for check in check_machine(BIG)} == {OK}
    assert row(BIG, "memory").found == "64.0 GB, 32.0 GB free"


def test_cores_that_others_have_are_told() -> None:
    found = row(dataclasses.replace(BIG, usable=2.5), "cores")
    assert (found.status, found.found) == (OK, "8, of which this process may use 2.5")


def test_little_memory_is_a_warning() -> None:
    assert row(dataclasses.replace(BIG, free=1_000_000_000), "memory").status == WARN
    assert row(dataclasses.replace(BIG, free=None), "memory").status == OK
    assert row(dataclasses.replace(BIG, memory=None, free=None), "memory").found == "unknown on this system"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A machine of 8 GB, 6 GB of it free."""
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal:        7812500 kB\nMemFree:  1 kB\nMemAvailable:    5859375 kB\nHugePages_Total:  0\n")
    return tmp_path, memory


def test_limits_of_a_container_count(files: tuple[Path, Path]) -> None:
    folder, memory = files
    free = measure_machine(folder, memory)
    assert (free.memory, free.free, free.cores) == (8_000_000_000, 6_000_000_000, os.cpu_count())
    (folder / "cpu.max").write_text("50000 100000\n")
    (folder / "memory.max").write_text("3000000000\n")
    (folder / "memory.current").write_text("1000000000\n")
    bound = measure_machine(folder, memory)
    assert (bound.usable, bound.memory, bound.free) == (0.5, 3_000_000_000, 2_000_000_000)


def test_no_limit_is_none(files: tuple[Path, Path]) -> None:
    folder, memory = files
    (folder / "cpu.max").write_text("max 100000\n")
    (folder / "memory.max").write_text("max\n")
    assert measure_machine(folder, memory) == measure_machine(folder / "absent", memory)
