"""From trials of people and models to scores of human alignment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ...errors import DataError
from .consistency import HUMANS, Consistency, consistency
from .cue_decisions import cue_decisions
from .datasets import ALIGNMENT_SETS, CUE_CONFLICT, AlignmentSet
from .measures import Compat
from .response_folder import Problem
from .rows import (
    ALL,
    SHAPE_BIAS,
    AlignmentComparison,
    AlignmentScore,
    Sampled,
    compared,
    mean_of,
    mean_rows,
    overall,
    overall_shape_bias,
    rows_of,
    shape_rows,
)
from .samples import REPLICATES
from .trials import Panel, Trials, responses_to, stimuli_of

Observers = Mapping[str, Mapping[str, Trials]]
"""Trials by data set and observer."""

_FEW = 6  # models that are all compared with each other on every data set; of more, only on the headline


@dataclass(frozen=True)
class Scored:
    """Everything found.

    Attributes:
        scores: One row a number.
        comparisons: Paired differences of models.
        problems: What is missing from them and why.
        notes: Remarks for people, such as other numbers of stimuli than published.
    """

    scores: tuple[AlignmentScore, ...]
    comparisons: tuple[AlignmentComparison, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


@dataclass
class _Gathered:
    """What is collected while data sets are gone through; by observer and data set."""

    scores: list[AlignmentScore] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    found: dict[str, dict[str, dict[str, Sampled]]] = field(default_factory=lambda: defaultdict(dict))


def score_alignment(
    people: Observers,
    models: Observers,
    data_sets: Sequence[AlignmentSet],
    baselines: Sequence[str] | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
    compat: Compat | None = None,
) -> Scored:
    """Score models against people, and people against each other.

    The mean over data sets is given where all 17 are asked and an observer has all of them; otherwise it is a hole.
    A model's trials that do not match the people's are a problem and stop nothing else.

    Args:
        people: Trials of people.
        models: Trials of models; may be empty.
        data_sets: Which to score; one that somebody lacks is a problem.
        baselines: Models that all others are compared with on every data set. None compares all pairs, on every data
            set if the models are few.
        replicates: B.
        seed: Seed of the samples.
        compat: See `measures.error_consistency`.

    Raises:
        DataError: People's trials of a data set do not match each other.
    """
    everyone = list(dict.fromkeys(name for by_name in models.values() for name in by_name))
    gathered = _Gathered()
    for data_set in data_sets:
        name = data_set.name
        if name not in people:
            gathered.problems.append(Problem(name, HUMANS, "there are no trials of people"))
            continue
        panel = _panel(people[name], models.get(name, {}), everyone, gathered)
        _score_set(panel, replicates, seed, compat, gathered)
    whole = {data_set.name for data_set in data_sets} == set(ALIGNMENT_SETS)
    if whole:
        for observer, by_set in gathered.found.items():
            if set(by_set) == set(ALIGNMENT_SETS):
                # The order of the registry, so that a sum does not depend on the order asked.
                means = mean_of([by_set[name] for name in ALIGNMENT_SETS])
                gathered.scores += mean_rows(observer, means)
                by_set[ALL] = means
    return Scored(
        tuple(gathered.scores),
        tuple(_comparisons(gathered.found, everyone, baselines)),
        tuple(gathered.problems),
        tuple(gathered.notes),
    )


def _panel(
    people: Mapping[str, Trials], models: Mapping[str, Trials], everyone: Sequence[str], into: _Gathered
) -> Panel:
    stimuli = stimuli_of(next(iter(people.values())))
    data_set = stimuli.data_set
    if len(stimuli) != data_set.stimuli:
        into.notes.append(f"{data_set.name}: {len(stimuli):,} stimuli; the published set has {data_set.stimuli:,}")
    rows = {name: responses_to(stimuli, trials) for name, trials in people.items()}
    if len(people) != data_set.people:
        into.notes.append(f"{data_set.name}: {len(people)} people; the published set has {data_set.people}")
    for name in everyone:
        if name not in models:
            into.problems.append(Problem(data_set.name, name, "there is no file of this observer"))
            continue
        try:
            rows[name] = responses_to(stimuli, models[name])
        except DataError as error:
            into.problems.append(Problem(data_set.name, name, str(error)))
    return Panel(stimuli, tuple(rows), len(people), np.stack(list(rows.values())))


def _score_set(panel: Panel, replicates: int, seed: int, compat: Compat | None, into: _Gathered) -> None:
    found: Consistency = consistency(panel, replicates, seed, compat)
    name = panel.stimuli.data_set.name
    into.scores += rows_of(found)
    # People of different data sets are different people, so only all of them together have numbers over data sets.
    together = (*panel.observers[panel.people :], HUMANS)
    for observer in together:
        into.found[observer][name] = overall(found, observer)
    if name == CUE_CONFLICT:
        decisions = cue_decisions(panel, replicates, seed)
        into.scores += shape_rows(decisions, name)
        for observer in together:
            into.found[observer][name][SHAPE_BIAS] = overall_shape_bias(decisions, observer, len(panel.stimuli))


def _comparisons(
    found: Mapping[str, Mapping[str, Mapping[str, Sampled]]], models: Sequence[str], baselines: Sequence[str] | None
) -> Iterator[AlignmentComparison]:
    if baselines is None:
        pairs = list(combinations(models, 2))
    else:
        pairs = [(model, baseline) for baseline in baselines for model in models if model != baseline]
    detailed = baselines is not None or len(models) <= _FEW
    for a, b in pairs:
        of_a, of_b = found.get(a, {}), found.get(b, {})
        for name in (ALL, *ALIGNMENT_SETS):
            if name not in of_a or name not in of_b:
                continue
            if detailed or name == ALL:
                yield from compared(a, b, name, of_a[name], of_b[name])
            elif name == CUE_CONFLICT:
                bias = {SHAPE_BIAS: of_a[name][SHAPE_BIAS]}
                yield from compared(a, b, name, bias, of_b[name])
