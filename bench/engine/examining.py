"""Tasks that ask an encoder for its features: their numbers, clip by clip or batch by batch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...cores import usable_cores
from ...models.batching import in_batches
from ...models.model import Model
from ...models.probing.data import Part
from ...models.probing.features import features_of
from ...models.spec import ModelSpec
from ...results.layout import PARTIAL
from ...results.store import Store
from ...tasks.images.source import ImageSource, LoadFailure
from ...tasks.understanding.protocol import Encoder, FeatureProtocol, LearningExaminer
from ..planning.plan import BASELINE, Pass, Unit
from .pixels import UnitRows, one_line

if TYPE_CHECKING:
    from ...tasks.task import Task

_REMEMBERED = 2
"""Calls whose maps are kept: tasks on the same images ask for the same maps one after the other."""

_LOADED = 20
"""Images that a thread reads at a time, at most."""

_OWN_LAYER = "penultimate"
"""Tells what is kept from the features that probes keep, which are of a network without its head."""


class ModelEncoder:
    """A model as `tasks.understanding.protocol.Encoder`.

    Args:
        model: Loaded and on its device.
        batch: Images per forward pass; halved where they do not fit into memory.
        folder: For features that are kept; without one nothing can be learned.
        threads: That read images.
        progress: Called with (stage, done, total) while features are learned.
    """

    def __init__(
        self,
        model: Model,
        batch: int,
        folder: Path | None = None,
        threads: int | None = None,
        progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
    ) -> None:
        self.name, self.identity, self.device = model.spec.name, model.spec.identity, model.device
        self.images = 0
        """Images that went through the model."""
        self._model, self._batch, self._folder = model, batch, folder
        self._threads, self._progress = threads or usable_cores(), progress
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

    def features(self, source: ImageSource, positions: Sequence[int]) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """See `Encoder.features`."""
        geometry = self._model.spec.preprocessing.geometry
        step = len(positions) if source.uses_all_cores else max(1, min(_LOADED, -(-len(positions) // self._threads)))
        starts = range(0, len(positions), step)
        with ThreadPoolExecutor(self._threads) as readers:
            loaded = list(readers.map(lambda at: source.load(positions[at : at + step], geometry), starts))
        failed = {at + n: why for at, (_, own) in zip(starts, loaded, strict=True) for n, why in own.items()}
        pixels = np.concatenate([own for own, _ in loaded])
        values, self._batch = in_batches(self._model.features, pixels, self._batch, self.device)
        self.images += len(positions)
        found = values.flatten(1).float().cpu().numpy()
        found[list(failed)] = np.nan
        return found, failed

    def learned(self, source: ImageSource, positions: Sequence[int] | np.ndarray) -> np.ndarray:
        """See `Encoder.learned`."""
        if self._folder is None:
            raise ValueError("features to learn from are kept, and there is no folder for them")
        part = Part(source, np.asarray(positions, dtype=np.int64))

        def told(done: int, total: int) -> None:
            self._progress("Features to learn from", done, total)

        return features_of(self._model, part, self._folder, "halves", self._batch, told, _OWN_LAYER).values

    def _computed(self, images: np.ndarray, within: int, stride: int) -> torch.Tensor:
        def maps(pixels: torch.Tensor) -> torch.Tensor:
            return self._model.maps(pixels, stride=stride or None, within=within)

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
    telling: Callable[[ModelSpec], Callable[[str, int, int], None]],
) -> None:
    """Fill the rows of every unit and model of a pass.

    Tasks on the same images go together image by image, so that a model's maps of them are computed once.

    Args:
        work: The units that are lacking.
        rows: By identity of task and model; what is already in them is not asked again.
        encoder_of: Gives a model, or None once it has failed.
        fail: Called with a model that fails, and why.
        answered: Called with the unit, how many of its positions are done, and how many seconds they took.
        telling: Gives what is called with (stage, done, total) while a model or baseline learns.
    """
    for spec in dict.fromkeys(spec for unit in work.units for spec in unit.models):
        units = [unit for unit in work.units if spec in unit.models]
        encoder: Encoder | str | None = spec.name if spec.source == BASELINE else encoder_of(spec)
        if encoder is None:
            continue
        try:
            for unit, count, seconds in _examined(spec, encoder, units, rows, work, telling):
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
    telling: Callable[[ModelSpec], Callable[[str, int, int], None]],
) -> Iterator[tuple[Unit, int, float]]:
    groups = []
    for number, unit in enumerate(units):
        known = rows[unit.planned.identity, spec.identity].positions
        left = [position for position in range(unit.start, unit.stop) if position - work.start not in known]
        asked = protocol_of(unit.planned.task).together(work.source, left)
        groups += [(positions[0], number, positions) for positions in asked]
    examiners = [protocol_of(unit.planned.task).examiner(encoder, work.source) for unit in units]
    for number in sorted({number for _, number, _ in groups}):
        examiner, started = examiners[number], time.monotonic()
        if isinstance(examiner, LearningExaminer):
            examiner.learn(telling(spec))
            yield units[number], 0, time.monotonic() - started
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
