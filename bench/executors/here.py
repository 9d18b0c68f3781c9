"""Running in this process: the right thing for one accelerator, and for a laptop."""

from __future__ import annotations

from collections.abc import Iterator

from ..progress import Advance
from ..worker import Job, PassReport, Worker
from .device import choose_device


class HereExecutor:
    """One worker, in this process."""

    def run(self, job: Job, advance: Advance) -> Iterator[PassReport]:
        """See `Executor`."""
        settings = job.settings
        worker = Worker(job, choose_device(settings.device), settings.threads, advance)
        yield from worker.run(range(len(job.passes)))
