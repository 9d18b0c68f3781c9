"""Heads: ridge regression of clips in memory and of sums over them, and what is held out to choose its penalty."""

from __future__ import annotations

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.understanding.linear_heads import PENALTIES, Fitting, fit_head, held_out


def clips(count: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Two blocks of numbers, the first of which tells the class; far from 0 and of unlike sizes."""
    rng = np.random.default_rng(seed)
    actions, groups = np.arange(count) % 3, np.arange(count) // 3
    informed = 1e4 + 0.5 * actions[:, None] + rng.normal(size=(count, 7))
    return [informed.astype(np.float32), (50 * rng.normal(size=(count, 20))).astype(np.float32)], actions, groups


def test_heads_are_ridge_regression_as_scikit_learn_has_it() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    actions, groups = np.arange(120) % 3, np.arange(120) // 3
    blocks = [rng.normal(size=(120, 7)) + actions[:, None], 50 * rng.normal(size=(120, 200))]
    head = fit_head(blocks, actions, groups, 3)
    values = np.concatenate(blocks, axis=1)
    sizes = np.sqrt(np.repeat([7, 200], [7, 200]))
    scaled = (values - values.mean(0)) / values.std(0) / sizes
    oracle = Ridge(alpha=head.penalty * 120).fit(scaled, np.eye(3)[actions])
    expected = oracle.predict(scaled)
    ours = (values - head.centre) * head.scale @ head.weights + head.bias
    np.testing.assert_allclose(ours, expected, atol=1e-8)
    np.testing.assert_array_equal(head.classes(values), expected.argmax(1))
    constant = fit_head([*blocks, np.full((120, 1), 0.1)], actions, groups, 3)
    assert constant.scale[-1] == 0


def test_sums_give_the_head_that_the_clips_themselves_give() -> None:
    from sklearn.linear_model import Ridge

    blocks, actions, groups = clips(600)
    blocks.append(np.full((600, 1), 0.1, np.float32))
    whole = fit_head(blocks, actions, groups, 3)
    summed = Fitting([7, 20, 1], 3, kept=64)
    values = np.concatenate(blocks, axis=1)
    for row, action, out in zip(values, actions.tolist(), held_out(actions, groups, 3).tolist(), strict=True):
        summed.add(row, action, out)
    assert len(summed._clips) < 600 - 64  # the others are in sums
    head = summed.head()
    assert head.penalty == whole.penalty
    for ours, theirs in ((head.centre, whole.centre), (head.scale, whole.scale), (head.bias, whole.bias)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(head.weights, whole.weights, rtol=1e-6, atol=1e-9)
    assert head.scale[-1] == 0
    sizes = np.sqrt(np.repeat([7, 20], [7, 20]))
    exact = values[:, :-1].astype(np.float64)
    scaled = (exact - exact.mean(0)) / exact.std(0) / sizes
    oracle = Ridge(alpha=head.penalty * 600).fit(scaled, np.eye(3)[actions]).predict(scaled)
    ours = (values - head.centre) * head.scale @ head.weights + head.bias
    np.testing.assert_allclose(ours, oracle, atol=1e-7)
    assert 0.4 < (head.classes(values) == actions).mean() < 1  # else any penalty would do


@pytest.mark.parametrize("kept", [None, 64])
def test_the_penalty_is_the_best_on_what_is_held_out(kept: int | None) -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(1)
    actions, groups = np.arange(300) % 3, np.arange(300) // 3
    common, sign = rng.normal(size=(300, 7)), np.array([1, -1, 1, -1, 1, -1, 1])
    told = common + 0.5 * (actions[:, None] - 1) * sign + 0.5 * rng.normal(size=(300, 7))
    # A large penalty does not see small differences of large numbers, a small one sees what is noise.
    values = np.concatenate([told, common, rng.normal(size=(300, 100))], axis=1)
    out = held_out(actions, groups, 3)
    fitting = Fitting([14, 100], 3, kept)
    for row, action, one in zip(values, actions.tolist(), out.tolist(), strict=True):
        fitting.add(row, action, one)
    scaled = (values - values.mean(0)) / values.std(0) / np.sqrt(np.repeat([14, 100], [14, 100]))
    wanted, right = np.eye(3)[actions], []
    for penalty in PENALTIES:
        oracle = Ridge(alpha=penalty * 240).fit(scaled[~out], wanted[~out]).predict(scaled[out])
        right.append((oracle.argmax(1) == actions[out]).mean())
    best = int(np.argmax(right))
    assert 0 < best < len(PENALTIES) - 1
    assert fitting.head().penalty == PENALTIES[best]


def test_groups_are_held_out_whole_and_never_the_only_ones_of_a_class() -> None:
    actions, groups = np.arange(200) % 4, np.arange(200) // 8
    apart = held_out(actions, groups, 4)
    assert apart.sum() == 40
    assert all(len(set(apart[groups == group].tolist())) == 1 for group in range(25))
    rare = actions.copy()
    rare[groups == 4] = 4  # which would be held out
    apart = held_out(rare, groups, 5)
    assert not apart[groups == 4].any()
    assert apart.sum() == 32
    assert held_out(np.zeros(50_000, np.int64), np.arange(50_000), 1).sum() <= 4096


def test_what_heads_cannot_be_fitted_to_is_named() -> None:
    values, actions = [np.zeros((8, 2))], np.arange(8) % 2
    with pytest.raises(DataError, match="5 groups or more to choose a penalty; there are 4"):
        fit_head(values, actions, np.arange(8) // 2, 2)
    with pytest.raises(DataError, match=r"none of the classes \[2\]"):
        fit_head(values, actions, np.arange(8), 3)
    with pytest.raises(DataError, match="each class in groups beside those that are held out"):
        fit_head(values, actions, np.where(actions == 1, 4, np.arange(8) // 2), 2)
