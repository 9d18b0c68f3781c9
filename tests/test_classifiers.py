"""Classifiers on more features than are read at once: blocks change nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from vitobench import classifiers
from vitobench.classifiers import Standardised, fit_validated, minimise, nearest


@pytest.fixture
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Features in half precision, mapped from a file, of which 64 rows are read at once."""
    monkeypatch.setattr(classifiers, "AT_ONCE", 64)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(300, 12)) * np.geomspace(0.01, 100, 12) + 5
    np.save(tmp_path / "f.npy", values.astype(np.float16))
    return np.load(tmp_path / "f.npy", mmap_mode="r")


def labels_of(values: np.ndarray) -> np.ndarray:
    scaled = (values - values.mean(0)) / values.std(0)
    return np.asarray(scaled[:, 0].round().clip(-1, 1) + 1, dtype=np.int64)


def test_blocks_are_standardised_as_a_whole_is(mapped: np.ndarray) -> None:
    rows = Standardised(mapped)
    blocks = list(rows.blocks())
    assert [len(block) for _, block in blocks] == [64, 64, 64, 64, 44]
    whole = mapped.astype(np.float64)
    expected = (whole - whole.mean(0)) / whole.std(0, ddof=1)
    np.testing.assert_allclose(torch.cat([block for _, block in blocks]).numpy(), expected, atol=1e-4)
    some = torch.arange(300) % 3 == 0
    part = rows.part(some)
    assert len(part) == 100
    np.testing.assert_allclose(torch.cat([block for _, block in part.blocks()]).numpy(), expected[::3], atol=1e-4)


def test_a_fit_in_blocks_is_that_of_scikit_learn(mapped: np.ndarray) -> None:
    labels = labels_of(mapped.astype(np.float64))
    weight, bias = minimise(Standardised(mapped), torch.from_numpy(labels), 3, 1e-2)
    whole = mapped.astype(np.float64)
    scaled = (whole - whole.mean(0)) / whole.std(0, ddof=1)
    oracle = LogisticRegression(C=1 / (2 * 1e-2 * 300), max_iter=5000, tol=1e-9).fit(scaled, labels)
    probabilities = (torch.from_numpy(scaled).float() @ weight.T + bias).softmax(1)
    np.testing.assert_allclose(probabilities.numpy(), oracle.predict_proba(scaled), atol=1e-3)


def test_a_choice_in_blocks_is_that_on_a_whole(mapped: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.from_numpy(labels_of(mapped.astype(np.float64)))
    held = torch.arange(300) % 5 == 4
    blocks = fit_validated(mapped, labels, 3, (1.0, 1e-2), held, warm=True)
    monkeypatch.setattr(classifiers, "AT_ONCE", 1000)
    whole = fit_validated(torch.from_numpy(mapped.astype(np.float32)), labels, 3, (1.0, 1e-2), held, warm=True)
    assert (blocks.penalty, blocks.validation) == (whole.penalty, whole.validation)
    torch.testing.assert_close(blocks.raw.weight, whole.raw.weight, rtol=1e-2, atol=1e-3)


def test_neighbours_in_blocks_are_those_of_scikit_learn(mapped: np.ndarray) -> None:
    queries = np.random.default_rng(1).normal(size=(20, 12)) * np.geomspace(0.01, 100, 12) + 5
    near, which = nearest(mapped, torch.from_numpy(queries), 7, lengths=True)
    oracle = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(mapped.astype(np.float64))
    distances, rows = oracle.kneighbors(queries)
    np.testing.assert_allclose(1 - near.numpy(), distances, atol=1e-5)
    assert (which.numpy() == rows).mean() > 0.95  # rounding may change the order of the nearly equal
