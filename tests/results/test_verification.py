"""Every kind of problem, made on purpose in a store that is sound otherwise."""

from __future__ import annotations

import gzip
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from vitobench.results import records
from vitobench.results.inventory import DAMAGED, FOREIGN, LEFTOVER, NAMELESS, Problem, verify
from vitobench.results.layout import PARTIAL
from vitobench.results.predictions import Asked, asked_from
from vitobench.results.store import Store
from vitobench.results.unit_file import decode, encode, table_of

Columns = Callable[..., dict[str, Any]]


@pytest.fixture
def root(sound: Store) -> Path:
    assert sound.folder.local is not None
    return sound.folder.local


@pytest.fixture
def unit(sound: Store, names: tuple[str, str]) -> str:
    """The second of two units, images 4 to 7."""
    return sound.unit_name(*names, 4, 8)


def the_problem(store: Store) -> tuple[str, str, str]:
    (found,) = verify(store)
    return found.kind, found.file, found.reason


def test_a_sound_store_has_no_problem(sound: Store, names: tuple[str, str], columns: Columns) -> None:
    sound.write_unit(*names, 8, 12, columns(8, 4), partial=True)
    failed = columns(12, 2, error=["truncated"] * 4, top=np.full((4, 1), -1), confidence=[np.nan] * 4)
    sound.write_unit(*names, 12, 14, failed)
    sound.folder.write("report.html", b"a page")
    told: list[tuple[int, int]] = []
    assert verify(sound, lambda done, total: told.append((done, total))) == []
    assert told == [(n, 7) for n in range(1, 8)]  # four units, two records and a list of images


def test_a_store_without_units_is_sound(store: Store) -> None:
    assert verify(store, lambda done, total: pytest.fail("nothing to read")) == []


def test_verifying_changes_nothing(sound: Store, root: Path, unit: str) -> None:
    (root / unit).write_bytes(b"PAR1")
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert verify(sound)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_truncated_file(sound: Store, root: Path, unit: str) -> None:
    for keep in (-1, -20, 100, 4, 0):
        content = (root / unit).read_bytes()
        (root / unit).write_bytes(content[:keep])
        kind, file, _ = the_problem(sound)
        assert (kind, file) == (DAMAGED, unit)
        (root / unit).write_bytes(content)
    assert verify(sound) == []


def test_every_flipped_bit_is_found(sound: Store, root: Path, unit: str) -> None:
    content = (root / unit).read_bytes()
    for place in range(0, len(content), 29):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        (root / unit).write_bytes(damaged)
        assert {problem.file for problem in verify(sound)} == {unit}, place


def test_a_table_that_is_not_ours(sound: Store, root: Path, unit: str) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(root / unit)
    assert the_problem(sound) == (DAMAGED, unit, "it was not written by vitobench")


def test_a_unit_of_another_schema(sound: Store, root: Path, unit: str) -> None:
    table = pq.read_table(root / unit).replace_schema_metadata({"vitobench.schema": "1"})
    pq.write_table(table, root / unit)
    assert the_problem(sound) == (DAMAGED, unit, "it has schema 1, not 3")


def test_a_unit_that_lies_under_another_model(
    sound: Store, root: Path, unit: str, names: tuple[str, str], columns: Columns
) -> None:
    other = "vito@1111111111111111"
    content = encode_unit(unit, names[0], other, columns(4, 4))
    (root / unit).write_bytes(content)
    assert the_problem(sound) == (DAMAGED, unit, f"its model is {other}")
    (root / unit).write_bytes(encode_unit(unit, "micro-val@2222", names[1], columns(4, 4)))
    assert the_problem(sound) == (DAMAGED, unit, "its task is micro-val@2222")


def encode_unit(name: str, task: str, model: str, columns: dict[str, Any]) -> bytes:
    """Rows as the file of that name would hold them, with a digest that is right."""
    return encode(table_of(task, model, columns), name)


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_wrong_number_of_images(
    sound: Store, root: Path, unit: str, names: tuple[str, str], columns: Columns, count: int
) -> None:
    (root / unit).write_bytes(encode_unit(unit, *names, columns(4, count)))
    assert the_problem(sound) == (DAMAGED, unit, f"it has {count} images instead of 4")


