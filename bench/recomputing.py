"""Compute some stored predictions again on this machine, and say how far the two agree."""

from __future__ import annotations

import random
import tempfile
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError, VitobenchError
from ..models.spec import ModelSpec
from ..results import records
from ..results.inventory import fits, identities
from ..results.layout import PREDICTIONS, UnitName
from ..results.store import Store
from ..tasks.registry import get_task
from ..tasks.task import answered_by
from .catalogue import declared, spec_of
from .planning.asked import make_plan
from .planning.plan import PlannedTask, Unit, group
from .progress import silent
from .settings import DECISIONS, Settings

if TYPE_CHECKING:
    from ..results.predictions import Predictions

TOLERANCES: Mapping[str, float] = {"float32": 0.002, "float16": 0.025, "bfloat16": 0.2}
"""By precision, how far confidences on two machines may differ.

Another instruction set, number of threads, batch size or library sums in another order. In float32 that changes logits
by up to 1e-4 of the largest, which is about 20: by 0.002. A probability p then changes by up to 2 p (1 - p) times that,
0.001; stored confidences are rounded to 12 bits on both sides, 0.00024 more. Autocast also rounds every activation, and
kernels do so at different places: to 8 bits in bfloat16, which changes logits by up to 2 % of the largest and a
probability by 0.2; to 11 bits in float16, an eighth of that.
"""


