"""The numbers of judgements of similarity: features of the pictures of a pass, compared pair by pair."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...errors import VitobenchError
from ...models.batching import in_batches
from ...models.model import Model
from ...tasks.images.source import LoadFailure
from ...tasks.similarity.judgements import Transform, fit_transform, numbers_of
from ...tasks.similarity.triplets import TripletSource
from ...tasks.task import Task
from ..planning.plan import Pass

_CHUNK = 64  # pictures that are read at a time for the fit

Fits = dict[tuple[str, str], Transform | None]
"""By digest of the triplets and identity of the model; None where nothing can be fitted."""


class PassTriplets:
    """The triplets of one pass, whose pictures a model looks at one by one.

    Args:
        work: The pass.
        fits: Transforms that its worker keeps from pass to pass: each is fitted once, on triplets that are not scored.
        batch: Pictures per forward pass.
    """

    def __init__(self, work: Pass, fits: Fits, batch: int) -> None:
        self._work, self._fits, self._batch = work, fits, batch
        if not isinstance(work.source, TripletSource):
            raise ValueError(f"{work.source.name} is no set of triplets")
        self._source = work.source

    def failed(self, task: Task, images: int) -> dict[int, LoadFailure]:
        """Nothing: a triplet that lacks a picture could not be read in the first place."""
        return {}

    def numbers(
        self, task: Task, observer: str | Model, images: np.ndarray, positions: np.ndarray
    ) -> Mapping[str, np.ndarray]:
        """Similarities of the pictures of each triplet; see `judgements.numbers_of`.

        Args:
            task: What is asked.
            observer: A model.
            images: uint8 (m, 3 x size, size, 3), three pictures one above the other.
            positions: int (m,), which triplets of the pass these are.

        Raises:
            VitobenchError: It is a baseline without a network, which has no features.
        """
        if isinstance(observer, str):
            raise VitobenchError(f"{observer} has no features, which {task.name} compares.")
        size = images.shape[2]
        features = self._features(observer, images.reshape(-1, size, size, 3))
        transform = self._fitted(observer, task)
        return numbers_of(features.reshape(len(images), 3, -1), transform, len(self._source.held_out) > 0)

    def _features(self, model: Model, pictures: np.ndarray) -> np.ndarray:
        """float32 (n, D) of uint8 (n, size, size, 3)."""
        values, self._batch = in_batches(model.features, pictures, self._batch, model.device)
        return values.flatten(1).float().cpu().numpy()

    def _fitted(self, model: Model, task: Task) -> Transform | None:
        key = (self._work.units[0].planned.data_digest, model.spec.identity)
        if key not in self._fits:
            self._fits[key] = self._fit(model, task)
        return self._fits[key]

    def _fit(self, model: Model, task: Task) -> Transform | None:
        """The transform of the held-out triplets whose pictures are all there."""
        held_out = self._source.held_out
        whole = (held_out.triplets >= 0).all(axis=1)
        used = np.unique(held_out.triplets[whole])
        if not len(used):
            return None
        features: np.ndarray | None = None
        readable = np.zeros(len(used), dtype=bool)
        for start in range(0, len(used), _CHUNK):
            part = used[start : start + _CHUNK]
            pixels, unread = self._source.pictures.load(part.tolist(), self._work.geometry)
            own = self._features(model, pixels)
            features = np.empty((len(used), own.shape[1]), np.float32) if features is None else features
            features[start : start + len(part)] = own
            there = [n not in unread for n in range(len(part))]
            readable[start : start + len(part)] = there & np.isfinite(own).all(axis=1)
        assert features is not None
        places = np.searchsorted(used, held_out.triplets[whole])
        kept = readable[places].all(axis=1)
        try:
            return fit_transform(features, places[kept], held_out.votes[whole][kept], _offered(task))
        except ValueError:
            return None


def _offered(task: Task) -> tuple[int, ...]:
    from ...tasks.kinds.similarity import Similarity

    assert isinstance(task.kind, Similarity)
    return task.kind.offered
