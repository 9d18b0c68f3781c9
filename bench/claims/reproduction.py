"""Reproduce the claims: train what is missing, measure it, judge, and write the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import VitobenchError, unknown_name
from ...files import write_file, write_json
from ...models.sources.files import name_of
from ...reports.data import ClaimFacts, ClaimsData
from ...reports.tables.claims import claims_page, effects_page, verdict
from ...results.statistics import ALPHA
from ...results.store import Store
from ...text import utf8
from ..run import execute, facts
from ..settings import Settings
from .declared import CLAIMS, DECODING, FACTORS, METHODS, STEPS, SUITE, TRACKING, WINDOWS, Asked, Claim
from .features import decode_all, track_all
from .measuring import judge_claims
from .training import Run, all_runs, further_runs, train_missing

if TYPE_CHECKING:
    from rich.console import Console


# The files of a reproduction: tables, figures with their data, and everything as JSON.


def write_claims(data: ClaimsData, folder: Path) -> list[Path]:
    """Write ``claims.md``, ``effects.md``, ``claims.json`` and the figures as SVG and PNG.

    Args:
        data: All claims with their effects.
        folder: Created if it does not exist.

    Returns:
        The files.

    Raises:
        StoreError: One cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"claims.md": claims_page(data), "effects.md": effects_page(data)}
    for name, text in pages.items():
        write_file(folder / name, utf8(text))
    write_json(folder / "claims.json", claims_json(data))
    return [*(folder / name for name in pages), folder / "claims.json", *_figures(data, folder)]


def claims_json(data: ClaimsData) -> dict[str, Any]:
    """Everything as plain data: ``effects``, ``verdicts``, ``methods``, ``windows``, ``facts``, ``failures``."""
    return {
        "effects": [{"claim": claim.key} | asdict(effect) for claim in data.claims for effect in claim.effects],
        "verdicts": [
            {"claim": claim.key, "hypothesis": key, "verdict": verdict(effects, absent, data.alpha)}
            for claim in data.claims
            for key, effects, absent in (
                [(part.key, part.effects, part.absent) for part in claim.hypotheses]
                or [("", claim.effects, claim.absent)]
            )
        ],
        "methods": [
            {"method": method, "task": task, "metric": metric, "seed": seed, "value": value}
            for method, numbers in data.methods.items()
            for (task, metric), values in numbers.items()
            for seed, value in enumerate(values)
        ],
        "windows": dict(data.windows),
        "facts": dict(data.facts),
        "failures": list(data.failures),
    }


def _figures(data: ClaimsData, folder: Path) -> list[Path]:
    from ...reports.figures.claims import effects_figure, methods_figure, windows_figure
    from ...reports.figures.registry import figure_bytes

    asked = {effect.name for claim in data.claims for effect in claim.effects}
    figures = {"methods": methods_figure(data)}
    factors = [name for name in FACTORS if name in asked]
    if factors:
        figures["factors"] = effects_figure(data, factors)
    if len(data.windows) > 2:
        figures["windows"] = windows_figure(data)
    files = []
    for name, figure in figures.items():
        for ending in ("svg", "png"):
            path = folder / f"{name}.{ending}"
            write_file(path, figure_bytes(figure, ending))
            files.append(path)
    return files


# Train what is missing, measure it, judge the claims, and write the files.


