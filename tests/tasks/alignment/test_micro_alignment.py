from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from vitobench.errors import UnknownNameError
from vitobench.results.schema import ObserverScore
from vitobench.tasks.alignment.consistency import HUMANS, OVERALL, SAMPLED
from vitobench.tasks.alignment.experiments import (
    ALIGNMENT_SETS,
    CATEGORIES,
    MICRO_ALIGNMENT_SETS,
    AlignmentSet,
    alignment_set,
    family_of,
    micro_alignment_set,
)
from vitobench.tasks.alignment.observers import MICRO_PANEL, SIMULATED, simulated_panel
from vitobench.tasks.alignment.rows import ALL, SHAPE_BIAS
from vitobench.tasks.alignment.scoring import Scored, score_alignment
from vitobench.tasks.microworld.vocabulary import CLASSES
from vitobench.tests.tasks.alignment.observer_truth import (
    made_up,
    true_accuracy,
    true_error_consistency,
    true_shape_bias,
)

SHAPES, TEXTURE = MICRO_PANEL[:4], MICRO_PANEL[4]
FEW = tuple(replace(one, per_condition=64 if one.cues == "agree" else 96) for one in MICRO_ALIGNMENT_SETS.values())


def scored(sets: tuple[AlignmentSet, ...], seed: int = 0, replicates: int = 50) -> Scored:
    observers = [replace(observer, seed=seed) for observer in MICRO_PANEL]
    rng = np.random.default_rng(seed)
    stimuli = [made_up(one).drawn(rng) for one in sets]
    return score_alignment(
        simulated_panel(stimuli, observers[:4]), simulated_panel(stimuli, observers[4:]), sets,
        replicates=replicates, seed=seed, reference=SIMULATED,
    )  # fmt: skip


def by_key(found: Scored) -> dict[tuple[str, str, str], ObserverScore]:
    return {(row.model, row.data_set, row.metric): row for row in found.scores if row.condition == OVERALL}


def test_twins_have_the_conditions_of_the_published_sets() -> None:
    assert len(MICRO_ALIGNMENT_SETS) == 15
    for name, twin in MICRO_ALIGNMENT_SETS.items():
        published = alignment_set(name.removeprefix("micro-"))
        assert (twin.conditions, twin.excluded, twin.abbreviation, twin.cues) == (
            published.conditions, published.excluded, published.abbreviation, published.cues
        )  # fmt: skip
        assert twin.categories == CLASSES
        assert published.categories == CATEGORIES
        assert twin.per_condition == published.per_condition
        assert micro_alignment_set(published.name) is micro_alignment_set(name) is twin
        assert family_of(name) == tuple(MICRO_ALIGNMENT_SETS)
    assert set(ALIGNMENT_SETS) - {name.removeprefix("micro-") for name in MICRO_ALIGNMENT_SETS} == {
        "sketch", "stylized"
    }  # fmt: skip
    for name in ("sketch", "micro-contrasts"):
        with pytest.raises(UnknownNameError, match="micro-"):
            micro_alignment_set(name)
    assert family_of("elsewhere") == ()


def test_the_micro_world_is_scored_like_the_published_sets() -> None:
    found = scored(FEW)
    assert (found.problems, found.notes) == ((), ())
    rows = by_key(found)
    for observer in (TEXTURE.name, SIMULATED):
        for metric in SAMPLED:
            parts = [rows[(observer, one.name, metric)].value for one in FEW]
            assert rows[(observer, ALL, metric)].value == pytest.approx(np.mean(parts), abs=1e-12)
    assert {row.reference for row in found.scores} == {None, SIMULATED}
    assert {row.model for row in found.scores} == {SIMULATED, *(observer.name for observer in MICRO_PANEL)}
    assert {row.condition for row in found.scores if row.metric == SHAPE_BIAS} == {*CLASSES, OVERALL}
    assert rows[(SIMULATED, "micro-cue-conflict", SHAPE_BIAS)].value > 0.8
    assert rows[(TEXTURE.name, "micro-cue-conflict", SHAPE_BIAS)].value < 0.2


def test_a_part_of_a_family_or_a_mixture_has_no_mean() -> None:
    assert not any(row.data_set == ALL for row in scored(FEW[-2:]).scores)
    found = scored((*FEW, replace(alignment_set("edge"), per_condition=32, people=4)))
    assert not any(row.data_set == ALL for row in found.scores)
    assert any(row.data_set == "edge" for row in found.scores)


def test_messages_name_the_group() -> None:
    edge, silhouette = FEW[-2:]
    population, rng = made_up(edge), np.random.default_rng(0)
    panel = simulated_panel([population.drawn(rng)])["micro-edge"]
    group = {"micro-edge": {name: panel[name] for name in list(panel)[:3]}}
    other = simulated_panel([population.drawn(rng, first=1000)], [TEXTURE])
    found = score_alignment(group, other, (edge, silhouette), replicates=5, reference=SIMULATED)
    assert found.notes == ("micro-edge: 3 simulated observers; the whole set has 4",)
    reasons = {problem.observer: problem.reason for problem in found.problems}
    assert "that the simulated observers saw" in reasons[TEXTURE.name]
    assert reasons[SIMULATED] == "no trials of simulated observers"
    assert HUMANS not in str(found)
    assert "people " not in str((found.problems, found.notes))


def test_intervals_hold_the_known_truth() -> None:
    """Four experiments with other stimuli and draws: nearly all 95 % intervals hold the truth, and no value is far."""
    sets = tuple(micro_alignment_set(name) for name in ("cue-conflict", "contrast", "silhouette"))
    held = []
    for seed in range(4):
        rows = by_key(scored(sets, seed, 400))
        for one in sets:
            population = made_up(one)
            truths = {
                (TEXTURE.name, "error_consistency"): np.mean(
                    [true_error_consistency(TEXTURE, shape, population) for shape in SHAPES]
                ),
                (SIMULATED, "error_consistency"): np.mean(
                    [true_error_consistency(a, b, population) for a, b in combinations(SHAPES, 2)]
                ),
                **{(o.name, "accuracy"): true_accuracy(o, population) for o in MICRO_PANEL},
            }
            if one.cues == "conflict":
                truths |= {(o.name, SHAPE_BIAS): true_shape_bias([o], population) for o in MICRO_PANEL}
                truths[(SIMULATED, SHAPE_BIAS)] = true_shape_bias(SHAPES, population)
            for (observer, metric), truth in truths.items():
                row = rows[(observer, one.name, metric)]
                held.append(row.ci_low <= truth <= row.ci_high)
                assert abs(row.value - truth) < 2 * (row.ci_high - row.ci_low), (seed, one.name, observer, metric)
    assert len(held) == 4 * (3 * 7 + 6)
    assert np.mean(held) > 0.88
