import numpy as np
import pytest
from sklearn.metrics import top_k_accuracy_score

from vitobench.tasks.measures import accepted_correct, pm_k, top_k_correct


def test_top_5_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.random((300, 20)), np.r_[np.arange(20), rng.integers(0, 20, 280)]
    top = np.argsort(-scores, axis=1)[:, :5].astype(np.int16)
    assert top_k_correct(top, labels).mean() == pytest.approx(top_k_accuracy_score(labels, scores, k=5))
    assert top_k_correct(top[:, :1], labels).mean() == pytest.approx(top_k_accuracy_score(labels, scores, k=1))


def test_a_class_that_is_not_known_leaves_a_hole() -> None:
    top = np.array([[3, 2, 1], [3, -1, -1], [3, 2, -1]], np.int16)
    np.testing.assert_array_equal(top_k_correct(top, np.array([1, 3, 1])), [1.0, np.nan, np.nan])


def test_pm_k_needs_the_anchor_and_every_neighbour() -> None:
    rng = np.random.default_rng(1)
    correct = (rng.random(600) < 0.9).astype(np.float32)
    anchors = np.arange(0, 600, 20)
    members = [np.arange(a + 1, a + 1 + rng.integers(0, 19)) for a in anchors]
    expected = []
    for anchor, near in zip(anchors, members, strict=True):
        right = correct[anchor] == 1
        for frame in near:
            if correct[frame] == 0:
                right = False
        expected.append(float(right))
    found = pm_k(anchors, members, correct)
    assert found.tolist() == expected
    assert 0 < sum(expected) < len(expected)
    alone = pm_k(anchors, [np.empty(0, np.int64)] * len(anchors), correct)
    np.testing.assert_array_equal(alone, correct[anchors])
    assert found.mean() <= alone.mean()


def test_any_accepted_class_is_right() -> None:
    assert accepted_correct(np.array([4, 4, 7, -1]), [(4,), [1, 2], {7, 8}, {0}]).tolist() == [1.0, 0.0, 1.0, 0.0]
