"""Time and disk of ImageNet-C at its full size: 50,000 images under 75 conditions, 3.75 million predictions.

    python tests/benchmarks/scoring.py [--folder DIR]

The predictions are made up, with the entropy of a real classifier: each image has a pool of 40 classes that it is taken
for, with Zipf's weights, and the right one is lost more often at higher severities. Making them takes a minute or two;
with --folder they are kept and used again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from vitobench.bench import catalogue
from vitobench.bench.plan import Plan, PlannedTask
from vitobench.bench.settings import SHARD, Settings
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.results import records
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
    planned = PlannedTask(TASK, "0" * 64, 0, TASK.identity("0" * 64, 0), IMAGES)
    store.prepare()
    catalogue.keep(Plan(Settings(()), (SPEC,), (), (planned,), (), ()), store)
    asked = {TASK.name: {"identity": planned.identity, "images": IMAGES}}
    records.write_run(store, "made-up", {"models": {SPEC.name: SPEC.identity}, "tasks": asked, "status": "finished"})

    def write(start: int) -> None:
        store.write_unit(planned.identity, SPEC.identity, start, start + SHARD, unit(start))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(0, IMAGES, SHARD)))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the predictions are kept; a temporary folder by default")
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp(prefix="scoring"))
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


if __name__ == "__main__":
    main()
