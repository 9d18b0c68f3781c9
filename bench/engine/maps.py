"""The numbers of saliency tasks: maps of models and baselines, held against the reference maps of a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ...models.model import Model
from ...models.saliency import attention_maps, gradient_saliency, smooth_gradient_saliency
from ...tasks.images.clickme import MapSource
from ...tasks.images.source import LoadFailure
from ...tasks.kinds.saliency import protocol_of
from ...tasks.saliency.agreement import Reference, agreement, blind_maps, reference_of, total_map
from ...tasks.saliency.protocol import GRADIENT, MEAN_MAP, SMOOTHED, MapProtocol
from ...tasks.task import Task
from ..planning.plan import Pass
from .pixels import one_line

Total = tuple[np.ndarray, int]
"""A sum of reference maps, and how many they are."""

Totals = dict[tuple[str, int, MapProtocol], Total]
"""By digest of the images, their number and the protocol."""


class PassMaps:
    """The reference maps of the images of one pass, read at most once for each way of preparing them.

    Args:
        work: The pass.
        totals: Sums of the reference maps of whole tasks, which its worker keeps from pass to pass.
    """

    def __init__(self, work: Pass, totals: Totals) -> None:
        self._work, self._totals = work, totals
        self._known: dict[MapProtocol, Reference] = {}
        self._broken: dict[MapProtocol, str] = {}

    def failed(self, task: Task, images: int) -> dict[int, LoadFailure]:
        """Why images of the pass have no reference map, by position.

        Args:
            task: What is asked.
            images: How many images of the pass the task takes.
        """
        protocol = self._prepared(task)
        if protocol in self._broken:
            return dict.fromkeys(range(images), LoadFailure(self._broken[protocol], transient=True))
        return {n: failure for n, failure in self._known[protocol].failed.items() if n < images}

    def numbers(
        self, task: Task, observer: str | Model, images: np.ndarray, positions: np.ndarray
    ) -> dict[str, np.ndarray]:
        """How well each map of an observer agrees with the reference; see `agreement`.

        Args:
            task: What is asked.
            observer: A model, or the name of a baseline, which sees no image.
            images: uint8 (m, size, size, 3).
            positions: int (m,), which images of the pass these are; all have a reference map.
        """
        reference = self._known[self._prepared(task)].on(positions)
        if isinstance(observer, str):
            total = self._total(task) if observer == MEAN_MAP else (np.zeros(()), 0)
            return agreement(reference, {"": blind_maps(observer, reference, total)})
        at = [self._work.start + int(position) for position in positions]
        ids = [self._work.source.image_ids[n] for n in at]
        maps = model_maps(observer, images, self._work.source.labels[at], ids, protocol_of(task).samples)
        return agreement(reference, maps)

    def _prepared(self, task: Task) -> MapProtocol:
        """The protocol without what the reference does not depend on; its maps are read here."""
        protocol = replace(protocol_of(task), samples=0)
        if protocol not in self._known and protocol not in self._broken:
            try:
                self._known[protocol] = reference_of(
                    map_source(task, self._work.source), range(self._work.start, self._work.stop), protocol
                )
            except Exception as error:  # a source that breaks costs these images, for now, and no others
                self._broken[protocol] = one_line(error)
        return protocol

    def _total(self, task: Task) -> Total:
        """Of all images of the task, whatever the limit."""
        source, protocol = map_source(task, self._work.source), self._prepared(task)
        key = (source.digest, task.images or len(source.image_ids), protocol)
        if key not in self._totals:
            self._totals[key] = total_map(source, protocol.preparation, key[1])
        return self._totals[key]


def map_source(task: Task, source: object) -> MapSource:
    """The images of a saliency task, which have reference maps.

    Raises:
        ValueError: They have none.
    """
    if not hasattr(source, "maps"):
        raise ValueError(f"the images of {task.name} have no reference maps")
    return source  # type: ignore[return-value]


def model_maps(
    model: Model, images: np.ndarray, labels: np.ndarray, image_ids: Sequence[str], samples: int
) -> dict[str, np.ndarray]:
    """The maps of a model by name.

    Args:
        model: Any model.
        images: uint8 (n, size, size, 3).
        labels: int64 (n,).
        image_ids: n ids.
        samples: Noisy copies of each image for SmoothGrad; 0 gives gradients and masks of attention pooling.

    Returns:
        float32 (n, size, size) each.
    """
    pixels, classes = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(np.asarray(labels))
    if samples:
        maps = {SMOOTHED: smooth_gradient_saliency(model, pixels, classes, image_ids, samples)}
    else:
        maps = {GRADIENT: gradient_saliency(model, pixels, classes)} | attention_maps(model, pixels)
    return {name: own.numpy() for name, own in maps.items()}
