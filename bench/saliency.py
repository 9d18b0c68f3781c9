"""``bench saliency``: run what is missing, then score what is stored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VitobenchError
from ..models import registry
from ..models.spec import ModelSpec
from ..results import records
from ..results.layout import safe_name
from ..results.saliency import MapRows, SaliencyComparison, SaliencyScore, keep_facts, read_rows, shards
from ..results.schema import Failure
from ..results.store import Store
from ..tasks.alignment.saliency.baselines import BASELINES
from ..tasks.alignment.saliency.scoring import Key, compare, score
from ..tasks.alignment.saliency.tasks import SaliencyTask, choose_task, open_task
from ..tasks.data.saliency_maps import MapSource
from ..text import escaped
from .catalogue import model_record
from .progress import counting
from .settings import SHARD

if TYPE_CHECKING:
    from rich.console import Console

MAPS = "maps-1"
"""Explainer of gradients and attention masks; the number is raised when either changes."""

BASELINE = "baseline"


def smooth_explainer(samples: int) -> str:
    """The explainer of SmoothGrad; its samples are part of what a row is."""
    return f"smoothgrad-{samples}-1"


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        models: Model names.
        data: Folders with maps by name; none for the micro-world.
        store: Folder or URL of the results.
        limit: Largest number of images; None for all.
        seed: Seed of the micro-world.
        smooth: Samples of SmoothGrad; None for none.
        device: As for a run.
    """

    models: tuple[str, ...]
    data: Mapping[str, Path] = field(default_factory=dict)
    store: Path | str = Path("bench-results")
    limit: int | None = None
    seed: int = 0
    smooth: int | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Piece:
    """What has to be computed of one observer: a model, or a baseline where ``spec`` is None."""

    name: str
    identity: str
    explainer: str
    spec: ModelSpec | None


@dataclass(frozen=True)
class Plan:
    """A task, its images and who is compared on them.

    Attributes:
        request: What was asked.
        task: The task.
        source: Its images and maps.
        identity: Of the task on these data.
        count: Images taken.
        pieces: Observers with their explainers.
        failures: Models that cannot take part.
    """

    request: Request
    task: SaliencyTask
    source: MapSource
    identity: str
    count: int
    pieces: tuple[Piece, ...]
    failures: tuple[Failure, ...]

    def ranges(self) -> list[tuple[int, int]]:
        """Positions of each shard."""
        return [(start, min(start + SHARD, self.count)) for start in range(0, self.count, SHARD)]

    def missing(self, store: Store) -> dict[tuple[int, int], list[Piece]]:
        """For each shard who lacks it."""
        todo: dict[tuple[int, int], list[Piece]] = {}
        for piece in self.pieces:
            there = shards(store, self.identity, piece.identity, piece.explainer)
            for start, stop in self.ranges():
                if not any(end >= stop for end in there.get(start, ())):
                    todo.setdefault((start, stop), []).append(piece)
        return dict(sorted(todo.items()))


@dataclass(frozen=True)
class Outcome:
    """What a command gives back.

    Attributes:
        plan: What was done.
        scores: A row for each observer, map and metric.
        comparisons: Paired differences.
        failures: Whatever is missing.
        computed: Maps computed by this run, one for each image and explainer.
        seconds: Wall-clock time.
    """

    plan: Plan
    scores: tuple[SaliencyScore, ...]
    comparisons: tuple[SaliencyComparison, ...]
    failures: tuple[Failure, ...]
    computed: int
    seconds: float


def execute(request: Request, console: Console | None = None) -> Outcome:
    """Compare the maps of models with those of people or with object masks; what the store holds is not run again.

    Args:
        request: What to do.
        console: Where to show notes and progress; None is silent.

    Raises:
        VitobenchError: Wrong usage, or a store that cannot be written.
    """
    started = time.monotonic()
    store = Store(request.store)
    plan = make_plan(request, store, console)
    todo = plan.missing(store)
    failures, computed = list(plan.failures), 0
    if todo:
        store.prepare()
        _keep(plan, store)
        # Only now torch loads: finished rows are scored without it.
        from .saliency_worker import compute

        more, computed = compute(plan, todo, store, console)
        failures += more
    scored = gather(plan, store, failures)
    return Outcome(plan, *scored, computed, time.monotonic() - started)