@dataclass(frozen=True)
class Agreement:
    """A unit as it was stored, and as it was computed again.

    Attributes:
        store: The layer that it is from.
        task: Task identity.
        model: Model identity.
        start: First position in the task's order of images.
        stop: One past the last.
        predictions: Number of them.
        agreeing: How many have the same class at the top, or both none.
        near_ties: Of the others, those whose new class is among the stored five and whose confidence is as near as the
            tolerance: two classes that are all but equally likely changed places.
        largest: Largest difference of confidence; of a saliency task, of its numbers.
        tolerance: How far confidences may differ; see `TOLERANCES`.
        problem: Why it cannot be trusted; empty if it can.
    """

    store: str
    task: str
    model: str
    start: int
    stop: int
    predictions: int = 0
    agreeing: int = 0
    near_ties: int = 0
    largest: float = 0.0
    tolerance: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Recomputed:
    """What was computed again.

    Attributes:
        units: One for each unit that was drawn.
        skipped: Why other units cannot be computed here, and how many are left out for that.
        expected: What disagreement to expect, a line for each precision.
    """

    units: tuple[Agreement, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Drawn:
    layer: Store
    name: str
    unit: UnitName
    planned: PlannedTask
    spec: ModelSpec


def recompute(
    store: Store,
    count: int,
    settings: Settings,
    progress: Callable[[int, int], None] | None = None,
) -> Recomputed:
    """Draw units of a store and its layers at random, compute them here, and compare.

    Args:
        store: Whose units are drawn, each layer's too; nothing is written to it.
        count: How many.
        settings: ``models`` and ``tasks`` to draw from (none: all), ``data`` and ``device`` to compute with, and the
            ``seed`` of the draw.
        progress: Told how many passes are done, and of how many.

    Raises:
        StoreError: There is nothing to draw from, or nothing that can be computed here.
    """
    units = [
        (layer, entry.name, unit, task, model)
        for layer in (store.own, *store.below)
        for unit, entry, task, model in _wanted(layer, settings)
    ]
    if not units:
        raise StoreError(f"The store {store.location} has no such predictions; `bench results list` shows what it has.")
    random.Random(settings.seed).shuffle(units)
    plans: dict[tuple[str, str, str], tuple[PlannedTask, ModelSpec] | str] = {}
    drawn: list[_Drawn] = []
    skipped: dict[str, int] = defaultdict(int)
    for layer, name, unit, task, model in units:
        if len(drawn) == count:
            break
        key = (layer.location, task, model)
        if key not in plans:
            most = max(u.stop for other, _, u, t, m in units if (other, t, m) == (layer, task, model))
            plans[key] = _plan(layer, task, model, most, settings)
        plan = plans[key]
        if isinstance(plan, str):
            skipped[plan] += 1
        else:
            drawn.append(_Drawn(layer, name, unit, *plan))
    if not drawn:
        raise StoreError("None of the predictions can be computed here:\n" + "\n".join(skipped))
    with tempfile.TemporaryDirectory(prefix="vitobench-recompute-") as folder:
        scratch = Store(Path(folder))
        failures = _compute(drawn, replace(settings, store=Path(folder), recompute=True), progress)
        compared = tuple(_compare(one, scratch, failures) for one in drawn)
    precisions = dict.fromkeys(one.spec.precision for one in drawn)
    return Recomputed(compared, dict(skipped), tuple(map(expectation, precisions)))


def expectation(precision: str) -> str:
    """What disagreement to expect between machines, as a sentence."""
    tolerance = TOLERANCES[precision]
    rounding = "rounding of sums" if precision == "float32" else f"rounding of every activation to {precision}"
    return (
        f"{precision}: between machines, {rounding} may change a confidence by up to {tolerance:g}, and the top class "
        "only where two classes are that close."
    )


def _wanted(layer: Store, settings: Settings) -> list[tuple[UnitName, Any, str, str]]:
    models, tasks = identities(layer, records.MODELS), identities(layer, records.TASKS)
    units = []
    for unit, entry in layer.unit_entries():
        task, model = tasks.get(unit.task), models.get(unit.model)
        if task is None or model is None or not entry.name.startswith(PREDICTIONS):
            continue
        if fits(task, settings.tasks) and fits(model, settings.models):
            units.append((unit, entry, task, model))
    return units


def _plan(layer: Store, task: str, model: str, images: int, settings: Settings) -> tuple[PlannedTask, ModelSpec] | str:
    """The task with its images and the model as they are here, or why they are not what was stored."""
    record = records.kept(layer, records.TASKS)[task]
    nowhere = f"memory://vitobench-{uuid.uuid4().hex}"  # planning reads a store, and writes nothing
    try:
        spec = spec_of(records.kept(layer, records.MODELS)[model])
        wanted = declared(record)
        if wanted is None:
            return f"{task}: this version of vitobench has no such task"
        samples = (record.get("maps") or {}).get("samples")
        plan = make_plan(
            Settings(
                models=(spec.name,),
                baselines=(),
                tasks=(wanted.name,),
                data=settings.data,
                store=nowhere,
                limit=images,
                seed=int(record.get("seed", 0)),
                precision=spec.precision,
                decisions=next(d for d in DECISIONS if answered_by(get_task(wanted.name), d).answers == wanted.answers),
                samples=samples if isinstance(samples, int) and samples > 0 else None,
                new_data=True,
            ),
            Store(nowhere),
        )
    except VitobenchError as error:
        return f"{model} on {task}: {error}"
    if not plan.tasks:
        return f"{task}: {'; '.join(plan.notes) or 'its images are not here'}"
    planned, here = plan.tasks[0], plan.models[0]
    if here.identity != model:
        return f"{model}: the model of that name is {here.identity} here"
    if planned.identity != task:
        return f"{task}: the task of that name is {planned.identity} here, of another version or on other images"
    return planned, here


def _compute(
    drawn: Sequence[_Drawn], settings: Settings, progress: Callable[[int, int], None] | None
) -> dict[tuple[str, str], str]:
    """Compute units into the store of the settings; reasons of what failed, by task and model names."""
    from .engine.executors import choose
    from .engine.worker import Job

    by_seed: dict[int, list[Unit]] = defaultdict(list)
    for one in drawn:
        by_seed[one.planned.seed].append(Unit(one.planned, one.unit.start, one.unit.stop, (one.spec,)))
    Store(settings.store).prepare()
    jobs = [Job(replace(settings, seed=seed), tuple(group(units)), str(Path.cwd())) for seed, units in by_seed.items()]
    total, done = sum(len(job.passes) for job in jobs), 0
    reasons: dict[tuple[str, str], str] = {}
    for job in jobs:
        for report in choose(settings).run(job, silent):
            for failure in report.failures:
                reasons.setdefault((failure.task, failure.model), failure.reason)
            if report.fatal:
                raise StoreError(report.fatal)
            done += 1
            if progress is not None:
                progress(done, total)
    return reasons


def _compare(one: _Drawn, scratch: Store, failures: Mapping[tuple[str, str], str]) -> Agreement:
    from ..results.predictions import gather

    task, model, unit = one.planned.identity, one.spec.identity, one.unit
    tolerance = TOLERANCES[one.spec.precision]
    blank = Agreement(one.layer.location, task, model, unit.start, unit.stop, tolerance=tolerance)
    stored = one.layer.read_file(one.name)
    if isinstance(stored, str):
        return replace(blank, problem=stored)
    here = scratch.read_file(scratch.unit_name(task, model, unit.start, unit.stop))
    if isinstance(here, str):
        names = ((a, b) for a in (one.planned.task.name, "*") for b in (one.spec.name, "*"))
        reason = next((failures[name] for name in names if name in failures), "it is incomplete")
        return replace(blank, problem=f"it could not be computed here: {reason}")
    return compared(blank, gather([stored]), gather([here]))


def compared(blank: Agreement, stored: Predictions, here: Predictions) -> Agreement:
    """How far the predictions of a unit agree.

    Args:
        blank: What they are predictions of, and the tolerance.
        stored: As they were stored.
        here: As they were computed again.
    """
    place = {key: row for row, key in enumerate(_cells(here))}
    other = np.array([place.get(key, -1) for key in _cells(stored)], dtype=np.int64)
    if (other < 0).any() or len(here) != len(stored):
        lacking = int((other < 0).sum()) or len(here) - len(stored)
        return replace(blank, problem=f"{lacking} of its predictions are of other images or conditions here")
    same = (stored.top[:, 0] == here.top[other, 0]) & ((stored.error < 0) == (here.error[other] < 0))
    differences = _differences(stored.confidence, here.confidence[other])
    near = (stored.top == here.top[other, :1]).any(axis=1) & (differences <= blank.tolerance) & (here.error[other] < 0)
    near &= stored.confidence <= 0.5 + blank.tolerance  # two classes cannot both have more than half
    for name, values in stored.numbers.items():
        computed = here.numbers.get(name, np.full(len(here), np.nan, np.float32))[other]
        differences = np.fmax(differences, _differences(values, computed))
    largest = float(differences.max(initial=0.0))
    ties = int((~same & near).sum())
    odd = int((~same).sum()) - ties
    problem = ""
    if odd:
        problem = f"{odd} of {len(same)} predictions have another top class, and not for a near tie"
    elif largest > blank.tolerance:
        problem = f"a difference of {largest:.4f} is more than the {blank.tolerance:g} that rounding explains"
    return replace(
        blank, predictions=len(same), agreeing=int(same.sum()), near_ties=ties, largest=largest, problem=problem
    )


def _cells(rows: Predictions) -> list[tuple[str, str]]:
    return [
        (rows.image_ids[image], rows.conditions[condition])
        for image, condition in zip(rows.image.tolist(), rows.condition.tolist(), strict=True)
    ]


def _differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Absolute differences; 0 where both are undefined, infinite where one is."""
    apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return np.where(np.isnan(a) & np.isnan(b), 0.0, np.where(np.isnan(apart), np.inf, apart))
