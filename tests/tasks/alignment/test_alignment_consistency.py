from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from vitobench.tasks.alignment.consistency import (
    HUMANS,
    OF_DEFINED,
    OVERALL,
    RANGES,
    SAMPLED,
    Consistency,
    consistency,
    limits,
    observer_counts,
    reflected,
    stimulus_counts,
)
from vitobench.tasks.alignment.cues import cue_decisions
from vitobench.tasks.alignment.experiments import CATEGORIES, AlignmentSet
from vitobench.tasks.alignment.rows import compared, overall, rows_of
from vitobench.tasks.alignment.trials import Panel, Stimuli

MakeSet = Callable[..., AlignmentSet]
MakePanel = Callable[..., Panel]


@pytest.fixture
def panel(small_set: MakeSet, make_panel: MakePanel) -> Panel:
    """Three people and two models on contrast, with other numbers of stimuli in each condition."""
    rng = np.random.default_rng(3)
    data_set = small_set("contrast")
    conditions = np.repeat(np.arange(8), [20, 24, 31, 18, 40, 22, 16, 25])
    ease = rng.random(len(conditions))
    right = rng.random((5, len(conditions))) < 0.3 + 0.6 * ease
    return make_panel(data_set, right, 3, conditions)


def frame_of(panel: Panel) -> pd.DataFrame:
    conditions = np.array(panel.stimuli.data_set.conditions)[panel.stimuli.conditions]
    frame = pd.DataFrame(panel.correct.T, columns=list(panel.observers))
    return frame.assign(condition=conditions)


def by_loop(frame: pd.DataFrame, observer: str, people: list[str], kept: tuple[str, ...]) -> dict[str, float]:
    """The definitions one after the other: conditions, then people."""
    frame = frame[frame["condition"].isin(kept)]
    pairs = []
    for person in people:
        if person == observer:
            continue
        cells = []
        for _, part in frame.groupby("condition"):
            a, b = part[observer], part[person]
            p, q = a.mean(), b.mean()
            expected = p * q + (1 - p) * (1 - q)
            cells.append(((p - q) ** 2, (a == b).mean(), expected, cohen_kappa_score(a, b)))
        pairs.append(np.mean(cells, axis=0))
    return dict(zip(SAMPLED, [frame[observer].mean(), *np.mean(pairs, axis=0)], strict=True))


def test_the_data_and_every_sample_agree_with_a_loop(panel: Panel) -> None:
    replicates, seed = 3, 5
    found = consistency(panel, replicates, seed)
    frame, kept, people = frame_of(panel), panel.stimuli.data_set.kept, list(panel.observers[:3])
    samples = [frame]
    drawn = {
        condition: stimulus_counts(f"contrast/{condition}", len(part), replicates, seed).astype(int)
        for condition, part in frame.groupby("condition")
    }
    for sample in range(1, replicates + 1):
        parts = [
            part.loc[part.index.repeat(drawn[condition][sample])] for condition, part in frame.groupby("condition")
        ]
        samples.append(pd.concat(parts))
    for row, sample_frame in enumerate(samples):
        expected = [by_loop(sample_frame, name, people, kept) for name in panel.observers]
        for metric in SAMPLED:
            values = [each[metric] for each in expected]
            np.testing.assert_allclose(found.values[metric][row, -1, :-1], values, atol=1e-12)
            assert found.values[metric][row, -1, -1] == pytest.approx(np.mean(values[:3]), abs=1e-12)


def test_single_conditions_and_excluded_ones(panel: Panel) -> None:
    found = consistency(panel, 0)
    frame, people = frame_of(panel), list(panel.observers[:3])
    assert found.conditions == (*panel.stimuli.data_set.conditions, OVERALL)
    for row, condition in enumerate(found.conditions[:-1]):
        for column, observer in enumerate(panel.observers):
            expected = by_loop(frame, observer, people, (condition,))
            got = [found.values[metric][0, row, column] for metric in SAMPLED]
            np.testing.assert_allclose(got, list(expected.values()), atol=1e-12)
    kept = frame["condition"].isin(panel.stimuli.data_set.kept)
    assert found.counts[-1] == kept.sum() < len(frame)
    counted = {row.condition: row.counted for row in rows_of(found)}
    assert [name for name, yes in counted.items() if not yes] == ["c100", "c03", "c01"]


