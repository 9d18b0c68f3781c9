"""One rank of a training step, in a module that a fresh process can import."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import torch

from vitobench.interruption import Stopped
from vitobench.models.pretraining.clips import ClipPool
from vitobench.models.pretraining.devices import Ranks, make_fabric, synchronise
from vitobench.models.pretraining.feeds import PoolFeed
from vitobench.models.pretraining.learners import make_learner
from vitobench.models.pretraining.methods import METHODS, MethodSettings, keys_of
from vitobench.models.pretraining.recipe import Recipe
from vitobench.models.pretraining.trainer import train


def small(objective: str, **own: object) -> MethodSettings:
    """A method with little networks."""
    sizes = {"hidden": 16, "projection": 8, "prototypes": 12}
    return METHODS[objective](**{key: value for key, value in sizes.items() if key in keys_of(objective)} | own)


RECIPE = Recipe(
    "t", "", small("contrastive"), "micro-resnet8", pooling="attention", scales=2, window=0.0, batch=8, steps=10,
    warmup=1, precision="float32", learning_rate=1e-2,
)  # fmt: skip
OBJECTIVES = ("contrastive", "simclr", "dino")
RANKS = 2


def step(learner: torch.nn.Module, module: torch.nn.Module, shown: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """One plain gradient step and the target's move; returns the loss."""
    loss, _ = module(shown, torch.zeros(len(shown[0]), dtype=torch.int64))
    loss.backward()
    with torch.no_grad():
        for parameter in learner.parameters():
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad
    learner.after_step(1)
    return loss.detach()


def views() -> tuple[torch.Tensor, torch.Tensor]:
    """The whole batch."""
    rng = torch.Generator().manual_seed(7)
    return torch.rand(8, 3, 32, 32, generator=rng), torch.rand(8, 3, 32, 32, generator=rng)


def one_rank(rank: int, port: int, folder: str) -> None:
    """Train a step of every objective; the first rank writes what came of it."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "LOCAL_RANK": str(rank),
                   "WORLD_SIZE": str(RANKS), "LOCAL_WORLD_SIZE": str(RANKS), "TORCHELASTIC_RUN_ID": "test"}  # fmt: skip
    torch.set_num_threads(1)
    fabric = make_fabric(RANKS, "cpu")
    ranks = Ranks(fabric)
    assert (ranks.count, ranks.rank) == (RANKS, rank)
    for objective in OBJECTIVES:
        torch.manual_seed(0)
        learner = make_learner(replace(RECIPE, method=small(objective)), ranks).train()
        synchronise(learner, fabric.device)
        module = fabric.setup(learner)
        own = tuple(view[4 * rank : 4 * rank + 4] for view in views())
        loss = ranks.mean(step(learner, module, own))
        if rank == 0:
            torch.save({"loss": loss, "state": learner.state_dict()}, Path(folder) / f"{objective}.pt")
    recipe = replace(RECIPE, steps=6)
    pool = PoolFeed(ClipPool(torch.randint(0, 255, (16, 1, 3, 32, 32), dtype=torch.uint8), torch.arange(16)))
    whole = train(recipe, pool, Path(folder) / "whole", fabric=fabric)
    stopped = ""
    try:
        # The signal reaches the second rank alone, in its third step.
        train(recipe, pool, Path(folder) / "cut", lambda done, *_: _signal(rank, done), fabric=fabric)
    except Stopped as error:  # the group is taken down
        stopped = error.message
    if rank == 0:
        torch.save({"curve": whole.curve, "stopped": stopped}, Path(folder) / "stopped.pt")


def _signal(rank: int, done: int) -> None:
    if rank == 1 and done == 2:
        signal.raise_signal(signal.SIGTERM)
