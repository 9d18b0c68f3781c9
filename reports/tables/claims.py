"""Claims as Markdown: what was trained, and every effect with its intervals over images, over runs and over both."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...results.schema import Effect
from ..data import ClaimsData, ClaimView, Number

_MINUS = "−"


def claims_page(data: ClaimsData) -> str:
    """Tables of all methods and all claims, in short."""
    facts = data.facts
    counts = sorted({len(runs) for values in data.methods.values() for runs in values.values()})
    some = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0] if counts else facts['seeds']}"
    lines = [
        f"{some} runs of each method, {facts['steps']} steps each; means, ± the standard deviation over runs. In "
        "percent, except κ.",
        "",
        *_methods(data),
        "",
    ]
    for claim in data.claims:
        lines += [
            f"### ({claim.key}) {claim.title}",
            "",
            claim.statement,
            "",
            tally(claim, data.alpha),
            "",
            *_verdicts(claim, data),
            *_short(claim, data),
            "",
        ]
    lines += [f"Missing: {failure}" for failure in data.failures]
    return "\n".join(lines).rstrip() + "\n"


def effects_page(data: ClaimsData) -> str:
    """Every effect in full: intervals over images, over runs and over both, p, and the smallest detectable effect."""
    lines = [
        "In percentage points (κ: in its own unit), 95 % intervals. *Over images*: these runs, other images. *Over "
        "runs*: these images, other trainings. *Over both*: the basis of p and of the marks. p after Holm within a "
        f"claim; marked where it is below {data.alpha:g}. *Detectable*: the smallest effect that would have been found "
        "with power 0.8, at a p of 0.05 before the correction.",
        "",
    ]
    for claim in data.claims:
        lines += [
            f"## ({claim.key}) {claim.title}",
            "",
            "| effect | in | value | over images | over runs | over both | p | detectable | images | runs |",
            "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        for effect in claim.effects:
            number = _number(data.numbers, effect)
            cells = [
                effect.name,
                number.title,
                f"{mark(effect, data.alpha)}{signed(effect.value, number)}",
                _interval(effect.ci_low, effect.ci_high, number),
                _interval(effect.runs_ci_low, effect.runs_ci_high, number),
                _interval(effect.both_ci_low, effect.both_ci_high, number),
                _p(effect.p_adjusted),
                _plain(effect.minimum_detectable, number),
                str(effect.n or ""),
                str(effect.runs),
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def mark(effect: Effect, alpha: float) -> str:
    """``"▲ "`` or ``"▼ "`` where an effect is significant after Holm's correction, else nothing."""
    if not effect.p_adjusted < alpha:
        return ""
    return "▲ " if effect.value > 0 else "▼ "


def tally(claim: ClaimView, alpha: float) -> str:
    """How many effects support the claim, contradict it, are inconclusive, and were not measured."""
    up, down = _marked(claim.effects, alpha)
    count = len(claim.effects)
    rest = f" {claim.absent} more were declared and not measured." if claim.absent else ""
    told = f"Of {count} effects, {up} support it (▲), {down} contradict it (▼), {count - up - down} are inconclusive."
    return told + rest


def verdict(effects: Sequence[Effect], absent: int, alpha: float) -> str:
    """What effects say together, by the rule of docs/claims-plan.md.

    Args:
        effects: Those that were measured, each expected to be more than 0.
        absent: How many more were declared.
        alpha: Below which corrected p-values are significant.

    Returns:
        ``"confirmed"`` where most are significantly above 0 and none below, ``"confirmed in part"`` where some are and
        none below, ``"contradicted"`` where more are below than above, else ``"undecided"``.
    """
    up, down = _marked(effects, alpha)
    if up and not down:
        return "confirmed" if 2 * up > len(effects) + absent else "confirmed in part"
    return "contradicted" if down > up else "undecided"


def _marked(effects: Sequence[Effect], alpha: float) -> tuple[int, int]:
    """How many are significantly above 0, and below."""
    marks = [mark(effect, alpha) for effect in effects]
    return marks.count("▲ "), marks.count("▼ ")


def _verdicts(claim: ClaimView, data: ClaimsData) -> list[str]:
    """The verdict on the claim, or a table with those on its hypotheses."""
    if not claim.hypotheses:
        return [f"Verdict by the plan's rule: **{verdict(claim.effects, claim.absent, data.alpha)}**.", ""]
    lines = ["| | hypothesis | effect | in | verdict |", "|---|---|---|---|---|"]
    for part in claim.hypotheses:
        titles = ", ".join(_number(data.numbers, effect).title for effect in part.effects)
        word = verdict(part.effects, part.absent, data.alpha)
        lines.append(f"| {part.key} | {part.statement} | *{part.effect}* | {titles} | **{word}** |")
    return [*lines, ""]


def signed(value: float, number: Number) -> str:
    """``"+1.2"`` in points of percent, ``"+0.012"`` for κ."""
    text = f"{value * 100:+.1f}" if number.fraction else f"{value:+.3f}"
    # What rounds to nothing has no sign.
    return (text[1:] if float(text) == 0.0 else text).replace("-", _MINUS)


def _plain(value: float, number: Number) -> str:
    return "" if math.isnan(value) else f"{value * 100:.1f}" if number.fraction else f"{value:.3f}"


def _interval(low: float, high: float, number: Number) -> str:
    return "" if math.isnan(low) else f"[{signed(low, number)}, {signed(high, number)}]"


def _p(p: float) -> str:
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _number(numbers: Sequence[Number], effect: Effect) -> Number:
    return next(n for n in numbers if (n.task, n.metric) == (effect.task, effect.metric))


def _methods(data: ClaimsData) -> list[str]:
    lines = [
        f"| method | runs | {' | '.join(number.title for number in data.numbers)} |",
        f"|---|---:|{'---:|' * len(data.numbers)}",
    ]
    for method, values in data.methods.items():
        cells = [_mean(values[(number.task, number.metric)], number) for number in data.numbers]
        runs = max(map(len, values.values()), default=0)
        lines.append(f"| `{method}` | {runs} | {' | '.join(cells)} |")
    return lines


def _mean(values: Sequence[float], number: Number) -> str:
    mean = float(np.mean(values)) if len(values) else math.nan
    if math.isnan(mean):
        return ""
    spread = f" ± {_plain(float(np.std(values, ddof=1)), number)}" if len(values) > 1 else ""
    return _plain(mean, number).replace("-", _MINUS) + spread


def _short(claim: ClaimView, data: ClaimsData) -> list[str]:
    """A row for each effect and a column for each number, with the interval over images and runs."""
    asked = [n for n in data.numbers if any((e.task, e.metric) == (n.task, n.metric) for e in claim.effects)]
    lines = [f"| effect | {' | '.join(number.title for number in asked)} |", f"|---|{'---:|' * len(asked)}"]
    for name in claim.names:
        cells = []
        for number in asked:
            effect = claim.effect(name, number)
            cells.append(
                ""
                if effect is None
                else f"{mark(effect, data.alpha)}{signed(effect.value, number)} "
                f"{_interval(effect.both_ci_low, effect.both_ci_high, number)}".rstrip()
            )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
