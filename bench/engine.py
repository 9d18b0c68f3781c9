"""Running what is missing: images are read once and corrupted once, and every model that lacks them answers."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import VitobenchError
from ..models import registry
from ..models.spec import ModelSpec
from ..results.schema import Failure
from ..results.store import Store
from ..tasks.conditions import apply_condition
from ..tasks.task import Condition
from .plan import Pass, Unit, group
from .progress import Advance

if TYPE_CHECKING:
    from ..models.model import Model
    from .settings import Settings

_LOAD_CHUNK = 20  # images a thread decodes at a time


def choose_device(name: str) -> str:
    """The device to use.

    Args:
        name: ``"auto"`` takes CUDA or MPS where there is one; anything else is taken as it is.

    Raises:
        VitobenchError: A device that torch does not know or that this machine lacks.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise VitobenchError(f"The device {name!r} cannot be used ({reason}). Try --device cpu.") from None
    return name


@dataclass
class _Rows:
    """Predictions of one model for one unit, growing condition by condition."""

    condition: list[str] = field(default_factory=list)
    severity: list[int] = field(default_factory=list)
    image_id: list[str] = field(default_factory=list)
    label: list[int] = field(default_factory=list)
    top1: list[int] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    error: list[str | None] = field(default_factory=list)

    def add(
        self, condition: Condition, ids: Sequence[str], labels: np.ndarray, top1: np.ndarray, p: np.ndarray
    ) -> None:
        n = len(ids)
        finite = np.isfinite(p)
        self.condition += [condition.name] * n
        self.severity += [condition.severity] * n
        self.image_id += list(ids)
        self.label += labels.tolist()
        self.top1 += np.where(finite, top1, -1).tolist()
        self.confidence += p.tolist()
        self.error += [None if ok else "the model's logits are not finite" for ok in finite]

    def add_failed(self, image_id: str, label: int, reason: str) -> None:
        self.condition.append("*")
        self.severity.append(0)
        self.image_id.append(image_id)
        self.label.append(label)
        self.top1.append(-1)
        self.confidence.append(float("nan"))
        self.error.append(reason)


@dataclass(frozen=True)
class _Batch:
    """The pixels of one condition for one pass."""

    condition: Condition
    images: np.ndarray


def _one_line(error: Exception) -> str:
    if isinstance(error, VitobenchError):
        return str(error)
    first = str(error).splitlines()[0] if str(error) else "no message"
    return f"{type(error).__name__}: {first}"


