"""A comparison of models: its data, and its output in a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..results.metrics import metric
from ..results.schema import Comparison, MethodComparison
from .data import ReportData
from .focus import MANY
from .headline import failure_lines
from .page.view import p_words
from .ranks import FEW, led_by_ranks, level_line, render_ranking
from .standing import standing_lines
from .wording import HOLE, MARKS, condition_label, interval, labels, unit_words, value_text, verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..results.ranking import Rank


# The data of a comparison for a page or a terminal: the models, and the results.


@dataclass(frozen=True)
class Checked:
    """The result of one `--fail-if` condition.

    Attributes:
        expression: As the user wrote it.
        holds: None if a number that it names is missing.
        detail: The numbers, for people.
    """

    expression: str
    holds: bool | None
    detail: str


@dataclass(frozen=True)
class Compared:
    """Models or methods against each other.

    Attributes:
        sides: Their names, in the order in which they were asked.
        data: Scores of every model, judged comparisons of every two sides, failures, provenance.
        methods: The runs of each side that is a method.
        ranks: Places by task, best first; where there are three sides or more.
        correction: ``"holm"`` or ``"none"``.
        checked: Results of the `--fail-if` conditions.
        notes: What was skipped and why.
        seconds: How long it took.
    """

    sides: tuple[str, ...]
    data: ReportData
    methods: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ranks: tuple[Rank, ...] = ()
    correction: str = "holm"
    checked: tuple[Checked, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @cached_property
    def families(self) -> dict[str, int]:
        """How many comparisons were corrected together, by family."""
        return dict(Counter(row.family for row in self.data.comparisons))

    def value(self, side: str, task: str, condition: str, metric_name: str) -> float:
        """A side's number, the mean of its runs for a method; NaN where any is missing."""
        runs = self.methods.get(side, (side,))
        scores = [self.data.score(run, task, condition, metric_name) for run in runs]
        values = [score.value if score is not None else math.nan for score in scores]
        return sum(values) / len(values)

    def rows(self, a: str, b: str, family: str) -> list[Comparison]:
        """The comparisons of one pair and family."""
        return [row for row in self.data.comparisons if (row.a, row.b, row.family) == (a, b, family)]

    def pairs(self) -> list[tuple[str, str]]:
        """Every two sides, the one that was named first in front."""
        return [(a, b) for n, a in enumerate(self.sides) for b in self.sides[n + 1 :]]

    def tally(self, a: str, b: str) -> tuple[int, int, int, int]:
        """Tasks on which ``a`` wins, loses, ties, and tasks that are missing; in either order of the pair."""
        asked = {str(task["name"]) for task in self.data.asked_tasks}
        ahead = Counter(row.verdict for row in self.rows(a, b, "primary") if row.task in asked)
        behind = Counter(row.verdict for row in self.rows(b, a, "primary") if row.task in asked)
        counts = ahead["win"] + behind["loss"], ahead["loss"] + behind["win"], ahead["tie"] + behind["tie"]
        return *counts, len(asked) - sum(counts)

    def worst(self, a: str, b: str, most: int) -> list[Comparison]:
        """Single conditions on which ``a`` does worst against ``b``."""
        rows = self.rows(a, b, "conditions")
        # Where a task has one condition, that is the task itself, and in another family.
        return sorted(rows, key=lambda row: metric(row.metric).better * row.difference)[:most]

    def unpaired(self) -> list[str]:
        """A sentence for every task and pair of which one side answered images that the other did not."""
        lines = []
        titles = self.data.titles
        for row in self.data.comparisons:
            if row.family == "primary" and row.n < max(row.n_a, row.n_b):
                lines.append(
                    f"{titles.get(row.task, row.task)}: {row.a} has {row.n_a:,} images, {row.b} has {row.n_b:,}; "
                    f"compared on the {row.n:,} that all have"
                )
        return lines


# A comparison in a terminal: the verdict first, then tasks, then the worst conditions.


_WORST = 5
_SHOWN = 10
_NO_RANK = "No rank over tasks: only a suite declares what it is by; name one with --suite (`bench suites`)."
_COLOURS = {"win": "green", "loss": "red", "tie": ""}


