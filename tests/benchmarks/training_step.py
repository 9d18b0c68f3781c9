"""Time of a VITO training step over that of bare forward and backward passes of the same network on the same batch.

A step makes two views, runs them through the target without and through the online network with gradients, and updates
both. The bare passes are two forward passes of the encoder, projector and predictor with a backward pass: what no
training on two views can do without.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from vitobench.models.cpu_tuning import keep_freed_memory
from vitobench.models.pretraining.clips import ClipPool
from vitobench.models.pretraining.learner import ContrastiveLearner
from vitobench.models.pretraining.recipe import load_recipe
from vitobench.models.pretraining.trainer import batch_at


def median_seconds(work: Callable[[int], None], repeats: int) -> float:
    """Median time of ``work``, called with the number of the repeat, after one call that is not counted."""
    work(0)
    times = []
    for number in range(1, repeats + 1):
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", default="micro/vito", help="a contrastive recipe")
    parser.add_argument("--repeats", type=int, default=5, help="steps that are timed")
    parser.add_argument("--batch", type=int, help="clips per step, instead of the recipe's")
    options = parser.parse_args()
    keep_freed_memory()
    recipe = replace(load_recipe(options.recipe, batch=options.batch), clips=1024)
    torch.manual_seed(0)
    # Noise costs what frames cost, and needs no renderer.
    shape = (recipe.clips, recipe.frames_per_clip, 3, recipe.size, recipe.size)
    pool = ClipPool(torch.randint(0, 256, shape, dtype=torch.uint8), torch.arange(recipe.clips) % 16)
    learner = ContrastiveLearner(recipe).train()
    optimiser = torch.optim.AdamW([p for p in learner.parameters() if p.requires_grad], lr=1e-4)
    views = torch.rand(recipe.batch, 3, recipe.size, recipe.size).contiguous(memory_format=torch.channels_last)

    def step(number: int) -> None:
        clips, rng = batch_at(number, recipe, recipe.clips)
        optimiser.zero_grad(set_to_none=True)
        learner.loss(pool, clips, rng).backward()
        optimiser.step()
        learner.after_step(number)

    def bare(number: int) -> None:
        learner.zero_grad(set_to_none=True)
        (learner.predictor(learner.online(views)).sum() + learner.predictor(learner.online(views)).sum()).backward()

    whole, passes = median_seconds(step, options.repeats), median_seconds(bare, options.repeats)
    print(f"{options.recipe}, batch {recipe.batch}, {torch.get_num_threads()} threads, milliseconds")
    print(f"training step               {1000 * whole:8.1f}")
    print(f"bare forward and backward   {1000 * passes:8.1f}")
    print(f"ratio                       {whole / passes:8.2f}")


if __name__ == "__main__":
    main()
