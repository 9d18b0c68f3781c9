"""Time of the training step of a recipe: over its bare passes, and over the same step in lightly's building blocks.

A step of the contrastive recipes makes two views, runs them through the target without and through the online network
with gradients, and updates both. Timed in turn, so that a busy machine disturbs all alike, are

- the step as `bench pretrain` does it, views made ahead in a thread, the linear monitor along;
- the bare passes of the same networks on views that are there already: two forward passes with a backward pass, and,
  as a second number, the target's two forward passes and the loss with them;
- the step in lightly's blocks: its heads, momentum update and loss, plain AdamW, the same encoder, the same views made
  just before each step.

Each is timed in rows of consecutive steps, of which the first few do not count: views that were made ahead while
something else was timed would be a gift.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vitobench.models.arithmetic import keep_freed_memory
from vitobench.models.networks import build
from vitobench.models.pretraining.clips import ClipPool, Place
from vitobench.models.pretraining.devices import make_fabric
from vitobench.models.pretraining.feeds import PoolFeed, pool_batch
from vitobench.models.pretraining.learners import Batch, Learner, make_learner, normalise, own_settings
from vitobench.models.pretraining.methods import Contrastive
from vitobench.models.pretraining.recipe import Recipe, load_recipe
from vitobench.models.pretraining.trainer import Feed, _Run, precision_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

UNCOUNTED, COUNTED = 4, 4


def wait_for(device: torch.device) -> None:
    """Wait until an accelerator has computed everything that it was asked for."""
    if device.type in ("cuda", "mps", "xpu"):
        getattr(torch, device.type).synchronize()


def our_step(recipe: Recipe, feed: Feed, folder: Path, fabric: Fabric) -> Callable[[], None]:
    """The step of the trainer, monitor included."""
    run = _Run(recipe, feed, folder, fabric, (), None)
    batches = feed.batches(recipe, run.learner.views, 0, 0, 1)
    numbers = count()

    def step() -> None:
        run._step(next(numbers), batches, lambda: 0)
        wait_for(fabric.device)

    return step


def bare_passes(recipe: Recipe, pool: ClipPool, target: bool, device: torch.device) -> Callable[[], None]:
    """Forward and backward passes of the learner's networks, without views, optimiser and update of the target."""
    learner = make_learner(recipe).train().to(memory_format=torch.channels_last).to(device)
    batch = pool_batch(pool, recipe, learner.views, Place(0)).to(device)

    def passes() -> None:
        learner.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision_of(recipe, device) == "bfloat16"):
            loss = _loss(learner, batch, target)
        loss.backward()
        wait_for(device)

    return passes


def _loss(learner: Learner, batch: Batch, target: bool) -> torch.Tensor:
    if target or not hasattr(learner, "target"):
        return learner(batch.views, batch.labels)[0]
    total = torch.zeros((), device=batch.labels.device)
    for view in batch.views:
        out = learner.online(normalise(view))
        total = total + (learner.predictor(out) if hasattr(learner, "predictor") else out).float().sum()
    return total


def lightly_step(recipe: Recipe, pool: ClipPool, device: torch.device) -> Callable[[], None]:
    """The step with an online and a momentum network and a contrastive loss, as lightly's examples write it."""
    from lightly.loss import NTXentLoss
    from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
    from lightly.models.utils import deactivate_requires_grad, update_momentum

    own = own_settings(recipe, Contrastive)
    encoder = build(recipe.network, 16).train().to(memory_format=torch.channels_last).to(device)
    head = BYOLProjectionHead(encoder.pool.width, own.hidden, own.projection).to(device)
    predictor = BYOLPredictionHead(own.projection, own.hidden, own.projection).to(device)
    slow_encoder, slow_head = copy.deepcopy(encoder), copy.deepcopy(head)
    deactivate_requires_grad(slow_encoder)
    deactivate_requires_grad(slow_head)
    criterion = NTXentLoss(own.temperature)
    trained = [*encoder.parameters(), *head.parameters(), *predictor.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=1e-4)
    numbers = count()

    def step() -> None:
        batch = pool_batch(pool, recipe, 2, Place(next(numbers))).to(device)
        one, two = (normalise(view) for view in batch.views)
        update_momentum(encoder, slow_encoder, own.momentum)
        update_momentum(head, slow_head, own.momentum)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision_of(recipe, device) == "bfloat16"):
            with torch.no_grad():
                keys = [slow_head(slow_encoder.features(view)) for view in (one, two)]
            queries = [predictor(head(encoder.features(view))) for view in (one, two)]
            loss = 0.5 * (criterion(queries[0], keys[1]) + criterion(queries[1], keys[0]))
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        wait_for(device)

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", default="micro/vito", help="a recipe for the micro-world")
    parser.add_argument("--rounds", type=int, default=4, help="rows of each kind")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings of the recipe")
    parser.add_argument("--processor-time", action="store_true", help="of all threads; for a machine that is not idle")
    parser.add_argument("--only-step", action="store_true", help="time the step alone")
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    keep_freed_memory()
    recipe = load_recipe(options.recipe, tuple(options.set), clips=1024, steps=100_000)
    torch.manual_seed(0)
    # Noise costs what frames cost, and needs no renderer.
    shape = (recipe.clips, recipe.frames_per_clip, 3, recipe.size, recipe.size)
    pool = ClipPool(torch.randint(0, 256, shape, dtype=torch.uint8), torch.arange(recipe.clips) % 16)
    with tempfile.TemporaryDirectory() as folder:
        fabric = make_fabric()
        kinds = {"step": our_step(recipe, PoolFeed(pool), Path(folder), fabric)}
        if not options.only_step:
            kinds["forward and backward"] = bare_passes(recipe, pool, False, fabric.device)
            kinds["the same and the target's forward"] = bare_passes(recipe, pool, True, fabric.device)
            if recipe.objective == "contrastive":
                kinds["step in lightly's blocks"] = lightly_step(recipe, pool, fabric.device)
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(options.rounds):
            for kind, work in kinds.items():
                for number in range(UNCOUNTED + COUNTED):
                    started = clock()
                    work()
                    if number >= UNCOUNTED:
                        times[kind].append(clock() - started)
    threads, precision = torch.get_num_threads(), precision_of(recipe, fabric.device)
    print(f"{options.recipe}, batch {recipe.batch}, {precision}, {threads} threads, {clock.__name__}")
    print(f"{'':36}{'median ms':>10}{'least ms':>10}{'step / it':>10}")
    whole = statistics.median(times["step"])
    for kind, values in times.items():
        median = statistics.median(values)
        print(f"{kind:36}{1000 * median:10.0f}{1000 * min(values):10.0f}{whole / median:10.2f}")


if __name__ == "__main__":
    main()
