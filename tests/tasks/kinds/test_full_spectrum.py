"""Unseen classes against clean and shifted images of the known ones: numbers of scikit-learn, and what is lacking."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from vitobench.tasks.kinds.unseen import part_of
from vitobench.tasks.registry import get_task
from vitobench.tasks.scoring.samples import Answers
from vitobench.tasks.scoring.score import score_task

TASK = get_task("openood-ninco-full-spectrum")
ONE, CORRUPTED, OTHER = TASK.shifted


def answers(name: str, count: int, mean: float, conditions: int = 1) -> Answers:
    """Confidences of some images around a mean."""
    rng = np.random.default_rng([len(name), count])
    confidence = np.clip(rng.normal(mean, 0.2, (count, conditions)), 0.01, 1).astype(np.float32)
    ids = np.array([f"{name}-{n:03d}" for n in range(count)])
    none = np.full((count, conditions), -1, np.int16)
    return Answers("m", ids, none, none.astype(np.float32), np.full(count, -1), confidence)


UNSEEN = answers("unseen", 40, 0.4)
CLEAN = answers("clean", 60, 0.8)
SHIFTED = {
    ONE: answers("v2", 30, 0.7),
    CORRUPTED: answers("corrupted", 100, 0.5, conditions=75),
    OTHER: answers("r", 20, 0.45),
}


def scored(shifted: dict[str, Answers]) -> dict[str, float]:
    clean = replace(CLEAN, shifted=shifted)
    found = score_task(TASK, {"m": UNSEEN}, [], clean={"m": clean}, replicates=50)
    return {score.metric: score.value for score in found.scores}


def test_numbers_are_those_of_scikit_learn() -> None:
    found = scored(SHIFTED)
    rows, columns = part_of(SHIFTED[CORRUPTED].image_ids, 75)
    known = np.concatenate(
        [
            CLEAN.confidence[:, 0],
            SHIFTED[ONE].confidence[:, 0],
            SHIFTED[CORRUPTED].confidence[rows, columns],
            SHIFTED[OTHER].confidence[:, 0],
        ]
    )
    values = np.concatenate([known, UNSEEN.confidence[:, 0]])
    truth = np.repeat([1, 0], [len(known), 40])
    assert found["full_spectrum_auroc"] == pytest.approx(roc_auc_score(truth, values))
    for positive, sign, name in ((truth, 1, "known"), (1 - truth, -1, "unseen")):
        precision, recall, _ = precision_recall_curve(positive, sign * values)
        assert found[f"full_spectrum_aupr_{name}"] == pytest.approx(auc(recall, precision))
        steps = average_precision_score(positive, sign * values)  # without trapezoids
        assert found[f"full_spectrum_aupr_{name}"] == pytest.approx(steps, abs=0.02)
    alarms, hits, _ = roc_curve(1 - truth, -values, drop_intermediate=False)
    assert found["full_spectrum_fpr95"] == pytest.approx(alarms[np.argmax(hits >= 0.95)])
    alone = score_task(get_task("openood-ninco"), {"m": UNSEEN}, [], clean={"m": CLEAN}, replicates=50)
    (plain,) = [score.value for score in alone.scores if score.metric == "auroc"]
    assert plain > found["full_spectrum_auroc"]  # shifted images are less sure than clean ones


def test_no_number_is_made_of_a_part_of_the_sets() -> None:
    clean = replace(CLEAN, shifted={ONE: SHIFTED[ONE], OTHER: SHIFTED[OTHER]})
    found = score_task(TASK, {"m": UNSEEN}, [], clean={"m": clean}, replicates=50)
    assert all(math.isnan(score.value) for score in found.scores)
    assert {*found.reasons.values()} == {
        f"known images are needed of each of imagenet-val, {ONE}, {CORRUPTED}, {OTHER}; run them as well"
    }


def test_a_fifth_of_corrupted_images_is_known_each_under_one_condition() -> None:
    ids = np.array([f"n01440764/{n}.JPEG" for n in range(5000)])
    rows, columns = part_of(ids, 75)
    assert 900 < len(rows) < 1100
    counts = np.bincount(columns, minlength=75)
    assert len(counts) == 75
    assert counts.min() > 0
    again = part_of(ids[::-1], 75)
    assert dict(zip(ids[rows], columns, strict=True)) == dict(zip(ids[::-1][again[0]], again[1], strict=True))
    np.testing.assert_array_equal(part_of(ids[:7], 1), [np.arange(7), np.zeros(7)])
    # In every process, and on every machine: by BLAKE2b of the name, as a number.
    numbers = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") for name in ids.tolist()]
    assert rows.tolist() == [row for row, number in enumerate(numbers) if number % 5 == 0]
    assert columns.tolist() == [number // 5 % 75 for number in numbers if number % 5 == 0]
