"""Train every run that is missing, several at a time, and store what is measured of it next to its checkpoint."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...cores import usable_cores
from ...files import read_sealed_json, write_sealed_json
from ...identity import file_digest
from ...interruption import Stopped, finish_first
from ..progress import bar
from .declared import METHODS, Method

if TYPE_CHECKING:
    from rich.console import Console

    from ...models.pretraining.recipe import Recipe


# Train every run that is not there yet, several at a time, each on its share of the cores.


_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        method: What is trained.
        seed: Of world, initialisation, order and views.
        steps: Length.
        folder: Of its files.
    """

    method: Method
    seed: int
    steps: int
    folder: Path

    @property
    def recipe(self) -> Recipe:
        """Its recipe."""
        from ...models.pretraining.recipe import load_recipe

        return load_recipe(self.method.recipe, self.method.settings, steps=self.steps, seed=self.seed)

    @property
    def pools(self) -> Path:
        """Folder of what it learns from, next to the folders of all methods."""
        return self.folder.parents[1] / "pools"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint that it writes."""
        return self.folder / f"{self.method.recipe.rpartition('/')[2]}.safetensors"

    def finished(self) -> bool:
        """Whether its checkpoint exists, is complete, and belongs to this recipe."""
        from ...models.pretraining.recipe import current_form, recipe_facts

        try:
            card = json.loads(self.checkpoint.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if not self.checkpoint.is_file() or card.get("sha256") != file_digest(self.checkpoint):
            return False
        wanted = json.loads(json.dumps(recipe_facts(self.recipe)))
        recipe = card.get("recipe")
        return isinstance(recipe, dict) and current_form(recipe) == wanted


def all_runs(folder: Path, methods: Sequence[str], seeds: int, steps: int) -> list[Run]:
    """The runs of some methods, seed by seed, so that an early end leaves whole designs.

    Args:
        folder: ``FOLDER/METHOD/seed-N`` holds each.
        methods: Names of `METHODS`.
        seeds: Runs of each: seeds from 0.
        steps: Length of each.
    """
    return [
        Run(METHODS[name], seed, METHODS[name].steps or steps, folder / name / f"seed-{seed}")
        for seed in range(seeds)
        for name in methods
    ]


def further_runs(folder: Path, methods: Sequence[str], seeds: int, steps: int) -> list[Run]:
    """Runs of some methods in a folder beyond the first seeds, finished or not.

    Args:
        folder: As in `all_runs`.
        methods: Names of `METHODS`.
        seeds: Seeds below this one are left out.
        steps: Length of each.
    """
    runs = []
    for name in methods:
        numbers = sorted(int(path.name[5:]) for path in (folder / name).glob("seed-*") if path.name[5:].isdecimal())
        runs += [
            Run(METHODS[name], seed, METHODS[name].steps or steps, folder / name / f"seed-{seed}")
            for seed in numbers
            if seed >= seeds
        ]
    return runs


def train_missing(runs: Sequence[Run], workers: int, console: Console | None = None) -> dict[Run, str]:
    """Train the runs that are not finished; an interrupted one continues from its last checkpoint.

    Args:
        runs: All that are needed, seed by seed; what those of a seed learn from takes up to 2 GB on disk, until they
            are finished.
        workers: Runs at a time.
        console: Where to show progress; None is silent.

    Returns:
        Why runs failed; the others are finished.

    Raises:
        Stopped: By a signal, after every run under way has saved its step.
    """
    missing = [run for run in runs if not run.finished()]
    failed: dict[Run, str] = {}
    if not missing:
        return failed
    threads = max(1, usable_cores() // workers)
    reported = dict.fromkeys(missing, 0)
    with bar(console, "Training", sum(run.steps for run in missing)) as advance:

        def tell(run: Run, step: int) -> None:
            advance(step - reported[run], f"{run.method.name}, seed {run.seed}")
            reported[run] = step

        train = partial(_here, threads) if workers == 1 else partial(_side_by_side, threads, workers)
        for _, group in itertools.groupby(missing, key=lambda run: run.seed):
            of_seed = list(group)
            pools = _render(of_seed, partial(advance, 0))
            for run, error in train(of_seed, tell):
                if error is not None:
                    failed[run] = f"{type(error).__name__}: {error}"
                tell(run, run.steps)
            for pool in pools:
                pool.unlink()
    return failed


Tell = Callable[["Run", int], None]
"""Called with a run and the step that it has reached."""


def _here(threads: int, runs: Sequence[Run], tell: Tell) -> Iterator[tuple[Run, Exception | None]]:
    for run in runs:
        try:
            _train(run, threads, partial(_heard, run, tell))
        except Exception as error:  # one run never stops the others
            yield run, error
        else:
            yield run, None


def _heard(run: Run, tell: Tell, stage: str, done: int, total: int, remark: str) -> None:
    if stage == "Training":
        tell(run, done)


def _side_by_side(
    threads: int, workers: int, runs: Sequence[Run], tell: Tell
) -> Iterator[tuple[Run, BaseException | None]]:
    with finish_first() as asked, ProcessPoolExecutor(workers, get_context("spawn"), _finish_steps) as pool:
        left: dict[Future[None], Run] = {pool.submit(_train, run, threads): run for run in runs}
        forwarded = False
        try:
            while left:
                done, _ = wait(left, _POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    run, error = left.pop(future), future.exception()
                    if not isinstance(error, Stopped):
                        yield run, error
                if asked() and not forwarded:
                    forwarded = True
                    left = {future: run for future, run in left.items() if not future.cancel()}
                    # The signal may have come to this process alone. Not Ctrl-C: a second one would stop them at once.
                    for child in active_children():
                        if child.pid is not None:
                            os.kill(child.pid, signal.SIGTERM)
                for run, step in _under_way(left.values()):
                    tell(run, step)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        if asked():
            raise Stopped(asked(), "every run saved the step that it was at; run the same command to continue.")


def _finish_steps() -> None:
    """Make a worker note signals as long as it lives, also between two runs, where they would break the pool."""
    _waiting.enter_context(finish_first())


_waiting = ExitStack()


def _under_way(runs: Iterable[Run]) -> Iterator[tuple[Run, int]]:
    """How far runs have come, by their logs."""
    for run in runs:
        try:
            last = (run.folder / "log.jsonl").read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
            yield run, min(int(json.loads(last)["step"]), run.steps)
        except (OSError, ValueError, KeyError):
            continue  # not started, or a line that is being written


def _train(run: Run, threads: int, stage: Callable[[str, int, int, str], None] | None = None) -> None:
    import torch

    from ...models.pretraining.checkpoint import NAME
    from ...models.pretraining.clips import open_pool
    from ...models.pretraining.produce import produce

    with finish_first() as asked:
        if asked():  # a worker takes its next run from the queue although there should be none any more
            raise Stopped(asked())
    torch.set_num_threads(threads)
    produce(run.recipe, run.folder, stage or (lambda *_: None), pools=partial(open_pool, folder=run.pools))
    # The optimiser's state is ten times the checkpoint, and a finished run is not continued.
    (run.folder / NAME).unlink(missing_ok=True)


# What the runs of a seed learn from: rendered once, on all cores, for all of them.


def _render(runs: Sequence[Run], tell: Callable[[str], None]) -> list[Path]:
    """Render what runs learn from, and the photographs for their heads; returns the files."""
    from ...models.pretraining.clips import for_the_head, keep_pool, pool_key

    pools = {pool_key(recipe): (recipe, run.pools) for run in runs for recipe in (run.recipe, for_the_head(run.recipe))}
    files = []
    for recipe, folder in pools.values():
        tell(f"rendering {recipe.data}, seed {recipe.seed}")
        files.append(keep_pool(recipe, folder))
    return files


# What was measured of a run, stored next to its checkpoint.


def known(run: Run, what: str, names: Collection[str]) -> dict[str, np.ndarray]:
    """What is stored, or nothing if it is for another checkpoint, incomplete or damaged.

    Args:
        run: A finished run.
        what: Name of the file.
        names: What has to be in it.
    """
    facts = read_sealed_json(run.folder / f"{what}.json")
    try:
        if facts is None or facts["checkpoint"] != _checkpoint(run):
            return {}
        return {name: np.array(facts[name], np.float64) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def keep(run: Run, what: str, numbers: Mapping[str, np.ndarray]) -> None:
    """Store what was measured.

    Args:
        run: A finished run.
        what: Name of the file.
        numbers: By name, float64 (n,): a number for each image or clip.
    """
    lists = {name: values.tolist() for name, values in numbers.items()}
    write_sealed_json(run.folder / f"{what}.json", {**lists, "checkpoint": _checkpoint(run)})


def _checkpoint(run: Run) -> str:
    return str(json.loads(run.checkpoint.with_suffix(".json").read_text(encoding="utf-8"))["sha256"])
