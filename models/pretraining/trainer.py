"""The training loop: on one device or many, with exact resumption, atomic checkpoints and a log."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import torch
from torch import nn

from ...errors import CheckpointError, VitobenchError
from ...interruption import Stopped, finish_first
from ...tasks.microworld.sets import GENERATOR_VERSION
from ..arithmetic import keep_freed_memory, quick_precision
from .checkpoint import NAME, RECIPE_FORM, load_training, run_digest, save_state, take_threads
from .clips import Place, network_seed, part_size
from .devices import Ranks, leave, make_fabric, synchronise
from .learners import Batch, Learner, make_learner
from .monitors import LinearMonitor, NeighbourExam
from .recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric


# Optimisers and the learning rate schedule.


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with weight decay, and parameters without: biases and norms.

    Args:
        module: Only its parameters that require gradients are used.
        weight_decay: Weight decay of the first group.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def make_optimiser(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of a recipe: torch's fused AdamW, or timm's LARS (You et al. 2017), as BYOL uses it.

    timm's LARS only adapts the rate of parameters with weight decay, so biases and norms use plain momentum.
    """
    groups = parameter_groups(module, recipe.weight_decay)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    from timm.optim import Lars

    lars: torch.optim.Optimizer = Lars(
        groups, lr=recipe.learning_rate, momentum=recipe.optimiser_momentum, trust_coeff=recipe.trust
    )
    return lars


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """Learning rate of a step from 0: linear warm-up, then a cosine to 0 or a constant."""
    if step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.learning_rate
    share = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))


def precision_of(recipe: Recipe, device: torch.device) -> str:
    """What the networks of a recipe compute in on a device: ``"float32"`` or ``"bfloat16"``."""
    return quick_precision(device.type) if recipe.precision == "auto" else recipe.precision


# The training loop, on one device or many, with exact resumption, atomic checkpoints and a log.


CHECKPOINT_SECONDS = 60.0
CHECKPOINT_SHARE = 20.0
"""Write a checkpoint every minute, or less often if that would take more than a twentieth of the time."""
LOG_STEPS = 10


class Feed(Protocol):
    """The source of a rank's batches."""

    @property
    def classes(self) -> int:
        """Number of classes; 0 without labels."""

    @property
    def exam(self) -> NeighbourExam | None:
        """Images for the nearest-neighbour check."""

    def batches(self, recipe: Recipe, views: int, first: int, rank: int, ranks: int) -> Iterator[Batch]:
        """Batches from step ``first`` to the end, part by part; each only depends on (seed, step, part, rank)."""


@dataclass(frozen=True)
class Training:
    """The state of a run, finished or not.

    Attributes:
        learner: The trained module.
        curve: Rows of the log: step, loss, learning_rate, seconds, and results of the monitors.
        seconds: Wall-clock time of the optimisation, summed over resumptions.
        monitor: The linear classifier trained during the run; None without labels.
        step: Number of finished steps.
        precision: What the networks computed in, where the recipe leaves it to the machine.
    """

    learner: Learner
    curve: tuple[dict[str, float], ...]
    seconds: float
    monitor: LinearMonitor | None = None
    step: int = 0
    precision: str = "float32"


class Watch(Protocol):
    """Receives the log of a run from its first rank."""

    def row(self, row: dict[str, float]) -> None:
        """Called with each row of the log."""

    def close(self) -> None:
        """Called when the run ends, even after an error."""


def train(
    recipe: Recipe,
    feed: Feed,
    folder: Path,
    progress: Callable[[int, int, float], None] | None = None,
    fabric: Fabric | None = None,
    watches: Iterable[Watch] = (),
    saved: Callable[[Training], None] | None = None,
) -> Training:
    """Train a recipe; an interrupted run in the same folder continues from its last checkpoint.

    Resumption is exact: the order of clips, views and all random numbers are functions of (seed, step), and networks,
    optimiser and monitors come from the checkpoint. So do the precision, if the machine chose it, and the number of
    torch's threads, which affect rounding; the latter stays changed afterwards. The number of devices must be the same.

    On SIGTERM, SIGUSR1 or Ctrl-C on any rank, all ranks finish the step, the first one saves, and all stop.

    Args:
        recipe: The run.
        feed: The clips.
        folder: Folder for ``training.pt`` (checkpoint) and ``log.jsonl``.
        progress: Called after each step with (finished steps, total, loss).
        fabric: Launched Lightning Fabric; by default for a single device.
        watches: Further receivers of the log.
        saved: Called on the first rank after each checkpoint.

    Raises:
        CheckpointError: The folder has a checkpoint of another run, for another number of devices, or a damaged one.
        DataError: The batch cannot be divided evenly, or is larger than the number of clips.
        VitobenchError: The loss is no longer finite; the message names the last good checkpoint.
        Stopped: A signal arrived; the finished step is saved.
    """
    keep_freed_memory()
    fabric = fabric or make_fabric()
    run = _Run(recipe, feed, folder, fabric, tuple(watches), saved)
    try:
        with finish_first() as stop_signal:
            run.go(progress, stop_signal)
    except Stopped:
        leave(fabric)  # collective, but all ranks stop after the same step
        raise
    finally:
        for watch in run.watches:
            watch.close()
    return run.training()


