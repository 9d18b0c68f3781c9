from __future__ import annotations

import numpy as np
import pytest
import torch

from vitobench.errors import UnknownNameError
from vitobench.tasks.alignment.decisions import category_scores, decide, imagenet_groups, probabilities
from vitobench.tasks.alignment.experiments import CATEGORIES
from vitobench.tasks.images.classes import entry_level_classes, imagenet_names

# As counted in the reference, in the order of CATEGORIES.
COUNTS = (1, 4, 2, 49, 5, 7, 3, 6, 4, 3, 109, 2, 2, 1, 1, 8)


def same_groups(size: int) -> tuple[tuple[int, ...], ...]:
    """Each class its own category, for models that answer in the categories themselves."""
    return tuple((index,) for index in range(size))


def test_the_mapping() -> None:
    groups = imagenet_groups()
    assert tuple(merged.name for merged in entry_level_classes()) == CATEGORIES
    assert tuple(map(len, groups)) == COUNTS
    indices = [index for group in groups for index in group]
    assert len(set(indices)) == 207
    assert all(list(group) == sorted(group) for group in groups)
    names = imagenet_names()
    for category, some in {
        "airplane": {"airliner"},
        "bear": {"brown bear", "ice bear"},
        "bird": {"robin", "hummingbird", "king penguin"},
        "boat": {"canoe", "lifeboat", "fireboat", "speedboat", "yawl"},
        "cat": {"tabby", "Persian cat", "cougar"},
        "clock": {"analog clock", "digital clock", "wall clock"},
        "dog": {"Japanese spaniel", "golden retriever", "pug"},
        "elephant": {"Indian elephant", "African elephant"},
        "keyboard": {"computer keyboard", "typewriter keyboard"},
        "knife": {"cleaver"},
        "oven": {"rotisserie"},
        "truck": {"pickup", "fire engine", "tow truck"},
    }.items():
        assert some <= {names[index] for index in groups[CATEGORIES.index(category)]}


@pytest.mark.parametrize("rule", ["mean", "sum", "max"])
def test_scores_are_those_of_a_plain_loop(rule: str) -> None:
    logits = np.random.default_rng(0).normal(0, 4, (20, 1000)).astype(np.float32)
    softmax = torch.softmax(torch.from_numpy(logits), 1)
    np.testing.assert_allclose(probabilities(logits), softmax.numpy(), rtol=2e-5)
    merge = {"mean": torch.mean, "sum": torch.sum, "max": torch.amax}[rule]
    expected = torch.stack([merge(softmax[:, list(group)], dim=1) for group in imagenet_groups()], dim=1)
    np.testing.assert_allclose(category_scores(probabilities(logits), rule=rule), expected.numpy(), rtol=1e-4)
    assert decide(logits, rule=rule).tolist() == expected.argmax(1).tolist()


def test_mean_favours_categories_of_one_class_and_sum_those_of_many() -> None:
    logits = np.full((1, 1000), -9.0)
    logits[0, 404] = 2.0  # airliner
    logits[0, list(imagenet_groups()[CATEGORIES.index("dog")])] = 0.0
    assert CATEGORIES[decide(logits)[0]] == "airplane"
    assert CATEGORIES[decide(logits, rule="max")[0]] == "airplane"
    assert CATEGORIES[decide(logits, rule="sum")[0]] == "dog"


def test_of_equal_scores_the_last_category_wins() -> None:
    assert decide(np.zeros((2, 16)), same_groups(16)).tolist() == [15, 15]
    logits = np.zeros((1, 16))
    logits[0, [2, 9]] = 5
    assert decide(logits, same_groups(16)).tolist() == [9]


def test_own_classes_map_to_themselves() -> None:
    logits = np.random.default_rng(1).normal(size=(50, 16))
    assert decide(logits, same_groups(16)).tolist() == logits.argmax(1).tolist()


def test_mistakes() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'mean'"):
        decide(np.zeros((1, 1000)), rule="meen")
    with pytest.raises(ValueError, match=r"shape \(n, 1000\), not \(1, 999\)"):
        decide(np.zeros((1, 999)))
    with pytest.raises(ValueError, match="need 16 classes, not 4"):
        decide(np.zeros((1, 4)), same_groups(16))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        category_scores(np.full((1, 1000), 1.5))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        decide(np.full((1, 1000), np.nan))
