from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vitobench.results import records
from vitobench.results.inventory import fits, holdings, identities
from vitobench.results.layout import PARTIAL, safe_name
from vitobench.results.store import Store

Columns = Callable[..., dict[str, Any]]


def test_holdings_are_counted_from_names(sound: Store, names: tuple[str, str], columns: Columns) -> None:
    task, model = names
    sound.write_unit(task, model, 8, 12, columns(8, 4), partial=True)
    sound.write_unit("micro-val@99", "vito@88", 0, 3, columns(0, 3))
    root = sound.folder.local
    assert root is not None
    # A larger limit leaves units that overlap; images are counted once.
    for stop in (2, 3):
        name = sound.unit_name("micro-val@99", "vito@88", 0, stop)
        (root / name).write_bytes((root / sound.unit_name("micro-val@99", "vito@88", 0, 3)).read_bytes())
    for path in root.rglob("*.parquet"):
        os.utime(path, (1000, 1000))
    os.utime(root / sound.unit_name(task, model, 8, 12, PARTIAL), (2000, 2000))

    first, second = holdings(sound)
    assert (first.task, first.model) == (task, model)
    assert (first.units, first.partial, first.images, first.modified) == (2, 1, 8, 2000)
    # Without a record, the folder's name has to do.
    assert (second.task, second.model) == ("micro-val@99", "vito@88")
    assert (second.units, second.partial, second.images, second.modified) == (1, 0, 3, 1000)
    on_disk = sum(path.stat().st_size for path in root.rglob("*.parquet"))
    assert first.bytes + second.bytes == on_disk


def test_other_files_are_not_counted(sound: Store) -> None:
    root = sound.folder.local
    assert root is not None
    before = holdings(sound)
    for name in ("predictions/notes.txt", "predictions/a/b/.0000000-0000001.parquet.0", "elsewhere/a/b/0-1.parquet"):
        sound.folder.write(name, b"x")
    assert holdings(sound) == before


def test_an_empty_store_holds_nothing(store: Store) -> None:
    assert holdings(store) == []
    assert identities(store, records.MODELS) == {}


def test_folders_lead_back_to_identities(sound: Store, names: tuple[str, str]) -> None:
    task, model = names
    assert safe_name(model) != model
    assert identities(sound, records.MODELS) == {safe_name(model): model}
    assert identities(sound, records.TASKS) == {safe_name(task): task}


def test_names_and_identities_fit_and_nothing_means_all() -> None:
    assert fits("vito@01aa", ())
    assert fits("vito@01aa", ("other", "vito"))
    assert fits("vito@01aa", ("vito@01aa",))
    assert fits("vito@01aa", ("vito@01",))
    assert not fits("vito@01aa", ("vit", "01aa", "vito@02"))
    assert fits("file:/a@b/c.pth@01", ("file:/a@b/c.pth",))
    assert not fits("file:/a@b/c.pth@01", ("file:/a",))


def test_paths_of_files_with_an_at_sign_are_names(tmp_path: Path) -> None:
    # The name of such a model is no beginning of another model's identity.
    assert not fits("file:/a@bc.pth@01", ("file:/a@b",))
