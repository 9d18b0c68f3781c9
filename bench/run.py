"""A run from beginning to end: plan, run what is missing, score, record."""

from __future__ import annotations

import importlib.metadata
import math
import platform
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..models.registry import SOURCES
from ..reports.data import ReportData
from ..reports.headline import main_lines
from ..reports.ranks import FEW
from ..reports.wording import layer_line, named
from ..results import records
from ..results.metrics import metric
from ..results.records import TaskOfRun
from ..results.schema import SCHEMA_VERSION, Failure, LayerFacts, RunFacts, Score, View
from ..results.store import Store
from ..tasks.opening import check_data_names, folders_of
from . import catalogue
from .engine.executors import check_executor
from .planning.asked import folders_named, make_plan
from .planning.plan import Pass, Plan, PlannedTask, Unit, group, reuse_lines
from .planning.stored import recall
from .progress import bar, counting
from .scoring.alignment import keep_evidence
from .scoring.gallery import gallery
from .scoring.memory import Memory
from .scoring.outcome import gather
from .scoring.overlays import overlays
from .scoring.parts import PLAIN, Request
from .scoring.ranks import entrants, ranked_request
from .settings import Settings

if TYPE_CHECKING:
    from rich.console import Console


# Compare every model with the best one for each score, for tables that mark models not clearly worse than the best.


def pairs_with_best(scores: Sequence[Score]) -> list[tuple[str, str]]:
    """(model, best) for all numbers that are no single condition of many, such as one corruption at one severity.

    Args:
        scores: Of one task, holes included.

    Returns:
        Each pair once; of several best models the first is the best, as in `reports.tables.registry`.
    """
    leaders: dict[tuple[str, str], Score] = {}
    for score in scores:
        if math.isfinite(score.value) and "/" not in score.condition:
            known = leaders.setdefault((score.condition, score.metric), score)
            if metric(score.metric).better * (score.value - known.value) > 0:
                leaders[(score.condition, score.metric)] = score
    everyone = dict.fromkeys(score.model for score in scores)
    leading = dict.fromkeys(leader.model for leader in leaders.values())
    return [(model, best) for best in leading for model in everyone if model != best]


def aligned_pairs(data: ReportData) -> list[tuple[str, str]]:
    """(model, best) for all numbers of human alignment, each pair once.

    In the order of the tasks: a difference and its reverse have p-values that may differ in the last digit, and a table
    takes the first of them.
    """
    pairs: dict[tuple[str, str], None] = {}
    for task in data.tasks_with(View.ALIGNMENT):
        scores = [s for s in data.scores if s.task == task["name"] and s.condition == "overall"]
        pairs |= dict.fromkeys(pairs_with_best(scores))
    return list(pairs)


def gather_with_best(plan: Plan, store: Store, run: RunFacts, memory: Memory | None = None) -> ReportData:
    """Score a plan; its comparisons are those of every model with the best one of each number, uncorrected.

    The correction is for the comparisons within one row of a table, which only the table knows.

    Args:
        plan: What was asked; its pairs are left out.
        store: Where the predictions lie.
        run: Facts about the run, for the provenance.
        memory: What was scored before; None scores everything anew.
    """
    request = Request(choose=pairs_with_best)
    data = gather(replace(plan, pairs=()), store, [], run, "none", request, memory)
    pairs = aligned_pairs(data)
    if pairs:
        # Data sets of alignment are scored together, after the means that tell who is best.
        part = tuple(planned for planned in plan.tasks if planned.task.kind.together)
        more = gather(replace(plan, tasks=part, pairs=tuple(pairs)), store, [], run, "none", memory=memory)
        data = replace(data, comparisons=(*data.comparisons, *more.comparisons))
    return data


# A run from beginning to end: plan, run what is missing, score, record.


_PACKAGES = (
    "vitobench",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "numba",
    "scipy",
    "pillow",
    "pandas",
    "pyarrow",
    "simplejpeg",
    "ray",
)


