"""Rows of the saliency tasks: how similar each map of a model is to the reference map, per image, in Parquet.

They lie in a store at ``saliency/TASK@DIGEST/OBSERVER@DIGEST/EXPLAINER/START-STOP.parquet``, one file for 100 images.
An observer is a model or a baseline; an explainer says how its maps are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from ..text import printable
from .layout import safe_name, unit_file
from .records import read, write
from .sealing import open_parquet, seal_parquet
from .store import Store

if TYPE_CHECKING:
    import pyarrow as pa

TREE = "saliency"
COLUMNS = ("observer", "task", "image_id", "label", "map", "spearman", "dice", "iou", "error")
MEASURES = ("spearman", "dice", "iou")
_VERSION_KEY = b"vitobench.saliency"
_VERSION = b"1"


@dataclass(frozen=True)
class SaliencyScore:
    """One number with its uncertainty.

    Attributes:
        observer: Model name, or that of a baseline.
        map: Which of its maps: ``"gradient"``, ``"attention"``, ...
        metric: ``"alignment"`` (mean Spearman over the ceiling), ``"spearman"``, ``"dice"`` or ``"iou"``.
        value: Mean over images; NaN where no image has one.
        ci_low: Lower end of the 95 % interval.
        ci_high: Upper end of the 95 % interval.
        n: Images behind the value.
        undefined: Images of which the measure is undefined, because a map is constant; they are left out.
    """

    observer: str
    map: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    undefined: int


@dataclass(frozen=True)
class SaliencyComparison:
    """A paired difference ``a - b`` on the images that both have, with its 95 % interval and bootstrap p-value."""

    a: str
    a_map: str
    b: str
    b_map: str
    metric: str
    difference: float
    ci_low: float
    ci_high: float
    p: float
    n: int


@dataclass(frozen=True)
class MapRows:
    """One map of one observer.

    Attributes:
        image_ids: (n,) text, unique.
        values: float64 (n, 3), `MEASURES`; NaN where undefined.
        errors: Reason why an image has no value, by image id.
    """

    image_ids: np.ndarray
    values: np.ndarray
    errors: Mapping[str, str]


def folder(task: str, observer: str, explainer: str) -> str:
    """Where the rows of an observer lie, below the store."""
    return f"{TREE}/{safe_name(task)}/{safe_name(observer)}/{safe_name(explainer)}"


def shards(store: Store, task: str, observer: str, explainer: str) -> dict[int, tuple[int, ...]]:
    """For each first position the ends of the shards that begin there."""
    found: dict[int, tuple[int, ...]] = {}
    for name in store.folder.names(folder(task, observer, explainer)):
        start, _, stop = name.removesuffix(".parquet").partition("-")
        if name.endswith(".parquet") and start.isdigit() and stop.isdigit():
            found[int(start)] = (*found.get(int(start), ()), int(stop))
    return found


def write_shard(
    store: Store, task: str, observer: str, explainer: str, start: int, stop: int, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Store the rows of images start..stop-1, so that readers see all of them or nothing.

    Args:
        store: Where.
        task: Task identity.
        observer: Identity of the model or baseline.
        explainer: How the maps are made.
        start: First position in the task's order of images.
        stop: One past the last.
        rows: `COLUMNS` but the first two; for each image one row a map, or one with ``error``.

    Raises:
        StoreError: It cannot be written.
    """
    import pyarrow as pa

    fixed = {"observer": observer, "task": task}
    found = [{**fixed, **row} for row in rows]
    plain = [{key: printable(v) if isinstance(v, str) else v for key, v in row.items()} for row in found]
    table = pa.Table.from_pylist(plain, schema=_schema())
    own = folder(task, observer, explainer)
    name = f"{own}/{unit_file(start, stop)}"
    store.folder.write(name, seal_parquet(name, table, compression="zstd"))
    for end in shards(store, task, observer, explainer).get(start, ()):
        if end < stop:  # of an earlier run with a smaller limit
            store.folder.remove(f"{own}/{unit_file(start, end)}")


def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.dictionary(pa.int32(), pa.string())
    types = {name: text for name in COLUMNS} | {name: pa.float32() for name in MEASURES}
    types |= {"label": pa.int16(), "error": pa.string()}
    return pa.schema({name: types[name] for name in COLUMNS}, metadata={_VERSION_KEY: _VERSION})


