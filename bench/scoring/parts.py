"""What the stored predictions of each task say: read only where that is not known from before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ...reports.alignment_data import AlignmentData
from ...results.layout import safe_name
from ...results.ranking import Contest
from ...results.schema import Comparison, CurvePoint, Failure, ModelDecisions, Score
from ...results.store import Store
from ...tasks.labels import Truth
from ...tasks.scoring.samples import Answers, collect
from ...tasks.scoring.score import Choose, effective_scores, score_task
from ...tasks.task import Task
from ..catalogue import truth_of
from ..planning.plan import Plan, PlannedTask

_NAMED_IMAGES = 20  # images without an answer for one reason that are named one by one; more are counted

# Read answers, and note what is missing from them.


@dataclass(frozen=True)
class Missing:
    """What is missing from the predictions of one task.

    Attributes:
        asked: Why it is not known what the task asks; empty if it is.
        problems: Model and a line, for units that are missing or cannot be trusted.
        gaps: Condition, reason, image, and the models whose answer is missing.
    """

    asked: str = ""
    problems: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()


class Reader:
    """Reads the predictions of a plan, those of each task when they are first needed.

    Args:
        plan: What was asked.
        store: Where the predictions are.
    """

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan = plan
        self.store = store
        self._tasks = {planned.task.name: planned for planned in plan.tasks}
        self._read: dict[str, tuple[dict[str, Answers], Missing]] = {}

    def answers(self, task: str) -> dict[str, Answers]:
        """Answers of each model to a task; empty where the plan does not have it."""
        return self._task(task)[0] if task in self._tasks else {}

    def clean(self, task: Task) -> dict[str, Answers]:
        """Answers of each model to the clean counterpart, with those to shifted images of the same classes."""
        clean = self.answers(task.clean or "")
        if not task.shifted:
            return clean
        shifted = {name: self.answers(name) for name in task.shifted}
        return {
            model: replace(own, shifted={name: found[model] for name, found in shifted.items() if model in found})
            for model, own in clean.items()
        }

    def missing(self, task: str) -> Missing:
        """What is missing from the answers to a task of the plan."""
        return self._task(task)[1]

    def _task(self, name: str) -> tuple[dict[str, Answers], Missing]:
        other = self._tasks[name].task.made_of
        if other in self._tasks:
            return self._task(other)[0], Missing()  # what is missing is said of the other task
        if name not in self._read:
            self._read[name] = self._read_task(self._tasks[name])
        return self._read[name]

    def _read_task(self, planned: PlannedTask) -> tuple[dict[str, Answers], Missing]:
        asked = self.store.asked(safe_name(planned.identity), planned.images)
        answers: dict[str, Answers] = {}
        problems: list[tuple[str, str]] = []
        gaps: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for spec in self.plan.models:
            if not self.plan.takes(spec, planned.task):
                continue
            absent = "were not run"
            if spec.imported:
                name = planned.task.name
                absent = f"were not imported: `bench results import FILE --model {spec.name} --task {name}` adds them"
            stored, told = self.store.read(planned.identity, spec.identity, planned.ranges(), absent)
            problems += [(spec.name, line) for line in told]
            for row in np.flatnonzero(stored.error >= 0):
                condition = stored.conditions[stored.condition[row]]
                image_id, reason = stored.image_ids[stored.image[row]], stored.reasons[stored.error[row]]
                names = gaps[(condition, reason, image_id)]
                if spec.name not in names:
                    names.append(spec.name)
            answers[spec.name] = collect(planned.task, spec.name, stored)
        rows = tuple((*place, tuple(names)) for place, names in gaps.items())
        return answers, Missing(asked if isinstance(asked, str) else "", tuple(problems), rows)


def failures_of(missing: Mapping[str, Missing], everyone: set[str]) -> list[Failure]:
    """Failures for everything that is missing: a few images are named, many are counted.

    Args:
        missing: By task, in the order of the plan.
        everyone: Names of all models.
    """
    rows = [Failure("*", task, "*", "*", part.asked) for task, part in missing.items() if part.asked]
    rows += [Failure(model, task, "*", "*", line) for task, part in missing.items() for model, line in part.problems]
    groups: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    gaps = ((task, *gap) for task, part in missing.items() for gap in part.gaps)
    for task, condition, reason, image_id, models in sorted(gaps, key=lambda gap: gap[:4]):
        model = "*" if {*models} == everyone else ", ".join(sorted(models))
        groups[(model, task, condition, reason)].append(image_id)
    for (model, task, condition, reason), images in groups.items():
        if len(images) <= _NAMED_IMAGES:
            rows += [Failure(model, task, condition, image_id, reason) for image_id in images]
        else:
            rows.append(Failure(model, task, condition, f"{len(images)} images, the first {images[0]}", reason))
    return rows


def read_answers(plan: Plan, store: Store) -> tuple[dict[str, dict[str, Answers]], list[Failure]]:
    """Answers by task and model, and everything that is missing from them."""
    reader = Reader(plan, store)
    names = [planned.task.name for planned in plan.tasks]
    missing = {name: reader.missing(name) for name in names}
    return {name: reader.answers(name) for name in names}, failures_of(missing, {spec.name for spec in plan.models})


# Score one task.


@dataclass(frozen=True)
class TaskPart:
    """What the stored predictions of one task say.

    Attributes:
        missing: What they lack.
        untold: Why what is known of its images beyond their labels is not there or not of these images; empty if it is,
            or the task needs none.
        scores: Of every model; none for a task that is scored together with others.
        comparisons: Not judged yet.
        decisions: Counts of decisions for shape and texture.
        reasons: Why a score is undefined, as in `ReportData`.
        contest: Main numbers of the models to be ranked.
        counted: The number by which the task enters the rank over the suite.
        curves: For figures.
    """

    missing: Missing
    untold: str = ""
    scores: tuple[Score, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    decisions: tuple[ModelDecisions, ...] = ()
    reasons: Mapping[tuple[str, str, str, str], str] = field(default_factory=dict)
    contest: Contest | None = None
    counted: Contest | None = None
    curves: tuple[CurvePoint, ...] = ()


@dataclass(frozen=True)
class AlignedPart:
    """What the tasks of human alignment of one world say together.

    Attributes:
        scores: Of the models alone.
        comparisons: For the pairs asked for.
        failures: What is missing.
        data: All that is shown of every observer.
        contests: The number of each data set by which it enters the rank over the suite.
    """

    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...]
    failures: tuple[Failure, ...]
    data: AlignmentData
    contests: tuple[Contest, ...] = ()


@dataclass(frozen=True)
class Request:
    """What is asked of the predictions beyond the plan.

    Attributes:
        methods: Names of the runs of each method, where pairs name methods.
        contest: Models or methods to be ranked together.
        choose: From the scores of a task to more pairs to compare on it.
        counts_by: By the name of each task that enters the rank over the suite, the metrics of which the first counts.
        main_only: Compare pairs by the main number of each task alone.
    """

    methods: Mapping[str, Sequence[str]] | None = None
    contest: Sequence[str] = ()
    choose: Choose | None = None
    counts_by: Mapping[str, Sequence[str]] = field(default_factory=dict)
    main_only: bool = False

    def plain(self, plan: Plan) -> list[object] | None:
        """As plain data with the plan's pairs; None where a function is not known by its name."""
        name = "" if self.choose is None else _named(self.choose)
        if name is None:
            return None
        methods = {method: list(runs) for method, runs in (self.methods or {}).items()}
        counts_by = {task: list(metrics) for task, metrics in self.counts_by.items()}
        return [[list(pair) for pair in plan.pairs], methods, list(self.contest), name, counts_by, self.main_only]


