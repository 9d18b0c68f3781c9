"""The pixels of one pass: read once and corrupted once per condition, ahead of the models."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ..errors import VitobenchError
from ..tasks.conditions import apply_condition, needs_depth
from ..tasks.data.source import LoadFailure, has_depth
from ..tasks.task import Condition
from .plan import Pass

_LOAD_CHUNK = 20  # images a thread decodes at a time

Loaded = tuple[np.ndarray, dict[int, LoadFailure]]


@dataclass(frozen=True)
class Batch:
    """The pixels of one condition.

    Attributes:
        condition: The cell.
        images: uint8 (m, H, W, 3); None if the condition could not be computed.
        positions: int (m,), which images of the pass these are, in rising order.
        failed: Images that could not be read or corrupted under this condition only, by position.
        reason: Why there are no images at all.
    """

    condition: Condition
    images: np.ndarray | None
    positions: np.ndarray
    failed: Mapping[int, LoadFailure] = field(default_factory=dict)
    reason: str = ""


def one_line(error: BaseException) -> str:
    """An exception as a reason for a person."""
    if isinstance(error, VitobenchError):
        return str(error)
    first = str(error).splitlines()[0] if str(error) else "no message"
    return f"{type(error).__name__}: {first}"


class PassPixels:
    """Reads the images of a pass as soon as it is made, in threads.

    Args:
        work: The pass.
        pool: Threads that read and corrupt.
        threads: How many they are; one condition more than that is made ahead.
        seed: Seed of the run.

    Attributes:
        waited_seconds: How long models waited for pixels.
    """

    def __init__(self, work: Pass, pool: ThreadPoolExecutor, threads: int, seed: int) -> None:
        self.work = work
        self.waited_seconds = 0.0
        self._pool, self._threads, self._seed = pool, threads, seed
        self._by_condition = bool(work.source.conditions)
        self._loads = [] if self._by_condition else self._submit_loads()

    def _submit_loads(self) -> list[tuple[range, Future[Loaded]]]:
        work = self.work
        step = work.stop - work.start if work.source.uses_all_cores else _LOAD_CHUNK
        parts = [range(start, min(start + step, work.stop)) for start in range(work.start, work.stop, step)]
        return [(part, self._pool.submit(work.source.load, part, work.geometry)) for part in parts]

    def images(self) -> Loaded:
        """The images without any condition.

        Returns:
            uint8 (n, H, W, 3), and the images that could not be read, by position; without any pixels where every
            condition is a folder of its own.
        """
        if self._by_condition:
            return np.empty((self.work.stop - self.work.start, 0, 0, 3), np.uint8), {}
        pixels: list[np.ndarray] = []
        failed: dict[int, LoadFailure] = {}
        size = self.work.geometry.size
        for part, future in self._loads:
            try:
                images, errors = self._wait(future)
            except Exception as error:  # a source that breaks costs these images, for now, and no others
                images = np.zeros((len(part), size, size, 3), np.uint8)
                errors = {n: LoadFailure(one_line(error), transient=True) for n in range(len(part))}
            pixels.append(images)
            failed |= {part.start - self.work.start + position: reason for position, reason in errors.items()}
        self._loads = []
        return np.concatenate(pixels), failed

    def batches(self, wanted: Mapping[Condition, int], images: np.ndarray, good: np.ndarray) -> Iterator[Batch]:
        """The pass under each of its conditions, a few of them made ahead.

        Args:
            wanted: The conditions, each with the number of images that any task wants of it: the clean set may be
                longer than the corrupted one.
            images: From `images`.
            good: int (m,), positions of the images that were read.
        """
        ids = [str(self.work.source.image_ids[self.work.start + int(n)]) for n in good]
        depths = self._depths(wanted, good)
        make = self._from_folders(good) if self._by_condition else self._drawn(images[good], ids, depths)
        queue: deque[tuple[Condition, Future[Loaded]]] = deque()
        ahead = iter(wanted.items())
        counts = {condition: int((good < count).sum()) for condition, count in wanted.items()}

        def submit() -> None:
            following = next(ahead, None)
            if following is not None:
                condition = following[0]
                queue.append((condition, self._pool.submit(make, condition, counts[condition])))

        for _ in range(self._threads + 1):
            submit()
        while queue:
            condition, future = queue.popleft()
            submit()
            positions = good[: counts[condition]]
            try:
                pixels, failed = self._wait(future)
            except Exception as error:  # one condition that fails must not take the others with it
                yield Batch(condition, None, positions, reason=one_line(error))
                continue
            kept = np.array([n for n in range(len(positions)) if n not in failed], dtype=np.int64)
            yield Batch(
                condition,
                pixels if len(kept) == len(pixels) else pixels[kept],
                positions[kept],
                {int(positions[n]): why for n, why in failed.items()},
            )

    def _drawn(
        self, images: np.ndarray, ids: list[str], depths: Future[Loaded] | None
    ) -> Callable[[Condition, int], Loaded]:
        def make(condition: Condition, count: int) -> Loaded:
            if depths is None or not needs_depth(condition):
                return apply_condition(images[:count], condition, ids[:count], self._seed, None), {}
            deep, failed = depths.result()
            if not failed:
                return apply_condition(images[:count], condition, ids[:count], self._seed, deep[:count]), {}
            kept = [n for n in range(count) if n not in failed]
            pixels = np.zeros_like(images[:count])
            if kept:
                seen = [ids[n] for n in kept]
                pixels[kept] = apply_condition(images[kept], condition, seen, self._seed, deep[kept])
            return pixels, {n: why for n, why in failed.items() if n < count}

        return make

    def _from_folders(self, good: np.ndarray) -> Callable[[Condition, int], Loaded]:
        work = self.work

        def make(condition: Condition, count: int) -> Loaded:
            return work.source.load([work.start + int(n) for n in good[:count]], work.geometry, condition.key)

        return make

    def _depths(self, wanted: Mapping[Condition, int], good: np.ndarray) -> Future[Loaded] | None:
        if not any(map(needs_depth, wanted)):
            return None
        source = self.work.source
        places = [self.work.start + int(n) for n in good]
        if not has_depth(source):
            failed: Future[Loaded] = Future()
            failed.set_exception(VitobenchError(f"{source.name} has no depth maps"))
            return failed
        return self._pool.submit(source.depths, places, self.work.geometry)

    def _wait(self, future: Future[Loaded]) -> Loaded:
        started = time.monotonic()
        try:
            return future.result()
        finally:
            self.waited_seconds += time.monotonic() - started
