"""Running in several processes of this machine, one for each accelerator or for a group of cores."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any

from ...cores import usable_cores
from ..progress import Advance
from ..worker import Job, PassReport, Worker, given_up
from .base import ATTEMPTS, amount, chunks, threads_of
from .device import choose_device, spread

Chunk = tuple[int, ...]

_worker: Worker | None = None


def _start(job: Job, device: str, threads: int, cores: int, numbers: Any) -> None:
    global _worker
    with numbers.get_lock():
        number = numbers.value
        numbers.value += 1
    # Ctrl-C reaches all processes; the parent ends this one, which has nothing to add.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    # Workers share the cores: each computes with its part of them, instead of all of them with all.
    torch.set_num_threads(max(1, cores))
    _worker = Worker(job, spread(device, number), threads)


def _end_with_parent() -> None:
    """A worker whose run was killed would wait for work for ever, and keep its memory."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(indices: Chunk) -> list[PassReport]:
    assert _worker is not None
    return list(_worker.run(indices))


class ProcessExecutor:
    """A pool of worker processes. One that dies is replaced, and its work starts again.

    Args:
        workers: How many processes.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, job: Job, advance: Advance) -> Iterator[PassReport]:
        """See `Executor`."""
        device = choose_device(job.settings.device)
        # Started afresh instead of forked: neither CUDA nor OpenMP survives a fork.
        context = multiprocessing.get_context("spawn")
        cores = max(1, usable_cores() // self.workers)
        rounds: deque[list[Chunk]] = deque([chunks(len(job.passes), self.workers)])
        deaths: Counter[int] = Counter()
        while rounds:
            left = list(rounds.popleft())
            arguments = (job, device, threads_of(job.settings, self.workers), cores, context.Value("i", 0))
            for chunk, reports in self._round(left, context, arguments):
                left.remove(chunk)
                for report in reports:
                    advance(amount(job.passes[report.index]))
                    yield report
                    if report.fatal:
                        return
            if not left:
                continue
            # A worker died, possibly out of memory. Chunks start in order, so it was working on one of the first; these
            # are started again one by one, until it is clear which pass it is.
            if len(left) > 1:
                if left[self.workers + 1 :]:
                    rounds.append(left[self.workers + 1 :])
                rounds.extend([chunk] for chunk in left[: self.workers + 1])
                continue
            (suspects,) = left
            if len(suspects) > 1:
                rounds.extend([(index,)] for index in suspects)
                continue
            (index,) = suspects
            deaths[index] += 1
            if deaths[index] < ATTEMPTS:
                rounds.append(left)
            else:
                advance(amount(job.passes[index]))
                yield given_up(index, job, f"its worker process died {ATTEMPTS} times, possibly out of memory")

    def _round(self, left: list[Chunk], context: Any, arguments: Any) -> Iterator[tuple[Chunk, list[PassReport]]]:
        """What a pool brings to an end; less than all if one of its workers dies."""
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(min(self.workers, len(left)), context, _start, arguments)
        futures: dict[Future[list[PassReport]], Chunk] = {}
        try:
            with suppress(BrokenProcessPool):
                for chunk in tuple(left):
                    futures[pool.submit(_run, chunk)] = chunk
            for future in as_completed(futures):
                with suppress(BrokenProcessPool):
                    yield futures[future], future.result()
        except (KeyboardInterrupt, GeneratorExit):  # here, or where the reports are read
            # Units are stored whole or not at all, so nothing is lost that one would have to wait for.
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
