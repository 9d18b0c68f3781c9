import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from vitobench.results.statistics import wilson
from vitobench.tasks.labels import Truth
from vitobench.tasks.microworld.vocabulary import CLASSES
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import Scored, score_task
from vitobench.tasks.task import Task

Rows = Callable[..., pd.DataFrame]
Collect = Callable[..., Answers]
VAL = TASKS["micro-val"]


def hits(seed: int, n: int, columns: int, rate: float = 0.6) -> np.ndarray:
    return np.random.default_rng(seed).random((n, columns)) < rate


def table(scored: Scored, model: str) -> dict[tuple[str, str], Any]:
    return {(s.condition, s.metric): s for s in scored.scores if s.model == model}


def plain(scored: Scored) -> list[dict]:
    rows = [asdict(row) for row in (*scored.scores, *scored.comparisons)]
    return [{k: None if v != v else v for k, v in row.items()} for row in rows]


@pytest.fixture
def models(corrupted: Task, make_rows: Rows) -> dict[str, np.ndarray]:
    return {"a": hits(1, 40, 4, 0.7), "b": hits(2, 40, 4, 0.5), "reference": hits(3, 40, 4, 0.4)}


@pytest.fixture
def answers(corrupted: Task, make_rows: Rows, models: dict[str, np.ndarray], collected: Collect) -> dict[str, Answers]:
    return {name: collected(corrupted, name, make_rows(corrupted, values)) for name, values in models.items()}


@pytest.fixture
def clean(make_rows: Rows, collected: Collect) -> dict[str, Answers]:
    # The clean set is longer than the corrupted one, as in the suite.
    rates = {"a": 0.9, "b": 0.85, "reference": 0.8}
    return {name: collected(VAL, name, make_rows(VAL, hits(9, 60, 1, rate))) for name, rate in rates.items()}


def test_accuracies_are_scikit_learns_and_the_interval_is_wilsons(make_rows: Rows, collected: Collect) -> None:
    frame = make_rows(VAL, hits(5, 80, 1, 0.8))
    score = table(score_task(VAL, {"m": collected(VAL, "m", frame)}, []), "m")[("overall", "top1")]
    assert score.value == pytest.approx(accuracy_score(frame["label"], frame["top1"]))
    assert score.value == pytest.approx(balanced_accuracy_score(frame["label"], frame["top1"]))  # 5 images a class
    assert (score.ci_low, score.ci_high) == wilson(round(score.value * 80), 80)
    assert (score.condition, score.metric, score.n) == ("overall", "top1", 80)


def test_corruption_scores_by_hand(
    corrupted: Task, answers: dict[str, Answers], clean: dict[str, Answers], models: dict[str, np.ndarray]
) -> None:
    found = table(score_task(corrupted, answers, [], clean, replicates=300), "a")
    error, other = 1 - models["a"].mean(axis=0), 1 - models["reference"].mean(axis=0)
    noise, fog = error[:2].sum() / other[:2].sum(), error[2:].sum() / other[2:].sum()
    base, other_base = (1 - clean[name].correct[:40].mean() for name in ("a", "reference"))
    relative = [(error[part] - base).sum() / (other[part] - other_base).sum() for part in (slice(0, 2), slice(2, 4))]
    assert found[("overall", "top1")].value == pytest.approx(1 - error.mean())
    assert found[("noise", "top1")].value == pytest.approx(1 - error[:2].mean())
    assert found[("weather/2", "top1")].value == pytest.approx(1 - error[3])
    assert found[("fog/1", "top1")].value == pytest.approx(1 - error[2])
    assert found[("shot_noise", "ce")].value == pytest.approx(noise)
    assert found[("overall", "mce")].value == pytest.approx((noise + fog) / 2)
    assert found[("overall", "relative_mce")].value == pytest.approx(np.mean(relative))
    for score in found.values():
        assert score.ci_low <= score.value <= score.ci_high
        assert score.n == 40
    own = table(score_task(corrupted, answers, [], clean, replicates=50), "reference")[("overall", "mce")]
    assert (own.value, own.ci_low, own.ci_high) == (1.0, 1.0, 1.0)


