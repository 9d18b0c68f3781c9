"""A run holds as many tensors after a step as five steps before, and none that drags a graph along."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitobench.models.pretraining import trainer
from vitobench.models.pretraining.clips import ClipPool, places
from vitobench.models.pretraining.feeds import pool_batch
from vitobench.models.pretraining.learners import Batch
from vitobench.models.pretraining.recipe import Recipe
from vitobench.tests.models.pretraining.two_ranks import small

VITO = Recipe(
    "tiny", "", small("contrastive"), "micro-resnet8", pooling="attention", scales=2, window=2.56, clips=64,
    frames_per_clip=2, size=32, batch=4, accumulate=2, steps=9, warmup=2, monitor_every=0,
)  # fmt: skip
"""One epoch is 16 steps: the orders of the last two are remembered, and their number must not change in between."""


class InTurn:
    """Batches made one after the other: a queue would hold now more and now fewer."""

    classes, exam = 16, None

    def __init__(self, pool: ClipPool) -> None:
        self.pool = pool

    def batches(self, recipe: Recipe, views: int, first: int, rank: int, ranks: int) -> Iterator[Batch]:
        for place in places(recipe, first, rank, ranks):
            yield pool_batch(self.pool, recipe, views, place)


def live_tensors() -> tuple[int, int]:
    """Tensors that Python holds, and those of them that hold a graph."""
    gc.collect()
    # By class, since a look at the attributes of other things in the process may set something off.
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    return len(found), sum(tensor.grad_fn is not None for tensor in found)


@pytest.mark.parametrize("objective", ["contrastive", "dino"])
def test_no_tensor_and_no_graph_outlives_its_step(
    objective: str, pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "LOG_STEPS", 1)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", 0.0)
    counts = {0: live_tensors()}

    def look(done: int, steps: int, loss: float) -> None:
        if done in (3, 8):
            counts[done] = live_tensors()

    recipe = replace(VITO, method=small(objective))
    if objective != "contrastive":
        recipe = replace(recipe, pooling="average", scales=1)
    trainer.train(recipe, InTurn(pool), tmp_path, look)
    assert counts[3][0] > counts[0][0] + 100  # weights, their averages and what the optimiser keeps are seen
    assert counts[8] == counts[3]
    assert counts[8][1] == counts[0][1]
