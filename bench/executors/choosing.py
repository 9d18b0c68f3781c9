"""Which executor a run gets, and the one that runs in this process, for one accelerator or a laptop."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import VitobenchError
from ..progress import Advance
from ..settings import EXECUTORS, Settings
from ..worker import Job, PassReport, Worker
from .base import Executor
from .device import choose_device


class HereExecutor:
    """One worker, in this process."""

    def run(self, job: Job, advance: Advance) -> Iterator[PassReport]:
        """See `Executor`."""
        settings = job.settings
        worker = Worker(job, choose_device(settings.device), settings.threads, advance)
        yield from worker.run(range(len(job.passes)))


def check_executor(settings: Settings) -> None:
    """Refuse what no executor can do, before anything is read.

    Raises:
        VitobenchError: An unknown executor, no workers, or options that do not go together.
    """
    if settings.executor not in EXECUTORS:
        raise VitobenchError(f"Unknown executor {settings.executor!r}; choose one of {', '.join(EXECUTORS)}.")
    if settings.address is not None and settings.executor != "ray":
        raise VitobenchError("--address is the address of a Ray cluster; it needs --executor ray.")
    for what, value in (("--workers", settings.workers), ("--threads", settings.threads), ("--batch", settings.batch)):
        if value is not None and value < 1:
            raise VitobenchError(f"Invalid {what} {value}; give 1 or more.")


def choose(settings: Settings) -> Executor:
    """The executor that the settings ask for.

    Raises:
        VitobenchError: See `check_executor`; or Ray is not installed.
    """
    check_executor(settings)
    if settings.executor == "ray":
        from .ray_cluster import RayExecutor

        return RayExecutor()
    if settings.workers is not None and settings.workers > 1:
        from .processes import ProcessExecutor

        return ProcessExecutor(settings.workers)
    return HereExecutor()
