"""Compute maps shard by shard; images are read once for all models that lack them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..errors import VitobenchError
from ..models import registry
from ..models.model import Model
from ..models.saliency import attention_maps, gradient_saliency, smooth_gradient_saliency
from ..models.spec import ModelSpec
from ..results.saliency import write_shard
from ..results.schema import Failure
from ..results.store import Store
from ..tasks.alignment.saliency.baselines import BASELINES, CENTRE, MEAN_MAP, centre_maps, mean_maps, total_map
from ..tasks.alignment.saliency.rows import Reference, reference_of, rows_of
from ..tasks.data.geometry import Geometry
from ..tasks.data.source import LoadFailure
from ..text import escaped
from .executors.device import choose_device
from .progress import bar
from .saliency import MAPS, Piece, Plan

if TYPE_CHECKING:
    from rich.console import Console

Maps = dict[str, np.ndarray]


def compute(
    plan: Plan, todo: Mapping[tuple[int, int], Sequence[Piece]], store: Store, console: Console | None
) -> tuple[list[Failure], int]:
    """Compute and store what is missing.

    A model that fails is reported and skipped from there on. A shard in which an image could temporarily not be read is
    not stored, so that the next run tries it again.

    Args:
        plan: The task and who is compared.
        todo: From `Plan.missing`.
        store: Where rows go.
        console: Where to show progress; None is silent.

    Returns:
        What went wrong, and the number of maps, one for each image and explainer.

    Raises:
        VitobenchError: A device that cannot be used, or a store that cannot be written.
    """
    device = choose_device(plan.request.device)
    models: dict[str, Model] = {}
    failures: dict[str, Failure] = {}
    passing: dict[Failure, None] = {}
    computed = 0
    total = _total(plan, todo, console)
    with bar(console, "Saliency", sum((stop - start) * len(pieces) for (start, stop), pieces in todo.items())) as move:
        for (start, stop), pieces in todo.items():
            shard = _Shard(plan, start, stop)
            for piece in pieces:
                if piece.name not in failures:
                    failed: dict[int, LoadFailure] = {}
                    try:
                        if piece.spec is None:
                            maps = _baseline(piece, shard.reference, total)
                        else:
                            if piece.name not in models:
                                models[piece.name] = registry.load(piece.spec).to(device)
                            maps, failed = shard.maps_of(models[piece.name], piece.explainer)
                    except (VitobenchError, RuntimeError, ValueError, MemoryError) as error:
                        # A network of anybody's making: its failure must not cost the others their results.
                        reason = str(error) or type(error).__name__
                        failures[piece.name] = Failure(piece.name, plan.task.name, "*", "*", reason)
                        move(stop - start)
                        continue
                    again = shard.to_try_again(failed)
                    passing |= dict.fromkeys(again)
                    if not again:
                        rows = rows_of(
                            [escaped(i) for i in shard.image_ids], shard.labels, shard.reference, maps, failed
                        )
                        write_shard(store, plan.identity, piece.identity, piece.explainer, start, stop, rows)
                        computed += stop - start
                move(stop - start, piece.name)
    return [*failures.values(), *passing], computed


def model_maps(model: Model, images: np.ndarray, labels: np.ndarray, image_ids: Sequence[str], explainer: str) -> Maps:
    """The maps of a model by name.

    Args:
        model: Any model.
        images: uint8 (n, size, size, 3).
        labels: int64 (n,).
        image_ids: n ids.
        explainer: `saliency.MAPS`, or that of SmoothGrad.

    Returns:
        float32 (n, size, size) each.
    """
    pixels, classes = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(np.asarray(labels))
    if explainer == MAPS:
        found = {"gradient": gradient_saliency(model, pixels, classes)} | attention_maps(model, pixels)
    else:
        samples = int(explainer.split("-")[1])
        found = {"smoothgrad": smooth_gradient_saliency(model, pixels, classes, image_ids, samples)}
    return {name: maps.numpy() for name, maps in found.items()}


def geometry_of(spec: ModelSpec) -> Geometry:
    """The whole central square of an image, at the model's size: people saw all of it, so nothing is cut off."""
    # Maps are of the central square of an image, so it is shown whatever the crop mode of the model.
    size = spec.preprocessing.size
    return Geometry(size, size, spec.preprocessing.interpolation)


class _Shard:
    """Images start..stop-1 with their reference maps; pixels are read once for each geometry."""

    def __init__(self, plan: Plan, start: int, stop: int) -> None:
        self._plan, self._indices = plan, range(start, stop)
        self.image_ids = plan.source.image_ids[start:stop]
        self.labels = plan.source.labels[start:stop]
        self.reference = reference_of(plan.source, self._indices, plan.task.preparation, plan.task.exact)
        self._pixels: dict[Geometry, tuple[np.ndarray, dict[int, LoadFailure]]] = {}

    def maps_of(self, model: Model, explainer: str) -> tuple[Maps, dict[int, LoadFailure]]:
        geometry = geometry_of(model.spec)
        if geometry not in self._pixels:
            self._pixels[geometry] = self._plan.source.load(self._indices, geometry)
        images, failed = self._pixels[geometry]
        return model_maps(model, images, self.labels, self.image_ids, explainer), failed

    def to_try_again(self, failed: Mapping[int, LoadFailure]) -> list[Failure]:
        everything = {**failed, **self.reference.failed}
        return [
            Failure("*", self._plan.task.name, "*", escaped(self.image_ids[position]), failure.reason)
            for position, failure in everything.items()
            if failure.transient
        ]


def _total(
    plan: Plan, todo: Mapping[tuple[int, int], Sequence[Piece]], console: Console | None
) -> tuple[np.ndarray, int]:
    """The sum of all reference maps of the task, whatever the limit, if a baseline needs it."""
    if not any(piece.identity == BASELINES[MEAN_MAP] for pieces in todo.values() for piece in pieces):
        return np.zeros(()), 0
    with bar(console, "Reference maps", len(plan.source.image_ids)) as move:
        return total_map(plan.source, plan.task.preparation, move)


def _baseline(piece: Piece, reference: Reference, total: tuple[np.ndarray, int]) -> Maps:
    if piece.name == CENTRE:
        return {CENTRE: centre_maps(reference)}
    return {MEAN_MAP: mean_maps(reference, *total)}
