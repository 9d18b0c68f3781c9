"""Rows of the saliency tasks: how alike each map of a model is to the reference map, image by image, in Parquet.

They lie in a store at ``saliency/TASK@DIGEST/OBSERVER@DIGEST/EXPLAINER/START-STOP.parquet``, one file for 100 images.
An observer is a model or a baseline; an explainer says how its maps are made.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..text import printable
from .store import Store, safe_name, unit_file

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
    import pyarrow.parquet as pq

    fixed = {"observer": observer, "task": task}
    found = [{**fixed, **row} for row in rows]
    plain = [{key: printable(v) if isinstance(v, str) else v for key, v in row.items()} for row in found]
    table = pa.Table.from_pylist(plain, schema=_schema())
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    own = folder(task, observer, explainer)
    store.folder.write(f"{own}/{unit_file(start, stop)}", buffer.getvalue())
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
    store: Store, task: str, observer: str, explainer: str, ranges: Sequence[tuple[int, int]], image_ids: Sequence[str]
) -> tuple[dict[str, MapRows], list[str]]:
    """Read what is stored of an observer.

    Args:
        store: Where.
        task: Task identity.
        observer: Identity of the model or baseline.
        explainer: How the maps are made.
        ranges: (start, stop) of the shards that were asked.
        image_ids: Of the images that were asked; a shard may hold more.

    Returns:
        Rows by map, and a line for every shard that is missing or cannot be read.
    """
    present, own = shards(store, task, observer, explainer), folder(task, observer, explainer)
    frames, problems = [], []
    for start, stop in ranges:
        end = min((end for end in present.get(start, ()) if end >= stop), default=None)
        found = "was not run" if end is None else _read_shard(store, f"{own}/{unit_file(start, end)}")
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


def _read_shard(store: Store, name: str) -> Any:
    """A shard as a data frame, or a line that says why it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = store.folder.path(name)
    try:
        table = pq.read_table(io.BytesIO(store.folder.read(name)))
    except (OSError, pa.ArrowException) as error:
        return f"{path} cannot be read ({error}); delete it, and the next run makes it again"
    if (table.schema.metadata or {}).get(_VERSION_KEY) != _VERSION or tuple(table.column_names) != COLUMNS:
        return f"{path} is no file of this version; delete it, and the next run makes it again"
    return table.cast(pa.schema([(f.name, _plain_type(f.type)) for f in table.schema])).to_pandas()


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def keep_facts(store: Store, below: str, facts: Mapping[str, Any]) -> None:
    """Keep what rows are of, as ``facts.json`` beside them; what is there already stays.

    Raises:
        StoreError: It cannot be written.
    """
    name = f"{TREE}/{below}/facts.json"
    if not store.folder.exists(name):
        store.folder.write(name, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
