"""Stores that are brought together, and stores that contradict one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import StoreError
from vitobench.results import records
from vitobench.results.inventory import holdings, verify
from vitobench.results.merging import Merged, merge
from vitobench.results.predictions import Asked
from vitobench.results.store import Store

TASK, A, B = "clean@1", "a@1", "b@1"
IDS = tuple(f"{n}.png" for n in range(6))
LABELS = np.arange(6) % 3


def fill(
    store: Store, model: str, stop: int = 6, decisions: Sequence[int] = (0,) * 6, extra: dict[str, str] | None = None
) -> Store:
    """Write one unit, of the images before ``stop``, and the records that go with it."""
    store.prepare()
    store.keep_asked(TASK, Asked(IDS[:stop], LABELS[:stop], 3, ("clean",)))
    for kind, identity in ((records.TASKS, TASK), (records.MODELS, model)):
        facts = {"identity": identity, "name": identity[0], "conditions": ["clean"], "extra": extra or {}}
        records.write(store, f"{kind}/{identity}.json", facts)
    columns = {
        "condition": ["clean"] * stop,
        "severity": [0] * stop,
        "image_id": IDS[:stop],
        "label": LABELS[:stop],
        "top": np.array(decisions)[:stop, None],
        "confidence": np.full(stop, 0.5),
        "error": [None] * stop,
    }
    store.write_unit(TASK, model, 0, stop, columns)
    records.write_run(store, f"2026-{model}-{stop}", {"status": "finished", "models": {model[0]: model}, "tasks": {}})
    return store


Place = Callable[[str], Store]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return lambda name: Store(tmp_path / name)


def contents(store: Store) -> dict[str, bytes]:
    root = store.folder.local
    assert root is not None
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def merged(place: Place, *names: str, keep_first: bool = False) -> Merged:
    before = [contents(place(name)) for name in names]
    try:
        return merge([place(name) for name in names], place("all"), keep_first)
    finally:
        assert [contents(place(name)) for name in names] == before


def test_everything_of_both_is_there_once(place: Place) -> None:
    fill(place("one"), A)
    fill(place("two"), A)
    fill(place("two"), B)
    assert merged(place, "one", "two").units == 2
    target = place("all")
    assert verify(target) == []
    assert [(h.model, h.images) for h in holdings(target)] == [(A, 6), (B, 6)]
    assert {run["name"] for run in records.runs(target)} == {"2026-a@1-6", "2026-b@1-6"}
    written = contents(target)
    again = merged(place, "one", "two")
    assert (again.units, again.documents) == (0, 0)
    assert contents(target) == written


def test_a_larger_unit_stands_for_a_smaller_one(place: Place) -> None:
    fill(place("one"), A, 4)
    fill(place("two"), A, 6)
    fill(place("all"), A, 3)
    merged(place, "one", "two")
    assert [(h.units, h.images) for h in holdings(place("all"))] == [(1, 6)]
    assert verify(place("all")) == []
    asked = place("all").asked(TASK, 6)
    assert not isinstance(asked, str)
    assert asked.image_ids == IDS


def test_predictions_that_differ_are_named_and_nothing_is_written(place: Place) -> None:
    fill(place("one"), A, 4)
    fill(place("two"), A, decisions=(0, 0, 1, 1, 1, 1))
    with pytest.raises(StoreError, match=r"contradict one another \(1 file\); nothing was written") as raised:
        merged(place, "one", "two")
    assert "differ in 2 of 4 predictions" in str(raised.value)
    assert "--keep-first" in str(raised.value)
    assert contents(place("all")) == {}


def test_the_first_one_is_kept_where_that_is_asked_for(place: Place) -> None:
    fill(place("one"), A)
    fill(place("two"), A, decisions=(1,) * 6)
    done = merged(place, "two", "one", keep_first=True)
    assert len(done.disagreements) == 1
    table = place("all").checked(place("all").unit_name(TASK, A, 0, 6))
    assert table.column("top1").to_pylist() == [1] * 6


def test_a_confidence_may_differ_by_rounding(place: Place) -> None:
    for name, confidence in (("one", 0.5), ("two", 0.5001)):
        store = fill(place(name), A)
        table = store.checked(store.unit_name(TASK, A, 0, 6))
        columns = {column: table.column(column).to_pylist() for column in table.column_names}
        store.write_unit(TASK, A, 0, 6, columns | {"top": np.zeros((6, 1)), "confidence": np.full(6, confidence)})
    assert merged(place, "one", "two").disagreements == ()


def test_image_lists_that_differ_are_named(place: Place) -> None:
    fill(place("one"), A)
    store = fill(place("two"), B)
    records.write(store, f"images/{TASK}.json.gz", Asked(IDS[::-1], LABELS, 3, ("clean",)).document())
    for entry in store.folder.files("predictions"):
        store.folder.remove(entry.name)
    with pytest.raises(StoreError, match="they list other images or labels for one task"):
        merged(place, "one", "two")
    assert contents(place("all")) == {}


def test_records_are_joined(place: Place) -> None:
    fill(place("one"), A, extra={"imported for x": "x.csv"})
    fill(place("two"), A, extra={"imported for y": "y.csv"})
    merged(place, "one", "two")
    assert records.kept(place("all"), records.MODELS)[A]["extra"] == {
        "imported for x": "x.csv",
        "imported for y": "y.csv",
    }


def test_facts_about_parts_of_one_set_are_joined_and_contradictions_are_named(place: Place) -> None:
    for name, model, facts in (("one", A, {"a.png": [1]}), ("two", B, {"a.png": [1], "b.png": [2]})):
        records.keep_packed(fill(place(name), model), records.TRUTHS, "set/evidence-1", "0" * 64, facts)
    merged(place, "one", "two")
    joined = records.packed(place("all"), records.TRUTHS, "set/evidence-1", "0" * 64)
    assert joined == {"a.png": [1], "b.png": [2]}
    records.keep_packed(place("two"), records.TRUTHS, "set/evidence-1", "0" * 64, {"a.png": [3]})
    with pytest.raises(StoreError, match="they say other things about one set of images"):
        merged(place, "one", "two")


def test_a_damaged_file_is_taken_from_the_other_store_or_stops_the_merge(place: Place) -> None:
    store = fill(place("one"), A)
    name = store.unit_name(TASK, A, 0, 6)
    store.folder.write(name, store.folder.read(name)[:-20])
    fill(place("two"), A)
    done = merged(place, "one", "two")
    assert len(done.damaged) == 1
    assert verify(place("all")) == []
    place("two").folder.remove(name)
    with pytest.raises(StoreError, match="1 damaged file, which no other store has; nothing was written"):
        merge([place("one"), place("two")], place("other"))
    assert contents(place("other")) == {}


def test_an_interrupted_merge_is_completed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(place("one"), A)
    fill(place("two"), B)
    target = place("all")
    write, left = target.folder.write, 6

    def failing(name: str, content: bytes) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreError("the disk is full")
        write(name, content)

    monkeypatch.setattr(target.folder, "write", failing)
    with pytest.raises(StoreError, match="the disk is full"):
        merge([place("one"), place("two")], target)
    assert verify(place("all")) == []
    merged(place, "one", "two")
    assert len(holdings(place("all"))) == 2
    assert len(records.runs(place("all"))) == 2


def test_places_that_cannot_be_merged(place: Place, tmp_path: Path) -> None:
    fill(place("one"), A)
    with pytest.raises(StoreError, match="both a source and the target"):
        merge([place("one")], place("one"))
    with pytest.raises(StoreError, match="named twice"):
        merge([place("one"), Store(tmp_path / "two" / ".." / "one")], place("all"))
    with pytest.raises(StoreError, match="There is no store at"):
        merge([place("one"), place("nowhere")], place("all"))
    assert not (tmp_path / "all").exists()