def test_a_row_that_is_there_twice(sound: Store, root: Path, unit: str) -> None:
    import pyarrow as pa

    table = decode((root / unit).read_bytes(), unit)
    (root / unit).write_bytes(encode(pa.concat_tables([table, table.slice(3, 1)]).combine_chunks(), unit))
    assert the_problem(sound) == (DAMAGED, unit, "it has an image twice under one condition")


def test_a_row_that_is_lost(sound: Store, root: Path, unit: str) -> None:
    table = decode((root / unit).read_bytes(), unit)
    (root / unit).write_bytes(encode(table.slice(0, 7), unit))
    assert the_problem(sound) == (DAMAGED, unit, "1 of its images lack a condition that others have")


def test_an_image_that_failed_altogether_has_one_row(
    sound: Store, root: Path, unit: str, names: tuple[str, str], columns: Columns
) -> None:
    made = columns(4, 4)
    shorter = {name: [*values[:2], *values[3:]] for name, values in made.items()}
    shorter["condition"][2], shorter["severity"][2], shorter["error"][2] = "*", 0, "truncated"
    (root / unit).write_bytes(encode_unit(unit, *names, shorter))
    assert verify(sound) == []


@pytest.mark.parametrize("change", [{"top": np.full((8, 5), -1)}, {"confidence": [np.nan] * 8},
                                    {"confidence": [0.5] * 7 + [np.inf]}])  # fmt: skip
def test_an_answer_without_content(
    sound: Store, root: Path, unit: str, names: tuple[str, str], columns: Columns, change: dict[str, Any]
) -> None:
    (root / unit).write_bytes(encode_unit(unit, *names, columns(4, 4, **change)))
    assert the_problem(sound) == (DAMAGED, unit, "it has predictions without a decision or a confidence")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image_id": [f"val-0-{n // 2:06d}" for n in range(8)]},
         "it has the image val-0-000000 at position 4, where the task has val-0-000004"),
        ({"label": [4, 4, 5, 5, 6, 6, 7, 8]}, "its labels differ from the task's for 1 of its images"),
        ({"top": np.full((8, 5), 1000)}, "it has a top1 outside the task's 1000 classes"),
        ({"confidence": [0.5] * 7 + [7.5]}, "it has confidences outside 0 to 1"),
        ({"confidence": [-0.5] + [0.5] * 7}, "it has confidences outside 0 to 1"),
        ({"condition": ["snow", "clean"] * 4}, "it has conditions that the task does not have: snow/3"),
        ({"severity": [4, 0] * 4}, "it has conditions that the task does not have: fog/4"),
        ({"severity": [17, 0] * 4}, "it has severities outside 0 to 5"),
        ({"severity": [-1, 0] * 4}, "it has severities outside 0 to 5"),
        ({"condition": ["*", "clean"] * 4, "severity": [0] * 8},
         "it has predictions for an image that failed under every condition"),
    ],
)  # fmt: skip
def test_rows_that_contradict_what_the_task_asks(
    sound: Store, root: Path, unit: str, names: tuple[str, str], columns: Columns, change: dict[str, Any], reason: str
) -> None:
    (root / unit).write_bytes(encode_unit(unit, *names, columns(4, 4, **change)))
    assert the_problem(sound) == (DAMAGED, unit, reason)
    # What is scored is held to the same.
    found, problems = Store(root).read(*names, [(0, 4), (4, 8)])
    assert found.image_ids == tuple(f"val-0-{n:06d}" for n in range(4))
    assert f"{unit.rpartition('/')[2]} cannot be read ({reason})" in problems[0]


def test_a_finished_unit_lacks_no_condition(
    sound: Store, root: Path, unit: str, names: tuple[str, str], columns: Columns
) -> None:
    half = {name: values[::2] for name, values in columns(4, 4).items()}
    (root / unit).write_bytes(encode_unit(unit, *names, half))
    assert the_problem(sound) == (DAMAGED, unit, "it lacks the condition clean")
    (root / unit).unlink()
    sound.write_unit(*names, 4, 8, half, partial=True)
    assert verify(sound) == []


def test_a_unit_copied_over_another_range(sound: Store, root: Path, unit: str) -> None:
    first = unit.replace("0000004-0000008", "0000000-0000004")
    (root / unit).write_bytes((root / first).read_bytes())
    assert the_problem(sound) == (DAMAGED, unit, f"it was written as {first} and then copied or moved here")


