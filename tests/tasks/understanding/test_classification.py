"""Heads on frozen features of images: against scikit-learn, on features that tell all, and what cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import pytest
import torch

from vitobench.errors import DataError
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.understanding import classification
from vitobench.tasks.understanding.classification import Classifying, drawn

PENALTIES = (1e-1, 1e-2, 1e-3)


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strong ones, with which fits end soon."""
    monkeypatch.setattr(classification, "PENALTIES", PENALTIES)


@dataclass
class Numbered:
    """Images that are numbers, with classes."""

    labels: np.ndarray
    name: str = "numbered"

    @property
    def image_ids(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{n:04d}" for n in range(len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Sets:
    """Images that are asked and others."""

    asked: Numbered
    learning: Numbered
    validation: np.ndarray | None = None
    shots: Mapping[float, np.ndarray] = field(default_factory=dict)
    fitted: dict[tuple[str, str], Any] = field(default_factory=dict)
    digest: str = "sets"
    name: str = "sets"

    @property
    def image_ids(self) -> tuple[str, ...]:
        return self.asked.image_ids

    def class_of(self, position: int) -> int:
        return int(self.asked.labels[position])


@dataclass
class Known:
    """An encoder whose features are written down."""

    asked: np.ndarray
    learning: np.ndarray
    identity: str = "known@1"
    name: str = "known"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    unread: frozenset[int] = frozenset()
    reads: int = 0

    def features(self, source: Any, positions: Sequence[int]) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        failed = {n: LoadFailure("it is broken", False) for n, at in enumerate(positions) if at in self.unread}
        return self.asked[list(positions)].astype(np.float32), failed

    def learned(self, source: Any, positions: Sequence[int]) -> np.ndarray:
        self.reads += 1
        return self.learning[list(positions)].astype(np.float16)


def answers(how: Classifying, encoder: Known, sets: Sets) -> Mapping[str, np.ndarray]:
    return how.examiner(encoder, sets).numbers(list(range(len(sets.asked)))).values  # type: ignore[arg-type]


def clusters(noise: float, n: int = 240) -> tuple[Known, Sets]:
    """Features in half precision already, in four clusters that overlap, on scales of their own."""
    rng = np.random.default_rng(3)
    centres, scales = rng.normal(size=(4, 10)), np.geomspace(0.1, 30, 10)
    learning, asked = np.arange(n) % 4, rng.integers(0, 4, 60)
    values = [
        ((centres[labels] + noise * rng.normal(size=(len(labels), 10))) * scales + 2).astype(np.float16).astype(float)
        for labels in (asked, learning)
    ]
    return Known(*values), Sets(Numbered(asked), Numbered(learning, "others"))


def test_heads_on_features_that_are_the_class_are_never_wrong() -> None:
    labels, others = np.arange(30) % 10, np.arange(600) % 10
    how = Classifying(10, shares=(0.1, 0.02))
    found = answers(how, Known(np.eye(10)[labels], np.eye(10)[others]), Sets(Numbered(labels), Numbered(others)))
    assert set(found) == {"knn class", "linear class", "linear-10 class", "linear-2 class", "true class"}
    for named in found.values():
        np.testing.assert_array_equal(named, labels)


def test_neighbours_vote_as_in_scikit_learn() -> None:
    from sklearn.neighbors import KNeighborsClassifier

    encoder, sets = clusters(1.5)
    found = answers(Classifying(4), encoder, sets)["knn class"]
    oracle = KNeighborsClassifier(
        20, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / 0.07)
    ).fit(encoder.learning, sets.learning.labels)
    np.testing.assert_array_equal(found, oracle.predict(encoder.asked))
    assert 0.3 < (found == sets.asked.labels).mean() < 0.95


@pytest.mark.parametrize("published", [False, True])
def test_linear_heads_choose_and_name_as_scikit_learn_does(published: bool) -> None:
    from sklearn.linear_model import LogisticRegression

    encoder, sets = clusters(2.0)
    held = np.arange(240) % 5 == 4
    if published:
        held = np.arange(240) >= 100
        sets.validation = held
    found = answers(Classifying(4), encoder, sets)["linear class"]
    labels, mean, deviation = sets.learning.labels, encoder.learning.mean(0), encoder.learning.std(0, ddof=1)
    x = (encoder.learning - mean) / deviation

    def fitted(rows: np.ndarray, penalty: float) -> LogisticRegression:
        strength = 1 / (2 * penalty * rows.sum())
        return LogisticRegression(C=strength, max_iter=5000, tol=1e-9).fit(x[rows], labels[rows])

    best = max(PENALTIES, key=lambda penalty: fitted(~held, penalty).score(x[held], labels[held]))
    expected = fitted(np.ones(240, dtype=bool), best).predict((encoder.asked - mean) / deviation)
    np.testing.assert_array_equal(found, expected)


