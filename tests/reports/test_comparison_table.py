"""What a comparison looks like in a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from vitobench.reports.comparison import Checked, Compared, legend, render_comparison
from vitobench.reports.data import ReportData
from vitobench.reports.page.view import p_words
from vitobench.results.ranking import Rank
from vitobench.results.schema import Comparison, Failure, MethodComparison, Score

VALUES = {"a": (0.80, 0.60), "b": (0.70, 0.65), "c": (0.50, 0.55)}


def row(a: str, b: str, condition: str, family: str, difference: float, verdict: str, task: str = "t") -> Comparison:
    low, high = difference - 0.02, difference + 0.02
    return Comparison(
        a, b, task, condition, "top1", difference, low, high, 0.001, 90, 100, 90, "clustered-bootstrap", 0.034, family,
        0.0123, verdict,
    )  # fmt: skip


@pytest.fixture
def pair() -> Compared:
    scores = [
        Score(m, "t", c, "top1", v, v, v, 100)
        for m, values in VALUES.items()
        for c, v in zip(("overall", "fog/1"), values, strict=True)
    ]
    rows = (row("a", "b", "overall", "primary", 0.1, "win"), row("a", "b", "fog/1", "conditions", -0.05, "loss"))
    data = ReportData("s", tuple(scores), rows, (Failure("b", "t", "*", "*", "images 90 to 99 were not run"),),
                      tasks=({"name": "t", "title": "A [task]"},))  # fmt: skip
    return Compared(("a", "b"), data, checked=(Checked("t.top1 > 3", True, "80, limit 3"),))


def shown(compared: Compared, conditions: bool = False, width: int = 120) -> str:
    out = io.StringIO()
    render_comparison(compared, Console(file=out, width=width, highlight=False), conditions)
    return out.getvalue()


def test_the_verdict_comes_first_then_tasks_then_conditions(pair: Compared) -> None:
    text = shown(pair)
    order = ["a against b: better on 1 of 1 tasks", "A [task]", "▲ +10.0", "[+8.0, +12.0]", "0.012", "3.4",
             "worst of 1 conditions", "Fog, severity 1", "▼ −5.0", "fails: t.top1 > 3",
             "a has 100 images, b has 90; compared on the 90 that all have", "were not run"]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_three_models_make_a_matrix(pair: Compared) -> None:
    rows = (row("a", "b", "overall", "primary", 0.1, "win"), row("a", "c", "overall", "primary", 0.3, "win"),
            row("b", "c", "overall", "primary", 0.2, "tie"))  # fmt: skip
    ranks = tuple(Rank(m, "t", "top1", VALUES[m][0], n, n, min(n + 1, 3), 90) for n, m in enumerate("abc", 1))
    three = replace(pair, sides=("c", "a", "b"), ranks=ranks, data=replace(pair.data, comparisons=rows))
    lines = [line.split() for line in shown(three).splitlines()]
    # Against c, a and b in this order; the best model first.
    assert ["a", "80.0", "1", "[1,", "2]", "win", "·", "win"] in lines
    assert ["b", "70.0", "2", "[2,", "3]", "tie", "loss", "·"] in lines
    assert ["c", "50.0", "3", "[3,", "3]", "·", "loss", "tie"] in lines
    assert three.tally("c", "a") == (0, 1, 0, 0)
    assert three.tally("a", "c") == (1, 0, 0, 0)


def test_components_of_variance_have_columns_of_their_own(pair: Compared) -> None:
    base = {f: getattr(pair.data.comparisons[0], f) for f in Comparison.__dataclass_fields__}
    both = MethodComparison(**base, runs_a=2, runs_ci_low=-0.3, runs_ci_high=0.5, both_ci_low=-0.4, both_ci_high=0.6)
    text = shown(replace(pair, methods={"a": ("a", "c")}, data=replace(pair.data, comparisons=(both,))))
    for part in ("over images", "over runs", "over both", "[+8.0, +12.0]", "[−30.0, +50.0]", "[−40.0, +60.0]",
                 "a is the mean of 2 runs: a, c", "b is one checkpoint"):  # fmt: skip
        assert part in text
    assert " 65.0 " in text  # the mean of 80 and 50


def test_all_conditions_on_request(pair: Compared) -> None:
    extra = row("a", "b", "fog", "groups", 0.07, "tie")
    more = replace(pair, data=replace(pair.data, comparisons=(*pair.data.comparisons, extra)))
    assert "+7.0" not in shown(more)
    assert "+7.0" in shown(more, conditions=True)


def test_the_legend_says_what_was_corrected(pair: Compared) -> None:
    assert "Holm-corrected" in legend(pair)
    assert "not corrected" in legend(replace(pair, correction="none"))
    assert [p_words(p) for p in (0.5, 0.0004, float("nan"))] == ["0.500", "< 0.001", "—"]