def test_the_interval_of_a_mean_over_conditions_keeps_an_images_conditions_together(
    corrupted: Task,
    make_rows: Rows,
    collected: Collect,
) -> None:
    # Every image is answered alike under all conditions: four conditions tell no more than one.
    same = np.repeat(hits(6, 100, 1, 0.5), 4, axis=1)
    found = table(score_task(corrupted, {"m": collected(corrupted, "m", make_rows(corrupted, same))}, []), "m")
    whole, cell = found[("overall", "top1")], found[("fog/1", "top1")]
    assert whole.ci_high - whole.ci_low == pytest.approx(cell.ci_high - cell.ci_low, rel=0.1)


def test_a_missing_condition_is_a_hole_in_all_that_needs_it_and_in_nothing_else(
    corrupted: Task,
    make_rows: Rows,
    answers: dict[str, Answers],
    clean: dict[str, Answers],
    models: dict[str, np.ndarray],
    collected: Collect,
) -> None:
    whole = table(score_task(corrupted, answers, [], clean, replicates=100), "a")
    holed = dict(answers) | {"a": collected(corrupted, "a", make_rows(corrupted, models["a"], leave_out=("fog/2",)))}
    scored = score_task(corrupted, holed, [("a", "b")], clean, replicates=100)
    found = table(scored, "a")
    undefined = {key for key, score in found.items() if math.isnan(score.value)}
    assert undefined == {
        ("overall", "top1"), ("overall", "mce"), ("overall", "relative_mce"), ("fog", "top1"), ("fog", "ce"),
        ("weather", "top1"), ("weather/2", "top1"), ("fog/2", "top1"),
    }  # fmt: skip
    for key in undefined:
        assert math.isnan(found[key].ci_low)
        assert math.isnan(found[key].ci_high)
    for key in set(found) - undefined:
        assert found[key] == whole[key]
    compared = {(c.condition, c.metric) for c in scored.comparisons}
    assert not compared & undefined
    assert ("shot_noise", "ce") in compared


def test_a_hole_of_the_reference_reaches_only_what_it_normalises(
    corrupted: Task,
    make_rows: Rows,
    answers: dict[str, Answers],
    clean: dict[str, Answers],
    models: dict[str, np.ndarray],
    collected: Collect,
) -> None:
    rows = make_rows(corrupted, models["reference"], leave_out=("shot_noise/1",))
    scored = score_task(corrupted, answers | {"reference": collected(corrupted, "r", rows)}, [], clean)
    found = table(scored, "a")
    undefined = {key for key, score in found.items() if math.isnan(score.value)}
    assert undefined == {("overall", "mce"), ("overall", "relative_mce"), ("shot_noise", "ce")}
    assert not scored.reasons


def test_a_reference_that_never_errs_is_told_apart_from_a_hole(
    corrupted: Task,
    make_rows: Rows,
    answers: dict[str, Answers],
    clean: dict[str, Answers],
    models: dict[str, np.ndarray],
    collected: Collect,
) -> None:
    perfect = models["reference"].copy()
    perfect[:, 2:] = True  # it never errs under fog
    everyone = answers | {"reference": collected(corrupted, "r", make_rows(corrupted, perfect))}
    # One model lacks shot noise: its CE of fog is undefined, but its mCE was not measured.
    rows = make_rows(corrupted, models["b"], leave_out=("shot_noise/1",))
    everyone["b"] = collected(corrupted, "b", rows)
    scored = score_task(corrupted, everyone, [], clean, replicates=100)
    for name in ("a", "b"):
        assert math.isnan(table(scored, name)[("overall", "mce")].value)
        assert math.isnan(table(scored, name)[("fog", "ce")].value)
        assert scored.reasons[(name, corrupted.name, "fog", "ce")] == "reference never errs under fog"
    assert scored.reasons[("a", corrupted.name, "overall", "mce")] == "reference never errs under some corruption"
    assert ("b", corrupted.name, "overall", "mce") not in scored.reasons
    assert math.isfinite(table(scored, "a")[("shot_noise", "ce")].value)
    assert math.isnan(table(scored, "b")[("shot_noise", "ce")].value)
    assert ("b", corrupted.name, "shot_noise", "ce") not in scored.reasons
    assert not score_task(corrupted, answers, [], clean, replicates=100).reasons


