"""A table before it is written: numbers of models, with the best of each line and those level with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..results.metrics import metric
from ..results.schema import Score
from ..results.significance import ALPHA
from .best import Standing, standing
from .data import ReportData
from .wording import HOLE, MINUS, interval, percent

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
        """In percent, or unchanged for a metric on its own scale; a dash for a missing value."""
        if self.score is None or not math.isfinite(self.score.value):
            return HOLE
        return percent(self.score.value * metric(self.score.metric).scale / 100)

    @property
    def mark(self) -> str:
        """The mark after the value."""
        return LEVEL if self.level else UNTESTED if self.untested else ""

    @property
    def span(self) -> str:
        """``[69.1, 73.3]``, or nothing."""
        if self.value == HOLE or self.score is None:
            return ""
        part = metric(self.score.metric).scale / 100
        return interval(self.score.ci_low * part, self.score.ci_high * part)


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
            across: Whether the models stand side by side, so that a line of the grid is a row of the table.
        """
        words = f"{self.title}. {self._unit()}, with 95 % intervals. Bold: best"
        if self.compared:
            what = "row" if across else "column"
            words += (
                f"; {LEVEL}: not significantly different from the best (paired tests on the same images, Holm's "
                f"correction within the {what}, α = {ALPHA:g})"
            )
        if any(entry.untested for row in self.entries for entry in row):
            words += f"; {UNTESTED}: could not be tested against the best"
        return f"{words}. {self.about}"

    def _unit(self) -> str:
        plain = dict.fromkeys(metric(line.metric).label for line in self.lines if not metric(line.metric).percent)
        return f"In percent, except {', '.join(plain)}" if plain else "In percent"


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
