"""Check the machine: operating system, cores and memory, within the limits of a container."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ...cores import allowed_cores
from ...tasks.data.downloads.publication import readable_size
from .check import OK, WARN, Check

GROUP = "machine"
LEAN = 2_000_000_000
"""Bytes of free memory below which the default batch size or several workers are likely to run out of it."""


@dataclass(frozen=True)
class Machine:
    """What `measure_machine` found.

    Attributes:
        system: Operating system and processor.
        cores: Cores of the machine.
        usable: Cores that this process may use, by its affinity and its container; a container's quota may be a
            fraction.
        memory: Bytes of memory, or the container's limit if that is lower; None if unknown on this system.
        free: Bytes of memory that are free; None if unknown on this system.
    """

    system: str
    cores: int
    usable: float
    memory: int | None
    free: int | None


def measure_machine(limits: Path = Path("/sys/fs/cgroup"), memory_file: Path = Path("/proc/meminfo")) -> Machine:
    """Look at this machine.

    Args:
        limits: Folder of the cgroup files, which hold a container's limits on Linux.
        memory_file: File in which Linux reports free memory.
    """
    memory, free = _memory(memory_file)
    limit, used = (_number(limits / name) for name in ("memory.max", "memory.current"))
    if limit is not None and memory is not None and limit < memory:
        memory = limit
        unused = max(0, limit - (used or 0))
        free = unused if free is None else min(free, unused)
    return Machine(
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        os.cpu_count() or 1,
        allowed_cores(limits),
        memory,
        free,
    )


def check_machine(machine: Machine) -> list[Check]:
    """Rows for the machine."""
    return [
        Check(GROUP, "system", OK, machine.system),
        _cores(machine),
        _free(machine),
    ]


def _cores(machine: Machine) -> Check:
    if machine.usable >= machine.cores:
        return Check(GROUP, "cores", OK, str(machine.cores))
    return Check(GROUP, "cores", OK, f"{machine.cores}, of which this process may use {machine.usable:g}")


def _free(machine: Machine) -> Check:
    if machine.memory is None:
        return Check(GROUP, "memory", OK, "unknown on this system")
    free = "" if machine.free is None else f", {readable_size(machine.free)} free"
    low = machine.free is not None and machine.free < LEAN
    advice = "use a smaller --batch and one worker" if low else ""
    return Check(GROUP, "memory", WARN if low else OK, readable_size(machine.memory) + free, advice)


def _memory(memory_file: Path) -> tuple[int | None, int | None]:
    """Bytes of memory, and how many are free, counting caches as free."""
    with suppress(OSError, ValueError, KeyError, IndexError):
        lines = (line.split() for line in memory_file.read_text().splitlines())
        sizes = {words[0]: 1024 * int(words[1]) for words in lines if len(words) > 1}
        return sizes["MemTotal:"], sizes.get("MemAvailable:")
    with suppress(OSError, ValueError, AttributeError):  # macOS knows these two names; Windows has no sysconf
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return None, None


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