def make_plan(request: Request, store: Store, console: Console | None = None) -> Plan:
    """Find models and images.

    Raises:
        VitobenchError: An unknown name, a folder of another form, or no model that answers in the task's classes.
    """
    if request.limit is not None and request.limit < 1:
        raise VitobenchError(f"--limit {request.limit} leaves no images; give 1 or more.")
    task = choose_task(request.data)
    specs, failures = _models(request, task)
    with counting(console, "Hashing files") as hashing:
        cache = records.cache_file(store, f"saliency-{task.name}.json")
        source = open_task(task, request.data, request.seed, cache, hashing)
        identity = task.identity(source.digest)
    if console is not None:
        for note in source.notes:
            console.print(note, style="dim", markup=False)
    available = len(source.image_ids)
    pieces = [Piece(spec.name, spec.identity, MAPS, spec) for spec in specs]
    if request.smooth is not None:
        pieces += [Piece(spec.name, spec.identity, smooth_explainer(request.smooth), spec) for spec in specs]
    pieces += [Piece(name, key, BASELINE, None) for name, key in BASELINES.items()]
    count = min(available, request.limit or available)
    return Plan(request, task, source, identity, count, tuple(pieces), tuple(failures))


def _models(request: Request, task: SaliencyTask) -> tuple[list[ModelSpec], list[Failure]]:
    specs, failures = [], []
    for name in dict.fromkeys(request.models):
        try:
            spec = registry.resolve(name)
            if spec.label_space != task.label_space:
                raise VitobenchError(
                    f"{name} predicts {spec.label_space} classes, but {task.name} needs {task.label_space}"
                    + ("." if request.data else "; give its images with --data clickme=DIR.")
                )
            specs.append(spec)
        except VitobenchError as error:
            # Alone, a wrong name is wrong usage; among several it must not stop the rest.
            failures.append(Failure(name, task.name, "*", "*", str(error)))
    if not specs:
        raise VitobenchError(
            "\n".join(failure.reason for failure in failures) or "Name a --model (see `bench models`)."
        )
    return specs, failures


def _keep(plan: Plan, store: Store) -> None:
    """Say beside the rows what they are of."""
    task = safe_name(plan.identity)
    facts = plan.task.facts(plan.source.digest) | {"identity": plan.identity, "seed": plan.request.seed}
    keep_facts(store, task, facts)
    for piece in plan.pieces:
        if piece.spec is not None:
            keep_facts(store, f"{task}/{safe_name(piece.identity)}", model_record(piece.spec))


def gather(
    plan: Plan, store: Store, failures: Sequence[Failure]
) -> tuple[tuple[SaliencyScore, ...], tuple[SaliencyComparison, ...], tuple[Failure, ...]]:
    """Score what the store holds of a plan; needs neither models nor images."""
    image_ids = [escaped(image_id) for image_id in plan.source.image_ids[: plan.count]]
    labels = plan.source.labels[: plan.count]
    rows: dict[Key, MapRows] = {}
    found = list(failures)
    told = {failure.model for failure in failures}
    errors: dict[str, str] = {}
    for piece in plan.pieces:
        place = (plan.identity, piece.identity, piece.explainer)
        maps, problems = read_rows(store, *place, plan.ranges(), image_ids, labels)
        if piece.name not in told:
            found += [Failure(piece.name, plan.task.name, "*", "*", problem) for problem in problems]
        for name, part in maps.items():
            rows[(piece.name, name)] = part
            errors |= part.errors
    found += [Failure("*", plan.task.name, "*", image_id, reason) for image_id, reason in sorted(errors.items())]
    # An observer's maps stand together, whatever the order of explainers.
    order = list(dict.fromkeys(piece.name for piece in plan.pieces))
    rows = dict(sorted(rows.items(), key=lambda entry: order.index(entry[0][0])))
    scores = score(rows, plan.task.ceiling)
    return tuple(scores), tuple(compare(rows, _pairs(plan, rows), plan.task.ceiling)), tuple(found)


def _pairs(plan: Plan, rows: Mapping[Key, Any]) -> list[tuple[Key, Key]]:
    """Models with one another on the same kind of map, each map with the baselines."""
    models = list(dict.fromkeys(piece.name for piece in plan.pieces if piece.spec is not None))
    own = [key for key in rows if key[0] in models]
    pairs = [(a, b) for a, b in combinations(own, 2) if a[0] != b[0] and a[1] == b[1]]
    return pairs + [(key, (name, name)) for key in own for name in BASELINES if (name, name) in rows]
