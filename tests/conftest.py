"""What all tests share: how many processes run them, threads and signals."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest

from vitobench.cores import usable_cores

MOST_WORKERS = 4  # each may hold 2.5 GB
collect_ignore = ["benchmarks"]  # scripts that print times, also where one is called test_*.py

# Before torch and numpy load: networks and tables this small are faster on one thread, many times so where several
# processes share the cores. Processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # where a command takes more, they do not wait busily
# As `bench` does. With all that tests hold, looking for garbage every 700 objects takes a fifth of their time.
gc.set_threshold(10_000, *gc.get_threshold()[1:])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Workers for ``-n auto``: one per core, four at most; none for a single file, which starts sooner without."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None  # pytest-xdist reads it
    files = {argument.partition("::")[0] for argument in config.args}
    if len(files) == 1 and not Path(*files).is_dir():
        return 0
    return min(usable_cores(), MOST_WORKERS)


def pytest_configure() -> None:
    """Read no configuration of whoever runs the tests.

    Answer Ctrl-C even where the tests were started with it ignored, as a shell starts what it puts aside.
    """
    os.environ["VITOBENCH_CONFIG"] = os.devnull
    os.environ.pop("VITOBENCH_DATA", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photographs() -> Path:
    where = os.environ.get("VITOBENCH_TEST_DATA")
    if not where or not (Path(where) / "photos").is_dir():
        pytest.skip("VITOBENCH_TEST_DATA names no folder with real photographs (photos/nXXXXXXXX/*.JPEG)")
    return Path(where) / "photos"


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not among modules and tests, which stay."""
    gc.collect()
    gc.freeze()
