"""Tasks that ask an encoder for its features: their numbers, clip by clip or batch by batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...models.batching import in_batches
from ...models.model import Model
from ...models.spec import ModelSpec
from ...results.layout import PARTIAL
from ...results.store import Store
from ...tasks.understanding.protocol import Encoder, FeatureProtocol
from ..planning.plan import BASELINE, Pass, Unit
from .pixels import UnitRows, one_line

if TYPE_CHECKING:
    from ...tasks.task import Task

_REMEMBERED = 2
"""Calls whose maps are kept: tasks on the same images ask for the same maps one after the other."""


class ModelEncoder:
    """A model as `tasks.understanding.protocol.Encoder`.

    Args:
        model: Loaded and on its device.
        batch: Images per forward pass; halved where they do not fit into memory.
    """

    def __init__(self, model: Model, batch: int) -> None:
        self.name, self.identity = model.spec.name, model.spec.identity
        self.images = 0
        """Images that went through the model."""
        self._model, self._batch = model, batch
        self._known: dict[tuple[object, ...], torch.Tensor] = {}
        self._patch: int | None = None

    def patch(self, height: int, width: int) -> int:
        """See `Encoder.patch`; a model is asked at its own size, and once: the model keeps layers of one size."""
        if self._patch is None:
            last = self._model.map_layers()[-1]
            self._patch = last.stride if last.patches else 0
        return self._patch

    def maps(self, images: np.ndarray, within: int, stride: int) -> torch.Tensor:
        """See `Encoder.maps`."""
        content = hashlib.blake2b(images.tobytes(), digest_size=16).digest()
        key = (content, images.shape, within, stride)
        if key not in self._known:
            found = self._computed(images, within, stride)
            while len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = found
        return self._known[key]

    def _computed(self, images: np.ndarray, within: int, stride: int) -> torch.Tensor:
        def maps(pixels: torch.Tensor) -> torch.Tensor:
            return self._model.maps(pixels, stride=stride, within=within)

        own = np.require(images, requirements=["C", "W"])  # torch takes neither a mirrored nor a read-only array
        found, self._batch = in_batches(maps, own, self._batch, self._model.device)
        self.images += len(images)
        return found


def protocol_of(task: Task) -> FeatureProtocol:
    """How a task uses features.

    Raises:
        ValueError: It does not.
    """
    if task.protocol is None:
        raise ValueError(f"{task.name} asks for no features")
    return task.protocol


def examine(
    work: Pass,
    rows: Mapping[tuple[str, str], UnitRows],
    encoder_of: Callable[[ModelSpec], Encoder | None],
    fail: Callable[[ModelSpec, str], None],
    answered: Callable[[Unit, int, float], None],
) -> None:
    """Fill the rows of every unit and model of a pass.

    Tasks on the same images go together image by image, so that a model's maps of them are computed once.

    Args:
        work: The units that are lacking.
        rows: By identity of task and model; what is already in them is not asked again.
        encoder_of: Gives a model, or None once it has failed.
        fail: Called with a model that fails, and why.
        answered: Called with the unit, how many of its positions are done, and how many seconds they took.
    """
    for spec in dict.fromkeys(spec for unit in work.units for spec in unit.models):
        units = [unit for unit in work.units if spec in unit.models]
        encoder: Encoder | str | None = spec.name if spec.source == BASELINE else encoder_of(spec)
        if encoder is None:
            continue
        try:
            for unit, count, seconds in _examined(spec, encoder, units, rows, work):
                answered(unit, count, seconds)
        except (Exception, SystemExit) as error:  # one model that fails must not take the others with it
            fail(spec, one_line(error))
            continue
        for unit in units:  # also where nothing could be judged
            for condition in unit.planned.task.conditions:
                rows[unit.planned.identity, spec.identity].add_numbers(condition, np.empty(0, np.int64), {})


def _examined(
    spec: ModelSpec,
    encoder: Encoder | str,
    units: Sequence[Unit],
    rows: Mapping[tuple[str, str], UnitRows],
    work: Pass,
) -> Iterator[tuple[Unit, int, float]]:
    groups = []
    for number, unit in enumerate(units):
        known = rows[unit.planned.identity, spec.identity].positions
        left = [position for position in range(unit.start, unit.stop) if position - work.start not in known]
        asked = protocol_of(unit.planned.task).together(work.source, left)
        groups += [(positions[0], number, positions) for positions in asked]
    examiners = [protocol_of(unit.planned.task).examiner(encoder, work.source) for unit in units]
    for _, number, positions in sorted(groups):
        unit = units[number]
        started = time.monotonic()
        found = examiners[number].numbers(positions)
        own = rows[unit.planned.identity, spec.identity]
        own.fail_images({position - work.start: why for position, why in found.failed.items()})
        (condition,) = unit.planned.task.conditions
        own.add_numbers(condition, found.positions - work.start, found.values)
        yield unit, len(positions), time.monotonic() - started


def resume(store: Store, unit: Unit, spec: ModelSpec, rows: UnitRows) -> None:
    """Take over what an interrupted run has found."""
    name = store.unit_name(unit.planned.identity, spec.identity, unit.start, unit.stop, PARTIAL)
    if store.folder.exists(name):
        table = store.read_file(name)
        if not isinstance(table, str):
            for condition in unit.planned.task.conditions:
                rows.take_over(table, condition)
