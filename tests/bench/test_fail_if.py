"""The grammar of conditions that fail, and their units."""

from __future__ import annotations

import pytest

from vitobench.bench.scoring.judgement import check, parse
from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.reports.data import ReportData
from vitobench.results.schema import Comparison, Score

NAN = float("nan")


def score(model: str, task: str, condition: str, metric: str, value: float) -> Score:
    return Score(model, task, condition, metric, value, value, value, 10)


@pytest.fixture
def data() -> ReportData:
    scores = [
        score("vito", "micro-c", "overall", "mce", 0.71),
        score("vito", "micro-c", "fog/5", "top1", 0.40),
        score("vito", "imagenet-v2-threshold-0.7", "overall", "top1", 0.65),
        score("vito", "imagenet-v2-threshold-0.7", "overall", "aurra", NAN),
        score("vito", "imagenet-p", "overall", "top5_distance", 3.5),
    ]
    pairs = [Comparison("vito", "timm:moclr.a1-x", "micro-c", "overall", "mce", 0.02, 0.0, 0.0, 0.5, 10)]
    return ReportData("", tuple(scores), tuple(pairs))


SIDES = ("vito", "timm:moclr.a1-x", "lost")


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("micro-c.mce > 70.9", True),
        ("micro-c.mce > 71.1", False),
        ("micro-c.mce>70 + 1.5", False),
        ("micro-c.overall.mce <= 72 - 0.5", True),
        ("micro-c.fog/5.top1 < 40.1", True),
        ("micro-c.fog/5.top1 >= 40.1", False),
        ("imagenet-v2-threshold-0.7.top1 < 65.5", True),
        ("imagenet-v2-threshold-0.7.aurra < 65.5", None),
        ("imagenet-p.top5_distance > 3.4", True),  # not in percent in the tables, so not here
        ("micro-c.mce > timm:moclr.a1-x", True),
        ("micro-c.mce > timm:moclr.a1-x + 1.9", True),  # points of percent
        ("micro-c.mce > timm:moclr.a1-x + 2.1", False),
        ("micro-c.mce > timm:moclr.a1-x - .5", True),
        ("micro-c.mce < lost", None),
    ],
)
def test_conditions(data: ReportData, text: str, holds: bool | None) -> None:
    found = check(parse(text), data, SIDES)
    assert found.holds is holds
    assert found.expression == text


@pytest.mark.parametrize(
    "text",
    ["", "micro-c.mce", "micro-c.mce > ", "> 3", "micro-c.mce == 3", "micro-c.mce >> 3", "a.b > c + d",
     "a.b > c + 1 + 2", "a.b > c * 2", "__import__('os').system('x')", "a.b < 1 and c.d < 2"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(VitobenchError, match="The form is TASK"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("micro-d.mce > 3", "micro-c"),
        ("mce > 3", "micro-c"),
        ("micro-c.fog/6.top1 > 3", "fog/5"),
        ("micro-c.mxe > 3", "mce"),
        ("micro-c.fog/5.mce > 3", "top1"),
        ("micro-c.mce > vito", "timm:moclr.a1-x"),  # itself
        ("micro-c.mce > moclr", "timm:moclr.a1-x"),
        ("micro-c.mce > lost+3", "spaces around"),
    ],
)
def test_an_unknown_name_is_answered_with_the_valid_ones(data: ReportData, text: str, valid: str) -> None:
    with pytest.raises(UnknownNameError, match=valid):
        check(parse(text), data, SIDES)


def test_a_methods_value_is_the_mean_of_its_runs() -> None:
    rows = [score(run, "t", "overall", "top1", value) for run, value in (("s0", 0.5), ("s1", 0.7))]
    methods = {"m": ("s0", "s1")}
    assert check(parse("t.top1 > 59.9"), ReportData("", tuple(rows)), ("m", "x"), methods).holds
    assert not check(parse("t.top1 > 60.1"), ReportData("", tuple(rows)), ("m", "x"), methods).holds
    lacking = ReportData("", tuple(rows[:1]))
    assert check(parse("t.top1 > 1"), lacking, ("m", "x"), methods).holds is None
