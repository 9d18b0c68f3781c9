"""Several processes, a Ray cluster, and what becomes of a run when they or it are killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vitobench.bench.cli import main
from vitobench.bench.engine import executors
from vitobench.bench.engine.executors import spread
from vitobench.bench.engine.worker import Job, PassReport
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import group
from vitobench.bench.settings import Settings
from vitobench.errors import VitobenchError
from vitobench.results.store import Store
from vitobench.tests.processes import BENCH, Running

KEYS = ["model", "task", "condition", "severity", "image_id"]
Start = Callable[..., Running]


@pytest.fixture(scope="module")
def work(zoo_folder: Path) -> tuple[str, ...]:
    """A run of three passes and six units; models by file, since workers know no other zoo."""
    models = [part for name in ("vito", "other") for part in ("--model", f"file:{zoo_folder / f'{name}.safetensors'}")]
    tasks = ("--task", "micro-val", "--limit", "250")
    run_by = ("--device", "cpu", "--threads", "1", "--quiet", "--no-gallery")
    return (*models, "--baseline", "none", *tasks, *run_by)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Begin ``bench run`` in a process group of its own; whatever is left of it is ended with the test."""
    started: list[Running] = []

    def call(*args: object) -> Running:
        started.append(Running(BENCH, "run", *args, cwd=tmp_path))
        return started[-1]

    yield call
    for process in started:
        process.clear()


def ended(process: Running) -> None:
    done = process.ended()
    assert done.code == 0, done.err


def units(store: Path) -> int:
    return sum(1 for _ in (store / "predictions").rglob("*.parquet"))


def wait_for(what: Callable[[], Any], process: Running) -> Any:
    """What ``what`` gives once it gives something, or nothing once the process has ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = what()
        if found or process.poll() is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing happened for two minutes")


def children(pid: int, name: bytes) -> list[int]:
    """Processes below a process whose command line holds a name."""
    parents, lines = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue

    def below(child: int) -> bool:
        while child in parents:
            child = parents[child]
            if child == pid:
                return True
        return False

    return [child for child, line in lines.items() if name in line and below(child)]


def same(a: Path, b: Path) -> None:
    """Two stores hold the same rows, none twice, and gave the same numbers."""
    first, second = (
        pd.read_parquet(store / "predictions")
        .astype({name: str for name in ("model", "task", "condition", "image_id")})
        .sort_values(KEYS, ignore_index=True)
        for store in (a, b)
    )
    assert not first.duplicated(KEYS).any()
    exact = [column for column in first.columns if column != "confidence"]
    pd.testing.assert_frame_equal(first[exact], second[exact])
    # Another number of threads may add in another order.
    assert (first["confidence"] - second["confidence"]).abs().max() < 1e-3
    found = [json.loads(store.with_suffix(".json").read_text()) for store in (a, b)]
    assert found[0]["scores"] == found[1]["scores"]
    assert found[0]["comparisons"] == found[1]["comparisons"]


@pytest.fixture(scope="module")
def whole(work: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run in this process, which all others are compared with."""
    store = tmp_path_factory.mktemp("whole") / "store"
    main(["run", *work, "--store", str(store), "--json", f"{store}.json"])
    assert units(store) == 2 * 3
    return store


linux_only = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes under /proc")


def test_a_killed_run_goes_on_where_it_was(start: Start, work: tuple[str, ...], whole: Path, tmp_path: Path) -> None:
    store = tmp_path / "disturbed"
    options = (*work, "--store", store, "--json", f"{store}.json")
    for _ in range(2):  # once from nothing, once where another was killed
        before = units(store)
        process = start(*options)
        wait_for(lambda before=before: units(store) > before, process)
        process.kill()
    assert units(store) >= 2
    ended(start(*options))
    same(whole, store)


def test_two_runs_on_one_store_both_end_and_share_the_work(
    start: Start, work: tuple[str, ...], whole: Path, tmp_path: Path
) -> None:
    store = tmp_path / "shared"
    both = [start(*work, "--store", store, "--json", f"{store}.json") for _ in range(2)]
    for process in both:
        ended(process)
    same(whole, store)


