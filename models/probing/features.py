"""Features of many images, computed once and kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...cores import usable_cores
from ...errors import DataError, VitobenchError
from ...files import replace_file, replacing
from ...identity import broken_seal, digest, seal_file
from ...tasks.images.source import LoadFailure
from ..batching import in_batches
from ..model import Model
from .data import Part

VERSION = 1
BLOCK = 256
"""Images whose features are written at a time: what an interrupted pass loses at most."""

# Tokens are many, and so are the features of a million images; a half keeps what a head can use of them.
_TYPES = {"features": np.float32, "halves": np.float16, "tokens": np.float16}
_CHUNK = 32
_PASSING = "passing"
"""Name of an empty file: some image of the blocks could not be read for now."""

_TRIES = 3
"""How often features are made that another process removes, because of an image that it could not read for now."""


@dataclass(frozen=True)
class Rows:
    """Features of a part of a set.

    Attributes:
        values: (n, D) float32, or float16 for halves, or (n, T, C) float16 for tokens; mapped from a file, not in
            memory.
        labels: int64 (n,).
        good: bool (n,); False where an image could not be read, its values are NaN.
    """

    values: np.ndarray
    labels: np.ndarray
    good: np.ndarray

    def chosen(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and labels of the good rows, as tensors in memory of the values' own type."""
        values = self.values[self.good] if not self.good.all() else np.array(self.values)
        return torch.from_numpy(values), torch.from_numpy(self.labels[self.good])


def features_of(
    model: Model,
    part: Part,
    folder: Path,
    kind: str = "features",
    batch: int = 50,
    progress: Callable[[int, int], None] | None = None,
    read: str = "",
) -> Rows:
    """Features of images, from the cache if they are there.

    The cache is keyed by model, preprocessing, images and kind. A pass that was interrupted continues after its last
    whole block; several processes may work on the same one. Where an image could not be read for now, nothing is kept.

    Args:
        model: Gives the features.
        part: The images.
        folder: The cache.
        kind: ``"features"``, ``"halves"``, which are features in half precision, or ``"tokens"``.
        batch: Images per forward pass; halved where they do not fit into memory.
        progress: Called with (images done, images in all).
        read: What the features are of, if not of the last layer as usual; part of the key.

    Raises:
        DataError: None of the images could be read.
        VitobenchError: The cache cannot be written, or the model gives no tokens.
    """
    identity = model.spec.identity.rpartition("@")[2]
    key = digest([VERSION, kind, identity, model.spec.preprocessing, part.digest, *([read] if read else [])])
    place = folder / key[:32]
    whole = place / f"{kind}.npy"
    try:
        place.mkdir(parents=True, exist_ok=True)
        there = whole.exists()
        values = _read(whole, len(part))
        if values is None:
            note = {
                "model": model.spec.identity,
                "data": part.source.name,
                "images": len(part),
                "kind": kind,
                "read": read,
            }
            if there:  # it is damaged
                whole.unlink(missing_ok=True)
            replace_file(place / "about.json", json.dumps(note).encode())
            values = _made(model, part, place, kind, batch, progress)
            passing = place / _PASSING
            if passing.exists():  # the next run asks again; the map of the file stays as it is
                whole.unlink(missing_ok=True)
                passing.unlink(missing_ok=True)
    except OSError as error:
        raise VitobenchError(
            f"Cannot store the features in {folder} ({error.strerror}); name another folder: --features of `bench "
            "probe`, --store of `bench run`."
        ) from None
    good = np.isfinite(values.reshape(len(part), -1)[:, 0])
    if not good.any():
        raise DataError(f"None of the {len(part)} images of {part.source.name} could be read.")
    return Rows(values, part.labels, good)


def _blocks(count: int) -> Iterator[tuple[int, slice]]:
    for number, start in enumerate(range(0, count, BLOCK)):
        yield number, slice(start, min(start + BLOCK, count))


def _block_file(place: Path, number: int) -> Path:
    return place / f"block-{number:06d}.npy"


def _read(path: Path, count: int) -> np.ndarray | None:
    """A file of the cache, mapped; None where it is absent, damaged or has no digest."""
    try:
        if broken_seal(path):
            return None
        values: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return values if values.shape[:1] == (count,) else None


def _made(
    model: Model, part: Part, place: Path, kind: str, batch: int, progress: Callable[[int, int], None] | None
) -> np.ndarray:
    """Compute the blocks and join them, or take what another process made of them meanwhile."""
    whole = place / f"{kind}.npy"
    for _ in range(_TRIES):
        _compute(model, part, place, whole, batch, progress)
        with suppress(FileNotFoundError):  # the other one was first, and has removed them
            _join(place, whole, len(part))
        values = _read(whole, len(part))
        if values is not None:
            for number, _ in _blocks(len(part)):
                _block_file(place, number).unlink(missing_ok=True)
            return values
    raise VitobenchError(f"The features in {place} are removed while they are made; end the other run and start again.")


def _compute(
    model: Model, part: Part, place: Path, whole: Path, batch: int, progress: Callable[[int, int], None] | None
) -> None:
    kind = whole.stem
    ask = model.tokens if kind == "tokens" else model.features
    geometry = model.spec.preprocessing.geometry
    todo = [(n, rows) for n, rows in _blocks(len(part)) if _read(_block_file(place, n), rows.stop - rows.start) is None]
    done = len(part) - sum(rows.stop - rows.start for _, rows in todo)

    def load(rows: slice, readers: ThreadPoolExecutor) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        indices = part.indices[rows].tolist()
        chunks = [indices[at : at + _CHUNK] for at in range(0, len(indices), _CHUNK)]
        loaded = list(readers.map(lambda chunk: part.source.load(chunk, geometry), chunks))
        failed = {n * _CHUNK + at: why for n, (_, failures) in enumerate(loaded) for at, why in failures.items()}
        return np.concatenate([pixels for pixels, _ in loaded]), failed

    # One block is read ahead of the forward passes, by threads: decoding leaves the interpreter's lock.
    with ThreadPoolExecutor(usable_cores()) as readers, ThreadPoolExecutor(1) as ahead:
        upcoming = ahead.submit(load, todo[0][1], readers) if todo else None
        for position, (number, _) in enumerate(todo):
            if whole.exists():  # another process has finished
                return
            assert upcoming is not None
            pixels, failed = upcoming.result()
            following = todo[position + 1 : position + 2]
            upcoming = ahead.submit(load, following[0][1], readers) if following else None
            found, batch = in_batches(ask, pixels, batch, model.device)
            with np.errstate(over="ignore"):  # infinite where a half is too small for it
                values = found.cpu().numpy().astype(_TYPES[kind])
            values[list(failed)] = np.nan
            if any(failure.transient for failure in failed.values()):
                (place / _PASSING).touch()
            _save_aside(_block_file(place, number), values)
            done += len(values)
            if progress is not None:
                progress(done, len(part))


def _join(place: Path, whole: Path, count: int) -> None:
    """Make one file of all blocks."""
    first = np.load(_block_file(place, 0), mmap_mode="r", allow_pickle=False)
    with replacing(whole) as aside:
        joined = np.lib.format.open_memmap(aside, mode="w+", dtype=first.dtype, shape=(count, *first.shape[1:]))
        for number, rows in _blocks(count):
            joined[rows] = np.load(_block_file(place, number), allow_pickle=False)
        joined.flush()
        del joined
        seal_file(aside)


def _save_aside(path: Path, values: np.ndarray) -> None:
    with replacing(path) as aside:
        with aside.open("wb") as handle:  # to a path np.save would add an ending
            np.save(handle, values, allow_pickle=False)
        seal_file(aside)