def test_humans_are_the_mean_over_unordered_pairs(panel: Panel) -> None:
    found = consistency(panel, 0)
    frame, kept = frame_of(panel), panel.stimuli.data_set.kept
    pairs = [by_loop(frame, a, [b], kept) for a, b in itertools.combinations(panel.observers[:3], 2)]
    for metric in SAMPLED[1:]:
        expected = np.mean([pair[metric] for pair in pairs])
        assert found.values[metric][0, -1, -1] == pytest.approx(expected, abs=1e-12)


def test_samples_of_people(panel: Panel) -> None:
    found = consistency(panel, 4, 9)
    frame, kept = frame_of(panel), panel.stimuli.data_set.kept
    weights = observer_counts("contrast", 3, 4, 9).astype(int)
    names = np.array(panel.observers[:3])
    for sample, counts in enumerate(weights):
        drawn = names.repeat(counts)
        with_model = np.mean([by_loop(frame, "model-1", [person], kept)["error_consistency"] for person in drawn])
        assert found.people_draws["error_consistency"][sample, 3] == pytest.approx(with_model, abs=1e-12)
        pairs = [(a, b) for a, b in itertools.combinations(drawn, 2) if a != b]
        among = np.mean([by_loop(frame, a, [b], kept)["error_consistency"] for a, b in pairs])
        assert found.people_draws["error_consistency"][sample, -1] == pytest.approx(among, abs=1e-12)
    assert np.isnan(found.people_draws["accuracy"][:, :-1]).all()


def test_samples_never_hold_one_person_alone_and_have_the_right_sums() -> None:
    counts = observer_counts("edge", 2, 500)
    assert (counts == 1).all()
    counts = observer_counts("edge", 4, 3000)
    assert (counts.sum(1) == 4).all()
    assert counts.max() == 3
    np.testing.assert_allclose(counts.mean(0), 1, atol=0.05)
    assert observer_counts("edge", 1, 5).tolist() == [[1.0]] * 5


def test_samples_of_stimuli() -> None:
    counts = stimulus_counts("contrast/c30", 50, 4000, 1)
    assert (counts[0] == 1).all()
    assert (counts.sum(1) == 50).all()
    # Draws with replacement: each count has mean 1 and variance 1 - 1/n.
    assert counts[1:].var() == pytest.approx(1 - 1 / 50, rel=0.02)
    np.testing.assert_array_equal(counts, stimulus_counts("contrast/c30", 50, 4000, 1))
    other = stimulus_counts("contrast/c15", 50, 4000, 1)
    assert abs(np.corrcoef(counts[1:, 0], other[1:, 0])[0, 1]) < 0.06
    assert zlib.crc32(b"contrast/c30") != zlib.crc32(b"contrast/c15")


def test_equal_observers_differ_by_exactly_nothing(panel: Panel) -> None:
    twice = Panel(panel.stimuli, panel.observers, 3, np.vstack([panel.responses[:4], panel.responses[3:4]]))
    found = consistency(twice, 50)
    for row in compared(
        "model-1", "model-2", "alignment-contrast", "contrast", overall(found, "model-1"), overall(found, "model-2")
    ):
        assert (row.difference, row.ci_low, row.ci_high, row.p) == (0.0, 0.0, 0.0, 1.0)


def test_differences_are_paired(panel: Panel) -> None:
    """Two models that differ on one stimulus in ten: pairing makes the interval far narrower than the models' own."""
    other = panel.responses[3].copy()
    other[::10] = panel.stimuli.categories[::10]
    both = Panel(panel.stimuli, panel.observers, 3, np.vstack([panel.responses[:4], other[None]]))
    found = consistency(both, 400)
    rows = list(
        compared(
            "model-2", "model-1", "alignment-contrast", "contrast", overall(found, "model-2"), overall(found, "model-1")
        )
    )
    assert rows[0].metric == "accuracy"
    assert rows[0].difference == pytest.approx(found.values["accuracy"][0, -1, 4] - found.values["accuracy"][0, -1, 3])
    own = next(r for r in rows_of(found) if (r.model, r.condition, r.metric) == ("model-1", OVERALL, "accuracy"))
    assert rows[0].ci_low > 0
    assert rows[0].p < 0.05
    assert rows[0].ci_high - rows[0].ci_low < 0.6 * (own.ci_high - own.ci_low)