@pytest.mark.parametrize("kind", ["folder", "folder with files", "dangling", "link to a folder", "pipe"])
@pytest.mark.parametrize("place", ["unit", "models", "images"])
def test_whatever_is_in_the_place_of_a_file_is_found_and_can_be_removed(
    sound: Store, root: Path, unit: str, tmp_path: Path, kind: str, place: str
) -> None:
    name = unit if place == "unit" else f"{place}/{sound.folder.names(place)[0]}"
    (root / name).unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    if kind == "pipe":
        os.mkfifo(root / name)
    elif "link" in kind or kind == "dangling":
        (root / name).symlink_to(tmp_path / ("absent" if kind == "dangling" else "elsewhere"))
    else:
        (root / name).mkdir()
        if "files" in kind:
            (root / name / "0.parquet").write_bytes(b"x")
    assert the_problem(sound)[:2] == (DAMAGED, name)
    sound.folder.remove(name)
    assert not os.path.lexists(root / name)
    assert (tmp_path / "elsewhere" / "mine.txt").read_text() == "mine"


def test_folders_behind_links_are_read_too_and_circles_end(sound: Store, root: Path, unit: str, tmp_path: Path) -> None:
    (root / "predictions").rename(tmp_path / "disk")
    (root / "predictions").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "round").symlink_to(tmp_path / "disk")
    assert verify(sound) == []
    assert len(sound.unit_entries()) == 2
    (root / unit).write_bytes(b"x")
    assert the_problem(sound)[:2] == (DAMAGED, unit)


@pytest.mark.parametrize("kind", ["models", "tasks", "runs", "manifests", "truths", "images"])
def test_a_damaged_document_of_any_kind(sound: Store, root: Path, kind: str) -> None:
    for name in ("runs/a.json", "manifests/a@0.json.gz", "truths/a@0.json.gz"):
        records.write(sound, name, {"facts": {"a": 1}})
    assert verify(sound) == []
    name = f"{kind}/{sound.folder.names(kind)[0]}"
    content = (root / name).read_bytes()
    (root / name).write_bytes(content[:-20])
    assert the_problem(sound)[:2] == (DAMAGED, name)
    document = json.loads(gzip.decompress(content) if name.endswith("gz") else content)
    changed = json.dumps(document | {"seed": 77}).encode()
    (root / name).write_bytes(gzip.compress(changed) if name.endswith("gz") else changed)
    assert the_problem(sound) == (DAMAGED, name, "its content has changed since it was written: the digest differs")


def test_a_unit_that_a_larger_one_covers(sound: Store, root: Path, names: tuple[str, str], columns: Columns) -> None:
    small, part = sound.unit_name(*names, 4, 6), sound.unit_name(*names, 4, 8, PARTIAL)
    longer, alone = sound.unit_name(*names, 4, 9, PARTIAL), sound.unit_name(*names, 5, 8, PARTIAL)
    for name, first, count in ((small, 4, 2), (part, 4, 4), (longer, 4, 5), (alone, 5, 3)):
        sound.folder.write(name, encode_unit(name, *names, columns(first, count)))
    reason = "there is a finished unit of images 4 to 7"
    assert verify(sound) == [Problem(part, LEFTOVER, reason), Problem(small, LEFTOVER, reason)]


def test_a_file_that_was_never_finished_is_left_over_once_it_is_old(sound: Store, root: Path, unit: str) -> None:
    asides = [
        f"{unit.rpartition('/')[0]}/.0000008-0000012.parquet.{uuid.uuid4().hex}",
        f"runs/.x.json.{uuid.uuid4().hex}",
    ]
    for aside in asides:
        sound.folder.write(aside, b"PAR1")
    assert verify(sound) == []  # its run may be at work
    for aside in asides:
        os.utime(root / aside, (time.time() - 7200,) * 2)
    assert [(p.kind, p.file) for p in verify(sound)] == [(LEFTOVER, aside) for aside in asides]


@pytest.mark.parametrize("name", ["predictions/notes.txt", "predictions/a/b/all.parquet", "partial/x.parquet"])
def test_a_file_of_somebody_else_among_the_predictions(sound: Store, name: str) -> None:
    sound.folder.write(name, b"x")
    kind, file, reason = the_problem(sound)
    assert (kind, file) == (FOREIGN, name)
    assert "not a unit's name" in reason


