"""From nothing to the tables: train what is missing, measure it, judge, write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import VitobenchError, unknown_name
from ...models.sources.files import name_of
from ...reports.claims_data import ClaimFacts, ClaimsData
from ...results.store import Store
from ..planning import make_plan
from ..run import execute, facts
from ..settings import Settings
from .declared import CLAIMS, DECODING, METHODS, STEPS, SUITE, TRACKING, WINDOWS, Asked
from .decoding import decode_all
from .measuring import judge_claims
from .tracking import track_all
from .training import Run, all_runs, train_missing
from .writing import write_claims

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Reproduction:
    """What to try, and how much of it.

    Attributes:
        folder: Receives ``runs/``, ``store/`` and the tables and figures.
        claims: Letters of `declared.CLAIMS`; all if empty.
        seeds: Runs of each method.
        steps: Length of each run.
        workers: Runs that are trained, and units that are measured, at a time.
        limit: At most this many images for each task.
        tasks: Tasks of the suite in place of all of them.
        precision: What the networks compute in when they are measured; bfloat16 is faster where the processor has it.
    """

    folder: Path
    claims: tuple[str, ...] = ()
    seeds: int = 3
    steps: int = STEPS
    workers: int = 2
    limit: int | None = None
    tasks: tuple[str, ...] = ()
    precision: str = "float32"

    @property
    def methods(self) -> list[str]:
        """What has to be trained.

        Raises:
            UnknownNameError: A claim that there is not.
        """
        known = {claim.key: claim for claim in CLAIMS}
        for key in self.claims:
            if key not in known:
                raise unknown_name("claim", key, known)
        wanted = {
            method
            for claim in CLAIMS
            if claim.key in (self.claims or known)
            for weights in claim.effects.values()
            for method in weights
        }
        if not self.claims:
            wanted |= set(WINDOWS)
        return [name for name in METHODS if name in wanted]

    def runs(self) -> list[Run]:
        """Everything that has to be there."""
        return all_runs(self.folder / "runs", self.methods, self.seeds, self.steps)

    def settings(self, runs: Sequence[Run]) -> Settings:
        """The measurement of finished runs."""
        suite = None if self.tasks else SUITE
        return Settings(
            models=tuple(model_name(run) for run in runs), baselines=(), suite=suite, tasks=self.tasks,
            store=self.folder / "store", limit=self.limit, workers=self.workers,
            precision=self.precision,
        )  # fmt: skip


def model_name(run: Run) -> str:
    """What a run is called in the store."""
    return name_of(run.checkpoint)


def reproduce(asked: Reproduction, console: Console | None = None, command: str = "") -> tuple[ClaimsData, list[Path]]:
    """Do what is missing, and write the pages. What is there is not done again.

    Args:
        asked: What to try.
        console: Where to show progress; None is silent.
        command: The command line, for the provenance.

    Returns:
        What was found, and the files.

    Raises:
        VitobenchError: No run could be finished, or a file that cannot be written.
    """
    wanted = asked.runs()
    failed = train_missing(wanted, asked.workers, console)
    runs = [run for run in wanted if run not in failed]
    if not runs:
        raise VitobenchError("No training run finished: " + "; ".join(dict.fromkeys(failed.values())))
    settings = asked.settings(runs)
    execute(settings, console, command)
    store = Store(settings.store)
    by_method = {name: [model_name(run) for run in runs if run.method.name == name] for name in asked.methods}
    known: ClaimFacts = {
        **facts(settings, command),
        "seeds": asked.seeds,
        "steps": asked.steps,
        "precision": asked.precision,
    }
    parts = ((DECODING, decode_all(runs, console)), (TRACKING, track_all(runs, console)))
    beside = {
        model_name(run): {Asked(task, metric): value for task, found in parts for metric, value in found[run].items()}
        for run in runs
    }
    made = {name: members for name, members in by_method.items() if members}
    data = judge_claims(make_plan(settings, store, None), store, made, beside, known)
    problems = tuple(f"{run.method.name}, seed {run.seed}: {reason}" for run, reason in failed.items())
    if problems:
        from dataclasses import replace

        data = replace(data, failures=(*problems, *data.failures))
    return data, write_claims(data, asked.folder)
