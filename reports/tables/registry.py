"""The tables by name, and a table before it is written, with the best of each line and those not clearly worse."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import unknown_name
from ...results.metrics import metric
from ...results.schema import Score, TaskRecord, View
from ...results.statistics import ALPHA, holm
from ..data import ReportData, title_of
from ..headline import headline_rows
from ..wording import HOLE, MINUS, condition_label, interval, unit_words, value_text

# The best model in a row of a table, and the models that are not clearly worse.


@dataclass(frozen=True)
class Standing:
    """One number of several models.

    Attributes:
        best: The model with the best value; empty where fewer than two have one. Of equal ones the first.
        p_adjusted: Holm's p-value of every other model against the best, corrected within the row; a model that was not
            compared is not in it.
    """

    best: str = ""
    p_adjusted: Mapping[str, float] = field(default_factory=dict)

    @property
    def level(self) -> frozenset[str]:
        """Models that are not significantly different from the best."""
        return frozenset(model for model, p in self.p_adjusted.items() if p >= ALPHA)


def standing(
    data: ReportData, task: str, condition: str, metric_name: str, models: Sequence[str] | None = None
) -> Standing:
    """Find the best model by one number, and the tests of the others against it.

    Args:
        data: The tables' input; its comparisons of other models with the best one are used, those the other way round
            as well.
        task: Task name.
        condition: As in the scores.
        metric_name: As in the scores.
        models: Models to compare; all of them unless given.
    """
    values: dict[str, float] = {}
    for model in models if models is not None else data.model_names:
        score = data.score(model, task, condition, metric_name)
        if score is not None and math.isfinite(score.value):
            values[model] = score.value
    if len(values) < 2:
        return Standing()
    # Python's max keeps the first of equal ones.
    best = max(values, key=lambda model: metric(metric_name).better * values[model])
    p_values: dict[str, float] = {}
    for row in data.comparisons:
        if (row.task, row.condition, row.metric) == (task, condition, metric_name) and best in (row.a, row.b):
            other = row.a if row.b == best else row.b
            if other in values and math.isfinite(row.p):
                p_values.setdefault(other, row.p)
    return Standing(best, dict(zip(p_values, holm(list(p_values.values())), strict=True)))


# A table before it is written: the models' numbers, with the best of each line and those not clearly worse.


LEVEL, UNTESTED = "†", "‡"


@dataclass(frozen=True)
class Line:
    """One number that a table shows for every model.

    Attributes:
        task: Task name.
        condition: As in the scores.
        metric: As in the scores.
        group: Title of its task.
        label: Its name within the group.
    """

    task: str
    condition: str
    metric: str
    group: str
    label: str

    @property
    def heading(self) -> str:
        """The label, with an arrow where lower is better."""
        return f"{self.label}{metric(self.metric).arrow}"


@dataclass(frozen=True)
class Entry:
    """One number.

    Attributes:
        score: None if there is none.
        best: Whether it is the best of its line.
        level: Whether it is not significantly different from the best.
        untested: Whether no test compares it with the best, so that it is neither level nor worse.
        p_adjusted: Holm's p-value against the best; NaN for the best and where nothing was compared.
    """

    score: Score | None
    best: bool = False
    level: bool = False
    untested: bool = False
    p_adjusted: float = math.nan

    @property
    def value(self) -> str:
        """See `wording.value_text`."""
        return HOLE if self.score is None else value_text(self.score.value, self.score.metric)

    @property
    def mark(self) -> str:
        """The mark after the value."""
        return LEVEL if self.level else UNTESTED if self.untested else ""

    @property
    def span(self) -> str:
        """``[69.1, 73.3]``, or nothing."""
        if self.value == HOLE or self.score is None:
            return ""
        return interval(self.score.ci_low, self.score.ci_high, self.score.metric)


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        name: Name of the table, and of its file.
        title: What it shows.
        models: Names.
        lines: Numbers.
        entries: By line, then by model.
        about: Images, seed and version, as one sentence.
    """

    name: str
    title: str
    models: tuple[str, ...]
    lines: tuple[Line, ...]
    entries: tuple[tuple[Entry, ...], ...]
    about: str

    @property
    def compared(self) -> bool:
        """Whether any model was compared with the best."""
        return any(math.isfinite(entry.p_adjusted) for row in self.entries for entry in row)

    def caption(self, across: bool) -> str:
        """How to read it.

        Args:
            across: Whether the models are columns, so that a line of the grid is a row of the table.
        """
        words = f"{self.title}. {unit_words(line.metric for line in self.lines)}, with 95 % intervals. Bold: best"
        if self.compared:
            what = "row" if across else "column"
            words += (
                f"; {LEVEL}: not significantly different from the best (paired tests on the same images, Holm's "
                f"correction within the {what}, α = {ALPHA:g})"
            )
        if any(entry.untested for row in self.entries for entry in row):
            words += f"; {UNTESTED}: could not be tested against the best"
        return f"{words}. {self.about}"


