from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from vitobench.errors import StoreError
from vitobench.results import records
from vitobench.results.store import Store


def root(store: Store) -> Path:
    assert store.folder.local is not None
    return store.folder.local


def test_the_record_of_a_run_is_json_and_can_be_replaced(store: Store) -> None:
    path = records.write_run(store, "20260101T000000Z-abcd", {"seed": 1, "a": [1, None]})
    assert path == str(root(store) / "runs" / "20260101T000000Z-abcd.json")
    found = json.loads(Path(path).read_text())
    digest = found.pop("vitobench.sha256")
    assert found == {"seed": 1, "a": [1, None], "vitobench.file": "runs/20260101T000000Z-abcd.json"}
    text = '{"a":[1,null],"seed":1,"vitobench.file":"runs/20260101T000000Z-abcd.json"}'
    assert digest == hashlib.sha256(text.encode()).hexdigest()
    records.write_run(store, "20260101T000000Z-abcd", {"seed": 2})
    assert records.runs(store) == [{"seed": 2, "name": "20260101T000000Z-abcd"}]


def test_runs_come_newest_first_and_damaged_ones_stop_none(store: Store) -> None:
    assert records.runs(store) == []
    for name in ("20260102T000000000000Z-b", "20251231T000000000000Z-z", "20260102T000000000001Z-a"):
        records.write_run(store, name, {"of": name})
    (root(store) / "runs" / "20260105T000000000000Z-x.json").write_text('{"of": ')
    (root(store) / "runs" / "20260106T000000000000Z-x.json").write_text("[1]")
    (root(store) / "runs" / "20260107T000000000000Z-x.json").write_bytes(b"\xff\xfe")
    (root(store) / "runs" / ".20260108T000000000000Z-x.json.0").write_text("{}")
    (root(store) / "runs" / "notes.txt").write_text("mine")
    found = [run["name"] for run in records.runs(store)]
    assert found == ["20260102T000000000001Z-a", "20260102T000000000000Z-b", "20251231T000000000000Z-z"]


def test_a_record_that_is_there_stays_and_a_damaged_one_is_written_again(store: Store) -> None:
    record = {"identity": "vito@0123", "name": "vito", "licence": "x"}
    records.keep(store, records.MODELS, "vito@0123", record)
    records.keep(store, records.MODELS, "vito@0123", record | {"licence": "y"})
    assert records.kept(store, records.MODELS) == {"vito@0123": record}
    assert records.kept(store, records.TASKS) == {}
    (root(store) / "models" / "vito@0123.json").write_text("{")
    assert records.kept(store, records.MODELS) == {}
    records.keep(store, records.MODELS, "vito@0123", record)
    assert records.kept(store, records.MODELS) == {"vito@0123": record}


def test_every_flipped_bit_of_a_document_is_found_or_changes_nothing(store: Store) -> None:
    record = {"identity": "vito@0123", "name": "vito", "n": 300, "p": 0.25, "nan": float("nan"), "text": "a\u20ac"}
    for name in ("models/vito@0123.json", "truths/x@01.json.gz"):
        records.write(store, name, record)
        content = store.folder.read(name)
        found = 0
        for place in range(len(content)):
            changed = bytearray(content)
            changed[place] ^= 1 << place % 8
            store.folder.write(name, bytes(changed))
            try:
                assert repr(records.read(store, name)) == repr(dict(sorted(record.items())))
            except StoreError:
                found += 1
        assert found > 0.9 * len(content)


def test_a_document_of_another_place_or_without_a_digest_is_damaged(store: Store) -> None:
    records.write(store, "models/vito@0123.json", {"identity": "vito@0123", "name": "vito"})
    store.folder.write("models/other@4567.json", store.folder.read("models/vito@0123.json"))
    store.folder.write("models/third@89ab.json", b'{"identity": "third@89ab"}')
    assert records.damaged(store, records.MODELS) == {
        "models/other@4567.json": "it was written as models/vito@0123.json and then copied or moved here",
        "models/third@89ab.json": "it has no digest",
    }
    # Laid out in another way it is the same document.
    again = json.dumps(json.loads(store.folder.read("models/vito@0123.json")))
    store.folder.write("models/vito@0123.json", again.encode())
    assert records.read(store, "models/vito@0123.json") == {"identity": "vito@0123", "name": "vito"}


