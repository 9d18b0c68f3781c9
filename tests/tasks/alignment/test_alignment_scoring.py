from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.results.metrics import METRICS
from vitobench.results.schema import Comparison, ObserverScore, narrowed
from vitobench.results.suite_ranking import rank_over_tasks
from vitobench.tasks.alignment.consistency import HUMANS, OVERALL, SAMPLED
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, CATEGORIES, AlignmentSet
from vitobench.tasks.alignment.rows import ALL, SHAPE_BIAS
from vitobench.tasks.alignment.scoring import score_alignment
from vitobench.tasks.alignment.trial_files import model_trials
from vitobench.tasks.alignment.trials import Trials

STIMULI = 64  # of a condition; with far fewer, many samples leave kappa undefined
SETS = tuple(replace(one, per_condition=STIMULI, people=2) for one in ALIGNMENT_SETS.values())
ERRORS = {"subject-01": 0.2, "subject-02": 0.3, "subject-03": 0.4, "good": 0.25, "bad": 0.6}


def trials(data_set: AlignmentSet, observer: str) -> Trials:
    rng = np.random.default_rng([len(observer), ord(observer[-1]), len(data_set.name)])
    n = data_set.stimuli
    categories = np.arange(n) % 16
    wrong = rng.random(n) < ERRORS[observer]
    responses = np.where(wrong, (categories + 1) % 16, categories)
    conditions = np.repeat(data_set.conditions, STIMULI)
    names = [f"{CATEGORIES[c]}{k}-{CATEGORIES[(c + 1) % 16]}1.png" for k, c in enumerate(categories)]
    return model_trials(data_set, observer, names, list(conditions), categories, responses)


def observers(*names: str, leave_out: str = "") -> dict[str, dict[str, Trials]]:
    return {one.name: {name: trials(one, name) for name in names} for one in SETS if one.name != leave_out}


PEOPLE = observers("subject-01", "subject-02")


def score(models: dict[str, dict[str, Trials]], **more: Any) -> Any:
    return score_alignment(PEOPLE, models, more.pop("sets", SETS), replicates=50, **more)


def by_key(rows: tuple[ObserverScore, ...]) -> dict[tuple[str, str, str], ObserverScore]:
    return {(row.model, row.data_set, row.metric): row for row in rows if row.condition == OVERALL}


def test_the_headline_is_the_mean_over_data_sets() -> None:
    found = score(observers("good", "bad"))
    assert (found.problems, found.notes) == ((), ())
    rows = by_key(found.scores)
    for observer in ("good", "bad", HUMANS):
        for metric in SAMPLED:
            parts = [rows[(observer, one.name, metric)] for one in SETS]
            whole = rows[(observer, ALL, metric)]
            assert whole.value == pytest.approx(np.mean([part.value for part in parts]), abs=1e-12)
            assert whole.n == sum(part.n for part in parts)
            if metric == "accuracy_difference":  # of so few stimuli the value lies above the truth and its interval
                assert whole.ci_low <= whole.value
                continue
            assert whole.ci_low <= whole.value <= whole.ci_high
            # Data sets are sampled independently: their mean is known better than any of them.
            assert whole.ci_high - whole.ci_low < min(part.ci_high - part.ci_low for part in parts)
    assert not any(row.data_set == ALL and row.model.startswith("subject-") for row in found.scores)
    assert rows[("good", ALL, "accuracy")].value > rows[("bad", ALL, "accuracy")].value
    assert rows[("good", "cue-conflict", SHAPE_BIAS)].n == STIMULI


def test_tables_know_every_metric() -> None:
    found = score(observers("good", "bad"))
    names = {row.metric for row in (*found.scores, *found.comparisons)}
    assert {"mean_rank", "response_entropy", "error_consistency_ceiled", "error_consistency_lowest"} < names
    assert names <= set(METRICS)