class _Run:
    """The state of a run in one process."""

    def __init__(
        self,
        recipe: Recipe,
        feed: Feed,
        folder: Path,
        fabric: Fabric,
        watches: tuple[Watch, ...],
        saved: Callable[[Training], None] | None,
    ) -> None:
        self.recipe, self.feed, self.fabric, self.watches, self.saved = recipe, feed, fabric, watches, saved
        self.ranks = Ranks(fabric)
        part_size(recipe, self.ranks.count)  # raises if the batch cannot be divided
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint, self.log = folder / NAME, folder / "log.jsonl"
        torch.manual_seed(recipe.seed)
        learner: nn.Module = make_learner(recipe, self.ranks, feed.classes).train()
        if recipe.sync_batchnorm and self.ranks.count > 1:
            learner = synchronise(learner, fabric.device)
        assert isinstance(learner, Learner)
        if recipe.channels_last:
            learner = learner.to(memory_format=torch.channels_last)
        self.learner: Learner = learner.to(fabric.device)
        self.module, self.optimiser = fabric.setup(self.learner, make_optimiser(recipe, self.learner))
        self.monitor = (
            LinearMonitor(self.learner.encoder.pool.width, feed.classes, self.ranks, fabric.device)
            if feed.classes > 1
            else None
        )
        self.curve: list[dict[str, float]] = []
        self.first, self.before = 0, 0.0
        self.precision = ""
        self._resume()
        self.precision = self.precision or self.ranks.same(precision_of(recipe, fabric.device))
        self.done = self.first
        self.started = self.last_saved = time.monotonic()
        self.pause = CHECKPOINT_SECONDS

    def _resume(self) -> None:
        state = load_training(self.checkpoint, self.recipe)
        if state is None:
            return
        self.learner.load_state_dict(state["learner"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.monitor is not None:
            self.monitor.load(state["monitor"])
        if state["ranks"] != self.ranks.count:
            raise CheckpointError(
                f"{self.checkpoint} belongs to a run on {state['ranks']} devices, but this one has "
                f"{self.ranks.count}, so the result would differ. Use the same number of devices, choose another "
                "--output, or delete that file."
            )
        take_threads(state)
        self.precision = state.get("precision", "")  # of own clips, a run may be older than the choice
        self.first, self.before, self.curve = state["step"], state["seconds"], state["curve"]

    def seconds(self) -> float:
        """Time of the optimisation so far."""
        return self.before + time.monotonic() - self.started

    def training(self) -> Training:
        """The current state of the run."""
        curve = tuple(self.curve)
        return Training(self.learner, curve, self.seconds(), self.monitor, self.done, self.precision)

    def go(self, progress: Callable[[int, int, float], None] | None, stop_signal: Callable[[], int]) -> None:
        """Run all remaining steps, or until a signal asks this rank or another one to stop."""
        recipe = self.recipe
        if self.ranks.rank == 0 and self.curve:
            self.log.write_text("".join(json.dumps(row) + "\n" for row in self.curve), encoding="utf-8")
        batches = self.feed.batches(recipe, self.learner.views, self.first, self.ranks.rank, self.ranks.count)
        with closing(batches):  # type: ignore[type-var]
            for step in range(self.first, recipe.steps):
                value, stop = self._step(step, batches, stop_signal)
                self.done = completed = step + 1
                self._note(completed, value)
                if progress is not None:
                    progress(completed, recipe.steps, value)
                if stop or (self.ranks.count == 1 and stop_signal()):
                    self._stop(stop_signal() or signal.SIGTERM)
                if (
                    self.ranks.rank == 0
                    and time.monotonic() - self.last_saved > self.pause
                    and completed < recipe.steps
                ):
                    self._save(completed)
        if self.ranks.rank == 0 and self.first < recipe.steps:
            self._save(recipe.steps)
        self.fabric.barrier()

    def _stop(self, number: int) -> NoReturn:
        if self.ranks.rank == 0:
            self._save(self.done)
        self.fabric.barrier()
        saved = f"saved at step {self.done} of {self.recipe.steps}; run the same command to continue."
        raise Stopped(number, saved if self.ranks.rank == 0 else "")

    def _step(self, step: int, batches: Iterator[Batch], stop_signal: Callable[[], int]) -> tuple[float, bool]:
        """Run a step of the optimiser; returns the loss and whether any rank was asked to stop."""
        recipe = self.recipe
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate_at(step, recipe)
        torch.manual_seed(network_seed(Place(step, 0, self.ranks.rank, self.ranks.count), recipe))
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.fabric.device)
        for part in range(recipe.accumulate):
            batch = next(batches).to(self.fabric.device)
            with self.fabric.no_backward_sync(self.module, enabled=part + 1 < recipe.accumulate):
                with torch.autocast(self.fabric.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                    loss, features = self.module(batch.views, batch.labels)
                self.fabric.backward(loss / recipe.accumulate)
            total += loss.detach() / recipe.accumulate
            if self.monitor is not None:
                self.monitor.learn(features, batch.labels)
        # A signal may reach ranks at different times, or only one of them. Averaging the request with the loss makes
        # all ranks stop after the same step.
        value, share = self.ranks.mean(torch.stack([total, torch.full_like(total, stop_signal() > 0)])).tolist()
        if not math.isfinite(value):
            self._fail(f"The loss became {value} at step {step + 1}")
        if recipe.clip_norm > 0:
            self.fabric.clip_gradients(self.module, self.optimiser, max_norm=recipe.clip_norm)
        self.optimiser.step()
        self.learner.after_step(step + 1)
        return value, share > 0

    def _note(self, completed: int, value: float) -> None:
        recipe, row = self.recipe, {}
        if recipe.monitor_every and completed % recipe.monitor_every == 0 and self.feed.exam is not None:
            encoder = self.learner.encoder
            row["neighbours"] = round(self.feed.exam.accuracy(encoder, self.ranks, self.fabric.device), 4)
        if not row and completed % LOG_STEPS and completed != recipe.steps:
            return
        if self.monitor is not None and self.monitor.accuracy is not None:
            row["linear"] = round(self.monitor.accuracy, 4)
        rate, seconds = learning_rate_at(completed - 1, recipe), round(self.seconds(), 2)
        log_row = {"step": completed, "loss": round(value, 5), "learning_rate": rate, "seconds": seconds} | row
        self.curve.append(log_row)
        if self.ranks.rank == 0:
            with self.log.open("a" if len(self.curve) > 1 else "w", encoding="utf-8") as log:
                log.write(json.dumps(log_row) + "\n")
            for watch in self.watches:
                watch.row(log_row)

    def _save(self, step: int) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in self.learner.parameters()):
            self._fail(f"The weights became NaN or infinite after step {step}")
        began = time.monotonic()
        monitor = {} if self.monitor is None else {"monitor": self.monitor.state()}
        save_state(
            self.checkpoint,
            {
                "recipe_form": RECIPE_FORM,
                "generator_version": None if self.recipe.data == "clips" else GENERATOR_VERSION,
                "recipe": run_digest(self.recipe),
                "learner": self.learner.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": step,
                "seconds": self.seconds(),
                "curve": self.curve,
                "threads": torch.get_num_threads(),
                "precision": self.precision,
                "ranks": self.ranks.count,
            }
            | monitor,
        )
        if self.saved is not None:
            self.saved(self.training())
        self.last_saved = time.monotonic()
        self.pause = max(CHECKPOINT_SECONDS, CHECKPOINT_SHARE * (self.last_saved - began))

    def _fail(self, problem: str) -> None:
        checkpoint_state = (
            f"the last good checkpoint is {self.checkpoint}"
            if self.checkpoint.exists()
            else "no checkpoint was written yet"
        )
        raise VitobenchError(f"{problem}; {checkpoint_state}. A lower learning rate may help.")
