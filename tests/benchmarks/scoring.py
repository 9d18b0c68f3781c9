"""Time and disk of ImageNet-C at its full size: 50,000 images under 75 conditions, 3.75 million predictions.

    python tests/benchmarks/scoring.py [--folder DIR] [--rounds N]

The predictions are made up, with the entropy of a real classifier: each image has a pool of 40 classes that it is taken
for, with Zipf's weights, and the right one is lost more often at higher severities. Making them takes a minute or two;
with --folder they are kept and used again.

At the end scoring and verifying are timed in this process by turns, with the checks of what is read and without them:
no digests, and rows that are not held to what their task asks. Scoring may cost a tenth more with them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest import mock

import numpy as np

from vitobench.bench import catalogue
from vitobench.bench.planning.plan import Plan, PlannedTask
from vitobench.bench.planning.stored import recall
from vitobench.bench.run import rescore
from vitobench.bench.scoring.parts import read_answers
from vitobench.bench.settings import SHARD, Settings
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.results import layout as sealing
from vitobench.results import predictions as asked
from vitobench.results import records
from vitobench.results.inventory import verify
from vitobench.results.predictions import Asked
from vitobench.results.store import Store
from vitobench.tasks.registry import TASKS

IMAGES = 50_000
TASK = TASKS["imagenet-c"]
SPEC = ModelSpec("made-up", "file", "none", Preprocessing(), "imagenet-1k", "0" * 64)


def unit(start: int) -> dict:
    """The columns of one unit."""
    rng = np.random.default_rng(start)
    cells = len(TASK.conditions)
    names = np.array([c.name for c in TASK.conditions], dtype=object)
    severities = np.array([c.severity for c in TASK.conditions])
    weights = 1 / np.arange(1, 41)
    top = np.empty((SHARD, cells, 5), np.int16)
    labels = rng.integers(0, 1000, SHARD)
    for image in range(SHARD):
        pool = rng.choice(1000, 40, replace=False)
        pool[0] = labels[image]
        # Weighted draws without replacement, all conditions at once: Gumbel's trick.
        bonus = 2.5 - 0.6 * severities[:, None] * (np.arange(40) == 0)
        score = np.log(weights) + bonus * (np.arange(40) == 0) + rng.gumbel(size=(cells, 40)) * 0.7
        top[image] = pool[np.argsort(-score, axis=1)[:, :5]]
    return {
        "condition": np.tile(names, SHARD),
        "severity": np.tile(severities, SHARD),
        "image_id": np.repeat([f"n{labels[i]:08d}/ILSVRC2012_val_{start + i:08d}.JPEG" for i in range(SHARD)], cells),
        "label": np.repeat(labels, cells),
        "top": top.reshape(-1, 5),
        "confidence": rng.beta(1.2, 1.2, SHARD * cells),
        "error": [None] * (SHARD * cells),
    }


def make(store: Store) -> None:
    """Write the store."""
    planned = PlannedTask(TASK, "0" * 64, 0, TASK.identity("0" * 64, 0), IMAGES, Source())  # type: ignore[arg-type]
    store.prepare()
    catalogue.keep(Plan(Settings(()), (SPEC,), (), (planned,), (), ()), store)
    asked = {TASK.name: {"identity": planned.identity, "images": IMAGES}}
    records.write_run(store, "made-up", {"models": {SPEC.name: SPEC.identity}, "tasks": asked, "status": "finished"})

    def write(start: int) -> None:
        store.write_unit(planned.identity, SPEC.identity, start, start + SHARD, unit(start))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(0, IMAGES, SHARD)))


class Source:
    """The made-up images, without pixels."""

    name, label_space, digest = "imagenet", "imagenet-1k", "0" * 64

    def __init__(self) -> None:
        labels = [np.random.default_rng(start).integers(0, 1000, SHARD) for start in range(0, IMAGES, SHARD)]
        self.labels = np.concatenate(labels)
        self.image_ids = [f"n{label:08d}/ILSVRC2012_val_{n:08d}.JPEG" for n, label in enumerate(self.labels.tolist())]

    def manifest(self) -> dict[str, str]:
        """Made-up content hashes."""
        return {image_id: f"{n:064x}" for n, image_id in enumerate(self.image_ids)}


@contextmanager
def unchecked() -> Iterator[None]:
    """Read as if there were neither digests nor lists of images."""
    with (
        mock.patch.object(sealing, "_sha256", lambda content, place: bytes(content[place : place + 64])),
        mock.patch.object(asked, "contradictions", return_value=iter(())),
        mock.patch.object(Store, "asked", return_value=Asked((), np.empty(0, np.int64), 1000, ())),
    ):
        yield


def compare_checks(store: Store, rounds: int) -> None:
    """Print how long scoring and verifying take with the checks, and how long without, by turns."""
    settings = Settings((), baselines=(), store=store.location, recompute_scores=True)
    work: dict[str, Callable[[], object]] = {
        "reading": lambda: read_answers(recall(settings, Store(store.location)), Store(store.location)),
        "scoring": lambda: rescore(settings),
        "verifying": lambda: verify(Store(store.location)),
    }
    for name, act in work.items():
        act()  # whatever is loaded at the first call
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(rounds):
            for checks in (True, False):
                with nullcontext() if checks else unchecked():
                    started = time.perf_counter()
                    act()
                    seconds[checks].append(time.perf_counter() - started)
        best = {checks: min(found) for checks, found in seconds.items()}
        print(
            f"{name}: {best[True]:.2f} s with the checks, {best[False]:.2f} s without: "
            f"{best[True] / best[False]:.3f} times (limit for scoring 1.1)"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the predictions are kept; a temporary folder by default")
    parser.add_argument("--rounds", type=int, default=5, help="of timing with the checks and without")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="scoring"))
    store = Store(folder / "store")
    if not store.exists():
        started = time.perf_counter()
        make(store)
        print(f"made in {time.perf_counter() - started:.0f} s")
    entries = store.unit_entries()
    size = sum(entry.size for _, entry in entries)
    rows = IMAGES * len(TASK.conditions)
    print(
        f"{rows:,} predictions in {len(entries)} files: {size / 1e6:.1f} MB, {size / rows:.2f} bytes each (limit 30 MB)"
    )
    for _ in range(2):
        started = time.perf_counter()
        command = [sys.executable, "-m", "vitobench.bench", "score", "--store", store.location, "--quiet"]
        done = subprocess.run([*command, "--json", str(folder / "scores.json")], capture_output=True, check=False)
        seconds = time.perf_counter() - started
        assert done.returncode == 0, done.stderr.decode()
        print(f"bench score, with {rows:,} predictions, 2,000 replicates: {seconds:.2f} s (limit 5 s)")
    compare_checks(store, options.rounds)


if __name__ == "__main__":
    main()