def grid(data: ReportData, name: str, title: str, lines: Sequence[Line]) -> Grid:
    """Fill a table.

    Args:
        data: Scores, and comparisons of every model with the best of each number.
        name: Name of the table.
        title: What it shows.
        lines: Which numbers.
    """
    models = data.model_names
    entries = []
    for line in lines:
        judged = standing(data, line.task, line.condition, line.metric, models)
        level = judged.level
        entries.append(tuple(_entry(data, line, model, judged, model in level) for model in models))
    return Grid(name, title, models, tuple(lines), tuple(entries), _about(data, lines))


def _entry(data: ReportData, line: Line, model: str, judged: Standing, level: bool) -> Entry:
    score = data.score(model, line.task, line.condition, line.metric)
    if score is None or not math.isfinite(score.value):
        return Entry(score)
    known = model in judged.p_adjusted or judged.best in ("", model)
    return Entry(score, model == judged.best, level, not known, judged.p_adjusted.get(model, math.nan))


def _about(data: ReportData, lines: Sequence[Line]) -> str:
    tasks = {line.task for line in lines}
    keys = {(line.task, line.condition, line.metric) for line in lines}
    counts = {s.n for s in data.scores if (s.task, s.condition, s.metric) in keys and math.isfinite(s.value)}
    records = [record for record in data.task_records if record["name"] in tasks]
    seeds = {record["seed"] for record in records if record.get("seed") is not None} or {data.run.get("seed", 0)}
    n = f"n = {min(counts):,}" if counts else "n = 0"
    if len(counts) > 1:
        n += f" to {max(counts):,}"
    version = (data.run.get("versions") or {}).get("vitobench", "")
    seed = ", ".join(str(seed) for seed in sorted(seeds))
    return f"{n}; seed {seed}; vitobench {version}.".replace("vitobench .", "vitobench.").replace("-", MINUS)


def records_of(table: Grid) -> list[dict[str, object]]:
    """A record for each number, as fractions and not in percent, for spreadsheets."""
    return [
        {
            "task": line.task, "condition": line.condition, "metric": line.metric, "model": model,
            "value": entry.score.value if entry.score else math.nan,
            "ci_low": entry.score.ci_low if entry.score else math.nan,
            "ci_high": entry.score.ci_high if entry.score else math.nan,
            "n": entry.score.n if entry.score else 0,
            "best": entry.best, "level_with_best": entry.level, "p_against_best": entry.p_adjusted,
        }
        for line, row in zip(table.lines, table.entries, strict=True)
        for model, entry in zip(table.models, row, strict=True)
    ]  # fmt: skip


# The tables by name.


@dataclass(frozen=True)
class TableSpec:
    """A table, or one for each of several tasks.

    Attributes:
        name: What the user types, and the beginning of its files' names.
        title: What it shows.
        needs: What the scores must contain, in words for the user.
        lines: By subject (a task's name; empty where the table is one for all), the numbers to show; nothing where the
            data are not enough.
    """

    name: str
    title: str
    needs: str
    lines: Callable[[ReportData], dict[str, list[Line]]]


def _line(task: TaskRecord, condition: str, name: str, label: str = "") -> Line:
    return Line(str(task["name"]), condition, name, title_of(task), label or metric(name).label)


def _one(lines: list[Line]) -> dict[str, list[Line]]:
    return {"": lines} if lines else {}


def _headline(data: ReportData) -> dict[str, list[Line]]:
    return _one([
        Line(row.task, row.condition, row.metric, row.title, row.label) for row in headline_rows(data) if not row.part
    ])  # fmt: skip


def _corruptions(data: ReportData) -> dict[str, list[Line]]:
    by_task = {}
    for task in data.tasks_with(View.SEVERITIES):
        name = str(task["name"])
        members = [member for _, group in data.corruptions(name) for member in group]
        lines = [_line(task, member, "top1", condition_label(member)) for member in members]
        lines = [line for line in lines if data.has(name, "top1", line.condition)]
        if lines:
            lines.append(_line(task, "overall", "top1", "Mean"))
            lines += [_line(task, "overall", "mce")] if data.has(name, "mce") else []
            by_task[name] = lines
    return by_task


