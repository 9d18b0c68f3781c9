"""The machine: operating system, cores and memory, as a container is allowed to use them."""

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
"""Bytes of free memory below which batches or workers are likely to be too many."""


@dataclass(frozen=True)
class Machine:
    """What `measure_machine` found.

    Attributes:
        system: Operating system and processor.
        cores: Cores that the machine has.
        usable: Cores that this process may use, by its affinity and by its container; a fraction where a quota is one.
        memory: Bytes of memory, or what a container allows of them; None where unknown on this system.
        free: Bytes of it that are free; None where unknown on this system.
    """

    system: str
    cores: int
    usable: float
    memory: int | None
    free: int | None


def measure_machine(limits: Path = Path("/sys/fs/cgroup"), memory_file: Path = Path("/proc/meminfo")) -> Machine:
    """Look at this machine.

    Args:
        limits: Where Linux tells the limits of a container.
        memory_file: Where Linux tells what memory is free.
    """
    memory, free = _memory(memory_file)
    limit, used = (_number(limits / name) for name in ("memory.max", "memory.current"))
    if limit is not None and memory is not None and limit < memory:
        memory = limit
        left = max(0, limit - (used or 0))
        free = left if free is None else min(free, left)
    return Machine(
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        os.cpu_count() or 1,
        allowed_cores(limits),
        memory,
        free,
    )


def check_machine(found: Machine) -> list[Check]:
    """Rows for the machine."""
    return [
        Check(GROUP, "system", OK, found.system),
        _cores(found),
        _free(found),
    ]


def _cores(found: Machine) -> Check:
    if found.usable >= found.cores:
        return Check(GROUP, "cores", OK, str(found.cores))
    return Check(GROUP, "cores", OK, f"{found.cores}, of which this process may use {found.usable:g}")


def _free(found: Machine) -> Check:
    if found.memory is None:
        return Check(GROUP, "memory", OK, "unknown on this system")
    free = "" if found.free is None else f", {readable_size(found.free)} free"
    low = found.free is not None and found.free < LEAN
    advice = "use a smaller --batch and one worker" if low else ""
    return Check(GROUP, "memory", WARN if low else OK, readable_size(found.memory) + free, advice)


def _memory(memory_file: Path) -> tuple[int | None, int | None]:
    """Bytes of memory, and those that are free, caches among them."""
    with suppress(OSError, ValueError, KeyError, IndexError):
        lines = (line.split() for line in memory_file.read_text().splitlines())
        sizes = {words[0]: 1024 * int(words[1]) for words in lines if len(words) > 1}
        return sizes["MemTotal:"], sizes.get("MemAvailable:")
    with suppress(OSError, ValueError, AttributeError):  # macOS has the first two names, Windows none
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return None, None


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
