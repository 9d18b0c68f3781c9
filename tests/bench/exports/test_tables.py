"""CSV, JSON and Parquet, read back by other libraries."""

from __future__ import annotations

import json
import math

import pandas as pd
import pyarrow.parquet as pq
import pytest

from vitobench.bench.exports.exporter import Handover
from vitobench.bench.exports.files import COLUMNS, export_csv, export_json, export_parquet
from vitobench.errors import StoreError


def check(frame: pd.DataFrame, handover: Handover) -> None:
    scores = handover.outcome.data.scores
    assert tuple(frame.columns) == COLUMNS
    for name in ("model", "task", "condition", "metric", "n"):
        assert list(frame[name]) == [getattr(score, name) for score in scores]
    for name in ("value", "ci_low", "ci_high"):  # to the last bit
        assert list(frame[name].dropna()) == [x for s in scores if math.isfinite(x := getattr(s, name))]
    first = frame.iloc[0]
    assert (first.task_identity, first["data"], first.data_digest, first.seed) == ("val@11", "microworld/val", "d1", 4)
    assert (first.model_identity, str(first.vitobench)) == ("vito@500@" + "0" * 16, "9.9")
    hole = frame[frame.metric == "mce"].iloc[0]
    assert (hole.better, hole.undefined) == ("lower", "a reason")
    assert math.isnan(hole.value)


def test_csv(handed, tmp_path) -> None:
    handover = handed(tmp_path / "new" / "s.csv")
    assert export_csv(handover) == [f"12 scores: {handover.to}"]
    check(pd.read_csv(handover.to), handover)


def test_parquet(handed, tmp_path) -> None:
    handover = handed(tmp_path / "s.parquet")
    export_parquet(handover)
    check(pd.read_parquet(handover.to), handover)
    origin = json.loads(pq.read_schema(handover.to).metadata[b"vitobench"])
    assert [model["name"] for model in origin["models"]] == list(handover.models)
    assert origin["run"]["command"] == "bench export"


def test_json(handed, tmp_path) -> None:
    handover = handed(tmp_path / "s.json")
    export_json(handover)
    found = json.loads((tmp_path / "s.json").read_text(), parse_constant=pytest.fail)  # NaN is not JSON
    assert found["scores"][3]["value"] is None
    assert (len(found["scores"]), len(found["comparisons"]), len(found["failures"])) == (12, 1, 1)
    assert found["run"]["versions"] == {"vitobench": "9.9"}


def test_a_file_that_cannot_be_written_is_said(handed, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for export in (export_csv, export_json, export_parquet):
        with pytest.raises(StoreError, match="cannot be written"):
            export(handed(tmp_path / "file" / "s.out"))