def test_without_the_reference_only_its_numbers_are_missing(
    corrupted: Task, answers: dict[str, Answers], clean: dict[str, Answers]
) -> None:
    del answers["reference"]
    scored = score_task(corrupted, answers, [("a", "b")], clean, replicates=100)
    found = table(scored, "a")
    assert {k[1] for k, s in found.items() if math.isnan(s.value)} == {"ce", "mce", "relative_mce"}
    assert {c.metric for c in scored.comparisons} == {"top1"}


def test_without_clean_answers_only_the_relative_error_is_missing(corrupted: Task, answers: dict[str, Answers]) -> None:
    found = table(score_task(corrupted, answers, [], None, replicates=100), "a")
    assert [k for k, s in found.items() if math.isnan(s.value)] == [("overall", "relative_mce")]


def test_a_model_without_answers_has_holes_and_disturbs_nobody(
    corrupted: Task,
    make_rows: Rows,
    answers: dict[str, Answers],
    clean: dict[str, Answers],
    models: dict[str, np.ndarray],
    collected: Collect,
) -> None:
    empty = collected(corrupted, "c", make_rows(corrupted, models["a"]).iloc[:0])
    before = score_task(corrupted, answers, [("a", "b")], clean, replicates=100)
    after = score_task(corrupted, answers | {"c": empty}, [("a", "b"), ("a", "c")], clean, replicates=100)
    assert all(math.isnan(s.value) and s.n == 0 for s in table(after, "c").values())
    assert [row for row in plain(after) if row.get("model") != "c"] == plain(before)


def test_undecodable_images_shrink_n(
    corrupted: Task, make_rows: Rows, answers: dict[str, Answers], collected: Collect
) -> None:
    few = collected(corrupted, "a", make_rows(corrupted, hits(1, 40, 4, 0.7)[:37]))
    scored = score_task(corrupted, answers | {"a": few}, [("a", "b")], replicates=100)
    assert {s.n for s in table(scored, "a").values()} == {37}
    assert {s.n for s in table(scored, "b").values()} == {40}
    assert {c.n for c in scored.comparisons} == {37}


def test_models_are_paired_by_image_and_not_by_position(
    corrupted: Task,
    make_rows: Rows,
    answers: dict[str, Answers],
    clean: dict[str, Answers],
    models: dict[str, np.ndarray],
    collected: Collect,
) -> None:
    shuffled = {}
    for seed, (name, values) in enumerate(models.items()):
        frame = make_rows(corrupted, values).sample(frac=1, random_state=seed, ignore_index=True)
        shuffled[name] = collected(corrupted, name, frame)
    pairs = [("a", "b"), ("b", "reference")]
    assert plain(score_task(corrupted, shuffled, pairs, clean)) == plain(score_task(corrupted, answers, pairs, clean))
    # Half of the images each, with ten in common: the comparison speaks of those ten.
    names = [f"i{n:03d}" for n in range(40)]
    first = collected(corrupted, "a", make_rows(corrupted, models["a"][:25], names[:25]))
    last = collected(corrupted, "b", make_rows(corrupted, models["b"][15:], names[15:]))
    scored = score_task(corrupted, {"a": first, "b": last}, [("a", "b")])
    overall = next(c for c in scored.comparisons if c.condition == "overall")
    assert overall.n == 10
    assert overall.difference == pytest.approx(models["a"][15:25].mean() - models["b"][15:25].mean())


