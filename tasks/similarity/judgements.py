"""Judgements of similarity: a model's choices from its features, and a transform that is fitted to judgements.

A triplet is three pictures. People name the one that fits the other two least (THINGS), or which of two pictures is
more like a reference (NIGHTS). Either way a choice leaves a pair: choice k is the pair without picture k. A model
chooses the pair with the largest similarity; pairs that are equally similar share the choice, so a model with
constant features scores chance.

Sources: Hebart, Zheng, Pereira & Baker, Revealing the multidimensional mental representations of natural objects,
Nature Human Behaviour 2020; Muttenthaler et al., VICE, NeurIPS 2022, and Human alignment of neural network
representations, ICLR 2023 (the fitted transform); Fu et al., DreamSim, NeurIPS 2023 (two alternatives).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from . import COSINE, DOT, LIMIT, LINEAR, NAMES, column

PAIRS = ((1, 2), (0, 2), (0, 1))
"""The pair that choice k leaves: the triplet without picture k."""


# From features to similarities, and from similarities to choices.


def similarities(features: np.ndarray, kind: str) -> np.ndarray:
    """Similarity of each pair of each triplet.

    Args:
        features: (n, 3, D), of the three pictures.
        kind: `COSINE` or `DOT`.

    Returns:
        float32 (n, 3), for the pair that each choice leaves; NaN where a feature is not finite, for a cosine where a
        vector is zero, and where the size is not below `LIMIT`.
    """
    vectors = np.asarray(features, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if kind == COSINE:
            vectors = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
        values = np.stack([(vectors[:, a] * vectors[:, b]).sum(axis=1) for a, b in PAIRS], axis=1)
        stored = values.astype(np.float32)
    return np.where(np.abs(stored) < LIMIT, stored, np.float32(np.nan))


def choice_shares(values: np.ndarray, offered: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """How a model's choice is divided among what is offered: 1 for the best, 1/m each where m are equal.

    Args:
        values: (n, 3), similarities by the choice that leaves the pair.
        offered: The choices that people had: all three, or the last two where the first picture is a reference.

    Returns:
        float64 (n, 3), 0 for what is not offered; NaN in rows with a similarity that is not a number.
    """
    chosen = list(offered)
    shares = np.zeros(values.shape)
    part = np.asarray(values, dtype=np.float64)[:, chosen]
    best = part == part.max(axis=1, keepdims=True)
    shares[:, chosen] = best / np.maximum(best.sum(axis=1, keepdims=True), 1)
    shares[np.isnan(part).any(axis=1)] = np.nan
    return shares


def surprise(values: np.ndarray, votes: np.ndarray, offered: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Negative log likelihood of the judgements of each triplet, where choices follow the softmax of similarities.

    Args:
        values: (n, 3), similarities.
        votes: (n, 3), how many people chose what.
        offered: As in `choice_shares`.

    Returns:
        float64 (n,), in nats, summed over the judgements of a triplet; log 3 for each if all are equal, log 2 of two.
    """
    chosen = list(offered)
    part = np.asarray(values, dtype=np.float64)[:, chosen]
    part = part - part.max(axis=1, keepdims=True)
    log_share = part - np.log(np.exp(part).sum(axis=1, keepdims=True))
    return -(np.asarray(votes, dtype=np.float64)[:, chosen] * log_share).sum(axis=1)


# A linear transform of features, fitted on triplets that are not scored.


MOST_DIMENSIONS = 256
"""Features are first turned to as many of their principal axes, which bounds the time of a fit."""

PENALTIES = (0.001, 0.01, 0.1, 1.0)
_ROUNDS = 100
_CHECKED = 5  # every fifth triplet decides between the penalties