def test_records_without_an_identity_are_passed_over(store: Store) -> None:
    for name, content in (("a.json", '{"name": "a"}'), ("b.json", '{"identity": 3}'), (".c.json", '{"identity": "c"}')):
        store.folder.write(f"models/{name}", content.encode())
    assert records.kept(store, records.MODELS) == {}


def test_a_manifest_is_kept_as_it_is(store: Store) -> None:
    manifest = {f"n{n:08d}/{n}.JPEG": f"{n:064x}" for n in range(50)}
    digest = "0123456789abcdef" * 4
    records.keep_packed(store, records.MANIFESTS, "imagenet", digest, manifest)
    assert records.packed(store, records.MANIFESTS, "imagenet", digest) == manifest
    assert records.packed(store, records.MANIFESTS, "imagenet", "f" * 64) is None
    (name,) = store.folder.names("manifests")
    before = store.folder.read(f"manifests/{name}")
    records.keep_packed(store, records.MANIFESTS, "imagenet", digest, manifest)
    assert store.folder.read(f"manifests/{name}") == before
    # What says something else, and what is damaged, is replaced.
    for spoilt in (lambda: records.keep_packed(store, records.MANIFESTS, "imagenet", digest, {}),
                   lambda: store.folder.write(f"manifests/{name}", before[:-9])):  # fmt: skip
        spoilt()
        records.keep_packed(store, records.MANIFESTS, "imagenet", digest, manifest)
        assert store.folder.read(f"manifests/{name}") == before
    # The same content is the same file, whenever it is written.
    store.folder.remove(f"manifests/{name}")
    records.keep_packed(store, records.MANIFESTS, "imagenet", digest, dict(reversed(manifest.items())))
    assert store.folder.read(f"manifests/{name}") == before


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b", b"no gzip", gzip.compress(b"{", mtime=0), gzip.compress(b"[]", mtime=0),
     gzip.compress(b"{}" * 100, mtime=0)[:-9]],
)  # fmt: skip
def test_a_damaged_manifest_is_none(store: Store, content: bytes) -> None:
    digest = "0" * 64
    records.keep_packed(store, records.MANIFESTS, "imagenet", digest, {"a": "b"})
    (name,) = store.folder.names("manifests")
    store.folder.write(f"manifests/{name}", content)
    assert records.packed(store, records.MANIFESTS, "imagenet", digest) is None


def test_a_manifest_with_a_damaged_stream_is_none(store: Store) -> None:
    digest = "0" * 64
    content = bytearray(gzip.compress(json.dumps({str(n): n for n in range(500)}).encode(), mtime=0))
    records.keep_packed(store, records.MANIFESTS, "imagenet", digest, {"a": "b"})
    (name,) = store.folder.names("manifests")
    for place in range(10, len(content), 37):
        damaged = content.copy()
        damaged[place] ^= 0xFF
        store.folder.write(f"manifests/{name}", bytes(damaged))
        assert records.packed(store, records.MANIFESTS, "imagenet", digest) is None


def test_a_cache_lies_in_a_local_store_and_else_with_the_user(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert records.cache_file(store, "a.json") == root(store) / "cache" / "a.json"
    remote = Store("memory://test_a_cache/results")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert records.cache_file(remote, "a.json") == tmp_path / "cache" / "vitobench" / "a.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert records.cache_file(remote, "a.json") == tmp_path / ".cache" / "vitobench" / "a.json"


def test_a_name_an_identity_or_the_beginning_of_a_digest_is_enough() -> None:
    known = {"vito@01aa": {"name": "vito"}, "vito@01bb": {"name": "vito"}, "moclr@02": {"name": "moclr"}}
    assert records.resolve_one(known, "moclr", "model") == "moclr@02"
    assert records.resolve_one(known, "vito@01aa", "model") == "vito@01aa"
    assert records.resolve_one(known, "vito@01b", "model") == "vito@01bb"
    for several in ("vito", "vito@", "vito@01"):
        with pytest.raises(StoreError, match=r"several models.*vito@01aa, vito@01bb"):
            records.resolve_one(known, several, "model")
    for absent in ("vit", "vito@03", "01aa"):
        with pytest.raises(StoreError, match=rf"no model '{absent}'. It has: moclr@02, vito@01aa"):
            records.resolve_one(known, absent, "model")
    with pytest.raises(StoreError, match="It has: none"):
        records.resolve_one({}, "vito", "model")
