"""Score human alignment from trials of people and models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ...errors import DataError
from ...results.ranking import Contest
from ...results.schema import ObserverComparison, ObserverScore
from .consistency import ENOUGH, HUMANS, REPLICATES, Consistency, consistency
from .cues import cue_decisions
from .experiments import ALIGNMENT_SETS, FAMILIES, MEAN, AlignmentSet
from .measures import Compat
from .rows import (
    ALL,
    SHAPE_BIAS,
    Sampled,
    compared,
    mean_of,
    mean_rows,
    overall,
    overall_shape_bias,
    rank_rows,
    rows_of,
    shape_rows,
    share_rows,
)
from .trial_files import Problem
from .trials import Panel, Trials, responses_to, stimuli_of

Observers = Mapping[str, Mapping[str, Trials]]
"""Trials by data set and observer."""

_FEW = 6  # models that are all compared with each other on every data set; of more, only on the headline


@dataclass(frozen=True)
class Scored:
    """The result of `score_alignment`.

    Attributes:
        scores: One row a number.
        comparisons: Paired differences of models.
        problems: What is missing from them and why.
        notes: Remarks for people, such as other numbers of stimuli than published.
        panels: The decisions of all observers, by data set.
        contests: Error consistency of the models on each data set, for ranks.
    """

    scores: tuple[ObserverScore, ...]
    comparisons: tuple[ObserverComparison, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    panels: Mapping[str, Panel] = field(default_factory=dict)
    contests: tuple[Contest, ...] = ()


@dataclass
class _Gathered:
    """What is collected from one data set after another; by observer and data set.

    Attributes:
        tasks: The task of each data set, that of the mean under `ALL`.
    """

    tasks: Mapping[str, str]
    scores: list[ObserverScore] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    panels: dict[str, Panel] = field(default_factory=dict)
    sampled: dict[str, dict[str, dict[str, Sampled]]] = field(default_factory=lambda: defaultdict(dict))


def score_alignment(
    people: Observers,
    models: Observers,
    data_sets: Sequence[AlignmentSet],
    baselines: Sequence[str] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
    compat: Compat | None = None,
    reference: str = HUMANS,
) -> Scored:
    """Score models against people, and people against each other.

    The mean over data sets is given where a whole family is asked (the 17 published sets, or the 15 of the micro-world)
    and an observer has all of it; otherwise it is missing.
    A model's trials that do not match the people's are a problem and stop nothing else.

    Args:
        people: Trials of people, or of simulated observers.
        models: Trials of models; may be empty.
        data_sets: Which to score; one that an observer lacks is a problem.
        baselines: Models that all others are compared with on every data set. None compares all pairs, on every data
            set if the models are few.
        replicates: B.
        seed: Seed of the samples.
        compat: See `measures.error_consistency`.
        reference: What the people are called as one observer.

    Raises:
        DataError: People's trials of a data set do not match each other.
    """
    everyone = list(dict.fromkeys(name for by_name in models.values() for name in by_name))
    tasks = {data_set.name: data_set.task for data_set in data_sets}
    gathered = _Gathered(tasks | {ALL: data_sets[0].mean_task if data_sets else MEAN})
    for data_set in data_sets:
        name = data_set.name
        if name not in people:
            gathered.problems.append(Problem(name, reference, f"no trials of {_group(reference)}"))
            continue
        panel = _panel(people[name], models.get(name, {}), everyone, reference, gathered)
        gathered.panels[name] = panel
        _score_set(panel, replicates, seed, compat, reference, gathered)
    asked = {data_set.name for data_set in data_sets}
    family = next((names for names in FAMILIES if set(names) == asked), None)
    if family is not None:
        for observer, by_set in gathered.sampled.items():
            if set(by_set) == asked:
                # The order of the registry, so that a sum does not depend on the order asked.
                means = mean_of([by_set[name] for name in family])
                gathered.scores += mean_rows(observer, means, gathered.tasks[ALL], reference)
                by_set[ALL] = means
    _relate(gathered, reference)
    return Scored(
        tuple(gathered.scores),
        tuple(_comparisons(gathered, everyone, baselines, _in_order(data_sets))),
        tuple(gathered.problems),
        tuple(gathered.notes),
        gathered.panels,
        tuple(_contests(gathered, everyone, _in_order(data_sets))),
    )


_RANKED = "error_consistency"


def _contests(gathered: _Gathered, models: Sequence[str], data_sets: Sequence[str]) -> Iterator[Contest]:
    """Error consistency of models on the same samples of stimuli; those of different data sets are independent."""
    for name in data_sets:
        values, errors, lacking, n = [], [], {}, 0
        having = []
        for model in models:
            sampled = gathered.sampled.get(model, {}).get(name, {}).get(_RANKED)
            if sampled is None:
                lacking[model] = "not measured"
                continue
            value, draws = sampled.draws[0], sampled.draws[1:]
            defined = np.isfinite(draws)
            if not np.isfinite(value) or defined.mean() < ENOUGH:
                lacking[model] = "error consistency undefined"
                continue
            having.append(model)
            values.append(value)
            errors.append(np.where(defined, draws - draws[defined].mean(), 0.0))
            n = sampled.n
        if having:
            task = gathered.tasks[name]
            yield Contest(task, _RANKED, tuple(having), np.array(values), np.array(errors, np.float32), n, lacking)


def _relate(into: _Gathered, reference: str) -> None:
    """Add what depends on other observers' numbers: shares of the ceiling and mean ranks."""
    of_people = into.sampled.get(reference, {})
    models = {name: by_set for name, by_set in into.sampled.items() if name != reference}
    for observer, by_set in models.items():
        for name, numbers in by_set.items():
            if name in of_people:
                into.scores += share_rows(observer, numbers, of_people[name], into.tasks[name], name, reference)
    means = {name: by_set[ALL] for name, by_set in models.items() if ALL in by_set}
    into.scores += rank_rows(means, into.tasks[ALL], reference)


