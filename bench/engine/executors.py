"""Where passes run: in this process, in several processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ...cores import usable_cores
from ...errors import VitobenchError
from ..planning.plan import Pass
from ..progress import Advance
from ..settings import EXECUTORS, Settings
from .worker import Job, PassReport, Worker, given_up

# Which device a worker computes on.


def choose_device(name: str) -> str:
    """The device to use.

    Args:
        name: ``"auto"`` takes CUDA or MPS where there is one; anything else is taken as it is.

    Raises:
        VitobenchError: A device that torch does not know or that this machine lacks.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise VitobenchError(f"The device {name!r} cannot be used ({reason}). Try --device cpu.") from None
    return name


def spread(device: str, worker: int) -> str:
    """The device of one of several workers: CUDA devices are taken in turn unless one was named.

    Args:
        device: From `choose_device`.
        worker: Number of the worker, from 0.
    """
    if device != "cuda":
        return device
    import torch

    return f"cuda:{worker % max(1, torch.cuda.device_count())}"


# What executors have in common: what they promise, and how passes are shared out.


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


# Running in several processes of this machine, one for each accelerator or for a group of cores.


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


# Running on a Ray cluster: Ray places the work, replaces workers that die, and starts their work again.


_CORES_BESIDE_A_GPU = 4
_RETRIES = 4
_workers: dict[str, Worker] = {}


def _run_pass_on_ray(job: Job, key: str, indices: tuple[int, ...], cores: int) -> list[PassReport]:
    """What a Ray worker does; models stay loaded from one call to the next."""
    if key not in _workers:
        if Path(job.folder).is_dir():
            os.chdir(job.folder)  # names such as file:runs/x.safetensors are meant from where the run was started
        import torch

        torch.set_num_threads(max(1, cores))
        _workers.clear()
        # Ray shows each worker the accelerators it was given, and no others.
        _workers[key] = Worker(job, choose_device(job.settings.device), job.settings.threads or cores)
    return list(_workers[key].run(indices))


class RayExecutor:
    """Passes as Ray tasks, on a cluster that runs already or on one that is started here for the run."""

    def run(self, job: Job, advance: Advance) -> Iterator[PassReport]:
        """See `Executor`.

        Raises:
            VitobenchError: Ray is not installed, no cluster is at the address, or it has no room for a worker.
        """
        try:
            import ray
        except ImportError:
            raise VitobenchError("--executor ray needs Ray: pip install 'vitobench[ray]'.") from None
        settings = job.settings
        ours = not ray.is_initialized()
        if ours:
            _connect(ray, settings.address)
        try:
            resources = ray.cluster_resources()
            gpus = resources.get("GPU", 0) if settings.device in ("auto", "cuda") else 0
            cores = int(resources.get("CPU", 1))
            workers = settings.workers or (int(gpus) if gpus else max(1, cores // _CORES_BESIDE_A_GPU))
            share = min(_CORES_BESIDE_A_GPU, max(1, cores // workers))
            remote = ray.remote(_run_pass_on_ray).options(
                num_cpus=share, num_gpus=1 if gpus else 0, max_retries=_RETRIES, retry_exceptions=False
            )
            shared = ray.put(job)
            key = shared.hex()
            waiting = {
                remote.remote(shared, key, chunk, threads_of(settings, workers) if ours else share): chunk
                for chunk in chunks(len(job.passes), workers)
            }
            while waiting:
                (done, *_), _ = ray.wait(list(waiting), num_returns=1)
                for report in _reports(ray, done, waiting.pop(done), job):
                    advance(amount(job.passes[report.index]))
                    yield report
                    if report.fatal:
                        for other in waiting:
                            ray.cancel(other)
                        return
        finally:
            if ours:
                ray.shutdown()


def _reports(ray: Any, done: Any, chunk: tuple[int, ...], job: Job) -> list[PassReport]:
    try:
        reports: list[PassReport] = ray.get(done)
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return [given_up(index, job, f"its Ray worker failed: {first}") for index in chunk]
    return reports


def _connect(ray: Any, address: str | None) -> None:
    # Ray's usage report goes over the network; a benchmark on a shared cluster sends nothing anywhere.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where: dict[str, Any] = {"address": address} if address is not None else {"include_dashboard": False}
    try:
        ray.init(**where, log_to_driver=False, logging_level="error", configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise VitobenchError(
            f"No Ray cluster could be reached at {address or 'this machine'} ({first}). "
            "Start one with `ray start --head`, or leave out --address to run on this machine."
        ) from None


# Which executor a run gets, and the one that runs in this process, for one accelerator or a laptop.


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
        return RayExecutor()
    if settings.workers is not None and settings.workers > 1:
        return ProcessExecutor(settings.workers)
    return HereExecutor()
