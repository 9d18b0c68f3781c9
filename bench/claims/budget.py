"""How long a reproduction will take on this machine: its own steps, frames and forward passes, timed a few times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...cores import usable_cores
from ...tasks.registry import get_suite
from .declared import SUITE
from .training import Run

if TYPE_CHECKING:
    from ...models.pretraining.recipe import Recipe

_TIMED = 2
"""Steps that are timed, after one that is not."""

_FRAMES = 256
"""Frames that are rendered to time the renderer."""

_OTHER_IMAGES = 8192 + 6096 + 4 * 1920
"""Images that each run reads for its classifier, for what is decoded, and along clips (at twice the size)."""

_FINISHING = 10.0
"""Seconds of a core around the steps of a run: photographs to measure the classifier on, and reading of libraries."""

_STIMULI = 1100
"""Stimuli of an experiment of human alignment, on average; their tasks do not state a number."""

_PER_FORWARD = 2.0
"""Time of measuring over that of its forward passes: pixels, corruptions, classifiers and scores come on top."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of wall-clock time on this machine, if nothing else runs on it.

    Attributes:
        rendering: What the runs of each seed learn from.
        training: The steps of all runs.
        measuring: The tasks.
    """

    rendering: float
    training: float
    measuring: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.rendering + self.training + self.measuring

    def line(self) -> str:
        """For a person."""
        parts = {"rendering": self.rendering, "training": self.training, "measuring": self.measuring}
        words = ", ".join(f"{name} {seconds / 60:.0f}" for name, seconds in parts.items())
        return f"About {self.seconds / 3600:.1f} hours on this machine (minutes: {words})."


def estimate(runs: Sequence[Run], workers: int, limit: int | None = None) -> Estimate:
    """Time a few steps of each kind, frames and forward passes, and multiply.

    Args:
        runs: The runs that are missing.
        workers: Runs at a time.
        limit: At most so many images of each task.
    """
    import torch

    from ...models.pretraining.checkpoint import same_threads
    from ...models.pretraining.clips import for_the_head, pool_key

    recipes = [run.recipe for run in runs]
    pools = {pool_key(part): part for recipe in recipes for part in (recipe, for_the_head(recipe))}
    frames = sum(part.clips * part.frames_per_clip for part in pools.values())
    steps: dict[tuple[str, str], float] = {}
    forward: dict[str, float] = {}
    with same_threads():
        torch.set_num_threads(max(1, usable_cores() // workers))
        for recipe in recipes:
            kind = recipe.network, recipe.objective
            if kind not in steps:
                steps[kind] = step_seconds(recipe)
            if recipe.network not in forward:
                forward[recipe.network] = forward_seconds(recipe)
    training = sum(recipe.steps * steps[recipe.network, recipe.objective] for recipe in recipes)
    suite = get_suite(SUITE)
    sizes = (suite.declared(name) for name in suite.tasks)
    wanted = ((task.images or _STIMULI, len(task.conditions)) for task in sizes)
    images = sum(min(number, limit or number) * conditions for number, conditions in wanted) + _OTHER_IMAGES
    measuring = sum(images * forward[recipe.network] * _PER_FORWARD + _FINISHING for recipe in recipes)
    return Estimate(frames * frame_seconds(), training / workers, measuring / workers)


def step_seconds(recipe: Recipe) -> float:
    """Seconds of a training step, views included, with the threads and in the precision of a run.

    Args:
        recipe: A recipe for the micro-world.
    """
    import torch

    from ...models.pretraining.clips import ClipPool, Place
    from ...models.pretraining.feeds import pool_batch
    from ...models.pretraining.learners import make_learner
    from ...models.pretraining.trainer import make_optimiser, precision_of

    few = replace(recipe, clips=recipe.batch)
    shape = (few.clips, few.frames_per_clip, 3, few.size, few.size)
    pool = ClipPool(torch.randint(0, 256, shape, dtype=torch.uint8), torch.arange(few.clips) % 16)
    learner = make_learner(few).train().to(memory_format=torch.channels_last)
    optimiser = make_optimiser(few, learner)
    half = precision_of(few, torch.device("cpu")) == "bfloat16"

    def step() -> None:
        batch = pool_batch(pool, few, learner.views, Place(0))
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss, _ = learner(batch.views, batch.labels)
        loss.backward()
        optimiser.step()
        learner.after_step(1)

    return _least(step)


def forward_seconds(recipe: Recipe) -> float:
    """Seconds of a forward pass of the recipe's network, for each image of a batch, as it is measured on a CPU."""
    import torch

    from ...models.networks import build

    network = build(recipe.network, 16).eval()
    images = torch.rand(128, 3, recipe.size, recipe.size).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return _least(lambda: network(images)) / len(images)


def frame_seconds() -> float:
    """Seconds of a frame of a filmed clip, on all cores."""
    from ...tasks.microworld.sets import MicroSet

    source = MicroSet("train", _FRAMES)
    clips = [index // 4 for index in range(_FRAMES)]
    times = [0.5 + 0.4 * (index % 4) for index in range(_FRAMES)]
    return _least(lambda: source.frames(clips, 64, times)) / _FRAMES


def _least(work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
