"""Scores as Parquet, with their provenance in the file's metadata."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from ...files import write_file
from ..export import as_json
from .exporter import Handover
from .long_table import COLUMNS, long_rows

METADATA = b"vitobench"
"""Key of the metadata: models, tasks and the run, as JSON."""

_FLOATS = ("value", "ci_low", "ci_high")
_WHOLE = ("seed", "n")


def export(handover: Handover) -> list[str]:
    """See `Exporter`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = long_rows(handover.outcome.data)
    everything = as_json(handover.outcome)
    origin = {key: everything[key] for key in ("models", "tasks", "run")}
    schema = pa.schema([(name, _type(pa, name)) for name in COLUMNS], {METADATA: json.dumps(origin).encode()})
    held = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), held)
    write_file(Path(handover.to), held.getvalue())
    return [f"{len(rows):,} scores: {handover.to}"]


def _type(pa: Any, column: str) -> Any:
    return pa.float64() if column in _FLOATS else pa.int64() if column in _WHOLE else pa.string()