def test_two_models_are_compared_on_every_data_set_and_in_the_mean() -> None:
    found = score(observers("good", "bad"))
    rows = {(row.data_set, row.metric): row for row in found.comparisons}
    assert {(row.a, row.b) for row in found.comparisons} == {("good", "bad")}
    assert {name for name, _ in rows} == {ALL, *ALIGNMENT_SETS}
    scores = by_key(found.scores)
    row = rows[(ALL, "accuracy")]
    assert row.difference == pytest.approx(
        scores[("good", ALL, "accuracy")].value - scores[("bad", ALL, "accuracy")].value
    )
    assert row.ci_low > 0
    assert ("cue-conflict", SHAPE_BIAS) in rows


def test_a_difference_has_the_bootstraps_p_and_one_beyond_its_floor() -> None:
    found = score(observers("good", "bad"))
    row = next(row for row in found.comparisons if (row.data_set, row.metric) == (ALL, "accuracy"))
    assert row.p < row.p_bootstrap == pytest.approx(2 / 51)
    assert (row.task, row.condition, row.n_a, row.n_b) == ("alignment", OVERALL, row.n, row.n)
    plain = narrowed(row, Comparison)
    assert type(plain) is Comparison
    assert asdict(row) == asdict(plain) | {"data_set": ALL, "p_bootstrap": row.p_bootstrap}


def test_baselines_choose_the_pairs() -> None:
    found = score(observers("good", "bad"), baselines=("good",))
    assert {(row.a, row.b) for row in found.comparisons} == {("bad", "good")}
    assert score(observers("good", "bad"), baselines=()).comparisons == ()


def test_an_observer_without_a_data_set_has_no_mean_and_stops_nobody() -> None:
    models = observers("good")
    for name, by_name in observers("bad", leave_out="edge").items():
        models[name] |= by_name
    found = score(models)
    assert [(p.data_set, p.observer) for p in found.problems] == [("edge", "bad")]
    rows = by_key(found.scores)
    assert ("good", ALL, "accuracy") in rows
    assert ("bad", ALL, "accuracy") not in rows
    assert ("bad", "sketch", "accuracy") in rows


def test_a_model_with_other_stimuli_is_a_problem_and_people_are_an_error() -> None:
    models = observers("good", "bad")
    edge = next(one for one in SETS if one.name == "edge")
    strange = replace(trials(edge, "bad"), image_ids=np.array([f"x{k}.png" for k in range(STIMULI)]))
    models["edge"]["bad"] = strange
    found = score(models)
    assert [(p.data_set, p.observer) for p in found.problems] == [("edge", "bad")]
    assert "64 of 64 stimuli are missing" in found.problems[0].reason
    people = {
        "edge": {"subject-01": PEOPLE["edge"]["subject-01"], "subject-02": replace(strange, observer="subject-02")}
    }
    with pytest.raises(DataError, match="does not match the stimuli of edge"):
        score_alignment(people, {}, (edge,), replicates=5)


def test_a_perfect_model_has_a_rank_by_what_is_defined() -> None:
    """It is always right on edge, and so is a person: no kappa, no mean, no plain rank. Why is a note."""
    people, models = observers("subject-01", "subject-02"), observers("good", "bad")
    for group, name in ((people, "subject-01"), (models, "good")):
        own = group["edge"][name]
        group["edge"][name] = replace(own, responses=own.categories)
    found = score_alignment(people, models, SETS, replicates=50)
    rows = by_key(found.scores)
    assert np.isnan([rows["good", ALL, metric].value for metric in ("error_consistency", "mean_rank")]).all()
    assert rows["bad", ALL, "mean_rank"].value == 1.0  # it alone is ranked
    defined = rows["good", ALL, "error_consistency_defined"]
    assert defined.ci_low < defined.value < defined.ci_high
    assert {rows[name, ALL, "mean_rank_defined"].value for name in ("good", "bad")} <= {1.0, 4 / 3, 5 / 3, 2.0}
    (note,) = found.notes
    assert note.startswith(
        "good: error consistency with subject-01 is undefined on edge, because both are always right"
    )
    compared = {row.metric: row.difference for row in found.comparisons if row.data_set == ALL}
    assert np.isnan(compared["error_consistency"])
    assert np.isfinite(compared["error_consistency_defined"])
    assert not {"error_consistency_corrected", "copy_probability"} & set(compared)
    usual = {row.metric for row in score(observers("good", "bad")).comparisons}
    assert usual & {"error_consistency", "error_consistency_defined"} == {"error_consistency"}