def test_intervals_are_as_wide_as_the_theory_of_a_proportion_says(small_set: MakeSet, make_panel: MakePanel) -> None:
    right = np.random.default_rng(0).random((2, 1600)) < 0.8
    found = consistency(make_panel(small_set("sketch", 1600), right, 1), 2000)
    row = next(r for r in rows_of(found) if (r.model, r.metric) == ("model-1", "accuracy"))
    half = 1.96 * np.sqrt(row.value * (1 - row.value) / 1600)
    assert [row.ci_low, row.ci_high] == pytest.approx([row.value - half, row.value + half], abs=0.1 * half)


def test_interval_of_a_squared_difference_holds_the_value(small_set: MakeSet, make_panel: MakePanel) -> None:
    """Of two equally good observers: plain percentiles lie above the value, which lies above the true 0."""
    right = np.random.default_rng(2).random((2, 17, 160)) < 0.7
    draws = np.mean(
        [
            consistency(make_panel(small_set("edge", 160), right[:, k], 1), 400, k).values["accuracy_difference"][
                :, 0, 1
            ]
            for k in range(17)
        ],
        axis=0,
    )
    plain = limits(draws[1:])
    low, high = limits(reflected(draws[1:], draws[0]))
    assert plain[0] > 0
    assert low <= 0 <= high
    assert set(RANGES) < {*SAMPLED, *OF_DEFINED}


def test_undefined_kappa_is_a_hole_and_compat_fills_it(small_set: MakeSet, make_panel: MakePanel) -> None:
    panel = make_panel(small_set("edge", 32), np.ones((3, 32), bool), 2)

    def kappas(found: Consistency) -> np.ndarray:
        return found.values["error_consistency"]

    assert np.isnan(kappas(consistency(panel, 5))).all()
    assert (kappas(consistency(panel, 5, compat="model-vs-human")) == 1).all()
    rows = [row for row in rows_of(consistency(panel, 5)) if row.metric == "error_consistency"]
    assert all(np.isnan([row.value, row.ci_low, row.ci_high]).all() for row in rows)


def kappa_of(a: pd.Series, b: pd.Series) -> float:
    both = {*a, *b}
    return cohen_kappa_score(a, b) if len(both) > 1 else np.nan


def test_means_over_defined_kappas(small_set: MakeSet, make_panel: MakePanel) -> None:
    """One model is perfect where two of three people are: the plain mean is lost, the other is over what is left."""
    rng = np.random.default_rng(8)
    data_set = small_set("contrast", 20)
    kept = [data_set.condition(name) for name in data_set.kept]
    conditions = np.repeat(np.arange(8), 20)
    right = rng.random((5, len(conditions))) < 0.7
    perfect = conditions == kept[0]
    right[:2, perfect] = right[3, perfect] = True
    panel = make_panel(data_set, right, 3, conditions)
    found = consistency(panel, 40, 3)
    names = ("error_consistency", "error_consistency_defined", "error_consistency_corrected")
    strict, defined, corrected = (found.values[name][0] for name in names)
    people = list(panel.observers[:3])
    parts = [part for name, part in frame_of(panel).groupby("condition") if name in data_set.kept]
    for column, observer in enumerate(panel.observers):
        others = [person for person in people if person != observer]
        kappas = np.array([[kappa_of(part[observer], part[person]) for person in others] for part in parts])
        assert defined[-1, column] == pytest.approx(np.nanmean(np.nanmean(kappas, axis=1)), abs=1e-12)
        few = 20 * kappas / (19 + kappas)
        assert corrected[-1, column] == pytest.approx(np.nanmean(np.nanmean(few, axis=1)), abs=1e-12)
        assert np.isnan(strict[-1, column]) == np.isnan(kappas).any()
        assert found.undefined[:, column].sum() == np.isnan(kappas).sum()
    assert found.undefined[found.conditions.index(data_set.kept[0]), 3].tolist() == [True, True, False]
    # People's own: three pairs, of which one is undefined in one condition.
    pairs = [[kappa_of(part[a], part[b]) for a, b in itertools.combinations(people, 2)] for part in parts]
    assert np.isnan(pairs).sum() == 1
    assert defined[-1, -1] == pytest.approx(np.mean(np.nanmean(pairs, axis=1)), abs=1e-12)
    low, high = limits(found.values["error_consistency_defined"][1:, -1])
    assert ((low < defined[-1]) & (defined[-1] < high)).all()
    assert np.isfinite(found.people_draws["error_consistency_defined"][:, 3:]).all()


