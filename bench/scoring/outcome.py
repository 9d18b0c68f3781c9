"""From the store to numbers: predictions, scores, comparisons and everything a report shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ...reports.alignment_data import AlignmentData
from ...reports.data import ReportData
from ...results.schema import Failure, HeadlineLine, RunFacts, TaskRecord
from ...results.store import Store
from ...tasks.datasets.registry import DATA_SETS
from ...tasks.kinds.kind import Line
from ...tasks.plugin_tasks import origin_of
from ...tasks.task import Task
from ..catalogue import model_record
from ..planning.plan import Plan, PlannedTask
from .alignment import align, mean_task, people_facts, worlds_of
from .judgement import judged
from .memory import Memory
from .parts import PLAIN, AlignedPart, Reader, Request, failures_of, task_part, truth_failures
from .ranks import of_methods, rankings
from .trials import alignment_data


def _task_record(planned: PlannedTask) -> TaskRecord:
    task = planned.task
    record: TaskRecord = {
        "name": task.name,
        "identity": planned.identity,
        "title": task.title,
        "kind": task.kind.name,
        "views": [view.value for view in task.kind.views],
        "headline": [_line(line) for line in task.kind.lines(task)],
        "world": task.world,
        "clean": task.clean,
        "data": task.dataset,
        "data_digest": planned.data_digest,
        "seed": planned.seed,
        "conditions": [condition.key for condition in task.conditions],
        "n": planned.images,
        "citation": task.citation,
        "metric": task.metric,
        "notes": task.notes,
        "version": task.version,
    }
    data_set = DATA_SETS.get(task.dataset)
    if data_set is not None and data_set.images_from:
        record["images_from"] = data_set.images_from
    if data_set is not None and data_set.hub:
        record["hub"] = data_set.hub
    if task.protocol is not None:
        names, ceilings = task.kind.baselines(task), task.kind.ceilings
        record["floors"] = [name for name in names if name not in ceilings]
        record["ceilings"] = [name for name in names if name in ceilings]
    origin = origin_of(task)
    if origin:
        record["plugin"] = origin
    if task.made_of:
        record["made_of"] = task.made_of
    if task.families:
        record["families"] = {family: list(names) for family, names in task.families.items()}
    if task.reference:
        record["reference"] = task.reference
    if planned.left_out:
        record["left_out"] = planned.left_out
    record.update(task.kind.facts(task))
    return record


def _line(line: Line) -> HeadlineLine:
    return {"condition": line.condition, "metric": line.metric, "part": line.part}


def _mean_record(mean: Task, data_sets: int) -> TaskRecord:
    return {
        "name": mean.name,
        "title": mean.title,
        "kind": mean.kind.name,
        "world": mean.world,
        "metric": mean.metric,
        "views": [view.value for view in mean.kind.views],
        "headline": [],
        "mean_of": data_sets,
    }


def gather(
    plan: Plan,
    store: Store,
    failures: list[Failure],
    run: RunFacts,
    correction: str = "holm",
    request: Request = PLAIN,
    memory: Memory | None = None,
) -> ReportData:
    """Score a plan from what the store holds; needs no model.

    Args:
        plan: What was asked.
        store: Where the predictions lie.
        failures: What went wrong on the way here.
        run: Facts about the run, for the provenance.
        correction: For the number of comparisons; a name of `judgement.CORRECTIONS`.
        request: What is asked beyond the plan: methods, contests.
        memory: What was scored before; None scores everything anew.

    Returns:
        Everything a report shows. Whatever is missing is a failure in it.
    """
    memory = memory or Memory(store, anew=True)
    reader = Reader(plan, store)
    asked = request.plain(plan)

    def facts_of(what: str, *more: Any) -> list[Any] | None:
        return None if asked is None or None in more else [what, *asked, *more]

    parts = [
        (planned, memory.of_task(plan, planned, facts_of("task"), partial(task_part, reader, planned, request)))
        for planned in plan.tasks
    ]
    missing = failures_of(
        {planned.task.name: part.missing for planned, part in parts}, {spec.name for spec in plan.models}
    )
    missing += truth_failures(parts)
    scores = [row for _, part in parts for row in part.scores]
    comparisons = [row for _, part in parts for row in part.comparisons]
    reasons = {key: reason for _, part in parts for key, reason in part.reasons.items()}
    alignment: list[AlignmentData] = []
    counted = {part.counted.task: part.counted for _, part in parts if part.counted is not None}
    tasks = [_task_record(planned) for planned in plan.tasks]
    declared = {planned.task.name: planned.task for planned in plan.tasks}
    for world, members in worlds_of(plan).items():
        wanted = facts_of("alignment", world, people_facts(members, plan, store))
        aligned = memory.of_tasks(plan, members, wanted, partial(_aligned, world, members, reader))
        scores += aligned.scores
        comparisons += aligned.comparisons
        missing += aligned.failures
        alignment.append(aligned.data)
        counted |= {one.task: of_methods(one, request) for one in aligned.contests}
        mean = mean_task(world, members)
        tasks.append(_mean_record(mean, len(members)))
        declared[mean.name] = mean
    failed_models = {failure.model for failure in failures if failure.task == "*"}
    # A model that could not be loaded lacks every unit; one line says it better than twenty. What went wrong just now
    # may also stand in the rows that were stored.
    said = {(failure.task, failure.condition, failure.reason) for failure in failures}
    missing = [f for f in missing if f.model not in failed_models and (f.task, f.condition, f.reason) not in said]
    suite = plan.settings.suite or ", ".join(plan.settings.tasks) or "All stored tasks"
    return ReportData(
        title=suite,
        scores=tuple(scores),
        comparisons=judged(comparisons, declared, correction),
        failures=tuple([*plan.failures, *failures, *missing]),
        models=tuple(model_record(spec) for spec in plan.models),
        tasks=tuple(tasks),
        shape_decisions=tuple(row for _, part in parts for row in part.decisions),
        alignment=tuple(alignment),
        undefined=reasons,
        run=run,
        contests=tuple(part.contest for _, part in parts if part.contest is not None),
        rankings=rankings(plan, request, counted),
        curves=tuple(row for _, part in parts for row in part.curves),
        pairs=tuple(plan.pairs),
        keeper=memory.keeper,
    )


def _aligned(world: str, tasks: Sequence[PlannedTask], reader: Reader) -> AlignedPart:
    aligned = align(world, tasks, reader.plan, reader.answers, reader.store)
    data = alignment_data(aligned.scored, aligned.reference, aligned.data_sets, reader.plan.pairs)
    return AlignedPart(aligned.scores, aligned.comparisons, aligned.failures, data, aligned.scored.contests)
