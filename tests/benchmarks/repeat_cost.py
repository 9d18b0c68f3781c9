"""Processor time of a command that has nothing left to do, over a plain read of the same predictions.

    python tests/benchmarks/repeat_cost.py [--store DIR] [--models vito] [--suite robustness] [--limit N] [--rounds 3]

Each is a process of its own: a read of every Parquet file of the store by pyarrow alone, `bench run` when everything is
stored, scored and drawn, and `bench score`. They take turns, and the smallest of each counts, so that what else the
machine does matters little. Without --store a store is made first, with predictions drawn at random: what they say does
not matter here, and no model runs.

The exit code is 1 where a ratio is above its limit: then something is computed again that was known.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from vitobench.bench import catalogue
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import PlannedTask
from vitobench.bench.settings import Settings
from vitobench.results.layout import safe_name
from vitobench.results.predictions import Asked
from vitobench.results.store import Store

LIMITS = {"bench run": 4.0, "bench score": 3.0}
"""Largest ratios to a plain read. With a few thousand predictions most of either is imports; pyarrow's are in both."""

_READ = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
rows = sum(pq.read_table(path).num_rows for path in Path(sys.argv[1], "predictions").rglob("*.parquet"))
print(f"{rows:,} predictions")
"""
_BENCH = "import sys; from vitobench.bench.cli import main; main(sys.argv[1:])"


def seconds(code: str, *arguments: str) -> float:
    """Processor time of a process, its threads and children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make(store: Store, models: list[str], suite: str, limit: int | None) -> None:
    """Write a store of the right form, with predictions drawn at random."""
    plan = make_plan(Settings(tuple(models), suite=suite, store=store.location, limit=limit), store)
    store.prepare()
    catalogue.keep(plan, store)
    rng = np.random.default_rng(0)
    for planned, spec in plan.cells():
        asked = store.asked(safe_name(planned.identity), planned.images)
        assert isinstance(asked, Asked)
        for start, stop in planned.ranges():
            store.write_unit(planned.identity, spec.identity, start, stop, unit(planned, asked, start, stop, rng))


def unit(planned: PlannedTask, asked: Asked, start: int, stop: int, rng: np.random.Generator) -> dict:
    """The columns of one unit; about three quarters of the predictions are right."""
    conditions = planned.task.conditions
    images, cells = stop - start, len(conditions)
    labels = np.repeat(asked.labels[start:stop], cells)
    top = rng.permuted(np.tile(np.arange(asked.classes), (images * cells, 1)), axis=1)[:, :5]
    top[:, 0] = np.where(rng.random(len(labels)) < 0.75, labels, top[:, 0])
    return {
        "condition": [condition.name for condition in conditions] * images,
        "severity": [condition.severity for condition in conditions] * images,
        "image_id": np.repeat(np.array(asked.image_ids[start:stop], dtype=object), cells),
        "label": labels,
        "top": top,
        "confidence": rng.beta(4, 1.2, len(labels)),
        "error": [None] * len(labels),
    }


def measure(store: str, models: list[str], suite: str, limit: int | None, rounds: int) -> dict[str, float]:
    """The smallest processor time of each command, in seconds."""
    chosen = [word for model in models for word in ("--model", model)]
    more = ["--suite", suite, "--store", store] + (["--limit", str(limit)] if limit is not None else [])
    commands: dict[str, tuple[str, ...]] = {
        "plain read": (_READ, store),
        "bench run": (_BENCH, "run", *chosen, *more),
        "bench score": (_BENCH, "score", *chosen, *more),
    }
    for name in ("bench run", "bench score"):  # whatever is not known yet
        print(f"{name}, the first time: {seconds(*commands[name]):.2f} s", flush=True)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(seconds(*command))
    return {name: min(values) for name, values in times.items()}


def main() -> int:
    """Measure, print, and say whether a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="an existing store; a new one is made otherwise")
    parser.add_argument("--models", nargs="+", default=["vito"])
    parser.add_argument("--suite", default="robustness")
    parser.add_argument("--limit", type=int, default=None, help="images of each task; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = asked.store or str(Path(folder) / "store")
        if asked.store is None:
            make(Store(store), asked.models, asked.suite, asked.limit)
        least = measure(store, asked.models, asked.suite, asked.limit, asked.rounds)
    exceeded = False
    for name, value in least.items():
        ratio, most = value / least["plain read"], LIMITS.get(name)
        above = most is not None and ratio > most
        exceeded |= above
        limits = f", at most {most:g}" if most is not None else ""
        print(f"{name}: {value:.2f} s, {ratio:.1f} times a plain read{limits}{'  ABOVE' if above else ''}")
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