def read_rows(
    store: Store,
    task: str,
    observer: str,
    explainer: str,
    ranges: Sequence[tuple[int, int]],
    image_ids: Sequence[str],
    labels: np.ndarray | None = None,
) -> tuple[dict[str, MapRows], list[str]]:
    """Read what is stored of an observer.

    Args:
        store: Where.
        task: Task identity.
        observer: Identity of the model or baseline.
        explainer: How the maps are made.
        ranges: (start, stop) of the shards that were asked.
        image_ids: Of the images that were asked; a shard may hold more.
        labels: int (n,), their classes; None does not check them.

    Returns:
        Rows by map, and a line for every shard that is missing or cannot be trusted.
    """
    present, own = shards(store, task, observer, explainer), folder(task, observer, explainer)
    frames, problems = [], []
    for start, stop in ranges:
        end = min((end for end in present.get(start, ()) if end >= stop), default=None)
        found: Any = "was not run"
        if end is not None:
            name = f"{own}/{unit_file(start, end)}"
            try:
                found = _plain(checked(store, name))
                _hold(found, image_ids[start:stop], None if labels is None else labels[start:stop])
            except (OSError, StoreError) as error:
                reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
                found = (
                    f"{store.folder.path(name)} cannot be read ({reason}); {store.way_out}, and the next run makes it "
                    "again"
                )
        if isinstance(found, str):
            problems.append(f"images {start} to {stop - 1}: {found}")
        else:
            frames.append(found)
    if not frames:
        return {}, problems
    import pandas as pd

    rows = pd.concat(frames, ignore_index=True)
    rows = rows[rows["image_id"].isin(set(image_ids))]
    failed = rows["error"].notna()
    errors = dict(zip(rows.loc[failed, "image_id"], rows.loc[failed, "error"], strict=True))
    good = rows[~failed].sort_values("image_id")
    maps = {
        str(name): MapRows(part["image_id"].to_numpy(str), part[list(MEASURES)].to_numpy(np.float64), errors)
        for name, part in good.groupby("map", sort=True)
    }
    if not maps and errors:
        maps = {explainer: MapRows(np.array([], dtype=str), np.zeros((0, len(MEASURES))), errors)}
    return maps, problems


def is_shard(name: str) -> bool:
    """Whether a file of a store is one of these shards."""
    parts = name.split("/")
    return len(parts) == 5 and parts[0] == TREE and parts[4].endswith(".parquet") and not parts[4].startswith(".")


def checked(store: Store, name: str) -> pa.Table:
    """A shard, held against its digest, its name and the ranges of its measures.

    Raises:
        StoreError: It is damaged; the message says how.
        OSError: It cannot be read.
    """
    import pyarrow.compute as pc

    table = open_parquet(name, store.folder.read(name))
    if (table.schema.metadata or {}).get(_VERSION_KEY) != _VERSION or tuple(table.column_names) != COLUMNS:
        raise StoreError("it was not written by this version")
    _, task, observer, _, file = name.split("/")
    for column, wanted in (("task", task), ("observer", observer)):
        inside = {safe_name(str(value)) for value in table.column(column).unique().to_pylist()}
        if inside - {wanted}:
            raise StoreError(f"it holds the {column} {', '.join(sorted(inside))}")
    start, _, stop = file.removesuffix(".parquet").partition("-")
    images = pc.count_distinct(table.column("image_id").cast("string")).as_py()
    if not (start.isdigit() and stop.isdigit()) or images != int(stop) - int(start):
        raise StoreError(f"it has {images} images")
    for measure in MEASURES:
        values = table.column(measure).to_numpy()
        values = values[~np.isnan(values)]
        if len(values) and not (-1.001 if measure == "spearman" else 0) <= values.min() <= values.max() <= 1.001:
            raise StoreError(f"it has values of {measure} that are out of range")
    return table


def _plain(table: pa.Table) -> Any:
    """A shard as a data frame without dictionaries."""
    import pyarrow as pa

    return table.cast(pa.schema([(f.name, _plain_type(f.type)) for f in table.schema])).to_pandas()


def _hold(rows: Any, image_ids: Sequence[str], labels: np.ndarray | None) -> None:
    """Hold the images of a shard to those that were asked of it.

    Raises:
        StoreError: They are others, or have other labels.
    """
    found = dict(zip(rows["image_id"], rows["label"], strict=True))
    if not found.keys() >= set(image_ids):
        raise StoreError("its images differ from the task's")
    if labels is not None and [found[i] for i in image_ids] != np.asarray(labels).tolist():
        raise StoreError("its labels differ from the task's")


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def keep_facts(store: Store, below: str, facts: Mapping[str, Any]) -> None:
    """Keep what rows are of, as ``facts.json`` beside them; what is there already and is sound stays.

    Raises:
        StoreError: It cannot be written.
    """
    name = f"{TREE}/{below}/facts.json"
    try:
        known = read(store, name)
    except StoreError:
        known = None
    if known is None:
        write(store, name, facts)