@linux_only
def test_worker_processes_give_the_same_and_are_replaced_when_they_die(
    start: Start, work: tuple[str, ...], whole: Path, tmp_path: Path
) -> None:
    store = tmp_path / "workers"
    process = start(*work, "--store", store, "--json", f"{store}.json", "--workers", 2)
    victims = wait_for(lambda: units(store) and children(process.pid, b"spawn_main"), process)
    if victims:
        os.kill(victims[0], signal.SIGKILL)
    ended(process)
    same(whole, store)


@linux_only
def test_worker_processes_end_with_their_run(start: Start, work: tuple[str, ...], tmp_path: Path) -> None:
    process = start(*work, "--store", tmp_path / "orphans", "--workers", 2)
    workers = wait_for(lambda: children(process.pid, b"spawn_main"), process)
    assert workers
    process.kill()
    deadline = time.monotonic() + 60
    while any(b"spawn_main" in line for line in map(command_line, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if b"spawn_main" in command_line(pid)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@linux_only
def test_ray_gives_the_same_and_its_workers_may_die(
    start: Start, work: tuple[str, ...], whole: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="needs the extra 'ray'")
    store = tmp_path / "ray"
    process = start(*work, "--store", store, "--json", f"{store}.json", "--executor", "ray", "--workers", 2)
    victims = wait_for(lambda: units(store) and children(process.pid, b"ray::_run"), process)
    if victims:
        os.kill(victims[0], signal.SIGKILL)
    ended(process)
    same(whole, store)


class DyingPool:
    """A pool whose worker dies at one pass, whatever one does."""

    deadly = 1

    def __init__(self, *_: Any) -> None:
        self.broken = False

    def submit(self, work: Any, chunk: tuple[int, ...]) -> Any:
        from concurrent.futures import Future
        from concurrent.futures.process import BrokenProcessPool

        future: Future[Any] = Future()
        self.broken = self.broken or self.deadly in chunk
        if self.broken:
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result([PassReport(index) for index in chunk])
        return future

    def shutdown(self, **_: Any) -> None:
        pass


@pytest.mark.usefixtures("zoo", "small_tasks")
def test_a_pass_that_kills_every_worker_is_given_up_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(("other",), tasks=("micro-val",), baselines=(), store=tmp_path / "store", device="cpu")
    store = Store(settings.store)
    job = Job(settings, tuple(group(make_plan(settings, store).missing(store))))
    monkeypatch.setattr(executors, "ProcessPoolExecutor", DyingPool)
    moved = []
    reports = list(executors.ProcessExecutor(1).run(job, lambda amount, what="": moved.append(amount)))
    assert sorted(report.index for report in reports) == [0, 1, 2]
    assert sum(moved) == 14
    (failure,) = [failure for report in reports for failure in report.failures]
    assert (failure.task, failure.image_id) == ("micro-val", "images 5 to 9")
    assert "died" in failure.reason


def test_chunks_hold_every_pass_once_and_leave_work_for_all() -> None:
    for passes in (0, 1, 7, 100, 5000):
        for workers in (1, 2, 16):
            found = executors.chunks(passes, workers)
            assert [index for chunk in found for index in chunk] == list(range(passes))
            assert max(map(len, found), default=1) <= 8
            assert len(found) >= min(passes, 4 * workers)


def test_only_unnamed_cuda_devices_are_spread() -> None:
    assert spread("cpu", 3) == "cpu"
    assert spread("cuda:1", 3) == "cuda:1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"executor": "slurm"}, "choose one of local, ray"),
        ({"address": "auto"}, "--executor ray"),
        ({"workers": 0}, "--workers 0"),
        ({"threads": -1}, "--threads -1"),
        ({"batch": 0}, "--batch 0"),
    ],
)
def test_what_no_executor_can_do_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(VitobenchError, match=message):
        executors.choose(Settings(("vito",), **change))
