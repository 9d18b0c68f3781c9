"""Human alignment as tables of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..alignment_data import ALL, OVERALL, SHAPE_BIAS, AlignmentData, Estimate
from ..wording import HOLE, MINUS

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

LEGEND = (
    "95 % intervals in brackets: stimuli are resampled within each condition, the same for every observer; the JSON "
    "also has intervals over the observers that models are compared with. Accuracy difference is squared. κ is "
    "error consistency with these observers; for the observers themselves it is the mean over their pairs, the "
    "ceiling. Shape bias pools trials."
)

HEADS = {
    "accuracy": "OOD accuracy",
    "accuracy_difference": "Accuracy difference ↓",
    "observed_consistency": "Observed consistency",
    "error_consistency": "κ",
    SHAPE_BIAS: "Shape bias",
}
"""Metrics of the headline, and the heads of their columns."""

DEFINED = "error_consistency_defined"

FORMS = {
    "error_consistency": "κ",
    DEFINED: "κ of defined",
    "error_consistency_corrected": "corrected for few stimuli",
    "copy_probability": "copy probability",
    "error_consistency_stimuli": "stimuli for ± 0.05",
    "mean_rank": "mean rank",
    "mean_rank_defined": "mean rank, κ of defined",
}
"""Error consistency in all its forms, and the heads of their columns."""

FORMS_LEGEND = (
    "κ of defined: the mean over those kappas that are defined, where the plain mean is lost to a single one that is "
    "not. Corrected: of a few stimuli, kappa is a little too low. Copy probability: the share of stimuli on which the "
    "less accurate of two observers would have to copy the other. Stimuli: how many such stimuli give an interval "
    "of ± 0.05 (Klein et al., NeurIPS 2025)."
)

FEW = 6
"""Models whose numbers are shown by data set."""
_ROWS = 40
"""Most lines by data set that are printed for more models than that, if there is no mean."""


def headline(data: AlignmentData, observer: str, metric: str) -> Estimate:
    """An observer's number in the headline: a mean over data sets, or the shape bias."""
    return data.estimate(observer, data.shape_set if metric == SHAPE_BIAS else ALL, OVERALL, metric)


def has_mean(data: AlignmentData) -> bool:
    """Whether any model has scores on all data sets, and so a mean; without models, whether people have."""
    observers = [name for name in data.drawn if name != data.reference] or [data.reference]
    return any(headline(data, name, "accuracy").measured for name in observers)


def heads(data: AlignmentData) -> dict[str, str]:
    """`HEADS`, with the mean over defined kappas beside the plain one where an observer lacks that."""
    chosen: dict[str, str] = {}
    for metric, head in HEADS.items():
        chosen[metric] = head
        lost = (name for name in data.drawn if not headline(data, name, metric).measured)
        if metric == "error_consistency" and any(headline(data, name, DEFINED).measured for name in lost):
            chosen[DEFINED] = FORMS[DEFINED]
    return chosen


def form_text(metric: str, value: float) -> str:
    """A value of `FORMS` as its column shows it: numbers of stimuli are whole."""
    if math.isnan(value):
        return HOLE
    return f"{value:,.0f}" if metric == "error_consistency_stimuli" else number(value)


def form_rows(data: AlignmentData) -> list[tuple[str, str, list[tuple[str, Estimate]]]]:
    """Data set, observer and all forms of its error consistency: of the mean, or of each data set without one."""
    names = [ALL] if has_mean(data) else [record["name"] for record in data.scored_sets]
    rows = []
    for name in names:
        for observer in data.drawn:
            estimates = [(metric, data.estimate(observer, name, OVERALL, metric)) for metric in FORMS]
            if any(one.measured for _, one in estimates):
                rows.append((name, observer, estimates))
    return rows


def mean_title(data: AlignmentData) -> str:
    """Title of the headline: which data sets the mean is over."""
    return f"Mean of the {len(data.data_sets)} data sets"


def holes_in_means(data: AlignmentData) -> list[str]:
    """Why there is no mean over data sets: the sets that people lack, else a line for models that lack equally many."""
    whole = len(data.family or data.data_sets)
    missing = data.without(data.reference)
    if missing:
        here = whole - len(missing)
        is_here = "only 1 has scores" if here == 1 else f"only {here} have scores"
        return [f"No mean over the {whole} data sets: {is_here}. No scores for: {', '.join(missing)}."]
    groups: dict[int, list[str]] = {}
    for name in data.drawn:
        if not headline(data, name, "accuracy").measured and data.without(name):
            groups.setdefault(whole - len(data.without(name)), []).append(data.label(name))
    return [
        f"No mean over the {whole} data sets for {', '.join(names)}: scores on only {here} of them."
        for here, names in sorted(groups.items())
    ]


def number(value: float, sign: bool = False) -> str:
    """Three decimals with a true minus; what rounds to 0 has no sign."""
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return (f"{0:.3f}" if float(text) == 0 else text).replace("-", MINUS)


def span(value: float, low: float, high: float, sign: bool = False) -> str:
    """``0.208 [0.183, 0.231]``, with a dash where there is no value."""
    if math.isnan(value):
        return HOLE
    text = number(value, sign)
    return text if math.isnan(low) else f"{text} [{number(low, sign)}, {number(high, sign)}]"