def verdict_lines(compared: Compared) -> list[tuple[str, str]]:
    """A sentence for every pair, with its colour."""
    lines = []
    for a, b in compared.pairs():
        won, lost, tied, missing = compared.tally(a, b)
        tasks = won + lost + tied
        line = f"{a} against {b}: better on {won} of {tasks} tasks, worse on {lost}, no clear difference on {tied}"
        line += f"; {missing} could not be compared" if missing else ""
        lines.append((line, "green" if won > lost else "red" if lost > won else ""))
    return lines


def _table(title: str, heads: Sequence[str], words: int = 2) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, title=Text(title), title_justify="left", title_style="bold", padding=(0, 1, 0, 0)
    )
    for number, head in enumerate(heads):
        if number < words:
            table.add_column(head, max_width=26)
        else:
            table.add_column(head, justify="right", no_wrap=True)
    return table


def _change(row: Comparison) -> Text:
    from rich.text import Text

    mark = MARKS[verdict(row)]
    return Text(f"{mark} {value_text(row.difference, row.metric, sign=True)}".strip(), style=_COLOURS[row.verdict])


def _pair_table(compared: Compared, title: str, rows: Sequence[Comparison], a: str, b: str) -> Table:
    from rich.text import Text

    several = any(isinstance(row, MethodComparison) for row in rows)
    spans = ("over images", "over runs", "over both") if several else ("95 % interval",)
    table = _table(title, ("Task", "Number", "A", "B", "A − B", *spans, "p", "detectable"))
    titles, last = compared.data.titles, ""
    for row in rows:
        reading = metric(row.metric)
        whole = row.condition in ("overall", compared.data.main_condition(row.task))
        name = reading.label if whole else condition_label(row.condition)
        intervals = [interval(row.ci_low, row.ci_high, row.metric, sign=True)]
        if isinstance(row, MethodComparison):
            intervals.append(interval(row.runs_ci_low, row.runs_ci_high, row.metric, sign=True))
            intervals.append(interval(row.both_ci_low, row.both_ci_high, row.metric, sign=True))
        table.add_row(
            Text(titles.get(row.task, row.task) if row.task != last else ""),
            Text(name + reading.arrow),
            *(Text(value_text(compared.value(s, row.task, row.condition, row.metric), row.metric)) for s in (a, b)),
            _change(row),
            *(Text(span or HOLE, style="dim") for span in intervals),
            Text(p_words(row.p_adjusted)),
            Text(value_text(row.minimum_detectable, row.metric), style="dim"),
        )
        last = row.task
    return table


def _matrix(compared: Compared, task: str) -> Table:
    from rich.text import Text

    ranks = {row.model: row for row in compared.ranks if row.task == task}
    rows = {(row.a, row.b): row for row in compared.data.comparisons if row.family == "primary" and row.task == task}
    name = str(compared.data.task(task).get("metric") or "top1")
    # Columns are narrow and do not wrap; the rows have the names in full.
    heads = labels(compared.sides)
    table = _table(
        f"{compared.data.titles[task]}, {metric(name).heading}",
        ("", "Value", "Rank", *(heads[side] for side in compared.sides)),
        1,
    )
    order = sorted(compared.sides, key=lambda side: ranks[side].rank if side in ranks else math.inf)
    turned = {"win": "loss", "loss": "win", "tie": "tie"}
    for side in order:
        value = compared.value(side, task, compared.data.main_condition(task), name)
        line = [Text(side), Text(value_text(value, name)), Text(HOLE)]
        if side in ranks:
            rank = ranks[side]
            line[2] = Text(f"{rank.rank:g} [{rank.ci_low:g}, {rank.ci_high:g}]")
        for other in compared.sides:
            forward, backward = rows.get((side, other)), rows.get((other, side))
            result = forward.verdict if forward else turned[backward.verdict] if backward else ""
            text = "·" if side == other else result or HOLE
            line.append(Text(text, style=_COLOURS.get(result, "")))
        table.add_row(*line)
    return table


def _level_table(compared: Compared, tasks: Sequence[str]) -> Table:
    """A line for each task: the best model, and which are level with it."""
    from rich.text import Text

    table = _table("Level with the best by each task's main number", ("Task", "Number", "Best", "Level with it"), 4)
    titles = compared.data.titles
    for task in tasks:
        rows = [row for row in compared.ranks if row.task == task]
        name = str(compared.data.task(task).get("metric") or "top1")
        best, level = level_line(rows) if rows else (HOLE, "not all models have it")
        table.add_row(Text(titles[task]), Text(metric(name).heading), Text(best), Text(level))
    return table


