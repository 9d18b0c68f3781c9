"""Memory of pretraining over its steps: of the process that trains, of those that read clips, and live tensors.

Runs a small VITO on the micro-world, and on real clips where a folder is given, and prints what `/proc` says (Linux).
After the first rows, which warm up allocators, decoders and queues, the numbers should stay where they are. The last
line of each is the slope of a line through the second half of its rows.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vitobench.models.pretraining.clips import micro_exam, micro_pool
from vitobench.models.pretraining.feeds import ClipFeed, PoolFeed
from vitobench.models.pretraining.recipe import Recipe, load_recipe
from vitobench.models.pretraining.trainer import Feed, train
from vitobench.tasks.clips.opening import open_clips


def resident(process: str) -> float:
    """Resident memory in MB; 0 where the process is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")]
    return sum(sizes) / 1024


def children() -> list[str]:
    """Processes that this one has started, those that read clips among them."""
    tasks = Path("/proc/self/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]


def live_tensors() -> tuple[int, int]:
    """Tensors that Python holds, and those of them that hold a graph."""
    gc.collect()
    # By class, since a look at the attributes of lazy modules would load them.
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    return len(found), sum(tensor.grad_fn is not None for tensor in found)


def watch(name: str, recipe: Recipe, feed: Feed, every: int) -> None:
    """Train, and print a row each few steps."""
    print(f"\n{name}: batch {recipe.batch}, {recipe.size} pixels, {recipe.precision}")
    print(
        f"{'step':>6}{'training MB':>13}{'reading MB':>12}{'processes':>11}{'tensors':>9}{'with graph':>12}{'files':>7}"
    )
    rows = []

    def look(done: int, steps: int, loss: float) -> None:
        if done % every == 0:
            readers = children()
            row = (done, resident("self"), sum(resident(child) for child in readers), len(readers), *live_tensors())
            files = len(list(Path("/proc/self/fd").iterdir()))
            print("{:6}{:13.1f}{:12.1f}{:11}{:9}{:12}{:7}".format(*row, files), flush=True)
            rows.append(row)

    with tempfile.TemporaryDirectory() as folder:
        train(recipe, feed, Path(folder), look)
    late = np.array(rows[len(rows) // 2 :], dtype=float)
    if len(late) > 1:
        slopes = [np.polyfit(late[:, 0], late[:, column], 1)[0] for column in (1, 2)]
        print(f"slope over the second half: {1000 * slopes[0]:.0f} and {1000 * slopes[1]:.0f} kB a step")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("clips", nargs="?", help="a folder of videos, or what else `bench pretrain --data` takes")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=20, help="steps between rows")
    parser.add_argument("--workers", type=int, default=2, help="processes that read clips")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=48)
    options = parser.parse_args()
    torch.set_num_threads(1)
    recipe = replace(
        load_recipe("micro/vito", ("hidden=128", "projection=64"), steps=options.steps),
        clips=64, batch=options.batch, size=options.size, warmup=5,
        monitor_every=options.every,
    )  # fmt: skip
    pool = micro_pool(recipe)
    watch("micro-world", recipe, PoolFeed(pool, exam=micro_exam(pool, recipe.size, recipe.seed)), options.every)
    if options.clips:
        recipe = replace(recipe, data="clips", clips=0)
        feed = ClipFeed(open_clips(options.clips), recipe, options.workers)
        watch(f"{feed.clips} clips, {options.workers} processes read", recipe, feed, options.every)


if __name__ == "__main__":
    main()
