"""The input of reports as plain records: the scores of a suite, disagreements of models, claims."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..results.kept import Anew, Keeper, digest_of
from ..results.schema import Comparison, CurvePoint, Effect, Failure, ModelDecisions, RunFacts, Score, TaskRecord, View
from ..text import printable, printable_plain
from .alignment_data import AlignmentData

if TYPE_CHECKING:
    from ..results.ranking import Contest
    from ..results.suite_ranking import SuiteRanking


# Images on which two models disagree: which of them are shown, and what the page says of them.


SHOWN = 6
"""Images for each of the two sides of a disagreement."""


@dataclass(frozen=True)
class Said:
    """A model's answer to an image: its best class in words, the confidence in it (0 to 1), whether it is right."""

    model: str
    answer: str
    confidence: float
    right: bool


@dataclass(frozen=True)
class Picture:
    """An image as the models saw it.

    Attributes:
        image_id: Its id in the data set.
        label: The right answer in words.
        media: ``"image/webp"`` or ``"image/jpeg"``.
        data: The encoded file.
        size: Side in pixels.
        said: The two models' answers.
    """

    image_id: str
    label: str
    media: str
    data: bytes
    size: int
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Disagreement:
    """Two models on one condition.

    Attributes:
        task: Title of the task.
        condition: As in the scores, ``"clean"`` or ``"fog/5"``.
        a: First model.
        b: Second model, its baseline where it has one.
        counts: Images that both get right, only ``a``, only ``b``, and neither.
        only_a: Some of those that only ``a`` gets right.
        only_b: Some of those that only ``b`` gets right.
        conditions: Of how many conditions this is the one with the most disagreements; 1 where there was no choice.
    """

    task: str
    condition: str
    a: str
    b: str
    counts: tuple[int, int, int, int]
    only_a: tuple[Picture, ...] = ()
    only_b: tuple[Picture, ...] = ()
    conditions: int = 1


@dataclass(frozen=True)
class Gallery:
    """Every disagreement that is shown, and why others are not."""

    parts: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()


def counted(a: Sequence[bool], b: Sequence[bool]) -> tuple[int, int, int, int]:
    """Of images in the same order: both right, only the first, only the second, neither."""
    pairs = list(zip(a, b, strict=True))
    return (
        pairs.count((True, True)),
        pairs.count((True, False)),
        pairs.count((False, True)),
        pairs.count((False, False)),
    )


def chosen(image_ids: Sequence[str], a: Sequence[bool], b: Sequence[bool], most: int = SHOWN) -> tuple[list[str], ...]:
    """Choose images that one model gets right and the other wrong.

    The order is that of a hash of the ids: a fair sample of the disagreements, the same each time. Choosing striking
    images would bias it.

    Args:
        image_ids: Distinct ids.
        a: Whether the first model is right.
        b: Whether the second one is.
        most: Images for each side.

    Returns:
        Ids that only the first gets right, and that only the second does.
    """
    order = sorted(zip(image_ids, a, b, strict=True), key=lambda row: hashlib.sha256(row[0].encode()).digest())
    first = [image_id for image_id, right, other in order if right and not other]
    second = [image_id for image_id, right, other in order if other and not right]
    return first[:most], second[:most]


def strongest(conditions: Sequence[str], disagreements: Sequence[int]) -> int:
    """The position of the condition of the highest severity with the most disagreements; the first of equals."""
    severities = [int(key.partition("/")[2] or 0) for key in conditions]
    top = max(severities)
    candidates = [place for place, severity in enumerate(severities) if severity == top]
    return max(candidates, key=lambda place: (disagreements[place], -place))


# Pictures with what models found in them, beside the truth: a few of each task, chosen by a rule.


EXAMPLES = 3
"""Of each task."""

EXAMPLES_RULE = (
    f"Examples, not evidence: the {EXAMPLES} of each task whose ids have the smallest SHA-256, the same for every "
    "model; nobody picked them."
)