def _factors(data: ReportData) -> dict[str, list[Line]]:
    by_task = {}
    for task in data.tasks_with(View.FACTORS):
        name = str(task["name"])
        lines = [_line(task, factor, "error_ratio", condition_label(factor)) for factor in data.members(name)]
        lines = [line for line in lines if data.has(name, "error_ratio", line.condition)]
        if lines:
            by_task[name] = [*lines, _line(task, "overall", "worst_factor"), _line(task, "overall", "top1")]
    return by_task


def _shifts(data: ReportData) -> dict[str, list[Line]]:
    shifted = [task for task in data.tasks_with(View.SHIFT) if task.get("clean")]
    lines = []
    for name in dict.fromkeys(str(task["clean"]) for task in shifted):
        lines += [_line(task, "overall", "top1") for task in data.task_records if task["name"] == name]
    for task in shifted:
        names = (str(task.get("metric") or "top1"), "effective_robustness")
        lines += [_line(task, "overall", name) for name in names if data.has(str(task["name"]), name)]
    return _one(lines if shifted else [])


def _calibration(data: ReportData) -> dict[str, list[Line]]:
    return _one([
        _line(task, "overall", name)
        for task in data.task_records
        for name in ("ece", "rms_calibration_error", "aurra", "risk_at_80", "coverage_at_5")
        if data.has(str(task["name"]), name)
    ])  # fmt: skip


_ALIGNMENT = ("accuracy", "accuracy_difference", "observed_consistency", "error_consistency")


def _alignment(data: ReportData) -> dict[str, list[Line]]:
    """Means over data sets, whose record has no identity of its own, and the shape bias."""
    if not _has_means(data):
        return {}
    lines = []
    for task in data.tasks_with(View.ALIGNMENT):
        names = ("shape_bias",) if "identity" in task else _ALIGNMENT
        lines += [_line(task, "overall", name) for name in names if data.has(str(task["name"]), name)]
    return _one(lines)


def _has_means(data: ReportData) -> bool:
    means = [task for task in data.tasks_with(View.ALIGNMENT) if "identity" not in task]
    return any(data.has(str(task["name"]), name) for task in means for name in _ALIGNMENT)


def _alignment_sets(data: ReportData) -> dict[str, list[Line]]:
    """Single data sets; without means over them, the shape bias is in no other table."""
    names = ("accuracy", "error_consistency") if _has_means(data) else ("accuracy", "error_consistency", "shape_bias")
    return _one([
        _line(task, "overall", name)
        for task in data.tasks_with(View.ALIGNMENT)
        if "identity" in task
        for name in names
        if data.has(str(task["name"]), name)
    ])  # fmt: skip


TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec("headline", "Headline numbers", "any task except human alignment", _headline),
        TableSpec("corruptions", "Accuracy by corruption, mean over severities", "a task of corruptions", _corruptions),
        TableSpec("shifts", "Natural shifts and their clean counterparts", "a task with a clean counterpart", _shifts),
        TableSpec("factors", "Error ratio by factor", "imagenet-x, or another task of annotated factors", _factors),
        TableSpec("calibration", "Calibration and selective classification", "a task with one condition", _calibration),
        TableSpec(
            "alignment", "Human alignment, means over data sets", "tasks of human alignment, all data sets", _alignment
        ),
        TableSpec("alignment-sets", "Human alignment by data set", "tasks of human alignment", _alignment_sets),
    )
}
"""In the order of the listing; a new table is added here."""


def table_spec(name: str) -> TableSpec:
    """A table by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in TABLES:
        raise unknown_name("table", name, TABLES)
    return TABLES[name]


def tables(data: ReportData, specs: Sequence[TableSpec]) -> list[tuple[TableSpec, list[Grid]]]:
    """Fill tables; none for a spec without enough data.

    Args:
        data: Scores, and comparisons with the best of each number.
        specs: Which tables.
    """
    titles = data.titles
    filled = []
    for spec in specs:
        grids = []
        for subject, lines in spec.lines(data).items():
            title = f"{spec.title}: {titles.get(subject, subject)}" if subject else spec.title
            grids.append(grid(data, f"{spec.name}-{subject}" if subject else spec.name, title, lines))
        filled.append((spec, grids))
    return filled