def test_predictions_of_which_no_record_speaks(sound: Store, root: Path, unit: str, names: tuple[str, str]) -> None:
    (record,) = (root / "models").iterdir()
    kept = record.read_bytes()
    record.unlink()
    kind, folder, reason = the_problem(sound)  # one line, however many units
    assert (kind, folder) == (NAMELESS, unit.rpartition("/")[0])
    assert "no record of the model" in reason
    record.write_bytes(kept[:10])
    assert the_problem(sound)[:2] == (DAMAGED, f"models/{record.name}")
    record.write_bytes(kept)
    (task,) = (root / "tasks").iterdir()
    task.unlink()
    assert "no record of the task micro-c@0123456789abcdef" in the_problem(sound)[2]


def test_several_problems_are_all_told(sound: Store, root: Path, unit: str) -> None:
    first = unit.replace("0000004-0000008", "0000000-0000004")
    (root / unit).write_bytes(b"x")
    (root / first).write_bytes(b"y")
    sound.folder.write("predictions/notes.txt", b"x")
    assert [(p.kind, p.file) for p in verify(sound)] == [
        (DAMAGED, first), (DAMAGED, unit), (FOREIGN, "predictions/notes.txt")
    ]  # fmt: skip


def test_a_unit_that_is_replaced_meanwhile_is_no_problem(
    sound: Store, root: Path, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = sound.folder.read

    def gone(name: str) -> bytes:
        if name == unit:
            raise FileNotFoundError(2, "No such file or directory")
        return read(name)

    monkeypatch.setattr(sound.folder, "read", gone)
    assert verify(sound) == []


def test_a_file_that_cannot_be_read_says_why(sound: Store, unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = sound.folder.read

    def refused(name: str) -> bytes:
        if name == unit:
            raise PermissionError(13, "Permission denied")
        return read(name)

    monkeypatch.setattr(sound.folder, "read", refused)
    (problem,) = verify(sound)
    assert problem.file == unit
    assert problem.reason == "Permission denied"


MEASURES = {"dice": (0.0, 1.0), "iou": (0.0, 1.0)}
GOOD = {"map dice": [0.5, np.nan], "map iou": [0.5, 0.25]}


@pytest.mark.parametrize(
    ("asked", "numbers", "words"),
    [
        (MEASURES, GOOD, ""),
        (MEASURES, {"dice": [0.5, 0.1], "iou": [0.0, 1.0]}, ""),
        (MEASURES, {"map dice": [0.5, 1.5], "map iou": [0.5, 0.5]}, "values of map dice that are out of range"),
        (MEASURES, {"map dice": [0.5, np.inf], "map iou": [0.5, 0.5]}, "values of map dice that are out of range"),
        (MEASURES, {"map dice": [0.5, 0.5]}, "it has the numbers dice of map, not dice, iou"),
        (MEASURES, {"map dice": [0, 0], "map iou": [0, 0], "map top1": [0, 0]}, "the numbers dice, iou, top1 of map"),
        (MEASURES, {}, "it has predictions without a decision"),
        ({}, GOOD, "it has numbers, which the task does not have: map dice, map iou"),
    ],
)
def test_numbers_are_held_to_what_the_task_asks(
    tmp_path: Path, asked: dict[str, tuple[float, float]], numbers: dict[str, list[float]], words: str
) -> None:
    store = Store(tmp_path / "numbers")
    store.prepare()
    task, model = "t@0123456789abcdef", "m@0123456789abcdef"
    store.keep_asked(task, Asked(("a", "b"), np.array([0, 1]), 16, ("clean",), asked))
    columns = {
        "condition": ["clean"] * 2, "severity": [0] * 2, "image_id": ["a", "b"], "label": [0, 1],
        "top": np.full((2, 1), -1), "confidence": [np.nan] * 2, "error": [None] * 2, "numbers": numbers,
    }  # fmt: skip
    store.write_unit(task, model, 0, 2, columns)
    damaged = [problem.reason for problem in verify(Store(tmp_path / "numbers")) if problem.kind == DAMAGED]
    assert len(damaged) == bool(words)
    assert words in "".join(damaged)
    assert Asked(("a", "b"), np.array([0, 1]), 16, ("clean",), asked).covers(
        asked_from(Asked(("a",), np.array([0]), 16, ("clean",), asked).document())
    )