def test_parts_are_balanced_nested_and_follow_from_names() -> None:
    labels = np.repeat(np.arange(5), [100, 100, 60, 30, 7])
    ids = [f"{label}/{n}" for n, label in enumerate(labels)]
    tenth, half = drawn(ids, labels, share=0.1), drawn(ids, labels, share=0.5)
    assert np.bincount(labels[tenth]).tolist() == [10, 10, 6, 3, 1]
    assert {*tenth} < {*half}
    assert np.bincount(labels[drawn(ids, labels, each=20)]).tolist() == [20, 20, 20, 20, 7]
    assert np.bincount(labels[drawn(ids, labels, share=0.001)]).tolist() == [1] * 5
    order = np.random.default_rng(0).permutation(len(ids))
    again = drawn([ids[n] for n in order], labels[order], share=0.1)
    assert {ids[order[n]] for n in again} == {ids[n] for n in tenth}
    # In every process, and on every machine: by BLAKE2b of the names.
    first = sorted(ids[:100], key=lambda name: blake2b(name.encode(), digest_size=8).digest())[:10]
    assert {ids[n] for n in tenth if n < 100} == {*first}
    with pytest.raises(ValueError, match="not both"):
        drawn(ids, labels, share=0.1, each=3)


def test_a_published_part_is_taken_in_place_of_a_drawn_one() -> None:
    encoder, sets = clusters(1.0)
    sets.shots = {0.1: np.arange(24)}
    found = answers(Classifying(4, shares=(0.1,)), encoder, sets)["linear-10 class"]
    few = Sets(sets.asked, Numbered(sets.learning.labels[:24]))
    alone = answers(Classifying(4), Known(encoder.asked, encoder.learning[:24]), few)["linear class"]
    np.testing.assert_array_equal(found, alone)


def test_images_of_each_class_can_be_bounded() -> None:
    encoder, sets = clusters(1.0)
    how = Classifying(4, each=15)
    assert np.bincount(sets.learning.labels[how.positions(sets)]).tolist() == [15] * 4  # type: ignore[arg-type]
    assert how.learns(sets) == 60  # type: ignore[arg-type]
    assert how.brief().learns(sets) == 5  # type: ignore[arg-type]
    assert len(how.examiner(encoder, sets).heads().bank) == 60  # type: ignore[arg-type]


def test_heads_are_fitted_once_and_what_cannot_be_read_is_counted() -> None:
    encoder, sets = clusters(1.0)
    encoder.unread, encoder.asked[7] = frozenset({3}), np.inf
    for _ in range(2):  # as two passes of a run
        numbers = Classifying(4).examiner(encoder, sets).numbers([2, 3, 5, 7])  # type: ignore[arg-type]
    assert encoder.reads == 1
    assert numbers.positions.tolist() == [2, 5]
    reasons = {position: failure.reason for position, failure in numbers.failed.items()}
    assert reasons == {3: "it is broken", 7: "its features are not all finite"}
    assert Classifying(4).examiner(encoder, sets).numbers([3]).values == {}  # type: ignore[arg-type]


def test_every_encoder_and_every_setting_has_heads_of_its_own() -> None:
    encoder, sets = clusters(2.0)
    other = Known(encoder.asked[:, ::-1], encoder.learning[:, :3].repeat(4, axis=1)[:, :10], identity="other@2")
    settings = (Classifying(4), Classifying(4, each=15), Classifying(4, neighbours=1))
    together = [answers(how, one, sets) for how in settings for one in (encoder, other)]
    for found, (how, one) in zip(together, [(how, one) for how in settings for one in (encoder, other)], strict=True):
        alone = answers(how, one, Sets(sets.asked, sets.learning))
        assert found.keys() == alone.keys()
        for name, named in alone.items():
            np.testing.assert_array_equal(found[name], named)
    votes = {found["knn class"].tobytes() for found in together}
    assert len(votes) == len(together)  # they are not equal anyway


def test_what_heads_cannot_learn_from_stops_the_model() -> None:
    encoder, sets = clusters(1.0)
    encoder.learning[11, 4] = np.nan
    with pytest.raises(DataError, match=r"others-0011, from which heads learn, cannot be read"):
        answers(Classifying(4), encoder, sets)
    few = Sets(sets.asked, Numbered(sets.learning.labels[:4]))
    with pytest.raises(DataError, match="5 images or more to learn from; there are 4"):
        answers(Classifying(4), Known(encoder.asked, encoder.learning[:4]), few)
    with pytest.raises(ValueError, match="no others with classes"):
        Classifying(4).examiner(encoder, sets.asked)  # type: ignore[arg-type]
