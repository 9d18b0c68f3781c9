"""Running on a Ray cluster: Ray places the work, replaces workers that die, and starts their work again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import VitobenchError
from ..progress import Advance
from ..worker import Job, PassReport, Worker, given_up
from .base import amount, chunks, threads_of
from .device import choose_device

_CORES_BESIDE_A_GPU = 4
_RETRIES = 4
_workers: dict[str, Worker] = {}


def _run(job: Job, key: str, indices: tuple[int, ...], cores: int) -> list[PassReport]:
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
            remote = ray.remote(_run).options(
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
        found: list[PassReport] = ray.get(done)
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return [given_up(index, job, f"its Ray worker failed: {first}") for index in chunk]
    return found


def _connect(ray: Any, address: str | None) -> None:
    # Ray's usage report goes over the network; a benchmark on somebody's cluster sends nothing anywhere.
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