@dataclass
class Effort:
    """Where the time of a run went.

    Attributes:
        seconds: From the first image that was read to the last unit that was stored.
        images: Images that went through a model, counted for each model and condition.
        forward_seconds: In forward passes, added over workers.
        waited_seconds: In which models waited for pixels, added over workers.
    """

    seconds: float = 0.0
    images: int = 0
    forward_seconds: float = 0.0
    waited_seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a run gives back.

    Attributes:
        data: Scores, comparisons, failures and provenance.
        computed: Units computed by this run; 0 when everything was in the store.
        total: Units asked for, counted per model.
        seconds: Wall-clock time of this run.
        plan: What was asked.
        effort: Where the time of the units that were computed went.
    """

    data: ReportData
    computed: int
    total: int
    seconds: float
    plan: Plan | None = None
    effort: Effort = field(default_factory=Effort)

    @property
    def complete(self) -> bool:
        """Whether nothing that was asked is missing."""
        return not self.data.failures


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    libraries = (library for source in SOURCES for library in source.libraries)
    for name in dict.fromkeys((*_PACKAGES, *libraries)):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def execute(
    settings: Settings,
    console: Console | None = None,
    command: str = "",
    pictures: bool = False,
    pairs: Callable[[Plan], Sequence[tuple[str, str]]] | None = None,
    masks: bool = False,
) -> Outcome:
    """Run a suite or tasks, and score them.

    Args:
        settings: What to do.
        console: Where to show notes and progress; None is silent.
        command: The command line, for the record.
        pictures: Whether to show images on which models disagree.
        pairs: From the plan to the models that are compared; None compares each with its baselines.
        masks: Whether models may encode a few examples again, to show what they find in them.

    Raises:
        VitobenchError: Wrong usage, or a store that cannot be written.
    """
    started = time.monotonic()
    check_executor(settings)
    store = Store(settings.store, settings.layers)
    plan = planned(settings, store, console)
    if pairs is not None:
        plan = replace(plan, pairs=tuple(pairs(plan)))
    with counting(console, "Reading layers") as reading:
        missing = plan.missing(store, reading)
    todo, asked = sum(len(unit.models) for unit in missing), plan.asked()
    record = _record(plan, missing, command)
    name = f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%fZ')}-{uuid.uuid4().hex[:8]}"
    failures: list[Failure] = []
    effort = Effort()
    left = 0
    memory = Memory(store, settings.recompute_scores)
    if missing:
        store.prepare()
        catalogue.keep(plan, store.own)
        others = any(run.get("status") == "running" for run in records.runs(store.own))
        records.write_run(store, name, record | {"status": "running", "units": {"asked": asked, "missing": todo}})
        if console is not None:
            names = named([spec.name for spec in plan.models if not spec.imported])
            console.print(f"{names}: {todo} of {asked} units to run, {asked - todo} in the store", markup=False)
            for line in reuse_lines(missing):
                console.print(line, markup=False)
        early = Early(plan, missing, memory, console)
        failures, effort = _compute(plan, missing, console, uuid.uuid4().int if others else 0, early)
        left = sum(len(unit.models) for unit in plan.missing(store))
    elif console is not None:
        console.print(f"Nothing to run: all {asked} units are stored.", markup=False)
    ran = time.monotonic() - started
    if not missing:
        # A record may have been lost since. A store that cannot be written is read all the same.
        with suppress(StoreError):
            store.prepare()  # everything may have come from layers
            catalogue.keep(plan, store.own)
    about = facts(settings, command)
    data = gather(plan, store, failures, about, request=_ranked(plan), memory=memory)
    data = with_layers(data, plan, store)
    with suppress(StoreError):  # it can be measured again
        keep_evidence(plan, store.own)
    _show_layers(data.run, console)
    data = _with_pictures(data, plan, memory, pictures, masks)
    units = {"asked": asked, "computed": todo - left, "missing": left}
    ended = record | {
        "status": "finished",
        "units": units,
        "seconds": round(ran, 2),
        "effort": asdict(effort),
        "failures": [asdict(failure) for failure in data.failures],
    }
    try:
        records.write_run(store, name, ended)
        records.renew_index(store)
    except StoreError:
        # The page and the numbers are there all the same; with something missing, the reason is among the failures.
        if missing and not failures:
            raise
    return Outcome(data, todo - left, asked, time.monotonic() - started, plan, effort)


def rescore(
    settings: Settings,
    console: Console | None = None,
    command: str = "",
    seed: int | None = None,
    pictures: bool = False,
    best: bool = False,
    masks: bool = False,
) -> Outcome:
    """Score what a store holds, without models or images.

    Args:
        settings: What to score; no models are all models, no suite and no tasks are all tasks.
        console: Where to show notes; None is silent.
        command: The command line, for the provenance.
        seed: Take tasks of this seed; None takes those of the newest run.
        pictures: Whether to show images on which models disagree.
        best: Compare every model with the best of each number, instead of with its baseline.
        masks: Whether models may be loaded and encode a few examples again, to show what they find in them.

    Raises:
        VitobenchError: There is no store, or nothing in it that was asked.
    """
    started = time.monotonic()
    check_data_names(settings.given)
    store = Store(settings.store, settings.layers)
    plan = recall(settings, store, seed)
    _show_notes(plan, console)
    about = facts(settings, command)
    memory = Memory(store, settings.recompute_scores)
    if best:
        data = gather_with_best(plan, store, about, memory)
    else:
        data = gather(plan, store, [], about, request=_ranked(plan), memory=memory)
    data = with_layers(data, plan, store)
    _show_layers(data.run, console)
    data = _with_pictures(data, plan, memory, pictures, masks)
    return Outcome(data, 0, plan.asked(), time.monotonic() - started)


def _ranked(plan: Plan) -> Request:
    """Ranks where there are more models than a table of pairs can show."""
    names = entrants(plan)
    return ranked_request(plan, names) if len(names) > FEW else PLAIN


def _with_pictures(data: ReportData, plan: Plan, memory: Memory, pictures: bool, masks: bool) -> ReportData:
    if not (pictures or masks):
        return data
    found = gallery(plan, memory) if pictures else data.gallery
    return replace(data, gallery=found, examples=overlays(plan, memory, masks))


def planned(settings: Settings, store: Store, console: Console | None) -> Plan:
    """Make the plan, with a bar while files are hashed."""
    with counting(console, "Hashing images") as hashing:
        plan = make_plan(settings, store, hashing)
    _show_notes(plan, console)
    return plan


def _show_notes(plan: Plan, console: Console | None) -> None:
    if console is not None:
        for note in plan.notes:
            console.print(note, style="yellow", markup=False)


def _show_layers(run: RunFacts, console: Console | None) -> None:
    """Say what came from where, and which layers or files of them could not be used."""
    if console is not None:
        for line in map(layer_line, run.get("layers", [])):
            console.print(line, markup=False, soft_wrap=True)
        for problem in run.get("layer_problems", []):
            console.print(problem, style="yellow", markup=False, soft_wrap=True)


def _anywhere(settings: Settings) -> Settings:
    """The same with stores that mean the same on another machine that shares the file system."""
    store, *also = (
        place if "://" in str(place) else Path(place).absolute() for place in (settings.store, *settings.also)
    )
    return replace(settings, store=store, also=tuple(also))


_EARLIEST = 10.0  # seconds of a run before a task's number is shown ahead of the table


class Early:
    """Shows the main number of each task that a long run has finished, while others are still running.

    Args:
        plan: What was asked.
        missing: What the run computes.
        memory: Keeps what is scored here, so that the end of the run need not score it again.
        console: Where to show it; None shows nothing.
    """

    def __init__(self, plan: Plan, missing: Sequence[Unit], memory: Memory, console: Console | None) -> None:
        self.plan = plan
        self.memory = memory
        self.console = console
        self._started = time.monotonic()
        self._left = Counter(part.planned.task.name for work in group(list(missing)) for part in work.units)
        self._shown: set[str] = set()

    def done(self, work: Pass) -> None:
        """Note that a pass has been stored, and show the tasks that it was the last of."""
        self._left.subtract(part.planned.task.name for part in work.units)
        ended = [planned for planned in self.plan.tasks if self._left.get(planned.task.name, 1) <= 0]
        soon = time.monotonic() - self._started < _EARLIEST
        if self.console is None or soon or all(count <= 0 for count in self._left.values()):
            return  # there is no terminal, or the table follows at once
        for planned in ended:
            task = planned.task
            if task.name in self._shown or task.kind.together or self._left.get(task.clean or "", 0) > 0:
                continue
            self._shown.add(task.name)
            for line in self._lines(planned):
                self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _lines(self, planned: PlannedTask) -> list[str]:
        names = (planned.task.name, planned.task.clean)
        part = tuple(other for other in self.plan.tasks if other.task.name in names)
        try:
            data = gather(replace(self.plan, tasks=part), self.memory.store, [], {}, memory=self.memory)
        except Exception:  # the end of the run meets it again, with everything stored
            return []
        tasks = tuple(record for record in data.tasks if record["name"] == planned.task.name)
        scores = tuple(score for score in data.scores if score.task == planned.task.name)
        return main_lines(replace(data, tasks=tasks, scores=scores))


def _compute(
    plan: Plan, missing: list[Unit], console: Console | None, turn: int, early: Early
) -> tuple[list[Failure], Effort]:
    # Only now torch loads: a finished run is scored without it.
    from .engine.executors import amount, choose, in_turn
    from .engine.worker import Job

    passes = group(missing)
    # Where another run works on this store, begin elsewhere: each skips what the other has done.
    passes = in_turn(passes, turn % len(passes))
    failures: dict[Failure, None] = {}
    effort = Effort()
    job = Job(_anywhere(plan.settings), tuple(passes), str(Path.cwd()))
    started = time.monotonic()
    with bar(console, "Running", sum(map(amount, passes))) as advance:
        for report in choose(plan.settings).run(job, advance):
            failures |= dict.fromkeys(report.failures)
            early.done(passes[report.index])
            effort.images += report.images
            effort.forward_seconds += report.forward_seconds
            effort.waited_seconds += report.waited_seconds
            if report.fatal:
                failures[Failure("*", "*", "*", "*", report.fatal)] = None
    effort.seconds = time.monotonic() - started
    return list(failures), effort


def facts(settings: Settings, command: str) -> RunFacts:
    """What a result is a result of: versions, date, seed, command and store."""
    return {
        "versions": _versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "command": command,
        "store": str(settings.store),
        "schema": SCHEMA_VERSION,
    }


def with_layers(data: ReportData, plan: Plan, store: Store) -> ReportData:
    """Add to scores where the predictions came from that the store itself lacks, and what is wrong with its layers."""
    run: RunFacts = {**data.run}
    if layers := _layers_read(plan, store):
        run["layers"] = layers
    if problems := store.layer_problems:
        run["layer_problems"] = problems
    return replace(data, run=run)


def _layers_read(plan: Plan, store: Store) -> list[LayerFacts]:
    """The layers that a plan is read from, with the models and tasks of each and where those were computed."""
    runs = {layer.location: records.runs(layer) for layer in store.below}
    groups: dict[tuple[str, ...], LayerFacts] = {}
    for planned, spec in plan.cells():
        for layer in store.layers_of(planned.identity, spec.identity, planned.ranges()):
            origin = records.origin(layer, runs[layer.location], planned.identity, spec.identity)
            key = tuple(str(value) for value in origin.values())
            group = groups.setdefault(key, {**origin, "models": [], "tasks": []})
            group["models"] = list(dict.fromkeys([*group["models"], spec.name]))
            group["tasks"] = list(dict.fromkeys([*group["tasks"], planned.task.name]))
    return list(groups.values())


def _asked(planned: PlannedTask, runs: bool) -> TaskOfRun:
    """A task in the record of a run: what was asked of it, and how many images there would have been.

    Args:
        planned: The task.
        runs: Whether any of its units is missing, so that what earlier versions of it left is used.
    """
    asked: TaskOfRun = {"identity": planned.identity, "images": planned.images}
    if planned.reusable and runs:
        asked["reused"] = {r.identity: [condition.key for condition in r.conditions] for r in planned.reusable}
    if planned.source is not None and planned.task.images is None:
        asked["available"] = len(planned.source.image_ids)
    return asked


def _record(plan: Plan, missing: Sequence[Unit], command: str) -> dict[str, Any]:
    settings = plan.settings
    running = {unit.planned.identity for unit in missing}
    names = ("limit", "device", "executor", "workers", "threads", "batch", "precision")
    return dict(facts(settings, command)) | {
        "platform": platform.platform(),
        "host": platform.node(),
        "settings": {name: getattr(settings, name) for name in names} | {"also": [str(url) for url in settings.also]},
        "models": {spec.name: spec.identity for spec in plan.models},
        "pairs": [list(pair) for pair in plan.pairs],
        "tasks": {p.task.name: _asked(p, p.identity in running) for p in plan.run_tasks},
        "data": {
            p.task.dataset: {"folder": folders_named(p.task.dataset, settings), "digest": p.data_digest}
            | ({"left_out": dict(p.left_out)} if p.left_out else {})
            for p in plan.run_tasks
            if p.source is not None and folders_of(p.task.dataset)
        },
    }