def test_every_undefined_kappa_of_people_is_named_once() -> None:
    """The second person has one with the first, and another with the third under another condition."""
    contrast = replace(ALIGNMENT_SETS["contrast"], per_condition=STIMULI, people=3)
    first, second = contrast.kept[:2]
    perfect = {"subject-01": [second], "subject-02": [first, second], "subject-03": [first]}
    people = {}
    for name, conditions in perfect.items():
        own = trials(contrast, name)
        always = np.isin(own.conditions, [contrast.condition(condition) for condition in conditions])
        people[name] = replace(own, responses=np.where(always, own.categories, own.responses))
    found = score_alignment({"contrast": people}, {}, (contrast,), replicates=5)
    assert [note.partition(", because")[0] for note in found.notes] == [
        f"subject-01: error consistency with subject-02 is undefined under {second} of contrast",
        f"subject-02: error consistency with subject-03 is undefined under {first} of contrast",
    ]


def test_some_data_sets_give_no_mean() -> None:
    few = tuple(one for one in SETS if one.name in ("edge", "sketch"))
    found = score(observers("good"), sets=few)
    assert found.problems == ()
    assert {row.data_set for row in found.scores} == {"edge", "sketch"}


def test_missing_people_and_other_sizes_are_said() -> None:
    people = {name: by_name for name, by_name in PEOPLE.items() if name != "sketch"}
    found = score_alignment(people, {}, SETS, replicates=5)
    assert [(p.data_set, p.observer) for p in found.problems] == [("sketch", HUMANS)]
    assert not any(row.data_set == ALL for row in found.scores)
    edge = replace(SETS[13], per_condition=160, people=10)
    one = {"edge": {name: trials(SETS[13], name) for name in ("subject-01", "subject-02")}}
    one = {"edge": {name: replace(t, data_set=edge) for name, t in one["edge"].items()}}
    notes = score_alignment(one, {}, (edge,), replicates=5).notes
    assert notes == ("edge: 64 stimuli; the published set has 160", "edge: 2 people; the published set has 10")


def test_many_models_are_compared_on_the_mean_only() -> None:
    names = [f"model-{k}" for k in range(7)]
    models = {
        one.name: {
            name: replace(trials(one, "good" if k % 2 else "bad"), observer=name) for k, name in enumerate(names)
        }
        for one in SETS
    }
    found = score(models)
    assert len({(row.a, row.b) for row in found.comparisons}) == 21
    assert {(row.data_set, row.metric) for row in found.comparisons} == {
        *((ALL, metric) for metric in SAMPLED), ("cue-conflict", SHAPE_BIAS)
    }  # fmt: skip
    equal = next(row for row in found.comparisons if (row.a, row.b) == ("model-1", "model-3"))
    assert (equal.difference, equal.ci_low, equal.ci_high) == (0, 0, 0)


def test_models_are_ranked_by_the_mean_that_the_scores_have() -> None:
    models = observers("good", "bad")
    del models[SETS[3].name]["bad"]
    found = score(models)
    contests = {one.task: one for one in found.contests}
    assert set(contests) == {one.task for one in SETS}
    lacking = contests.pop(SETS[3].task)
    assert (lacking.models, dict(lacking.lacking)) == (("good",), {"bad": "not measured"})
    ranking = rank_over_tasks("w", "", [(task,) for task in contests], contests, ["bad", "good"])
    assert ranking is not None
    rows = by_key(found.scores)
    for row in ranking.rows:
        own = [rows[(row.model, one.name, "error_consistency")] for one in SETS if one.task in contests]
        assert row.value == pytest.approx(np.mean([part.value for part in own]))
        # The error of a mean of independent data sets, from their intervals; 50 samples each.
        halves = np.array([part.ci_high - part.ci_low for part in own]) / 2
        assert row.ci_high - row.value == pytest.approx(np.sqrt((halves**2).sum()) / len(own), rel=0.3)
    assert ranking.rows[0].value >= ranking.rows[1].value
