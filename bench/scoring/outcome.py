"""From the store to numbers: predictions, scores, comparisons and everything a report shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from ...reports.alignment_data import AlignmentData
from ...reports.data import ReportData
from ...results.layout import safe_name
from ...results.ranking import Contest
from ...results.schema import Comparison, Failure, HeadlineLine, ModelDecisions, RunFacts, Score, TaskRecord
from ...results.store import Store
from ...tasks.kinds.kind import Line
from ...tasks.plugin_tasks import origin_of
from ...tasks.scoring.samples import Answers, collect
from ...tasks.scoring.score import Choose, Scored, effective_scores, score_task
from ..catalogue import model_record, truth_of
from ..planning.plan import Plan, PlannedTask
from .alignment import Aligned, align
from .judgement import judged
from .trials import alignment_data

_NAMED_IMAGES = 20  # images without an answer for one reason that are named one by one; more are counted


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
    origin = origin_of(task)
    if origin:
        record["plugin"] = origin
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


def _mean_record(aligned: Aligned) -> TaskRecord:
    mean = aligned.mean
    return {
        "name": mean.name,
        "title": mean.title,
        "kind": mean.kind.name,
        "world": mean.world,
        "metric": mean.metric,
        "views": [view.value for view in mean.kind.views],
        "headline": [],
        "mean_of": len(aligned.data_sets),
    }


def read_answers(plan: Plan, store: Store) -> tuple[dict[str, dict[str, Answers]], list[Failure]]:
    """Answers by task and model, and everything that is missing from them."""
    answers: dict[str, dict[str, Answers]] = defaultdict(dict)
    failures: list[Failure] = []
    # Whose answers are missing, by task, condition, image and reason.
    gaps: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for planned in plan.tasks:
        asked = store.asked(safe_name(planned.identity), planned.images)
        if isinstance(asked, str):
            failures.append(Failure("*", planned.task.name, "*", "*", asked))
    for planned, spec in plan.cells():
        task = planned.task
        absent = "were not run"
        if spec.imported:
            absent = f"were not imported: `bench results import FILE --model {spec.name} --task {task.name}` adds them"
        found, problems = store.read(planned.identity, spec.identity, planned.ranges(), absent)
        failures += [Failure(spec.name, task.name, "*", "*", problem) for problem in problems]
        for row in np.flatnonzero(found.error >= 0):
            condition = found.conditions[found.condition[row]]
            image_id, reason = found.image_ids[found.image[row]], found.reasons[found.error[row]]
            gaps[(task.name, condition, reason, image_id)].add(spec.name)
        answers[task.name][spec.name] = collect(task, spec.name, found)
    return answers, [*failures, *_gap_rows(gaps, {spec.name for spec in plan.models})]


def _gap_rows(gaps: Mapping[tuple[str, str, str, str], set[str]], everyone: set[str]) -> list[Failure]:
    """Failures for answers that are missing: a few images are named, many are counted."""
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for (task, condition, reason, image_id), models in sorted(gaps.items()):
        model = "*" if models == everyone else ", ".join(sorted(models))
        groups[(model, task, condition, reason)].append(image_id)
    rows = []
    for (model, task, condition, reason), images in groups.items():
        if len(images) <= _NAMED_IMAGES:
            rows += [Failure(model, task, condition, image_id, reason) for image_id in images]
        else:
            rows.append(Failure(model, task, condition, f"{len(images)} images, the first {images[0]}", reason))
    return rows


def gather(
    plan: Plan,
    store: Store,
    failures: list[Failure],
    run: RunFacts,
    correction: str = "holm",
    methods: Mapping[str, Sequence[str]] | None = None,
    contest: Sequence[str] = (),
    choose: Choose | None = None,
) -> ReportData:
    """Score a plan from what the store holds; needs no model.

    Args:
        plan: What was asked.
        store: Where the predictions lie.
        failures: What went wrong on the way here.
        run: Facts about the run, for the provenance.
        correction: For the number of comparisons; a name of `judgement.CORRECTIONS`.
        methods: Names of the runs of each method, where pairs name methods.
        contest: Models or methods to be ranked together.
        choose: From the scores of a task to more pairs to compare on it.

    Returns:
        Everything a report shows. Whatever is missing is a failure in it.
    """
    answers, missing = read_answers(plan, store)
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    decisions: list[ModelDecisions] = []
    reasons: dict[tuple[str, str, str, str], str] = {}
    contests: list[Contest] = []
    for planned in plan.tasks:
        task = planned.task
        if task.kind.together:
            continue  # below: they have a mean, and observers beside the models
        truth = truth_of(planned, store)
        if truth is None:
            reason = f"the truths of {task.dataset} are missing from the store or damaged: run again with --data"
            missing.append(Failure("*", task.name, "*", "*", reason))
        scored: Scored = score_task(
            task,
            answers[task.name],
            plan.pairs,
            clean=answers.get(task.clean or ""),
            truth=truth,
            methods=methods,
            contest=contest,
            choose=choose,
        )
        scores += scored.scores
        scores += effective_scores(task, answers[task.name], answers.get(task.clean or "", {}))
        reasons |= scored.reasons
        comparisons += scored.comparisons
        decisions += scored.shape_decisions
        contests += [scored.contest] if scored.contest is not None else []
    alignment: list[AlignmentData] = []
    tasks = [_task_record(planned) for planned in plan.tasks]
    declared = {planned.task.name: planned.task for planned in plan.tasks}
    for aligned in align(plan, answers, store):
        scores += aligned.scores
        comparisons += aligned.comparisons
        missing += aligned.failures
        alignment.append(alignment_data(aligned.scored, aligned.reference, aligned.data_sets, plan.pairs))
        tasks.append(_mean_record(aligned))
        declared[aligned.mean.name] = aligned.mean
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
        shape_decisions=tuple(decisions),
        alignment=tuple(alignment),
        undefined=reasons,
        run=run,
        contests=tuple(contests),
    )
