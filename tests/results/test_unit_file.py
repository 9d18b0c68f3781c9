from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitobench.errors import StoreError
from vitobench.results.layout import seal_parquet
from vitobench.results.predictions import gather
from vitobench.results.schema import PREDICTION_COLUMNS, TOP_COLUMNS, TOP_K
from vitobench.results.unit_file import decode, encode, numbers_of, round_confidence, schema, table_of, top_of

TASK, MODEL = "imagenet-c@0123456789abcdef", "vito@fedcba9876543210"
UNIT = f"predictions/{TASK}/{MODEL}/0000000-0000006.parquet"
INT16 = st.integers(-(2**15), 2**15 - 1)


@st.composite
def units(draw: st.DrawFn) -> dict[str, Any]:
    """Columns of a unit of any content."""
    rows, width = draw(st.integers(0, 25)), draw(st.integers(1, TOP_K))
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    return {
        "condition": column(st.sampled_from(["fog", "clean", "*", "défocus"])),
        "severity": column(st.integers(0, 5)),
        "image_id": column(text),
        "label": column(INT16),
        "top": np.array(column(st.lists(INT16, min_size=width, max_size=width))).reshape(rows, width),
        "confidence": np.array(column(st.floats(width=32)), dtype=np.float32),
        "error": column(st.none() | text),
    }


@given(units())
@settings(max_examples=60, deadline=None)
def test_every_unit_comes_back_as_it_was(columns: dict[str, Any]) -> None:
    table = decode(encode(table_of(TASK, MODEL, columns), UNIT), UNIT)
    assert table.schema.equals(schema(), check_metadata=True)
    rows = len(columns["image_id"])
    assert table.column("model").to_pylist() == [MODEL] * rows
    assert table.column("task").to_pylist() == [TASK] * rows
    for name in ("condition", "severity", "image_id", "label", "error"):
        assert table.column(name).to_pylist() == columns[name]
    top, width = columns["top"], columns["top"].shape[1]
    for rank, name in enumerate(TOP_COLUMNS):
        expected = top[:, rank].tolist() if rank < width else [None] * rows
        assert table.column(name).to_pylist() == (expected if rows else [])
    padded = np.full((rows, TOP_K), -1)
    padded[:, :width] = top
    assert top_of(table).dtype == np.int16
    np.testing.assert_array_equal(top_of(table), padded)
    np.testing.assert_array_equal(table.column("confidence").to_numpy(), round_confidence(columns["confidence"]))