def alike(panel: Panel) -> Panel:
    """Everybody answers just as the first person does."""
    return Panel(panel.stimuli, panel.observers, panel.people, np.repeat(panel.responses[:1], len(panel.responses), 0))


def test_without_holes_all_forms_rest_on_the_same_kappas(panel: Panel) -> None:
    found = consistency(panel, 20, 1)
    for draws in ("values", "people_draws"):
        by_metric = getattr(found, draws)
        strict, defined = by_metric["error_consistency"], by_metric["error_consistency_defined"]
        known = np.isfinite(strict)
        np.testing.assert_allclose(strict[known], defined[known], atol=1e-12)
    assert not found.undefined.any()
    same = consistency(alike(panel), 0)
    assert same.values["copy_probability"][0, -1] == pytest.approx(1.0)


def test_stimuli_for_a_wanted_interval_follow_from_the_one_there_is(panel: Panel) -> None:
    rows = {(row.model, row.condition, row.metric): row for row in rows_of(consistency(panel, 200, 1))}
    one, needed = (rows["model-1", OVERALL, m] for m in ("error_consistency_defined", "error_consistency_stimuli"))
    assert needed.n == one.n
    assert needed.value == np.ceil(one.n * ((one.ci_high - one.ci_low) / 0.1) ** 2) > one.n


def test_one_person_has_nobody_to_be_compared_with(small_set: MakeSet, make_panel: MakePanel) -> None:
    right = np.random.default_rng(0).random((2, 64)) < 0.6
    found = consistency(make_panel(small_set("edge", 64), right, 1), 20)
    kappa = found.values["error_consistency"][0, -1]
    assert np.isnan(kappa[[0, -1]]).all()
    assert kappa[1] == pytest.approx(cohen_kappa_score(right[0], right[1]))


def test_limits_pass_over_a_few_undefined_samples_only() -> None:
    draws = np.random.default_rng(0).normal(size=(100, 3))
    draws[:5, 1] = np.nan
    draws[:50, 2] = np.nan
    low, high = limits(draws)
    np.testing.assert_allclose([low[0], high[0]], np.quantile(draws[:, 0], [0.025, 0.975]))
    np.testing.assert_allclose([low[1], high[1]], np.quantile(draws[5:, 1], [0.025, 0.975]))
    assert np.isnan([low[2], high[2]]).all()
    assert limits(np.arange(101.0))[0] == pytest.approx(2.5)
    assert np.isnan(limits(np.empty((0, 2)))[0]).all()


def test_shape_bias_and_its_samples(small_set: MakeSet) -> None:
    rng = np.random.default_rng(0)
    n, data_set = 120, small_set("cue-conflict", 120, 2)
    shape, texture = rng.integers(0, 16, (2, n))
    ids = np.array(
        [f"{CATEGORIES[s]}{k}-{CATEGORIES[t]}1.png" for k, (s, t) in enumerate(zip(shape, texture, strict=True))]
    )
    responses = np.where(rng.random((3, n)) < 0.6, shape, np.where(rng.random((3, n)) < 0.7, texture, -1))
    stimuli = Stimuli(data_set, ids, np.zeros(n, np.int16), shape.astype(np.int16), np.argsort(ids))
    panel = Panel(stimuli, ("subject-01", "subject-02", "model-1"), 2, responses.astype(np.int16))
    found = cue_decisions(panel, 2, 7)
    counts = stimulus_counts("cue-conflict/0", n, 2, 7).astype(int)
    assert found.observers == ("subject-01", "subject-02", "model-1", HUMANS)
    for row, weight in enumerate(counts):
        for column, answers in enumerate([*panel.responses, None]):
            whose = [answers] if answers is not None else list(panel.responses[:2])
            for position, category in enumerate([*range(16), None]):
                s = t = 0
                for one in whose:
                    for i in range(n):
                        if shape[i] != texture[i] and category in (None, shape[i]):
                            s += weight[i] * (one[i] == shape[i])
                            t += weight[i] * (one[i] == texture[i])
                expected = s / (s + t) if s + t else np.nan
                np.testing.assert_allclose(found.values[row, position, column], expected, atol=1e-12)
                if row == 0:
                    assert found.counts[position, column] == s + t
