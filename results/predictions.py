"""Stored predictions in memory: columns of codes, so that millions of rows cost megabytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .schema import TOP_K, condition_key
from .unit_file import numbers_of, top_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Predictions:
    """Rows of one model and task.

    Attributes:
        image_ids: Distinct ids, in the task's order of images.
        conditions: Distinct conditions: ``"fog/3"``, ``"clean"``; ``"*"`` where an image failed altogether.
        reasons: Distinct reasons of missing answers.
        image: int32 (rows,), positions in ``image_ids``.
        condition: int32 (rows,), positions in ``conditions``.
        label: int16 (rows,).
        top: int16 (rows, 5), classes best first; -1 where there is none.
        confidence: float32 (rows,), NaN where there is no answer.
        error: int32 (rows,), positions in ``reasons``; -1 where there is an answer.
        numbers: float32 (rows,) by name, where units hold numbers in place of classes; NaN where one is undefined.
    """

    image_ids: tuple[str, ...]
    conditions: tuple[str, ...]
    reasons: tuple[str, ...]
    image: np.ndarray
    condition: np.ndarray
    label: np.ndarray
    top: np.ndarray
    confidence: np.ndarray
    error: np.ndarray
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image)


_GRADES = 16  # more than there are severities


class _Codes:
    """Numbers for texts, in the order of their first appearance."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def of(self, texts: Sequence[str]) -> np.ndarray:
        known = self.known
        return np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int32)


def _dictionary_column(table: pa.Table, name: str) -> tuple[np.ndarray, list[str]]:
    chunk = table.column(name).combine_chunks()
    if hasattr(chunk, "num_chunks"):  # a chunked array stays one where the table is empty
        chunk = chunk.chunk(0) if chunk.num_chunks else None
    if chunk is None:
        return np.empty(0, np.int32), []
    return chunk.indices.to_numpy(zero_copy_only=False), [str(text) for text in chunk.dictionary.to_pylist()]


def gather(tables: Sequence[pa.Table], most: Sequence[int | None] | None = None) -> Predictions:
    """Bring the units of one model and task together.

    Args:
        tables: Tables of `unit_file.decode`, in the task's order of images.
        most: For each table, how many of its images to keep from the front; None keeps all.

    Returns:
        Their rows in order.
    """
    images, conditions, reasons = _Codes(), _Codes(), _Codes()
    parts: dict[str, list[np.ndarray]] = {n: [] for n in ("image", "condition", "label", "top", "confidence", "error")}
    numbers: dict[str, list[np.ndarray]] = {name: [] for table in tables for name in numbers_of(table.schema)}
    for number, table in enumerate(tables):
        image, ids, _ = images_of(table)
        kept = slice(None)
        limit = most[number] if most is not None else None
        if limit is not None and limit < len(ids):
            # Rows lie image by image, so the first appearance of the one too many ends what is kept.
            kept = slice(0, int(np.flatnonzero(image == limit)[0]))
            image, ids = image[kept], ids[:limit]
        cell, keys = cells_of(table, kept)
        parts["image"].append(images.of(ids)[image])
        parts["condition"].append(conditions.of(keys)[cell])
        parts["label"].append(table.column("label").to_numpy()[kept])
        parts["top"].append(top_of(table)[kept])
        parts["confidence"].append(table.column("confidence").to_numpy()[kept])
        error = table.column("error").combine_chunks()
        codes = np.full(len(image), -1, np.int32)
        if error.null_count < len(error):
            for row, reason in enumerate(error.to_pylist()[kept]):
                if reason is not None:
                    codes[row] = reasons.of([reason])[0]
        parts["error"].append(codes)
        for name, columns in numbers.items():
            there = name in table.column_names
            columns.append(table.column(name).to_numpy()[kept] if there else np.full(len(image), np.nan, np.float32))

    def joined(name: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate(parts[name]) if parts[name] else empty

    return Predictions(
        tuple(images.known),
        tuple(conditions.known),
        tuple(reasons.known),
        joined("image", np.empty(0, np.int32)),
        joined("condition", np.empty(0, np.int32)),
        joined("label", np.empty(0, np.int16)),
        joined("top", np.empty((0, TOP_K), np.int16)),
        joined("confidence", np.empty(0, np.float32)),
        joined("error", np.empty(0, np.int32)),
        {name: np.concatenate(columns) for name, columns in numbers.items()},
    )


def images_of(table: pa.Table) -> tuple[np.ndarray, list[str], bool]:
    """Images of a unit in the order of their first appearance.

    Args:
        table: Of `unit_file.decode`.

    Returns:
        int64 (rows,) positions among them, their ids, and whether the rows lie image by image.
    """
    codes, names = _dictionary_column(table, "image_id")
    if not len(codes):
        return np.empty(0, np.int64), [], True
    new = np.concatenate([[True], codes[1:] != codes[:-1]])
    runs = codes[new]
    seen = dict.fromkeys(runs.tolist())
    if len(seen) == len(runs):  # which needs no sorting
        return np.cumsum(new) - 1, [names[code] for code in seen], True
    place = np.zeros(len(names), dtype=np.int64)
    place[list(seen)] = np.arange(len(seen))
    return place[codes], [names[code] for code in seen], False


def cells_of(table: pa.Table, kept: slice = slice(None)) -> tuple[np.ndarray, list[str]]:
    """Conditions of a unit with their severities.

    Args:
        table: Of `unit_file.decode`.
        kept: Rows that are wanted.

    Returns:
        int64 (rows,) positions among the keys, and the keys of those that appear.
    """
    codes, names = _dictionary_column(table, "condition")
    pair = codes[kept].astype(np.int64) * _GRADES + table.column("severity").to_numpy()[kept]
    there = np.flatnonzero(np.bincount(pair, minlength=1))
    place = np.zeros(int(there.max()) + 1 if len(there) else 0, dtype=np.int64)
    place[there] = np.arange(len(there))
    return place[pair], [condition_key(names[p // _GRADES], int(p % _GRADES)) for p in there.tolist()]
