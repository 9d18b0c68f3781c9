"""What a report is made from: the scores of one suite together with everything needed to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..results.schema import Comparison, Failure, ModelDecisions, RunFacts, Score, TaskRecord, View
from ..text import printable, printable_plain
from .alignment_data import AlignmentData
from .gallery import Gallery

if TYPE_CHECKING:
    from ..results.ranking import Contest

Record = Mapping[str, Any]

_ScoreKey = tuple[str, str, str, str]


@dataclass(frozen=True)
class ReportData:
    """Scores, comparisons and provenance of one suite, ready to be laid out.

    Attributes:
        title: Name of the suite.
        scores: Every score, holes included as NaN.
        comparisons: Paired differences; those against a model's declared baseline reach the headline.
        failures: What was asked and is missing, with the reason.
        models: One record per model: name, identity, source, baseline, weights_hash, preprocessing, ...
        tasks: One record per task.
        shape_decisions: Counts of decisions for shape and texture.
        alignment: Human alignment beyond the models' scores, for each world.
        run: Versions, date, seed, command and store of the run.
        undefined: Why a score is NaN although everything was measured, by (model, task, condition, metric); with a
            number, on how many images it is undefined.
        contests: Main numbers of models that are ranked together, a row for each task.
        gallery: Images on which models disagree.
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
    gallery: Gallery = field(default_factory=Gallery)

    def __post_init__(self) -> None:
        # Done once here, so that no writer meets text that UTF-8 cannot encode: paths, commands, texts of cards.
        for name in ("title", "models", "tasks", "run"):
            object.__setattr__(self, name, printable_plain(getattr(self, name)))
        failures = (Failure(*map(printable, astuple(failure))) for failure in self.failures)
        object.__setattr__(self, "failures", tuple(failures))

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
        """Baselines that take part in some tasks only: what they lack of the others is nothing missing."""
        return frozenset(str(record["name"]) for record in self.models if record.get("source") == "baseline")

    def score(self, model: str, task: str, condition: str, metric: str) -> Score | None:
        """The score of one cell, or None where nothing was recorded."""
        return self._scores.get((model, task, condition, metric))

    def baseline(self, model: str) -> str | None:
        """The baseline that a model declares, or None when it declares none or the report lacks it."""
        for record in self.models:
            if record["name"] == model:
                name = record.get("baseline")
                return str(name) if name in self.model_names and name != model else None
        return None

    def comparison(self, model: str, task: str, condition: str, metric: str) -> Comparison | None:
        """The paired difference of a model to its declared baseline, or None where there is none."""
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
        """The condition of a task's main number; its headline has a line for it, unless it stands elsewhere."""
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

    def tasks_with(self, view: View) -> tuple[TaskRecord, ...]:
        """The tasks that can be shown in a certain way beside their headline."""
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
        )

    def has(self, task: str, metric: str, condition: str = "overall") -> bool:
        """Whether any model has a row for this metric, even if its value is missing."""
        return any(s.task == task and s.metric == metric and s.condition == condition for s in self.scores)