def test_differences_have_a_sign_and_equal_models_none(
    corrupted: Task,
    make_rows: Rows,
    answers: dict[str, Answers],
    clean: dict[str, Answers],
    models: dict[str, np.ndarray],
    collected: Collect,
) -> None:
    same = collected(corrupted, "same", make_rows(corrupted, models["a"]))
    everyone = answers | {"same": same}
    known = clean | {"same": clean["a"]}
    scored = score_task(corrupted, everyone, [("a", "b"), ("b", "a"), ("a", "same")], known)
    found = {(c.a, c.b, c.condition, c.metric): c for c in scored.comparisons}
    better = found[("a", "b", "overall", "top1")]
    assert better.difference == pytest.approx(models["a"].mean() - models["b"].mean())
    assert 0 < better.ci_low <= better.difference <= better.ci_high
    assert better.p < 0.01
    mirrored = found[("b", "a", "overall", "top1")]
    assert (mirrored.difference, mirrored.ci_low, mirrored.ci_high, mirrored.p) == pytest.approx(
        (-better.difference, -better.ci_high, -better.ci_low, better.p)
    )
    assert found[("a", "b", "overall", "mce")].difference < 0
    for (_, b, _, _), row in found.items():
        if b == "same":
            assert (row.difference, row.ci_low, row.ci_high, row.p) == (0.0, 0.0, 0.0, 1.0)


def test_pairing_narrows_a_difference_of_models_that_agree(make_rows: Rows, collected: Collect) -> None:
    a = hits(7, 300, 1, 0.7)
    b = a.copy()
    b[:6] = ~b[:6]
    own = {name: collected(VAL, name, make_rows(VAL, values)) for name, values in (("a", a), ("b", b))}
    scored = score_task(VAL, own, [("a", "b")])
    row = next(c for c in scored.comparisons if c.metric == "top1")
    low, high = scored.scores[0].ci_low, scored.scores[0].ci_high
    assert row.ci_high - row.ci_low < 0.5 * (high - low)


def test_perfect_and_hopeless_models_have_one_sided_intervals(make_rows: Rows, collected: Collect) -> None:
    everyone = {
        name: collected(VAL, name, make_rows(VAL, np.full((30, 1), value)))
        for name, value in (("p", True), ("h", False))
    }
    scored = score_task(VAL, everyone, [])
    perfect, hopeless = (table(scored, name)[("overall", "top1")] for name in "ph")
    assert (perfect.value, perfect.ci_high) == (1.0, 1.0)
    assert 0.8 < perfect.ci_low < 1.0
    assert (hopeless.value, hopeless.ci_low) == (0.0, 0.0)
    assert 0.0 < hopeless.ci_high < 0.2


def test_cue_conflict_counts_decisions(make_rows: Rows, collected: Collect) -> None:
    task = TASKS["micro-cue-conflict"]
    # A miss decides for the next class, which is the texture here for the first 24 images; the others show no such cue.
    correct = hits(8, 40, 1, 0.6)
    textures = {f"i{n:03d}": (n + (1 if n < 24 else 5)) % 16 for n in range(40)}
    answers = {"m": collected(task, "m", make_rows(task, correct))}
    scored = score_task(task, answers, [], truth=Truth(textures=textures, categories=CLASSES))
    found = table(scored, "m")
    shape, texture = int(correct.sum()), int((~correct[:24]).sum())
    overall = found[("overall", "shape_bias")]
    assert overall.value == pytest.approx(shape / (shape + texture))
    assert overall.n == shape + texture
    assert overall.ci_low < overall.value < overall.ci_high
    assert found[("overall", "top1")].value == pytest.approx(correct.mean())
    ball = [n for n in range(40) if n % 16 == 0]
    row = next(r for r in scored.shape_decisions if r["category"] == CLASSES[0])
    s, t = int(correct[ball].sum()), sum(int(not correct[n, 0]) for n in ball if n < 24)
    assert (row["shape"], row["texture"], row["other"]) == (s, t, len(ball) - s - t)
    assert sum(r["shape"] + r["texture"] + r["other"] for r in scored.shape_decisions) == 40
    by_category = found[(CLASSES[0], "shape_bias")]
    assert by_category.n == s + t
    assert by_category.value == pytest.approx(s / (s + t), nan_ok=True)
