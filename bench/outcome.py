"""From the store back to numbers: answers, scores, comparisons and everything a report shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..models.spec import ModelSpec
from ..reports.data import ReportData
from ..results.schema import Comparison, Failure, Score
from ..results.store import Store
from ..tasks.answers import Answers, collect
from ..tasks.data.microworld.vocabulary import CLASSES
from ..tasks.scoring import Scored, score_task
from ..tasks.task import Condition
from .plan import Plan, PlannedTask

_NAMED_IMAGES = 20  # undecodable images that are named one by one; the rest are counted


def _model_record(spec: ModelSpec) -> dict[str, Any]:
    return {**asdict(spec), "identity": spec.identity}


def _task_record(planned: PlannedTask) -> dict[str, Any]:
    task = planned.task
    record: dict[str, Any] = {
        "name": task.name,
        "identity": planned.identity,
        "title": task.title,
        "kind": task.kind,
        "world": task.world,
        "clean": task.clean,
        "data": task.dataset,
        "data_digest": planned.source.digest,
        "conditions": [condition.key for condition in task.conditions],
        "n": planned.images,
        "citation": task.citation,
        "metric": task.metric,
        "notes": task.notes,
        "version": task.version,
    }
    if task.families:
        record["families"] = {family: list(names) for family, names in task.families.items()}
    if task.reference:
        record["reference"] = task.reference
    if task.kind == "cue-conflict":
        record["shape_classes"] = list(CLASSES)
    return record


def _read(plan: Plan, store: Store) -> tuple[dict[str, dict[str, Answers]], list[Failure]]:
    """Answers by task and model, and everything that is missing from them."""
    answers: dict[str, dict[str, Answers]] = defaultdict(dict)
    failures: list[Failure] = []
    # Who failed on an image for a reason, and under which conditions.
    bad_images: dict[tuple[str, str, str], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for planned, spec in plan.cells():
        task = planned.task
        frame, problems = store.read_units(planned.identity, spec.identity, planned.ranges())
        failures += [Failure(spec.name, task.name, "*", "*", problem) for problem in problems]
        for row in frame[frame["error"].notna()].itertuples():
            models, conditions = bad_images[(task.name, str(row.image_id), str(row.error))]
            models.add(spec.name)
            conditions.add(Condition(str(row.condition), int(str(row.severity))).key if row.severity else "*")
        answers[task.name][spec.name] = collect(task, spec.name, frame)
    everyone = {spec.name for spec in plan.models}
    for number, ((task_name, image_id, reason), (models, conditions)) in enumerate(sorted(bad_images.items())):
        if number == _NAMED_IMAGES:
            rest = len(bad_images) - _NAMED_IMAGES
            failures.append(Failure("*", "*", "*", "*", f"{rest} more images without a prediction"))
            break
        model = "*" if models == everyone else ", ".join(sorted(models))
        condition = next(iter(conditions)) if len(conditions) == 1 else "*"
        failures.append(Failure(model, task_name, condition, image_id, reason))
    return answers, failures


def _textures(planned: PlannedTask) -> Mapping[str, int]:
    from ..tasks.data.microworld.sets import MicroSet

    source = planned.source
    if not isinstance(source, MicroSet):
        return {}
    return dict(zip(source.image_ids, source.textures().tolist(), strict=True))


def gather(plan: Plan, store: Store, failures: list[Failure], run: Mapping[str, Any]) -> ReportData:
    """Score a plan from what the store holds; needs no model.

    Args:
        plan: What was asked.
        store: Where the predictions lie.
        failures: What went wrong on the way here.
        run: Facts about the run, for the provenance.

    Returns:
        Everything a report shows. Whatever is missing is a failure in it.
    """
    answers, missing = _read(plan, store)
    scores: list[Score] = []
    comparisons: list[Comparison] = []
    decisions: list[dict[str, Any]] = []
    for planned in plan.tasks:
        task = planned.task
        conflict = task.kind == "cue-conflict"
        scored: Scored = score_task(
            task,
            answers[task.name],
            plan.pairs,
            clean=answers.get(task.clean or ""),
            textures=_textures(planned) if conflict else None,
            label_names=CLASSES if conflict else (),
        )
        scores += scored.scores
        comparisons += scored.comparisons
        decisions += scored.shape_decisions
    failed_models = {failure.model for failure in failures if failure.task == "*"}
    # A model that could not be loaded lacks every unit; one line says it better than twenty.
    missing = [failure for failure in missing if failure.model not in failed_models]
    suite = plan.settings.suite or ", ".join(plan.settings.tasks)
    return ReportData(
        title=suite,
        scores=tuple(scores),
        comparisons=tuple(comparisons),
        failures=tuple([*plan.failures, *failures, *missing]),
        models=tuple(_model_record(spec) for spec in plan.models),
        tasks=tuple(_task_record(planned) for planned in plan.tasks),
        shape_decisions=tuple(decisions),
        run=dict(run),
    )
