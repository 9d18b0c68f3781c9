"""Time of a paired comparison at ImageNet-C's full size: 50,000 images under 75 conditions, 2,000 clustered replicates.

    python tests/benchmarks/comparison_speed.py [--images 50000]

First the interval of the difference of two models' means over the 75 conditions alone, drawn anew and once more with
the draws that are kept; then every row of a comparison. The limit for the first is 2 seconds on two cores. The peer is
`scipy.stats.bootstrap` on the same differences, with a twentieth of the replicates and its time times twenty.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from scipy import stats

from vitobench.results import statistics
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.compare import compare
from vitobench.tasks.scoring.samples import Answers, prepare

T = TypeVar("T")
LIMIT = 2.0
TASK = TASKS["imagenet-c"]


def timed(what: str, work: Callable[[], T]) -> tuple[T, float]:
    """Do something, print how long it took."""
    started = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - started
    print(f"{what}: {seconds:.2f} s")
    return found, seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=50_000)
    n = parser.parse_args().images
    rng = np.random.default_rng(0)
    cells = len(TASK.conditions)
    difficulty = rng.random((n, 1))
    hits = {
        name: (0.6 * difficulty + 0.4 * rng.random((n, cells)) > at).astype(np.float32)
        for name, at in (("a", 0.5), ("b", 0.505))
    }

    def mean_difference() -> tuple[float, float]:
        a, b = (own.mean(axis=1, keepdims=True, dtype=np.float64) for own in hits.values())
        return statistics.interval(statistics.resampled_means(a - b)[:, 0])

    ours, first = timed("difference of two means over 75 conditions, interval of 2,000 replicates", mean_difference)
    timed("the same with the draws that are kept", mean_difference)
    apart = (hits["a"] - hits["b"]).mean(axis=1, dtype=np.float64)

    def peer() -> tuple[float, float]:
        found = stats.bootstrap((apart,), np.mean, n_resamples=100, method="percentile", batch=10, rng=0)
        return found.confidence_interval.low, found.confidence_interval.high

    theirs, seconds = timed("scipy.stats.bootstrap, 100 replicates", peer)
    print(f"intervals in points: ours {100 * np.array(ours)}, scipy's {100 * np.array(theirs)}")
    print(
        f"{first / LIMIT:.2f} of the limit of {LIMIT} s; scipy with 2,000 replicates: "
        f"{20 * seconds / first:.1f} times as long"
    )

    ids = np.array([f"i{number:06d}" for number in range(n)])
    labels = np.zeros(n, np.int64)
    answers = {
        name: Answers(name, ids, np.where(own > 0, 0, 1).astype(np.int16), own, labels, np.ones_like(own))
        for name, own in hits.items()
    }
    statistics._counts.cache_clear()
    rows, _ = timed("every row of the comparison", lambda: compare(prepare(TASK, answers), "a", "b"))
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