def render_tables(data: AlignmentData, console: Console) -> None:
    """Print the means, the numbers by data set if the models are few, and paired differences.

    If no observer has all data sets, the numbers by data set are printed with their intervals instead.

    Args:
        data: What to print.
        console: Where to.
    """
    few = len(data.models) <= FEW
    if has_mean(data):
        console.print(_headline(data))
        tables = [_forms(data), _by_data_set(data)] if few else []
    else:
        tables = _every_number(data) if few or len(data.scored_sets) * len(data.drawn) <= _ROWS else []
    for table in tables:
        console.print(table)
    if not tables:
        console.print(
            f"The numbers by data set of all {len(data.models)} observers are in the JSON (--json FILE).", style="dim"
        )
    for line in holes_in_means(data):
        console.print(line, markup=False, highlight=False)
    if data.comparisons and few:
        console.print(_differences(data))


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))


def _headline(data: AlignmentData) -> Table:
    from rich.text import Text

    where = f"; shape bias on {data.shape_set}" if data.shape_set else ""
    table = _table(f"{mean_title(data)}{where}")
    table.add_column("Observer")
    for head in heads(data).values():
        table.add_column(head, justify="right")
    for observer in data.drawn:
        estimates = [headline(data, observer, metric) for metric in heads(data)]
        if any(one.measured for one in estimates):
            table.add_row(Text(data.label(observer)), *(Text(_cell(one)) for one in estimates))
    return table


def _forms(data: AlignmentData) -> Table:
    """Error consistency in all its forms, without intervals; the JSON has them."""
    from rich.text import Text

    table = _table("Error consistency in its other forms (intervals: JSON and page)")
    table.add_column("Observer")
    for head in FORMS.values():
        table.add_column(head, justify="right")
    for _, observer, estimates in form_rows(data):
        table.add_row(Text(data.label(observer)), *(Text(form_text(metric, one.value)) for metric, one in estimates))
    return table


def _every_number(data: AlignmentData) -> list[Table]:
    """Data sets with all observers in each; then shape biases, which only one data set has."""
    from rich.text import Text

    metrics = [metric for metric in HEADS if metric != SHAPE_BIAS]
    alone = data.label(data.drawn[0]) if len(data.drawn) == 1 else ""
    title = "By data set, over the conditions that count"
    table = _table(f"{title}: {alone}" if alone else title)
    table.add_column("Data set" if alone else "Data set, observer", overflow="fold")
    for metric in metrics:
        table.add_column(HEADS[metric], justify="right")
    for record in data.scored_sets:
        name = record["name"]
        if not alone:
            table.add_row(Text(name, style="bold"))
        for observer in data.drawn:
            estimates = [data.estimate(observer, name, OVERALL, metric) for metric in metrics]
            if any(one.measured for one in estimates):
                label = name if alone else f"  {data.label(observer)}"
                table.add_row(Text(label), *(Text(_cell(one)) for one in estimates))
    if not data.shape_set:
        return [table]
    shape = _table(f"Shape bias on {data.shape_set}")
    shape.add_column("Observer")
    shape.add_column(HEADS[SHAPE_BIAS], justify="right")
    for observer in data.drawn:
        bias = headline(data, observer, SHAPE_BIAS)
        if bias.measured:
            shape.add_row(Text(data.label(observer)), Text(_cell(bias)))
    return [table, shape]


def _by_data_set(data: AlignmentData) -> Table:
    """Accuracy and error consistency; other metrics and intervals would not fit and are on the page."""
    from rich.text import Text

    table = _table("By data set, over the conditions that count: accuracy and κ (intervals: JSON and page)")
    table.add_column("Data set", no_wrap=True)
    for observer in data.drawn:
        table.add_column(Text(data.label(observer)), justify="right")
    for record in data.scored_sets:
        name = record["name"]
        cells = []
        for observer in data.drawn:
            accuracy, kappa = (
                data.estimate(observer, name, OVERALL, metric).value for metric in ("accuracy", "error_consistency")
            )
            cells.append(Text(f"{_short(accuracy)}  {_short(kappa)}"))
        table.add_row(name, *cells)
    return table


def _short(value: float) -> str:
    return HOLE if math.isnan(value) else number(value)


def _differences(data: AlignmentData) -> Table:
    """Paired differences over all data sets, or on single ones where there is no mean."""
    from rich.text import Text

    rows = {(row.a, row.b, row.data_set, row.metric): row for row in data.comparisons}
    means = any(row.data_set == ALL for row in data.comparisons)
    table = _table("Paired differences, in bold where the interval excludes 0")
    table.add_column("Difference")
    if not means:
        table.add_column("Data set")
    for head in heads(data).values():
        table.add_column(head, justify="right")
    for a, b, name in dict.fromkeys(key[:3] for key in rows):
        if means and name != ALL:
            continue
        cells = []
        for metric in heads(data):
            row = rows.get((a, b, data.shape_set if means and metric == SHAPE_BIAS else name, metric))
            if row is None:
                cells.append(Text(HOLE))
                continue
            text = span(row.difference, row.ci_low, row.ci_high, sign=True)
            cells.append(Text(text, style="bold" if row.ci_low * row.ci_high > 0 else ""))
        table.add_row(Text(f"{a} {MINUS} {b}"), *([] if means else [Text(name)]), *cells)
    return table


def _cell(estimate: Estimate) -> str:
    return span(estimate.value, estimate.low, estimate.high)