@dataclass(frozen=True)
class Overlay:
    """A picture, alone or with a map of labels over it.

    Attributes:
        title: ``"truth"``, or the name of a model; empty for the picture alone.
        value: How good the map is, for people.
        media: ``"image/webp"``.
        data: The encoded file.
        size: Width and height in pixels.
    """

    title: str
    value: str
    media: str
    data: bytes
    size: tuple[int, int]


@dataclass(frozen=True)
class Example:
    """One picture of a task with the maps of some models.

    Attributes:
        title: Which it is, for people.
        overlays: The picture alone, the truth, then models.
    """

    title: str
    overlays: tuple[Overlay, ...]


@dataclass(frozen=True)
class Examples:
    """What is shown, by title of the task, and why other examples are not."""

    parts: tuple[tuple[str, tuple[Example, ...]], ...] = ()
    notes: tuple[str, ...] = ()


# The input of a report: the scores of one suite together with everything needed to read them.


Record = Mapping[str, Any]

_ScoreKey = tuple[str, str, str, str]


def title_of(task: TaskRecord) -> str:
    """What a task is called for people."""
    return str(task.get("title") or task["name"])


@dataclass(frozen=True)
class ReportData:
    """Scores, comparisons and provenance of one suite, ready to be laid out.

    Attributes:
        title: Name of the suite.
        scores: Every score, holes included as NaN.
        comparisons: Paired differences; those against a model's `baseline` reach the headline.
        failures: What was asked and is missing, with the reason.
        models: One record per model: name, identity, source, baseline, weights_hash, preprocessing, ...
        tasks: One record per task.
        shape_decisions: Counts of decisions for shape and texture.
        alignment: Human alignment beyond the models' scores, for each world.
        run: Versions, date, seed, command and store of the run.
        undefined: Why a score is NaN although everything was measured, by (model, task, condition, metric); with a
            number, on how many images it is undefined.
        contests: Main numbers of models that are ranked together, a row for each task.
        rankings: Models ranked over the whole suite, in each world for itself.
        gallery: Images on which models disagree.
        examples: Pictures with what models found in them.
        curves: Reliability and risk against coverage, for figures.
        pairs: (model, baseline) that were to be compared; None where that is not known.
        keeper: Gives back figures that were drawn of the same data before.
    """

    title: str
    scores: tuple[Score, ...]
    comparisons: tuple[Comparison, ...] = ()
    failures: tuple[Failure, ...] = ()
    models: tuple[Record, ...] = ()
    tasks: tuple[TaskRecord, ...] = ()
    shape_decisions: tuple[ModelDecisions, ...] = ()
    alignment: tuple[AlignmentData, ...] = ()
    run: RunFacts = field(default_factory=RunFacts)
    undefined: Mapping[_ScoreKey, str] = field(default_factory=dict)
    contests: tuple[Contest, ...] = ()
    rankings: tuple[SuiteRanking, ...] = ()
    gallery: Gallery = field(default_factory=Gallery)
    examples: Examples = field(default_factory=Examples)
    curves: tuple[CurvePoint, ...] = ()
    pairs: tuple[tuple[str, str], ...] | None = None
    keeper: Keeper = field(default_factory=Anew, compare=False, repr=False)

    def __post_init__(self) -> None:
        # Done once here, so that no writer meets text that UTF-8 cannot encode: paths, commands, texts of cards.
        for name in ("title", "models", "tasks", "run"):
            object.__setattr__(self, name, printable_plain(getattr(self, name)))
        failures = (Failure(*map(printable, astuple(failure))) for failure in self.failures)
        object.__setattr__(self, "failures", tuple(failures))

    @cached_property
    def digest(self) -> str:
        """Digest of everything but the run; empty if a plugin's values cannot be digested."""
        rows: list[object] = [self.title, self.scores, self.comparisons, self.failures, self.models, self.tasks]
        rows += [self.shape_decisions, self.alignment, self.undefined, self.contests, self.rankings]
        rows += [self.gallery, self.examples, self.curves, self.pairs]
        try:
            return digest_of(rows)
        except (TypeError, ValueError, OverflowError):  # a plugin's values
            return ""

    @cached_property
    def model_names(self) -> tuple[str, ...]:
        """Every model: the described ones in their order, then any that only has scores."""
        described = [str(record["name"]) for record in self.models]
        return tuple(dict.fromkeys([*described, *(score.model for score in self.scores)]))

    @cached_property
    def task_records(self) -> tuple[TaskRecord, ...]:
        """Every task: the described ones in their order, then a bare record for any that only has scores."""
        records = {record["name"]: record for record in self.tasks}
        for score in self.scores:
            records.setdefault(score.task, {"name": score.task})
        return tuple(records.values())

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """What tasks are called for people, by name."""
        return {str(record["name"]): title_of(record) for record in self.task_records}

    @property
    def asked_tasks(self) -> tuple[TaskRecord, ...]:
        """The tasks without those that are only the mean of others, which would be counted twice."""
        return tuple(record for record in self.task_records if not record.get("mean_of"))

    @cached_property
    def _scores(self) -> dict[_ScoreKey, Score]:
        return {(s.model, s.task, s.condition, s.metric): s for s in self.scores}

    @cached_property
    def _comparisons(self) -> dict[tuple[str, _ScoreKey], Comparison]:
        return {(c.b, (c.a, c.task, c.condition, c.metric)): c for c in self.comparisons}

    @cached_property
    def partial_models(self) -> frozenset[str]:
        """Baselines that are run on some tasks only; scores that they lack on others do not count as missing."""
        return self._from("baseline")

    @cached_property
    def random_models(self) -> frozenset[str]:
        """Networks with random weights, which are controls."""
        return self._from("random")

    def _from(self, source: str) -> frozenset[str]:
        return frozenset(str(record["name"]) for record in self.models if record.get("source") == source)

    def score(self, model: str, task: str, condition: str, metric: str) -> Score | None:
        """The score of one cell, or None where nothing was recorded."""
        return self._scores.get((model, task, condition, metric))

    def baseline(self, model: str) -> str | None:
        """The model that the headline compares a model with; None if there is none here.

        It is the one that the model declares; where another was asked for instead, that one. Baselines without a
        network never are, since a model is compared with them beside its own baseline.
        """
        record = next((record for record in self.models if record["name"] == model), None)
        if record is None:
            return None
        declared = record.get("baseline")
        asked = [declared] if self.pairs is None else [b for a, b in self.pairs if a == model]
        here = [name for name in asked if name in self.model_names and name != model]
        if declared in here:
            return str(declared)
        return next((name for name in here if name not in self.partial_models), None)

    def comparison(self, model: str, task: str, condition: str, metric: str) -> Comparison | None:
        """The paired difference of a model to its `baseline`, or None where there is none."""
        baseline = self.baseline(model)
        return None if baseline is None else self._comparisons.get((baseline, (model, task, condition, metric)))

    def task(self, name: str) -> TaskRecord:
        """The record of a task.

        Raises:
            KeyError: If no task has this name.
        """
        for record in self.task_records:
            if record["name"] == name:
                return record
        raise KeyError(name)

    def main_condition(self, task: str) -> str:
        """The condition of a task's main number; its headline has a line for it, unless another table has it."""
        record = self.task(task)
        name = record.get("metric")
        lines = record.get("headline") or ()
        return next(
            (str(line["condition"]) for line in lines if line["metric"] == name and not line["part"]), "overall"
        )

    def corruptions(self, task: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The corruptions of a task by family; in one group without a name where it declares no families."""
        record = self.task(task)
        families = record.get("families") or {}
        if families:
            return tuple((str(family), tuple(members)) for family, members in families.items())
        names = dict.fromkeys(str(key).partition("/")[0] for key in record.get("conditions") or ())
        return (("", tuple(names)),) if names else ()

    def members(self, task: str) -> tuple[str, ...]:
        """What the families of a task hold, in one row: corruptions, or annotated factors."""
        return tuple(str(name) for names in (self.task(task).get("families") or {}).values() for name in names)

    def tasks_with(self, view: View) -> tuple[TaskRecord, ...]:
        """The tasks that have a certain view in addition to their headline."""
        return tuple(record for record in self.task_records if view in record.get("views", ()))

    def of(self, models: Sequence[str]) -> ReportData:
        """The same report with some of its models only, in their order; alignment and failures stay as they are."""
        names = set(models)
        return replace(
            self,
            scores=tuple(s for s in self.scores if s.model in names),
            comparisons=tuple(c for c in self.comparisons if c.a in names and c.b in names),
            models=tuple(record for record in self.models if record["name"] in names),
            shape_decisions=tuple(row for row in self.shape_decisions if row["model"] in names),
            curves=tuple(row for row in self.curves if row.model in names),
        )

    def has(self, task: str, metric: str, condition: str = "overall") -> bool:
        """Whether any model has a row for this metric, even if its value is missing."""
        return any(s.task == task and s.metric == metric and s.condition == condition for s in self.scores)


# The input of a page of claims: claims with their effects, and the methods behind them.


class ClaimFacts(RunFacts, total=False):
    """Facts about all runs together, for the page."""

    seeds: int
    """Runs of each method."""
    steps: int
    precision: str
    alpha: float
    """An effect is significant where its corrected p-value is below this."""


@dataclass(frozen=True)
class Number:
    """A column of the tables.

    Attributes:
        task: Task name.
        metric: Of the whole task.
        title: Short heading.
        fraction: Whether it is shown in percent; kappa is not.
    """

    task: str
    metric: str
    title: str
    fraction: bool = True


@dataclass(frozen=True)
class HypothesisView:
    """A part of a claim that has a verdict of its own.

    Attributes:
        key: As in the plan.
        statement: In words.
        effect: Name of the effect, expected to be more than 0.
        effects: That effect in every number that was measured.
        absent: In how many declared numbers it was not.
    """

    key: str
    statement: str
    effect: str
    effects: tuple[Effect, ...]
    absent: int = 0


@dataclass(frozen=True)
class ClaimView:
    """A claim with its effects.

    Attributes:
        key: Letter.
        title: A few words.
        statement: What the paper claims.
        effects: Every effect in every number, with its p-value corrected among all that were declared; where the claim
            holds they are more than 0.
        absent: Declared effects in numbers that were not measured.
        hypotheses: Its parts, where it has some.
    """

    key: str
    title: str
    statement: str
    effects: tuple[Effect, ...]
    absent: int = 0
    hypotheses: tuple[HypothesisView, ...] = ()

    @property
    def names(self) -> list[str]:
        """The effects' names, in order."""
        return list(dict.fromkeys(effect.name for effect in self.effects))

    def effect(self, name: str, number: Number) -> Effect | None:
        """An effect in one number."""
        asked = (name, number.task, number.metric)
        return next((e for e in self.effects if (e.name, e.task, e.metric) == asked), None)


@dataclass(frozen=True)
class ClaimsData:
    """All claims with their effects, and the methods behind them.

    Attributes:
        claims: In order.
        numbers: What was measured.
        methods: By method and number (task, metric): the value of each run, by seed.
        windows: T in seconds by method, for methods that differ in nothing else.
        facts: Seeds, steps, versions, date.
        failures: What is missing, a line each.
    """

    claims: tuple[ClaimView, ...]
    numbers: tuple[Number, ...]
    methods: Mapping[str, Mapping[tuple[str, str], Sequence[float]]]
    windows: Mapping[str, float] = field(default_factory=dict)
    facts: ClaimFacts = field(default_factory=ClaimFacts)
    failures: tuple[str, ...] = ()

    @property
    def alpha(self) -> float:
        """See `ClaimFacts.alpha`."""
        from ..results.statistics import ALPHA

        return self.facts.get("alpha", ALPHA)