PLAIN = Request()
"""Nothing beyond the plan."""


def _named(function: Callable[..., object]) -> str | None:
    name = f"{getattr(function, '__module__', '<')}.{getattr(function, '__qualname__', '<')}"
    return None if "<" in name else name


def task_part(reader: Reader, planned: PlannedTask, request: Request) -> TaskPart:
    """Read and score one task.

    Args:
        reader: The predictions.
        planned: The task.
        request: What is asked.
    """
    task = planned.task
    part = TaskPart(reader.missing(task.name))
    if task.kind.together:
        return part  # elsewhere: they have a mean, and observers beside the models
    found = truth_of(planned, reader.store)
    untold, truth = (found, Truth()) if isinstance(found, str) else ("", found)
    answers, clean = reader.answers(task.name), reader.clean(task)
    methods = request.methods or {}
    # Models of other classes were not asked this task: they lack nothing.
    ranked = [name for name in request.contest if all(run in answers for run in methods.get(name, (name,)))]
    untold = untold or next(filter(None, (task.kind.mismatch(task, own, truth) for own in answers.values())), "")
    scored = score_task(
        task,
        answers,
        reader.plan.pairs,
        clean=clean or None,
        truth=Truth() if untold else truth,
        methods=request.methods,
        contest=ranked,
        choose=request.choose,
        counts_by=request.counts_by.get(task.name, ()),
        main_only=request.main_only,
    )
    return replace(
        part,
        untold=untold,
        scores=(*scored.scores, *effective_scores(task, answers, clean)),
        comparisons=scored.comparisons,
        decisions=scored.shape_decisions,
        reasons=scored.reasons,
        contest=scored.contest if len(ranked) == len(request.contest) else None,
        counted=scored.counted,
        curves=scored.curves,
    )


def truth_failures(tasks: Iterable[tuple[PlannedTask, TaskPart]]) -> list[Failure]:
    """A failure for each task without what has to be known of its images."""
    return [Failure("*", planned.task.name, "*", "*", part.untold) for planned, part in tasks if part.untold]