@dataclass(frozen=True)
class Reproduction:
    """Which methods to train, and for how long.

    Attributes:
        folder: Receives ``runs/``, ``store/`` and the tables and figures.
        claims: Keys of `declared.CLAIMS`; if empty, all but those that are judged on demand.
        seeds: Runs of each method; of a method that has more, all are used.
        steps: Length of each run.
        workers: Runs that are trained, and units that are measured, at a time.
        limit: At most this many images for each task.
        tasks: Tasks of the suite in place of all of them.
        precision: What the networks compute in when they are measured; bfloat16 is faster where the processor has it.
        alpha: See `ClaimFacts.alpha`.
    """

    folder: Path
    claims: tuple[str, ...] = ()
    seeds: int = 3
    steps: int = STEPS
    workers: int = 2
    limit: int | None = None
    tasks: tuple[str, ...] = ()
    precision: str = "float32"
    alpha: float = ALPHA

    @property
    def chosen(self) -> list[Claim]:
        """The claims to test.

        Raises:
            UnknownNameError: A claim that there is not.
        """
        known = {claim.key: claim for claim in CLAIMS}
        for key in self.claims:
            if key not in known:
                raise unknown_name("claim", key, known)
        return [claim for claim in CLAIMS if (claim.key in self.claims if self.claims else not claim.on_demand)]

    @property
    def methods(self) -> list[str]:
        """The methods whose runs are needed.

        Raises:
            UnknownNameError: A claim that there is not.
        """
        wanted = set().union(*(claim.methods for claim in self.chosen))
        if not self.claims:
            wanted |= set(WINDOWS)
        return [name for name in METHODS if name in wanted]

    def runs(self) -> list[Run]:
        """Everything that has to be there, and further seeds of the same methods that are finished already.

        So one analysis can have more seeds of the claim that decides than of the others: no finished seed is left out.
        """
        folder = self.folder / "runs"
        runs = all_runs(folder, self.methods, self.seeds, self.steps)
        return runs + [run for run in further_runs(folder, self.methods, self.seeds, self.steps) if run.finished()]

    def settings(self, runs: Sequence[Run]) -> list[Settings]:
        """The measurements of finished runs: a suite for each kind of claim, with the runs that its claims need."""
        needed: dict[str, set[str]] = {}
        for claim in self.chosen:
            needed.setdefault(claim.suite, set()).update(claim.methods)
        if not self.claims:
            needed[SUITE].update(WINDOWS)
        return [
            Settings(
                models=tuple(model_name(run) for run in runs if run.method.name in methods), baselines=(),
                suite=None if self.tasks else suite, tasks=self.tasks, store=self.folder / "store", limit=self.limit,
                workers=self.workers, precision=self.precision,
            )
            for suite, methods in needed.items()
            if any(run.method.name in methods for run in runs)
        ]  # fmt: skip


def model_name(run: Run) -> str:
    """What a run is called in the store."""
    return name_of(run.checkpoint)


def reproduce(asked: Reproduction, console: Console | None = None, command: str = "") -> tuple[ClaimsData, list[Path]]:
    """Train and measure what is missing, and write the pages; nothing is computed twice.

    Args:
        asked: The methods, seeds and steps.
        console: Where to show progress; None is silent.
        command: The command line, for the provenance.

    Returns:
        The claims with their effects, and the files.

    Raises:
        VitobenchError: No run could be finished, or a file that cannot be written.
    """
    wanted = asked.runs()
    failed = train_missing(wanted, asked.workers, console)
    runs = [run for run in wanted if run not in failed]
    if not runs:
        raise VitobenchError("No training run finished: " + "; ".join(dict.fromkeys(failed.values())))
    measured = asked.settings(runs)
    outcomes = [execute(settings, console, command) for settings in measured]
    store = Store(measured[0].store, measured[0].layers)
    by_method = {name: [model_name(run) for run in runs if run.method.name == name] for name in asked.methods}
    known: ClaimFacts = {
        **facts(measured[0], command),
        "seeds": asked.seeds,
        "steps": asked.steps,
        "precision": asked.precision,
        "alpha": asked.alpha,
    }
    parts = ((DECODING, decode_all(runs, console)), (TRACKING, track_all(runs, console)))
    extra = {
        model_name(run): {Asked(task, metric): value for task, by_run in parts for metric, value in by_run[run].items()}
        for run in runs
    }
    finished = {name: members for name, members in by_method.items() if members}
    data = judge_claims(outcomes, store, finished, extra, known)
    problems = tuple(f"{run.method.name}, seed {run.seed}: {reason}" for run, reason in failed.items())
    if problems:
        from dataclasses import replace

        data = replace(data, failures=(*problems, *data.failures))
    return data, write_claims(data, asked.folder)