def legend(compared: Compared) -> str:
    """How to read the numbers."""
    sizes = compared.families
    if compared.correction == "holm":
        whole, single = sizes.get("primary", 0), sizes.get("conditions", 0)
        test = (
            f"p: paired tests, Holm-corrected within the main metrics of whole tasks ({whole}) and, separately, "
            f"within single conditions ({single}); ▲ and ▼: p < 0.05."
        )
    else:
        test = "p: paired tests, not corrected for their number; ▲ and ▼: p < 0.05."
    return (
        f"{unit_words(row.metric for row in compared.data.comparisons)}. Differences are paired on the same images; "
        f"95 % intervals, not corrected. {test} Detectable: the smallest difference that this many images would show "
        "with power 0.8, uncorrected. ↓: lower is better. "
        "Shape bias: better means more by shape, as people decide."
    )


def _method_lines(compared: Compared) -> list[str]:
    lines = []
    for side in compared.sides:
        if side in compared.methods:
            runs = compared.methods[side]
            lines.append(f"{side} is the mean of {len(runs)} runs: {', '.join(runs)}")
        elif compared.methods:
            lines.append(f"{side} is one checkpoint: intervals over runs treat it as fixed")
    return lines


def render_comparison(compared: Compared, console: Console, conditions: bool = False) -> None:
    """Print a comparison.

    Args:
        compared: The comparison.
        console: Where to print.
        conditions: Print every single condition and group instead of the worst ones.
    """
    from rich.text import Text

    led = led_by_ranks(compared.data)
    for ranking in led:
        render_ranking(compared.data, ranking, console)
    many = len(compared.sides) > FEW
    if many and not led:
        console.print(Text(_NO_RANK, style="yellow"))
    for line, colour in () if many else verdict_lines(compared):
        console.print(Text(line, style=f"bold {colour}".strip()))
    for line in _method_lines(compared):
        console.print(Text(line))
    pairs = compared.pairs()
    tasks = list(dict.fromkeys(r.task for r in compared.data.comparisons if r.family == "primary"))
    if len(compared.sides) > MANY:
        console.print(_level_table(compared, tasks))
    elif len(compared.sides) > 2:
        for task in tasks:
            console.print(_matrix(compared, task))
    else:
        (a, b) = pairs[0]
        console.print(_pair_table(compared, f"A {a}, B {b}", compared.rows(a, b, "primary"), a, b))
    # Of many pairs the ranks and the matrices say what there is to say at a glance.
    for a, b in pairs if conditions or not many else ():
        _render_parts(compared, console, a, b, conditions)
    if many and not conditions:
        line = f"{len(pairs):,} pairs: --json FILE writes their differences, --conditions prints them."
        console.print(Text(line))
    console.print(Text(legend(compared), style="dim"))
    for line in standing_lines(compared.data):
        console.print(Text(f"Note: {line}", style="yellow"))
    for check in compared.checked:
        state = {True: ("fails", "bold red"), False: ("passes", "green"), None: ("is undecided", "yellow")}[check.holds]
        console.print(Text(f"{state[0]}: {check.expression} ({check.detail})", style=state[1]))
    missing = compared.unpaired() + failure_lines(compared.data)
    if missing:
        console.print(Text(f"\nMissing ({len(missing)})", style="bold yellow"))
        for line in missing[:_SHOWN]:
            console.print(Text(f"  {line}"))
        if len(missing) > _SHOWN:
            console.print(Text(f"  … and {len(missing) - _SHOWN} more; the JSON lists all", style="dim"))


def _render_parts(compared: Compared, console: Console, a: str, b: str, conditions: bool) -> None:
    title = f"A {a}, B {b}"
    if conditions:
        for family, what in (("secondary", "other metrics"), ("groups", "groups"), ("conditions", "conditions")):
            rows = compared.rows(a, b, family)
            if rows:
                console.print(_pair_table(compared, f"{title}: {what}", rows, a, b))
        return
    # One condition is named for each pair where there are many pairs: the matrices say the rest.
    rows = compared.worst(a, b, _WORST if len(compared.sides) == 2 else 1)
    if rows:
        title += f": worst of {len(compared.rows(a, b, 'conditions'))} conditions"
        console.print(_pair_table(compared, title, rows, a, b))