def _panel(
    people: Mapping[str, Trials],
    models: Mapping[str, Trials],
    everyone: Sequence[str],
    reference: str,
    into: _Gathered,
) -> Panel:
    group = _group(reference)
    stimuli = stimuli_of(next(iter(people.values())))
    data_set = stimuli.data_set
    whole = "published set" if data_set.name in ALIGNMENT_SETS else "whole set"
    if len(stimuli) != data_set.stimuli:
        into.notes.append(f"{data_set.name}: {len(stimuli):,} stimuli; the {whole} has {data_set.stimuli:,}")
    rows = {name: responses_to(stimuli, trials, group) for name, trials in people.items()}
    if len(people) != data_set.people:
        into.notes.append(f"{data_set.name}: {len(people)} {group}; the {whole} has {data_set.people}")
    for name in everyone:
        if name not in models:
            into.problems.append(Problem(data_set.name, name, "this observer has no file"))
            continue
        try:
            rows[name] = responses_to(stimuli, models[name], group)
        except DataError as error:
            into.problems.append(Problem(data_set.name, name, str(error)))
    return Panel(stimuli, tuple(rows), len(people), np.stack(list(rows.values())))


def _score_set(
    panel: Panel, replicates: int, seed: int, compat: Compat | None, reference: str, into: _Gathered
) -> None:
    measured: Consistency = consistency(panel, replicates, seed, compat, reference)
    data_set = panel.stimuli.data_set
    name = data_set.name
    into.scores += rows_of(measured)
    into.notes += _undefined(measured)
    # People of different data sets are different people, so only all of them together have numbers over data sets.
    together = (*panel.observers[panel.people :], reference)
    for observer in together:
        into.sampled[observer][name] = overall(measured, observer)
    if data_set.cues == "conflict":
        decisions = cue_decisions(panel, replicates, seed, reference)
        into.scores += shape_rows(decisions, data_set)
        for observer in together:
            into.sampled[observer][name][SHAPE_BIAS] = overall_shape_bias(decisions, observer, len(panel.stimuli))


def _undefined(measured: Consistency) -> Iterator[str]:
    """A line for each observer whose kappa with some people is undefined; of two people, the first one has it."""
    panel = measured.panel
    people = list(panel.observers[: panel.people])
    for column, observer in enumerate(panel.observers):
        lost = measured.undefined[:, column].copy()
        if column < panel.people:
            lost[:, :column] = False
        if not lost.any():
            continue
        conditions = [name for name, row in zip(measured.conditions, lost, strict=False) if row.any()]
        others = [name for name, gone in zip(people, np.any(lost, axis=0).tolist(), strict=True) if gone]
        where = f"under {', '.join(conditions)} of" if len(measured.conditions) > 2 else "on"
        whole = "always right (or always wrong) there"
        yield (
            f"{observer}: error consistency with {_few(others)} is undefined {where} {panel.stimuli.data_set.name}, "
            f"because both are {whole}; so is every mean of it. The mean over the defined ones is given as well."
        )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} observers ({names[0]}, …)"


def _group(reference: str) -> str:
    return "people" if reference == HUMANS else reference


def _in_order(data_sets: Sequence[AlignmentSet]) -> list[str]:
    """Names in the order of their family, whatever the order asked; those without a family last."""
    asked = list(dict.fromkeys(data_set.name for data_set in data_sets))
    known = [name for family in FAMILIES for name in family if name in asked]
    return known + [name for name in asked if name not in known]


def _comparisons(
    gathered: _Gathered,
    models: Sequence[str],
    baselines: Sequence[str] | None,
    names: Sequence[str],
) -> Iterator[ObserverComparison]:
    if baselines is None:
        pairs = list(combinations(models, 2))
    else:
        pairs = [(model, baseline) for baseline in baselines for model in models if model != baseline]
    detailed = baselines is not None or len(models) <= _FEW
    for a, b in pairs:
        of_a, of_b = gathered.sampled.get(a, {}), gathered.sampled.get(b, {})
        for name in (ALL, *names):
            if name not in of_a or name not in of_b:
                continue
            task = gathered.tasks[name]
            if detailed or name == ALL:
                yield from compared(a, b, task, name, of_a[name], of_b[name])
            elif SHAPE_BIAS in of_a[name]:
                bias = {SHAPE_BIAS: of_a[name][SHAPE_BIAS]}
                yield from compared(a, b, task, name, bias, of_b[name])
