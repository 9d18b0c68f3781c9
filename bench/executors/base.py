"""What executors have in common: what they promise, and how passes are shared out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from ...cores import usable_cores
from ..plan import Pass
from ..progress import Advance
from ..settings import Settings
from ..worker import Job, PassReport

_LARGEST_CHUNK = 8
ATTEMPTS = 3
"""How often a pass that kills its worker is started before it counts as failed."""


class Executor(Protocol):
    """Runs the passes of a job, in any order and in any place."""

    def run(self, job: Job, advance: Advance) -> Iterator[PassReport]:
        """Run every pass.

        Args:
            job: What is to be done. Passes are independent and may be repeated: their units are stored whole or not
                at all, and what is stored is skipped.
            advance: Told of progress, in images times models.

        Yields:
            A report for each pass, also for those that were given up.
        """


def amount(work: Pass) -> int:
    """Images times models times conditions of a pass, the unit of progress."""
    return sum((u.stop - u.start) * len(u.models) * len(u.planned.task.conditions) for u in work.units)


def chunks(passes: int, workers: int) -> list[tuple[int, ...]]:
    """Neighbouring passes that a worker takes at a time: a few, so that it reads ahead and none waits long at the end.

    Args:
        passes: How many there are.
        workers: How many share them.
    """
    size = max(1, min(_LARGEST_CHUNK, passes // (4 * max(1, workers))))
    return [tuple(range(start, min(start + size, passes))) for start in range(0, passes, size)]


def threads_of(settings: Settings, workers: int) -> int:
    """Threads of one of several workers that share this machine."""
    return settings.threads or max(1, usable_cores() // workers)


def in_turn(passes: Sequence[Pass], first: int) -> list[Pass]:
    """The same passes, beginning at another one, so that runs that share a store begin at different places."""
    return [*passes[first:], *passes[:first]]
