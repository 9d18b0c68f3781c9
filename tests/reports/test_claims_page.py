"""Pages and figures of claims, on made-up effects."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from vitobench.reports.data import ClaimsData, ClaimView, HypothesisView, Number
from vitobench.reports.figures.claims import effects_figure, methods_figure, windows_figure
from vitobench.reports.tables.claims import claims_page, effects_page, mark, signed, tally, verdict
from vitobench.results.schema import Effect

CLEAN = Number("micro-val", "top1", "clean")
KAPPA = Number("micro-alignment", "error_consistency", "alignment, κ", fraction=False)


def effect(name: str, number: Number, value: float, p: float) -> Effect:
    half = 0.01
    ends = (value - half, value + half, value - 2 * half, value + 2 * half, value - 3 * half, value + 3 * half)
    return Effect(name, number.task, "overall", number.metric, value, *ends, 4.0, p, 0.03, 2000, 24, p)


@pytest.fixture
def data() -> ClaimsData:
    effects = (
        effect("time", CLEAN, 0.012, 0.0004),
        effect("scales", CLEAN, -0.05, 0.03),
        effect("scales", KAPPA, -0.0004, 0.6),
    )
    values = {("micro-val", "top1"): (0.9, 0.92), ("micro-alignment", "error_consistency"): (0.01, math.nan)}
    names = ("vito-still", "vito-T0.64", "vito")
    return ClaimsData(
        (ClaimView("a", "Video", "Video is better.", effects),), (CLEAN, KAPPA), dict.fromkeys(names, values),
        dict(zip(names, (0.0, 0.64, 2.56), strict=True)), {"seeds": 2, "steps": 400}, ("vito, seed 3: broke off",),
    )  # fmt: skip


def test_the_short_page_holds_means_marks_and_what_is_missing(data: ClaimsData) -> None:
    page = claims_page(data)
    assert "| `vito` | 2 | 91.0 ± 1.4 |  |" in page  # a hole in a run is no mean of the others
    assert "| time | ▲ +1.2 [−1.8, +4.2] |  |" in page
    assert "| scales | ▼ −5.0 [−8.0, −2.0] | 0.000 [−0.030, +0.030] |" in page
    assert "Of 3 effects, 1 support it (▲), 1 contradict it (▼), 1 are inconclusive." in page
    assert "Missing: vito, seed 3: broke off" in page
    assert tally(data.claims[0], 0.05) in page
    assert tally(replace(data.claims[0], absent=2), 0.05).endswith(" 2 more were declared and not measured.")


def test_the_long_page_holds_all_three_intervals(data: ClaimsData) -> None:
    row = next(line for line in effects_page(data).splitlines() if line.startswith("| time"))
    assert row == ("| time | clean | ▲ +1.2 | [+0.2, +2.2] | [−0.8, +3.2] | [−1.8, +4.2] | < 0.001 | 3.0 | 2000 | 24 |")


def test_marks_follow_the_corrected_p() -> None:
    assert mark(effect("x", CLEAN, 0.1, 0.049), 0.05) == "▲ "
    assert mark(effect("x", CLEAN, -0.1, 0.049), 0.05) == "▼ "
    assert mark(effect("x", CLEAN, 0.1, 0.051), 0.05) == ""
    assert mark(effect("x", CLEAN, 0.1, 0.03), 0.025) == ""
    assert mark(effect("x", CLEAN, 0.1, 0.02), 0.025) == "▲ "
    assert signed(-0.0002, CLEAN) == "0.0"


@pytest.mark.parametrize(
    ("signs", "absent", "word"),
    [
        ("++0", 0, "confirmed"),
        ("++0", 1, "confirmed in part"),  # two of four are not most
        ("+00", 0, "confirmed in part"),
        ("++-", 0, "undecided"),
        ("+--", 0, "contradicted"),
        ("00-", 0, "contradicted"),
        ("00", 0, "undecided"),
        ("", 3, "undecided"),
    ],
)
def test_verdicts_follow_the_rule_of_the_plan(signs: str, absent: int, word: str) -> None:
    found = {"+": (0.1, 0.01), "-": (-0.1, 0.01), "0": (0.1, 0.2)}
    assert verdict([effect("x", CLEAN, *found[sign]) for sign in signs], absent, 0.05) == word


def test_a_stricter_level_decides_marks_tallies_and_verdicts(data: ClaimsData) -> None:
    (claim,) = data.claims
    part = HypothesisView("H1", "Scales hurt nothing", "scales", claim.effects[1:2])
    pages = {}
    for alpha in (0.05, 0.025):
        claims = (replace(claim, hypotheses=(part,)),)
        told = replace(data, claims=claims, facts={**data.facts, "alpha": alpha})
        pages[alpha] = claims_page(told)
        assert f"marked where it is below {alpha:g}." in effects_page(told)
    assert "| H1 | Scales hurt nothing | *scales* | clean | **contradicted** |" in pages[0.05]
    assert "| H1 | Scales hurt nothing | *scales* | clean | **undecided** |" in pages[0.025]
    assert "| scales | −5.0 [−8.0, −2.0] |" in pages[0.025]
    assert "0 contradict it (▼), 2 are inconclusive." in pages[0.025]
    assert "Verdict by the plan's rule: **undecided**." in claims_page(data)


def test_figures_hold_what_was_found(data: ClaimsData) -> None:
    factors = effects_figure(data, ["time", "scales"])
    assert [axes.get_title(loc="left") for axes in factors.axes] == ["time", "scales"]
    ends = [list(line.get_xdata()) for line in factors.axes[0].lines]
    assert [pytest.approx(-1.8), pytest.approx(4.2)] in ends
    assert [pytest.approx(0.2), pytest.approx(2.2)] in ends
    methods = methods_figure(data)
    assert [text.get_text() for text in methods.axes[0].get_yticklabels()] == list(data.methods)
    windows = windows_figure(data)
    assert list(windows.axes[0].get_xticks()) == [0.0, 0.64, 2.56]
    assert [axes.get_title(loc="left") for axes in windows.axes if axes.get_visible()] == [CLEAN.title]
    assert list(windows.axes[0].lines[-1].get_ydata()) == pytest.approx([0, 0, 0])