@dataclass(frozen=True)
class Transform:
    """A linear map of features, whose dot products predict judgements.

    Attributes:
        centre: (D,), subtracted first.
        axes: (D, d), the map.
    """

    centre: np.ndarray
    axes: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (..., D) in the fitted space, float64 (..., d)."""
        return (np.asarray(features, dtype=np.float64) - self.centre) @ self.axes


def fit_transform(
    features: np.ndarray, triplets: np.ndarray, votes: np.ndarray, offered: Sequence[int] = (0, 1, 2)
) -> Transform:
    """Fit a linear transform by the likelihood of judgements, as a multiple of the identity unless judgements speak.

    The features are centred, turned to their first principal axes and divided by one number, so that the start is the
    dot product of the features themselves with the scale that fits best. The penalty on the squared distance from that
    start is chosen on a fifth of the triplets, and the fit repeated on all.

    Args:
        features: (pictures, D), finite.
        triplets: int (n, 3), places of pictures.
        votes: (n, 3), how many people chose what.
        offered: As in `choice_shares`.

    Raises:
        ValueError: Fewer than 20 triplets, or features that are all alike.
    """
    if len(triplets) < 4 * _CHECKED:
        raise ValueError(f"{len(triplets)} triplets are too few to fit a transform; give {4 * _CHECKED} or more")
    used = np.unique(triplets)
    vectors = np.asarray(features, dtype=np.float64)[used]
    places = np.searchsorted(used, triplets)
    centre = vectors.mean(axis=0)
    _, spread, directions = np.linalg.svd(vectors - centre, full_matrices=False)
    kept = min(MOST_DIMENSIONS, int((spread > 1e-9 * spread[0]).sum())) if spread[0] > 0 else 0
    if not kept:
        raise ValueError("the features of all pictures are alike, so there is nothing to fit")
    basis = directions[:kept].T / np.sqrt((spread[:kept] ** 2).mean() / len(used))
    points = (vectors - centre) @ basis
    check = np.arange(len(places)) % _CHECKED == 0
    problem = _Fit(points, places[~check], np.asarray(votes)[~check], offered)
    start = problem.best_scale()
    losses = [
        _loss(points @ problem.solve(start, penalty), places[check], np.asarray(votes)[check], offered)
        for penalty in PENALTIES
    ]
    final = _Fit(points, places, np.asarray(votes), offered)
    weights = final.solve(final.best_scale(), PENALTIES[int(np.argmin(losses))])
    return Transform(centre, basis @ weights)


def _values(points: np.ndarray, triplets: np.ndarray) -> np.ndarray:
    return np.stack([(points[triplets[:, a]] * points[triplets[:, b]]).sum(axis=1) for a, b in PAIRS], axis=1)


def _loss(points: np.ndarray, triplets: np.ndarray, votes: np.ndarray, offered: Sequence[int]) -> float:
    return float(surprise(_values(points, triplets), votes, offered).sum() / votes[:, list(offered)].sum())


class _Fit:
    """The penalised likelihood of judgements as a function of a square matrix."""

    def __init__(self, points: np.ndarray, triplets: np.ndarray, votes: np.ndarray, offered: Sequence[int]) -> None:
        self._points, self._triplets, self._offered = points, triplets, list(offered)
        self._votes = np.asarray(votes, dtype=np.float64)[:, self._offered]
        self._judgements = self._votes.sum()

    def best_scale(self) -> float:
        """Factor of the features with which their dot products fit best."""
        from scipy.optimize import minimize_scalar

        values = _values(self._points, self._triplets)

        def loss(log_scale: float) -> float:
            votes = np.zeros(values.shape)
            votes[:, self._offered] = self._votes
            return float(surprise(np.exp(2 * log_scale) * values, votes, self._offered).sum() / self._judgements)

        return float(np.exp(minimize_scalar(loss, bounds=(-6.0, 3.0), method="bounded").x))

    def solve(self, scale: float, penalty: float) -> np.ndarray:
        """The matrix (d, d) for points in rows: points @ matrix."""
        from scipy.optimize import minimize

        d = self._points.shape[1]
        usual = d**-0.25  # with this factor, dot products of points differ by about 1
        centre, start = scale * np.eye(d), max(scale, 0.3 * usual) * np.eye(d)  # at 0 there is no slope

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = flat.reshape(d, d)
            loss, slope = self._likelihood(weights)
            away = (weights - centre) / usual
            return loss + penalty * (away**2).sum() / d, (slope + 2 * penalty * away / (usual * d)).ravel()

        found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _ROUNDS})
        return np.asarray(found.x).reshape(d, d)

    def _likelihood(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean negative log likelihood, and its derivative by the matrix."""
        from scipy.sparse import coo_matrix

        turned = self._points @ weights
        values = _values(turned, self._triplets)[:, self._offered]
        values -= values.max(axis=1, keepdims=True)
        shares = np.exp(values)
        total = shares.sum(axis=1, keepdims=True)
        loss = -(self._votes * (values - np.log(total))).sum() / self._judgements
        by_value = (shares / total * self._votes.sum(axis=1, keepdims=True) - self._votes) / self._judgements
        rows = np.concatenate([self._triplets[:, PAIRS[k][0]] for k in self._offered])
        columns = np.concatenate([self._triplets[:, PAIRS[k][1]] for k in self._offered])
        pull = coo_matrix((by_value.T.ravel(), (rows, columns)), shape=(len(turned), len(turned))).tocsr()
        return float(loss), self._points.T @ (pull @ turned + pull.T @ turned)


# What a unit holds.


def numbers_of(
    features: np.ndarray, transform: Transform | None = None, held_out: bool = False
) -> Mapping[str, np.ndarray]:
    """The numbers of triplets as they are stored: each kind of similarity of each pair, by `column`.

    Args:
        features: (n, 3, D), of the three pictures of each triplet.
        transform: Fitted on other triplets.
        held_out: Whether there are other triplets. If so, the columns of `LINEAR` are NaN where nothing could be fitted
            to them; else there are none.
    """
    kinds = {COSINE: similarities(features, COSINE), DOT: similarities(features, DOT)}
    if transform is not None:
        kinds[LINEAR] = similarities(transform(features), DOT)
    elif held_out:
        kinds[LINEAR] = np.full((len(features), len(PAIRS)), np.nan, np.float32)
    return {column(kind, name): values[:, n] for kind, values in kinds.items() for n, name in enumerate(NAMES)}
