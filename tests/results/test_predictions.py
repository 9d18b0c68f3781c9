"""Gathering is held against what pandas makes of the same tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitobench.results.predictions import Predictions, gather
from vitobench.results.schema import TOP_COLUMNS
from vitobench.results.unit_file import decode, encode, table_of

UNIT = "predictions/t@1/m@2/0000000-0000012.parquet"
CELLS = (("clean", 0), ("fog", 1), ("fog", 5), ("shot_noise", 3), ("*", 0))
REASONS = ("truncated", "not finite", "it isn't there")


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    """Units of a task, image by image; ids and conditions come in any order, and some images in two units."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    names = [f"img{n}" for n in rng.permutation(12)]
    made = []
    for _ in range(draw(st.integers(0, 4))):
        ids = [names[n] for n in rng.permutation(12)[: draw(st.integers(0, 6))]]
        rows: list[tuple[Any, ...]] = []
        for image_id in ids:
            for cell in rng.permutation(len(CELLS))[: rng.integers(1, len(CELLS) + 1)]:
                reason = REASONS[rng.integers(3)] if rng.random() < 0.3 else None
                rows.append((image_id, *CELLS[cell], reason))
        n = len(rows)
        columns = {
            "condition": [row[1] for row in rows], "severity": [row[2] for row in rows],
            "image_id": [row[0] for row in rows], "label": rng.integers(-1, 1000, n),
            "top": rng.integers(0, 1000, (n, draw(st.sampled_from([1, 3, 5])))),
            "confidence": np.where([row[3] is not None for row in rows], np.nan, rng.random(n)),
            "error": [row[3] for row in rows],
        }  # fmt: skip
        table = table_of("t@1", "m@2", columns)
        made.append(decode(encode(table, UNIT), UNIT) if draw(st.booleans()) else table)
    return made


def oracle(tables: list[pa.Table], most: list[int | None] | None) -> pd.DataFrame:
    """The rows that are kept, as plain text and numbers."""
    frames = []
    for number, table in enumerate(tables):
        frame = table.to_pandas()
        frame["image_id"] = frame["image_id"].astype(str)
        limit = most[number] if most is not None else None
        if limit is not None:
            frame = frame[frame["image_id"].isin(frame["image_id"].drop_duplicates()[:limit])]
        severity = frame["severity"].astype(str)
        frame["key"] = (
            frame["condition"]
            .astype(str)
            .where(frame["severity"] == 0, frame["condition"].astype(str) + "/" + severity)
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def check(found: Predictions, expected: pd.DataFrame) -> None:
    assert len(found) == len(expected)
    assert found.top.shape == (len(expected), 5)
    kinds = {
        name: getattr(found, name).dtype.name for name in ("image", "condition", "label", "top", "confidence", "error")
    }
    assert kinds == {
        "image": "int32", "condition": "int32", "label": "int16", "top": "int16", "confidence": "float32",
        "error": "int32",
    }  # fmt: skip
    if not len(expected):
        return
    assert [found.image_ids[n] for n in found.image] == expected["image_id"].tolist()
    assert [found.conditions[n] for n in found.condition] == expected["key"].tolist()
    reasons = [found.reasons[n] if n >= 0 else None for n in found.error]
    assert reasons == [None if pd.isna(reason) else reason for reason in expected["error"]]
    assert found.label.tolist() == expected["label"].tolist()
    assert found.top.tolist() == expected[list(TOP_COLUMNS)].fillna(-1).to_numpy(int).tolist()
    np.testing.assert_array_equal(found.confidence, expected["confidence"].to_numpy(np.float32))
    # Each text once, images and reasons in the order in which they first appear.
    assert list(found.image_ids) == expected["image_id"].drop_duplicates().tolist()
    assert sorted(found.conditions) == sorted(expected["key"].drop_duplicates())
    assert list(found.reasons) == expected["error"].dropna().drop_duplicates().tolist()


@given(tables(), st.data())
@settings(max_examples=60, deadline=None)
def test_gathering_is_what_pandas_makes_of_it(made: list[pa.Table], data: st.DataObject) -> None:
    check(gather(made), oracle(made, None))
    most = data.draw(st.lists(st.none() | st.integers(0, 8), min_size=len(made), max_size=len(made)))
    check(gather(made, most), oracle(made, most))


def unit(ids: list[str], cells: int = 2) -> pa.Table:
    rows = len(ids) * cells
    return table_of("t@1", "m@2", {
        "condition": [f"c{n % cells}" for n in range(rows)], "severity": [0] * rows,
        "image_id": [ids[n // cells] for n in range(rows)], "label": [0] * rows, "top": np.zeros((rows, 5)),
        "confidence": np.full(rows, 0.5), "error": [None] * rows,
    })  # fmt: skip


@pytest.mark.parametrize("limit", range(6))
def test_a_limit_cuts_between_images_and_never_within(limit: int) -> None:
    found = gather([unit(["d", "b", "c", "a"])], [limit])
    assert found.image_ids == tuple("dbca"[:limit])
    assert np.bincount(found.image, minlength=4).tolist() == [2 if n < limit else 0 for n in range(4)]


def test_each_unit_has_its_own_limit() -> None:
    found = gather([unit(["a", "b"]), unit(["c", "d"]), unit(["e"])], [1, None, 0])
    assert found.image_ids == ("a", "c", "d")


def test_a_slice_of_a_table_counts_only_the_images_that_it_has() -> None:
    # Its dictionary still names all of them.
    found = gather([unit(["a", "b", "c", "d"]).slice(4)], [2])
    assert found.image_ids == ("c", "d")
    assert len(gather([unit(["a", "b", "c"]).slice(4)], [2])) == 2


def test_nothing_at_all_is_empty() -> None:
    for found in (gather([]), gather([unit([])]), gather([unit(["a"])], [0])):
        check(found, pd.DataFrame())
        assert (found.image_ids, found.conditions, found.reasons) == ((), (), ())


def test_large_codes_do_not_run_over() -> None:
    ids = [f"{n:05d}" for n in range(3000)]
    found = gather([unit(ids, cells=3)] * 2)
    assert len(found.image_ids) == 3000
    assert len(found) == 18_000
    assert found.conditions == ("c0", "c1", "c2")
