"""Stored predictions in memory, and what a task asks of them: its images in order, labels, classes and conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import StoreError
from .layout import safe_name
from .schema import BESIDE, TOP_COLUMNS, TOP_K, condition_key
from .unit_file import in_place, numbers_of, top_of

if TYPE_CHECKING:
    import pyarrow as pa


# Stored predictions in memory: columns of codes, so that millions of rows cost megabytes.


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
        rows = slice(None)
        limit = most[number] if most is not None else None
        if limit is not None and limit < len(ids):
            # Rows lie image by image, so the first appearance of the one too many ends what is kept.
            rows = slice(0, int(np.flatnonzero(image == limit)[0]))
            image, ids = image[rows], ids[:limit]
        cell, keys = cells_of(table, rows)
        parts["image"].append(images.of(ids)[image])
        parts["condition"].append(conditions.of(keys)[cell])
        parts["label"].append(table.column("label").to_numpy()[rows])
        parts["top"].append(top_of(table)[rows])
        parts["confidence"].append(table.column("confidence").to_numpy()[rows])
        error = table.column("error").combine_chunks()
        codes = np.full(len(image), -1, np.int32)
        if error.null_count < len(error):
            for row, reason in enumerate(error.to_pylist()[rows]):
                if reason is not None:
                    codes[row] = reasons.of([reason])[0]
        parts["error"].append(codes)
        for name, columns in numbers.items():
            there = name in table.column_names
            columns.append(table.column(name).to_numpy()[rows] if there else np.full(len(image), np.nan, np.float32))

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


# What a task's predictions must match: its images in order, labels, classes and conditions.


ANY_CONDITION = "*"
"""Condition of the one row of an image that failed under every condition."""

HARDEST = 5
"""The largest severity."""

_SLACK = 1e-3
"""How far a number may be outside of its range, by rounding."""


@dataclass(frozen=True)
class Asked:
    """What is known of a task without its images.

    Attributes:
        image_ids: Ids in the task's order; None where nothing is known of a position.
        labels: int64 (n,), as the task counts classes; -1 where no class is right, or nothing is known.
        classes: Number of classes that answers are given in.
        conditions: Keys such as ``"fog/3"``.
        numbers: What the units hold in place of classes, each with its smallest and largest value; empty where they
            hold classes. A column is named by one of these, or by a map and one of these: ``"gradient spearman"``.
    """

    image_ids: tuple[str | None, ...]
    labels: np.ndarray
    classes: int
    conditions: tuple[str, ...]
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def document(self) -> dict[str, object]:
        """As plain data; `asked_from` is the way back."""
        facts: dict[str, object] = {
            "image_ids": list(self.image_ids),
            "labels": self.labels.tolist(),
            "classes": self.classes,
            "conditions": list(self.conditions),
        }
        numbers = {name: list(limits) for name, limits in self.numbers.items()}
        return facts | ({"numbers": numbers} if numbers else {})

    def covers(self, other: Asked) -> bool:
        """Whether all that another one says is said here, and the same."""
        n = len(other.image_ids)
        return (
            (self.classes, self.conditions, self.numbers) == (other.classes, other.conditions, other.numbers)
            and self.image_ids[:n] == other.image_ids
            and np.array_equal(self.labels[:n], other.labels)
        )


def asked_from(document: dict[str, object]) -> Asked:
    """Read `Asked.document`.

    Raises:
        StoreError: It is of another form, or its labels are not among its classes.
    """
    try:
        ids, labels, classes, conditions = (document[name] for name in ("image_ids", "labels", "classes", "conditions"))
        assert isinstance(ids, list)
        assert isinstance(conditions, list)
        told = document.get("numbers", {})
        assert isinstance(told, dict)
        numbers = {str(name): (float(low), float(high)) for name, (low, high) in told.items()}
        labels = np.array(labels, dtype=np.int64)
        result = Asked(tuple(ids), labels, int(str(classes)), tuple(map(str, conditions)), numbers)
    except (KeyError, ValueError, TypeError, AssertionError, OverflowError):
        raise StoreError("it is not a list of images") from None
    known = [image_id for image_id in result.image_ids if image_id is not None]
    if result.labels.shape != (len(ids),) or not all(isinstance(image_id, str) for image_id in known):
        raise StoreError("it is not a list of images")
    if len(set(known)) < len(known):
        raise StoreError("it lists an image twice")
    if len(ids) and not -1 <= result.labels.min() <= result.labels.max() < result.classes:
        raise StoreError(f"it has labels outside of its {result.classes} classes")
    return result


def contradictions(
    table: pa.Table, task: str, model: str, start: int, stop: int, asked: Asked | None, whole: bool
) -> Iterator[str]:
    """What is wrong with the rows of a unit, a line each; nothing if all is well.

    Args:
        table: From `unit_file.decode`.
        task: Folder of the task's identity, which the rows have to name.
        model: Likewise, of the model's.
        start: First position in the task's order of images.
        stop: One past the last.
        asked: What the task asks; None checks what can be checked without.
        whole: Whether the unit is finished, so that no condition may be absent.
    """
    for kind, folder in (("task", task), ("model", model)):
        inside = _names_in(table.column(kind), folder)
        if inside - {folder}:
            yield f"its {kind} is {', '.join(sorted(inside))}"
    severity = table.column("severity").to_numpy()
    if len(severity) and not 0 <= severity.min() <= severity.max() <= HARDEST:
        yield f"it has severities outside 0 to {HARDEST}"
        return
    image, ids, in_order = images_of(table)
    if len(ids) != stop - start:
        yield f"it has {len(ids)} images instead of {stop - start}"
        return
    cell, keys = cells_of(table)
    if len({*ids}) < len(ids) or len({*keys}) < len(keys):
        yield "it lists an image or a condition twice"
        return
    if _is_a_grid(image, cell, len(ids), len(keys)):
        count = np.ones((len(ids), len(keys)), dtype=np.int64)
    else:
        count = np.bincount(image * len(keys) + cell, minlength=len(ids) * len(keys)).reshape(len(ids), len(keys))
    if (count > 1).any():
        yield "it has an image twice under one condition"
    elif not in_order:
        yield "its rows are not grouped by image"
    here = np.array([key != ANY_CONDITION for key in keys], dtype=bool)
    failed = count[:, ~here].sum(axis=1) > 0
    lacking = int((count[~failed][:, here] == 0).any(axis=1).sum())
    if lacking:
        yield f"{lacking} of its images lack a condition that others have"
    if count[failed][:, here].any():
        yield "it has predictions for an image that failed under every condition"
    yield from _answers(table, failed[image])
    if numbers_of(table.schema) or (asked is not None and asked.numbers):
        yield from _numbers(table, None if asked is None else asked.numbers)
    if asked is not None:
        yield from _against(image, ids, table, start, asked)
        known, there = {*asked.conditions, ANY_CONDITION}, {*keys}
        foreign = [key for key in keys if key not in known]
        if foreign:
            yield f"it has conditions that the task does not have: {', '.join(foreign)}"
        absent = [key for key in asked.conditions if key not in there]
        if whole and absent and not failed.all():
            yield f"it lacks the condition {absent[0]}"


def _answers(table: pa.Table, failed: np.ndarray) -> Iterator[str]:
    answered = np.asarray(table.column("error").is_null())
    if (answered & failed).any():
        yield "it has a prediction under the condition '*', which is for failed images only"
    if in_place(table.schema):
        return
    confidence = table.column("confidence").to_numpy()[answered]
    if (table.column("top1").to_numpy()[answered] < 0).any() or not np.isfinite(confidence).all():
        yield "it has predictions without a decision or a confidence"
    elif len(confidence) and not 0 <= confidence.min() <= confidence.max() <= 1:
        yield "it has confidences outside 0 to 1"


def _numbers(table: pa.Table, wanted: Mapping[str, tuple[float, float]] | None) -> Iterator[str]:
    """Columns of numbers held to the measures that the task asks for, and to their ranges.

    Args:
        table: Rows of a unit.
        wanted: From `Asked.numbers`; None where that is not known.
    """
    answered = np.asarray(table.column("error").is_null())
    names = [name for name in numbers_of(table.schema) if name not in BESIDE]
    for name in BESIDE:
        if name in table.column_names and not np.isfinite(table.column(name).to_numpy()[answered]).all():
            yield f"it has values of {name} that are out of range"
    measures: dict[str, set[str]] = {}
    for name in names:
        of_map, _, measure = name.rpartition(" ")
        measures.setdefault(of_map, set()).add(measure)
        values = table.column(name).fill_null(np.nan).to_numpy()
        low, high = (-np.inf, np.inf) if wanted is None else wanted.get(measure, (-np.inf, np.inf))
        inside = values[~np.isnan(values)]
        if np.isinf(inside).any() or (
            len(inside) and not low - _SLACK <= inside.min() <= inside.max() <= high + _SLACK
        ):
            yield f"it has values of {name} that are out of range"
        if not np.isnan(values[~answered]).all():
            yield f"it has values of {name} where there is no prediction"
    if wanted is None:
        return
    if not wanted and names:
        yield f"it has numbers, which the task does not have: {', '.join(names)}"
    elif wanted and not names and answered.any():
        yield f"it lacks the numbers {', '.join(wanted)}"
    for of_map, there in measures.items() if wanted else ():
        if there != set(wanted):
            yield f"it has the numbers {', '.join(sorted(there))} of {of_map or 'each map'}, not {', '.join(wanted)}"


def _against(image: np.ndarray, ids: Sequence[str], table: pa.Table, start: int, asked: Asked) -> Iterator[str]:
    """Images, labels and classes held to what the task asks."""
    wanted = asked.image_ids[start : start + len(ids)]
    for place, (image_id, own) in enumerate(zip(ids, wanted, strict=False), start):
        if own is not None and image_id != own:
            yield f"it has the image {image_id} at position {place}, where the task has {own}"
            return
    label = table.column("label").to_numpy()
    known = np.array([own is not None for own in wanted] + [False] * (len(ids) - len(wanted)), dtype=bool)
    expected = np.full(len(ids), -1, dtype=np.int64)
    expected[: len(wanted)] = asked.labels[start : start + len(ids)]
    wrong = known[image] & (label != expected[image])
    if wrong.any():
        yield f"its labels differ from the task's for {len(np.unique(image[wrong]))} of its images"
    for name in ("label", *TOP_COLUMNS):
        column = table.column(name)
        values = (column.fill_null(-1) if column.null_count else column).to_numpy()
        if len(values) and not -1 <= values.min() <= values.max() < asked.classes:
            yield f"it has a {name} outside the task's {asked.classes} classes"


def _names_in(column: pa.ChunkedArray, expected: str) -> set[str]:
    """Names in a dictionary column, safe for files; quick where its dictionary holds the expected one alone."""
    parts = [part.dictionary for part in column.chunks]
    if all(len(part) == 1 and safe_name(str(part[0].as_py())) == expected for part in parts):
        return {expected} if len(column) else set()
    return {safe_name(str(name)) for name in column.unique().to_pylist()}


def _is_a_grid(image: np.ndarray, cell: np.ndarray, images: int, keys: int) -> bool:
    """Whether every image has every condition once, image by image and in one order, which is the usual case."""
    if not images or not keys or len(cell) != images * keys:
        return False
    rows = cell.reshape(images, keys)
    grouped = (image.reshape(images, keys) == np.arange(images)[:, None]).all()
    return bool(grouped and (rows == rows[0]).all()) and len(np.unique(rows[0])) == keys


def joined(
    units: Sequence[tuple[int, pa.Table, str]],
    classes: int,
    conditions: Sequence[str],
    numbers: Mapping[str, tuple[float, float]] | None = None,
) -> Asked | str:
    """What a task asks, as its units tell it, where nothing else is left of it.

    Args:
        units: First position, table and name of each unit of one task, of any models.
        classes: Number of classes of the task.
        conditions: Of the task.
        numbers: What its units hold in place of classes.

    Returns:
        What they say together; or a line that says which of them contradict one another.
    """
    ids: dict[int, tuple[str, int, str]] = {}
    places: dict[str, tuple[int, str]] = {}
    for start, table, name in units:
        image, own, _ = images_of(table)
        labels = np.zeros(len(own), dtype=np.int64)
        labels[image] = table.column("label").to_numpy()
        for place, (image_id, label) in enumerate(zip(own, labels.tolist(), strict=True), start):
            known = ids.setdefault(place, (image_id, label, name))
            if known[:2] != (image_id, label):
                return f"{name} and {known[2]} disagree about image {place}; one of them is damaged"
            there = places.setdefault(image_id, (place, name))
            if there[0] != place:
                return f"{name} and {there[1]} both have the image {image_id}; one is a copy in the wrong place"
    n = max(ids, default=-1) + 1
    entries = [ids.get(place, (None, -1, "")) for place in range(n)]
    return Asked(
        tuple(image_id for image_id, _, _ in entries),
        np.array([label for _, label, _ in entries], dtype=np.int64),
        classes,
        tuple(conditions),
        numbers or {},
    )
