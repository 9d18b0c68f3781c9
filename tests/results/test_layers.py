"""Stores in layers: what a layer has is read and never written, and what cannot be trusted is left out and named."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitobench.errors import StoreError
from vitobench.results import records
from vitobench.results.layers import INDEX, read_index
from vitobench.results.layout import safe_name
from vitobench.results.predictions import Asked
from vitobench.results.store import Store

Columns = Callable[..., dict[str, Any]]
Names = tuple[str, str]
RANGES = [(0, 5), (5, 10)]


def asked(count: int) -> Asked:
    ids = tuple(f"val-0-{n:06d}" for n in range(count))
    return Asked(ids, np.arange(count), 1000, ("fog/3", "clean"))


def filled(location: Path | str, names: Names, columns: Columns, starts: tuple[int, ...] = (0, 5)) -> Store:
    store = Store(location)
    store.prepare()
    store.keep_asked(names[0], asked(max(starts) + 5))
    records.keep(store, records.MODELS, names[1], {"identity": names[1]})
    for start in starts:
        store.write_unit(*names, start, start + 5, columns(start, 5))
    return store


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def layer(tmp_path: Path, names: Names, columns: Columns) -> Path:
    """A store with two units."""
    filled(tmp_path / "layer", names, columns)
    return tmp_path / "layer"


class _Site(SimpleHTTPRequestHandler):
    whole = True

    def log_message(self, *args: object) -> None:
        pass

    def list_directory(self, path: Any) -> None:
        self.send_error(404)  # as a plain web server that lists nothing

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        outputfile.write(content if self.whole or not content.startswith(b"PAR1") else content[: len(content) // 2])


@pytest.fixture
def site(layer: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """The layer behind a web server."""
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, directory=str(layer)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def url_of(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def damage(folder: Path, start: int, cut: bool = False) -> Path:
    (file,) = folder.glob(f"predictions/*/*/{start:07d}-*.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content[: len(content) // 2] if cut else content)
    return file


def test_a_unit_of_a_layer_is_there_and_is_read(layer: Path, tmp_path: Path, names: Names) -> None:
    store = Store(tmp_path / "own", [layer])
    assert store.exists()
    assert store.trusted(*names, RANGES).stops == {0: (5,), 5: (10,)}
    rows, problems = store.read(*names, RANGES)
    assert len(rows) == 20
    assert not problems
    assert [found.location for found in store.layers_of(*names, RANGES)] == [str(layer)]
    assert records.kept(store, records.MODELS).keys() == {names[1]}
    # What nobody has written here is not here.
    assert not store.has(*names, 0, 5)
    assert not store.own.exists()
    assert not (tmp_path / "own").exists()


def test_everything_is_written_to_the_store_and_nothing_to_a_layer(
    layer: Path, tmp_path: Path, names: Names, columns: Columns
) -> None:
    before = contents(layer)
    store = Store(tmp_path / "own", [layer])
    store.prepare()
    store.keep_asked(names[0], asked(10))
    store.write_unit(*names, 0, 3, columns(0, 3), partial=True)
    store.write_unit(*names, 0, 10, columns(0, 10))  # replaces smaller units, but not those of the layer
    records.keep(store.own, records.MODELS, names[1], {"identity": names[1]})
    name = store.unit_name(*names, 5, 10)
    store.folder.remove(name)
    assert contents(layer) == before
    own = Store(tmp_path / "own")
    assert own.coverage(*names).stops == {0: (10,)}
    assert records.kept(own, records.MODELS).keys() == {names[1]}
    assert not isinstance(own.asked(safe_name(names[0])), str)
    for write in (lambda: store.below[0].folder.write("x", b""), lambda: store.below[0].folder.remove(name)):
        with pytest.raises(StoreError, match="is a layer, which is only read"):
            write()
    assert contents(layer) == before


@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_unit_of_a_layer_is_computed_again_and_named(
    layer: Path, tmp_path: Path, names: Names, columns: Columns, cut: bool
) -> None:
    file = damage(layer, 5, cut)
    store = Store(tmp_path / "own", [layer])
    assert store.trusted(*names, RANGES).stops == {0: (5,)}
    (line,) = store.layer_problems
    assert str(file) in line
    assert str(layer) in line
    assert "computes it again" in line
    store.prepare()
    store.write_unit(*names, 5, 10, columns(5, 5))
    rows, problems = store.read(*names, RANGES)
    assert len(rows) == 20
    assert not problems


def test_without_a_run_a_damaged_unit_is_reported(layer: Path, tmp_path: Path, names: Names) -> None:
    file = damage(layer, 5)
    rows, (problem,) = Store(tmp_path / "own", [layer]).read(*names, RANGES)
    assert len(rows) == 10
    assert str(file) in problem
    assert f"a run into {tmp_path / 'own'} computes it again" in problem


def test_where_one_layer_is_damaged_the_next_one_is_read(
    layer: Path, tmp_path: Path, names: Names, columns: Columns
) -> None:
    filled(tmp_path / "second", names, columns)
    damage(layer, 5)
    for use in (lambda store: store.trusted(*names, RANGES), lambda store: None):
        store = Store(tmp_path / "own", [layer, tmp_path / "second"])
        use(store)
        rows, problems = store.read(*names, RANGES)
        assert len(rows) == 20
        assert not problems
        assert "left out" in store.layer_problems[0]
        assert [found.location for found in store.layers_of(*names, RANGES)] == [str(layer), str(tmp_path / "second")]


def test_a_unit_that_contradicts_the_task_is_not_trusted(
    layer: Path, tmp_path: Path, names: Names, columns: Columns
) -> None:
    Store(layer).write_unit(*names, 5, 10, columns(5, 5, label=np.zeros(10, int)))
    store = Store(tmp_path / "own", [layer])
    assert store.trusted(*names, RANGES).stops == {0: (5,)}
    assert "labels differ" in store.layer_problems[0]


def test_the_list_of_images_that_has_more_of_them_is_used(
    layer: Path, tmp_path: Path, names: Names, columns: Columns
) -> None:
    filled(tmp_path / "own", names, columns, (0,))
    store = Store(tmp_path / "own", [layer])
    known = store.asked(safe_name(names[0]), 10)
    assert not isinstance(known, str)
    assert len(known.image_ids) == 10
    rows, problems = store.read(*names, RANGES)
    assert len(rows) == 20
    assert not problems


def test_a_layer_that_cannot_be_read_is_skipped_and_named(layer: Path, tmp_path: Path, names: Names) -> None:
    newer, damaged = tmp_path / "newer", tmp_path / "damaged"
    for folder, mark in ((newer, json.dumps({"schema": 99})), (damaged, "{")):
        folder.mkdir()
        (folder / "vitobench-store.json").write_text(mark)
    gone = tmp_path / "gone"
    store = Store(tmp_path / "own", [newer, gone, damaged, layer])
    assert [found.location for found in store.below] == [str(layer)]
    about = store.layer_problems
    assert len(about) == 3
    assert f"The layer {newer} is skipped: it has schema 99, this version reads 3" in about[0]
    assert f"The layer {gone} is skipped: there is no store" in about[1]
    assert f"The layer {damaged} is skipped" in about[2]
    assert "is damaged" in about[2]
    assert len(store.read(*names, RANGES)[0]) == 20


def test_a_store_is_no_layer_of_itself(layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(layer)
    monkeypatch.chdir(tmp_path)
    for same in (layer, "layer", "layer/", tmp_path / "link", f"file://{layer}"):
        with pytest.raises(StoreError, match=r"both the store that is written \(--store\) and a layer \(--also\)"):
            Store(layer, [same])
    with pytest.raises(StoreError, match="both the store"):
        Store("memory://one/", ["memory://one"])


def test_a_url_whose_package_is_absent_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(StoreError, match=r"gs://bucket/results cannot be opened: .*gcsfs"):
        Store(tmp_path / "own", ["gs://bucket/results"])


def test_a_layer_in_memory(tmp_path: Path, names: Names, columns: Columns) -> None:
    url = f"memory://layers-{uuid.uuid4().hex}"
    filled(url, names, columns)
    store = Store(tmp_path / "own", [url])
    rows, problems = store.read(*names, RANGES)
    assert len(rows) == 20
    assert not problems
    assert [entry.name for _, entry in store.unit_entries()] == [store.unit_name(*names, *place) for place in RANGES]


def test_a_layer_behind_a_web_server_needs_an_index(
    site: ThreadingHTTPServer, layer: Path, tmp_path: Path, names: Names
) -> None:
    store = Store(tmp_path / "own", [url_of(site)])
    assert not store.below
    assert "`bench results index --store DIR` writes it" in store.layer_problems[0]
    assert records.write_index(Store(layer)) == 4
    assert {entry.name for entry in read_index(Store(layer).folder)} == contents(layer).keys() - {
        INDEX,
        "vitobench-store.json",
    }
    before = contents(layer)
    store = Store(tmp_path / "own", [url_of(site)])
    assert not store.layer_problems
    assert store.trusted(*names, RANGES).stops == {0: (5,), 5: (10,)}
    rows, problems = store.read(*names, RANGES)
    assert len(rows) == 20
    assert not problems
    assert records.kept(store, records.MODELS).keys() == {names[1]}
    assert contents(layer) == before
    (layer / INDEX).write_bytes((layer / INDEX).read_bytes()[:-20])
    assert "index" in Store(tmp_path / "own", [url_of(site)]).layer_problems[0]


def test_an_answer_that_ends_half_way_is_computed_again(
    site: ThreadingHTTPServer, layer: Path, tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    records.write_index(Store(layer))
    store = Store(tmp_path / "own", [url_of(site)])
    monkeypatch.setattr(_Site, "whole", False)
    assert not store.trusted(*names, RANGES).stops
    assert url_of(site) in store.layer_problems[0]
    rows, problems = store.read(*names, RANGES)
    assert len(rows) == 0
    assert problems == ["images 0 to 9 were not run"]


def test_a_server_that_goes_away_costs_no_run(
    site: ThreadingHTTPServer, layer: Path, tmp_path: Path, names: Names
) -> None:
    records.write_index(Store(layer))
    store, late = (Store(tmp_path / "own", [url_of(site)]) for _ in range(2))
    assert store.trusted(*names, RANGES).stops  # read now, and kept
    url = url_of(site)
    site.shutdown()
    site.server_close()
    assert len(store.read(*names, RANGES)[0]) == 20
    assert not late.trusted(*names, RANGES).stops
    assert url in late.layer_problems[0]
    (line,) = Store(tmp_path / "own", [url]).layer_problems
    assert line.startswith(f"The layer {url} is skipped: it cannot be reached")


def test_an_index_follows_its_store(layer: Path, names: Names, columns: Columns) -> None:
    store = Store(layer)
    records.renew_index(store)
    assert not (layer / INDEX).exists()
    records.write_index(store)
    store.write_unit(*names, 10, 15, columns(10, 5))
    records.renew_index(store)
    assert store.unit_name(*names, 10, 15) in {entry.name for entry in read_index(store.folder)}


def test_where_predictions_come_from(layer: Path, names: Names) -> None:
    task, model = names
    store = Store(layer)
    assert records.origin(store, records.runs(store), task, model)["version"] == ""
    run = {
        "versions": {"vitobench": "0.2.0"},
        "host": "there",
        "models": {"m": model},
        "tasks": {"t": {"identity": task, "images": 10}},
    }
    computed, repeated = (
        {"units": {"computed": 2}, "date": "2026-01-02"},
        {"units": {"computed": 0}, "date": "2026-03-04"},
    )
    records.write_run(store, "1", run | computed)
    records.write_run(store, "2", run | repeated | {"host": "elsewhere"})
    assert records.origin(store, records.runs(store), task, model) == {
        "store": str(layer), "version": "0.2.0", "date": "2026-01-02", "machine": "there"
    }  # fmt: skip