class Engine:
    """Runs passes one after the other; threads read and corrupt ahead of the forward passes.

    Args:
        settings: Device, workers, batch and seed.
        store: Receives every finished unit at once.
        advance: Told of progress, in images times models.
    """

    def __init__(self, settings: Settings, store: Store, advance: Advance) -> None:
        self.settings = settings
        self.store = store
        self.advance = advance
        self.failures: list[Failure] = []
        self.images = 0
        self._models: dict[str, Model | None] = {}
        self._broken: set[str] = set()
        self._device = ""
        self._workers = settings.workers or os.cpu_count() or 1

    def run(self, units: list[Unit]) -> list[Failure]:
        """Run units and store them.

        Args:
            units: What is missing.

        Returns:
            Models that could not be loaded or failed on the way. Their units stay missing; all others are stored.
        """
        self._device = choose_device(self.settings.device)
        self.store.prepare()
        passes = group(units)
        pool = ThreadPoolExecutor(self._workers)
        try:
            loads = self._submit_loads(pool, passes[0]) if passes else []
            for number, work in enumerate(passes):
                current = loads
                # The next images are read while this pass is being answered.
                loads = self._submit_loads(pool, passes[number + 1]) if number + 1 < len(passes) else []
                self._run_pass(pool, work, current)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return self.failures

    def _submit_loads(self, pool: ThreadPoolExecutor, work: Pass) -> list[Future[tuple[np.ndarray, dict[int, str]]]]:
        # A micro-world set renders on all cores by itself; photographs are decoded a few per thread.
        step = work.stop - work.start if work.source.name.startswith("microworld/") else _LOAD_CHUNK
        starts = range(work.start, work.stop, step)
        return [
            pool.submit(work.source.load, range(start, min(start + step, work.stop)), work.geometry) for start in starts
        ]

    def _run_pass(
        self, pool: ThreadPoolExecutor, work: Pass, loads: list[Future[tuple[np.ndarray, dict[int, str]]]]
    ) -> None:
        parts, failed, offset = [], {}, 0
        for future in loads:
            pixels, errors = future.result()
            parts.append(pixels)
            failed.update({offset + position: reason for position, reason in errors.items()})
            offset += len(pixels)
        images = np.concatenate(parts)
        good = np.array([n for n in range(len(images)) if n not in failed], dtype=np.int64)
        ids = [str(work.source.image_ids[work.start + n]) for n in good]
        labels = work.source.labels[work.start : work.stop]
        rows = {(unit.planned.identity, model.identity): _Rows() for unit in work.units for model in unit.models}
        for batch in self._corrupted(pool, work, images[good], ids):
            for unit in work.units:
                if batch.condition not in unit.planned.task.conditions:
                    continue
                count = int((good < unit.stop - unit.start).sum())
                for spec in unit.models:
                    answer = self._answer(spec, batch.images[:count]) if count else (np.empty(0, int), np.empty(0))
                    if answer is not None:
                        kept = rows[(unit.planned.identity, spec.identity)]
                        kept.add(batch.condition, ids[:count], labels[good[:count]], *answer)
                    self.advance(unit.stop - unit.start, f"{unit.planned.task.name} {batch.condition.key}")
        for unit in work.units:
            for spec in unit.models:
                if self._models.get(spec.identity, "unused") is None or unit.planned.identity in self._broken:
                    continue
                kept = rows[(unit.planned.identity, spec.identity)]
                for position, reason in failed.items():
                    if position < unit.stop - unit.start:
                        image_id = str(work.source.image_ids[work.start + position])
                        kept.add_failed(image_id, int(labels[position]), reason)
                self.store.write_unit(unit.planned.identity, spec.identity, unit.start, unit.stop, vars(kept))

    def _corrupted(self, pool: ThreadPoolExecutor, work: Pass, images: np.ndarray, ids: list[str]) -> Iterator[_Batch]:
        """The pass under each of its conditions, a few of them computed ahead."""
        conditions = list(dict.fromkeys(c for unit in work.units for c in unit.planned.task.conditions))
        # How many images any task wants of a condition: the clean set may be longer than the corrupted one.
        most = {c: max(u.stop - u.start for u in work.units if c in u.planned.task.conditions) for c in conditions}
        seed = self.settings.seed
        queue: deque[tuple[Condition, Future[np.ndarray]]] = deque()

        def submit(condition: Condition) -> None:
            part = slice(0, most[condition])
            queue.append((condition, pool.submit(apply_condition, images[part], condition, ids[part], seed)))

        ahead = iter(conditions)
        for condition in ahead:
            submit(condition)
            if len(queue) > self._workers:
                break
        while queue:
            condition, future = queue.popleft()
            following = next(ahead, None)
            if following is not None:
                submit(following)
            try:
                pixels = future.result()
            except Exception as error:  # one condition that fails must not take the other tasks with it
                self._break(work, condition, _one_line(error))
                continue
            yield _Batch(condition, pixels)

    def _break(self, work: Pass, condition: Condition, reason: str) -> None:
        """Give up the tasks that need a condition which cannot be had; their units stay missing."""
        for unit in work.units:
            planned = unit.planned
            if condition in planned.task.conditions and planned.identity not in self._broken:
                self._broken.add(planned.identity)
                self.failures.append(Failure("*", planned.task.name, condition.key, "*", reason))

    def _model(self, spec: ModelSpec) -> Model | None:
        if spec.identity not in self._models:
            try:
                self._models[spec.identity] = registry.load(spec).to(self._device)
            except Exception as error:  # a file, a driver or memory: whatever it lacks, the others go on
                self._fail(spec, _one_line(error))
        return self._models[spec.identity]

    def _fail(self, spec: ModelSpec, reason: str) -> None:
        self._models[spec.identity] = None
        self.failures.append(Failure(spec.name, "*", "*", "*", reason))

    def _answer(self, spec: ModelSpec, images: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Top-1 class and its probability for uint8 (N, H, W, 3); None where the model is out of the run."""
        import torch

        model = self._model(spec)
        if model is None:
            return None
        top1, confidence = [], []
        try:
            for start in range(0, len(images), self.settings.batch):
                # (N, H, W, 3) seen as (N, 3, H, W) is the channels-last layout, which CPUs prefer.
                pixels = torch.from_numpy(images[start : start + self.settings.batch]).permute(0, 3, 1, 2)
                p, k = model.logits(pixels).softmax(dim=1).max(dim=1)
                top1.append(k.cpu().numpy())
                confidence.append(p.cpu().numpy())
        except Exception as error:  # one model that fails must not take the others with it
            self._fail(spec, _one_line(error))
            return None
        self.images += len(images)
        return np.concatenate(top1), np.concatenate(confidence)
