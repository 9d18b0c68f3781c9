"""Families, Holm within them, and verdicts that know which side is better."""

from __future__ import annotations

import math

import pytest
from statsmodels.stats.multitest import multipletests

from vitobench.bench.scoring.judgement import FAMILIES, family_of, judged
from vitobench.errors import UnknownNameError
from vitobench.results.schema import Comparison
from vitobench.tasks.registry import TASKS

C, VAL, CUE, P = (TASKS[name] for name in ("micro-c", "micro-val", "micro-cue-conflict", "imagenet-p"))


def row(task: str, condition: str, metric: str, p: float, difference: float = 0.1) -> Comparison:
    return Comparison("a", "b", task, condition, metric, difference, 0.0, 0.2, p, 100)


@pytest.mark.parametrize(
    ("task", "condition", "metric", "family"),
    [
        (C, "overall", "mce", "primary"),
        (C, "overall", "top1", "secondary"),
        (C, "fog/3", "top1", "conditions"),
        (C, "fog", "top1", "groups"),
        (C, "fog", "ce", "groups"),
        (C, "noise/3", "top1", "groups"),
        (VAL, "overall", "top1", "primary"),
        (VAL, "overall", "aurra", "secondary"),
        (CUE, "overall", "shape_bias", "primary"),
        (CUE, "dog", "shape_bias", "groups"),
        (P, "brightness", "flip_probability", "conditions"),
    ],
)
def test_families(task, condition, metric, family) -> None:
    assert family_of(task, row(task.name, condition, metric, 0.5)) == family
    assert family in FAMILIES


def test_each_family_is_corrected_apart_from_the_others() -> None:
    primary = [row("micro-val", "overall", "top1", 0.01), row("micro-c", "overall", "mce", 0.03)]
    cells = [row("micro-c", f"fog/{s}", "top1", p) for s, p in enumerate((0.001, 0.011, 0.012, 0.5, 0.6), 1)]
    found = judged([*primary, *cells], {t.name: t for t in (VAL, C)})
    assert [r.p_adjusted for r in found[:2]] == pytest.approx(multipletests([0.01, 0.03], method="holm")[1])
    theirs = multipletests([c.p for c in cells], method="holm")[1]
    assert [r.p_adjusted for r in found[2:]] == pytest.approx(theirs)
    assert [r.verdict for r in found[2:]] == ["win" if p < 0.05 else "tie" for p in theirs]
    assert found[0].verdict == "win"
    assert found[1].verdict == "loss"  # a higher mCE is worse


def test_without_correction_p_is_kept() -> None:
    rows = [row("micro-c", f"fog/{s}", "top1", 0.04, d) for s, d in ((1, 0.1), (2, -0.1), (3, 0.0))]
    found = judged(rows, {"micro-c": C}, "none")
    assert [r.p_adjusted for r in found] == [0.04] * 3
    assert [r.verdict for r in found] == ["win", "loss", "tie"]
    assert {r.verdict for r in judged(rows, {"micro-c": C})} == {"tie"}


def test_an_undefined_p_is_no_verdict_and_costs_the_others_nothing() -> None:
    rows = [row("micro-val", "overall", "top1", math.nan), row("micro-c", "overall", "mce", 0.04)]
    found = judged(rows, {t.name: t for t in (VAL, C)})
    assert found[0].verdict == "tie"
    assert math.isnan(found[0].p_adjusted)
    assert found[1].p_adjusted == pytest.approx(0.04)


def test_no_verdict_on_a_metric_whose_direction_nobody_declared() -> None:
    with pytest.raises(UnknownNameError, match="latency"):
        judged([row("micro-val", "overall", "latency", 0.001)], {"micro-val": VAL})