@given(st.lists(st.floats(min_value=2.0**-100, max_value=2.0**100, width=32), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_rounding_stays_within_its_bound(values: list[float]) -> None:
    given_values = np.array(values, dtype=np.float32)
    rounded = round_confidence(given_values)
    assert rounded.dtype == np.float32
    error = np.abs(rounded.astype(np.float64) - given_values) / given_values
    assert error.max() <= 2.0**-13
    unlikely = (given_values <= 0.5) | (given_values >= 1)
    doubted = np.where(unlikely, rounded, 1 - rounded)
    assert not (doubted.view(np.uint32) & 0x7FF).any()  # 12 bits of the mantissa are left
    np.testing.assert_array_equal(round_confidence(rounded), rounded)


@given(st.lists(st.floats(min_value=0.5, max_value=1, width=32), min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_near_one_the_distance_to_one_is_kept(values: list[float]) -> None:
    given_values = np.array(values, dtype=np.float32)
    rounded = round_confidence(given_values)
    off = np.abs((1 - rounded.astype(np.float64)) - (1 - given_values.astype(np.float64)))
    assert (off <= 2.0**-13 * (1 - given_values.astype(np.float64))).all()
    assert (np.diff(rounded[np.argsort(given_values)]) >= 0).all()
    np.testing.assert_array_equal(round_confidence(rounded), rounded)


def test_what_was_rounded_to_12_bits_of_the_confidence_stays() -> None:
    """Stores of earlier versions, whose units are copied by merging and migration."""
    values = (np.arange(2**11, 2**12 + 1) / 2**12).astype(np.float32)
    np.testing.assert_array_equal(round_confidence(values), values)


def test_rounding_goes_to_the_nearest_and_keeps_what_is_no_number() -> None:
    step = 2.0**-12
    values = np.array([1, 1 + 0.49 * step, 1 + 0.51 * step, 0.75, 0, np.nan, np.inf, -np.inf])
    expected = np.array([1, 1, 1 + step, 0.75, 0, np.nan, np.inf, -np.inf], dtype=np.float32)
    np.testing.assert_array_equal(round_confidence(values), expected)
    assert round_confidence(np.float32([1.0])[::-1])[0] == 1
    assert len(round_confidence(np.empty(0))) == 0
    # A NaN whose bits would overflow to something else.
    assert np.isnan(round_confidence(np.array([0xFFFFFFFF, 0x7FFFFFFF], np.uint32).view(np.float32))).all()


def columns(rows: int = 6) -> dict[str, Any]:
    return {
        "condition": ["fog"] * rows,
        "severity": [1] * rows,
        "image_id": [f"{n:04d}" for n in range(rows)],
        "label": np.arange(rows),
        "top": np.arange(rows * 5).reshape(rows, 5),
        "confidence": np.linspace(0.1, 0.9, rows),
        "error": [None] * rows,
    }


def test_every_truncation_is_refused() -> None:
    content = encode(table_of(TASK, MODEL, columns()), UNIT)
    for length in range(0, len(content), 7):
        with pytest.raises(StoreError, match=r"\w"):
            decode(content[:length], UNIT)


def test_every_flipped_bit_is_found() -> None:
    content = encode(table_of(TASK, MODEL, columns()), UNIT)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        with pytest.raises(StoreError, match=r"\w"):
            decode(bytes(changed), UNIT)


def test_a_file_without_its_digest_or_of_another_name_is_refused(tmp_path: Path) -> None:
    content = encode(table_of(TASK, MODEL, columns()), UNIT)
    with pytest.raises(StoreError, match=f"written as {UNIT} and then copied or moved here"):
        decode(content, UNIT.replace("0000000-0000006", "0000006-0000012"))
    # As another tool would write it again.
    pq.write_table(pq.read_table(pa.BufferReader(content)), tmp_path / "again.parquet")
    with pytest.raises(StoreError, match="it has no digest"):
        decode((tmp_path / "again.parquet").read_bytes(), UNIT)


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place() -> None:
    content = encode(table_of(TASK, MODEL, columns()), UNIT)
    kept = pq.ParquetFile(pa.BufferReader(content)).metadata.metadata
    digest = kept[b"vitobench.sha256"]
    assert content.count(digest) == 1
    assert hashlib.sha256(content.replace(digest, b"0" * 64)).hexdigest().encode() == digest
    assert kept[b"vitobench.file"] == UNIT.encode()


def test_a_class_that_does_not_fit_is_refused_and_not_wrapped() -> None:
    for change in ({"label": [40_000] * 6}, {"severity": [300] * 6}):
        with pytest.raises((ValueError, OverflowError)):
            table_of(TASK, MODEL, columns() | change)


def test_the_same_rows_are_the_same_bytes() -> None:
    assert encode(table_of(TASK, MODEL, columns()), UNIT) == encode(table_of(TASK, MODEL, columns()), UNIT)


def realistic(images: int = 100, classes: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Made-up answers with the entropy of a real classifier's.

    The logits of an image's 400 candidate classes fall with the logarithm of their rank. Each corruption disturbs them
    in its own direction and with its own strength, each severity more and in part anew; so neighbouring cells share
    some of their five best classes, in an order that changes.

    How real that is: EfficientNet-Lite0 on 100 photographs under the 75 cells of ImageNet-C was right in 76, 65, 56, 41
    and 27 % at severities 1 to 5, gave 69 distinct classes among the five best of an image and 17 as the best, and took
    7.5 bytes a row. These answers are about as accurate and as varied.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(classes)[:images]
    parts: dict[str, list[Any]] = {name: [] for name in ("condition", "severity", "image_id", "label")}
    tops, confidences = [], []
    for image, label in enumerate(labels.tolist()):
        others = rng.permutation(np.delete(np.arange(classes), label))[:399]
        taken_for_another = rng.random() > 0.85
        candidates = np.insert(others, rng.integers(1, 6) if taken_for_another else 0, label)
        falling = -rng.uniform(1.0, 3.0) * np.log(np.arange(1, 401))
        for corruption in range(15):
            direction, strength = rng.normal(size=400), np.exp(rng.normal(0, 0.5))
            for severity in range(1, 6):
                noise = (direction + rng.normal(size=400)) / np.sqrt(2)
                logits = falling + strength * (0.45 + 0.13 * severity**2) * noise
                best = np.argsort(-logits)[:5]
                tops.append(candidates[best])
                confidences.append(1 / np.exp(logits - logits[best[0]]).sum())
                parts["condition"].append(f"corruption_{corruption}")
                parts["severity"].append(severity)
                parts["image_id"].append(f"n{label:08d}/ILSVRC2012_val_{image * 489 % 50_000:08d}.JPEG")
                parts["label"].append(label)
    return parts | {"top": np.array(tops), "confidence": np.array(confidences), "error": [None] * len(tops)}


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    return realistic()


def test_the_made_up_answers_are_like_real_ones(answers: dict[str, Any]) -> None:
    right = answers["top"][:, 0] == np.array(answers["label"])
    severity = np.array(answers["severity"])
    accuracy = [right[severity == grade].mean() for grade in range(1, 6)]
    np.testing.assert_allclose(accuracy, [0.76, 0.65, 0.56, 0.41, 0.27], atol=0.1)
    top = answers["top"].reshape(100, 75, 5)
    assert 55 < np.mean([len(np.unique(one)) for one in top]) < 80
    assert 13 < np.mean([len(np.unique(one[:, 0])) for one in top]) < 21


def test_a_row_costs_at_most_eight_bytes(answers: dict[str, Any]) -> None:
    """ImageNet-C of 50,000 images is 3.75 million rows for a model: 30 MB."""
    table = table_of(TASK, MODEL, answers)
    assert len(table) == 7500
    size = len(encode(table, UNIT)) / len(table)
    assert size <= 8.0
    assert size > 5.0  # most of it cannot be foreseen: five classes and a confidence


def test_failed_images_cost_next_to_nothing() -> None:
    rows = 1000
    many = {
        "condition": ["fog"] * rows, "severity": [1] * rows, "image_id": [f"{n:06d}" for n in range(rows)],
        "label": [3] * rows, "top": np.full((rows, 1), -1), "confidence": np.full(rows, np.nan),
        "error": ["the file is truncated"] * rows,
    }  # fmt: skip
    content = encode(table_of(TASK, MODEL, many), UNIT)
    assert len(content) / rows < 8


def test_text_that_is_not_utf8_does_not_cost_the_unit() -> None:
    columns = {
        "condition": ["clean"] * 2, "severity": [0, 0], "image_id": ["a", "caf\udce9"], "label": [0, 1],
        "top": np.array([[1], [-1]]), "confidence": np.array([0.5, np.nan], np.float32), "error": [None, "half \ud83d"],
    }  # fmt: skip
    table = decode(encode(table_of(TASK, "file:caf\udce9.pth@0123", columns), UNIT), UNIT)
    assert table.column("image_id").to_pylist() == ["a", r"caf\udce9"]
    assert table.column("error").to_pylist() == [None, r"half \ud83d"]
    assert set(table.column("model").to_pylist()) == {r"file:caf\udce9.pth@0123"}


def numbers(**columns: list[float]) -> dict[str, Any]:
    """Columns of a unit of three images that holds numbers in place of classes; the last image failed."""
    return {
        "condition": ["clean", "clean", "*"],
        "severity": [0] * 3,
        "image_id": ["a", "b", "c"],
        "label": [0, 1, 2],
        "top": np.full((3, 1), -1),
        "confidence": [np.nan] * 3,
        "error": [None, None, "damaged"],
        "numbers": {name.replace("_", " "): values for name, values in columns.items()},
    }


def test_numbers_in_place_of_classes_come_back_as_they_were() -> None:
    columns = numbers(gradient_dice=[0.1, np.nan, np.nan], gradient_iou=[0.25, 1.0, np.nan])
    table = decode(encode(table_of(TASK, MODEL, columns), UNIT), UNIT)
    assert numbers_of(table.schema) == ("gradient dice", "gradient iou")
    assert tuple(table.column_names) == (*PREDICTION_COLUMNS[:-1], "gradient dice", "gradient iou", "error")
    np.testing.assert_array_equal(table.column("gradient dice").to_numpy(), np.float32([0.1, np.nan, np.nan]))
    assert table.column("error").to_pylist() == [None, None, "damaged"]
    # Other units of the model may lack a column: of them, nothing is known.
    other = table_of(TASK, MODEL, numbers(gradient_dice=[0.5, 0.5, np.nan]) | {"image_id": ["d", "e", "f"]})
    both = gather([table, decode(encode(other, UNIT), UNIT)]).numbers
    np.testing.assert_array_equal(both["gradient iou"], np.float32([0.25, 1.0, np.nan, np.nan, np.nan, np.nan]))
    np.testing.assert_array_equal(both["gradient dice"], np.float32([0.1, np.nan, np.nan, 0.5, 0.5, np.nan]))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (b"nothing", "its list of numbers is damaged"),
        (b'{"a": 1}', "its list of numbers is damaged"),
        (b'["label"]', "has a name twice"),
        (b'["gradient dice", "gradient iou"]', "it lacks the columns gradient iou"),
    ],
)
def test_a_list_of_numbers_that_is_wrong_is_refused(told: bytes, words: str) -> None:
    table = table_of(TASK, MODEL, numbers(gradient_dice=[0.1, 0.2, np.nan]))
    changed = table.replace_schema_metadata(dict(table.schema.metadata) | {b"vitobench.numbers": told})
    with pytest.raises(StoreError, match=words):
        decode(seal_parquet(UNIT, changed), UNIT)
