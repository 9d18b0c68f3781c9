import hashlib
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.images import hashing
from vitobench.tasks.images.hashing import (
    UNREADABLE,
    Hashed,
    check_readable,
    hash_files,
    hash_with_cache,
    is_unchanged,
    pack,
    stamp_of,
    unpack,
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    names = [f"{n:04d}" for n in range(2100)]  # more than two windows
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    return names


def test_every_file_has_its_own_hash(tmp_path: Path, files: list[str]) -> None:
    files.reverse()
    entries = hash_files(tmp_path, files, {})
    assert list(entries) == files
    for name, entry in entries.items():
        assert entry == (stamp_of((tmp_path / name).stat()), hashlib.sha256(name.encode()).hexdigest())


def test_what_is_known_is_not_read(tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    entries = hash_files(tmp_path, files, {})
    (tmp_path / "0007").write_bytes(b"other")
    read: list[str] = []
    monkeypatch.setattr(hashing, "file_digest", lambda path: read.append(path.name) or "f" * 64)
    again = hash_files(tmp_path, files, entries)
    assert read == ["0007"]
    assert again["0007"].sha256 == "f" * 64
    assert all(again[name] == entries[name] for name in files if name != "0007")


def test_progress_is_told_ten_times_a_second(tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(10_000) * 0.03)
    monkeypatch.setattr(hashing.time, "monotonic", lambda: float(next(clock)))
    told: list[tuple[int, int, int]] = []
    hash_files(tmp_path, files, {}, lambda done, total: told.append((done, total, threading.get_ident())))
    done = [step[0] for step in told]
    assert (done[0], done[-1]) == (0, 2100)
    assert done == sorted(set(done))
    # 2100 files in parts of 16 are 132 parts of 0.03 s each; a report after every fourth, and the two at the ends.
    assert 30 <= len(done) <= 36
    assert {step[1:] for step in told} == {(2100, threading.get_ident())}


def test_files_that_cannot_be_read_stop_no_other(tmp_path: Path, files: list[str]) -> None:
    for name in ("0003", "1500", "2099"):
        (tmp_path / name).unlink()
    (tmp_path / "0003").symlink_to(tmp_path / "nowhere")
    (tmp_path / "2099").symlink_to(tmp_path / "2099")
    entries = hash_files(tmp_path, files, {"1500": Hashed(1, "a" * 64)})
    assert entries["0003"] == entries["2099"] == Hashed(None, UNREADABLE)
    assert entries["1500"] == Hashed(None, "a" * 64)  # what it held when it was last read
    assert entries["2098"].sha256 == hashlib.sha256(b"2098").hexdigest()
    assert sum(entry.stamp is None for entry in entries.values()) == 3


def test_a_folder_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    (tmp_path / "b").symlink_to("nowhere")
    with pytest.raises(
        DataError, match=r"None of the 2 files in .* can be read \(a: Too many levels of symbolic links"
    ):
        check_readable(tmp_path, hash_files(tmp_path, ["a", "b"], {}))
    check_readable(tmp_path, hash_files(tmp_path, ["a", "b"], {"b": Hashed(1, "a" * 64)}))


def twins(folder: Path, content: bytes) -> Path:
    """A file of the same name, size and modification time in every folder."""
    (folder / "n").mkdir(parents=True)
    (folder / "n" / "a").write_bytes(content)
    os.utime(folder / "n" / "a", (0, 0))
    return folder


def test_another_folder_of_equal_names_sizes_and_times_is_not_taken_for_the_first(tmp_path: Path) -> None:
    one, two = twins(tmp_path / "one", b"black"), twins(tmp_path / "two", b"white")
    cache = tmp_path / "cache" / "imagenet.json"
    for root, content in ((one, b"black"), (two, b"white"), (one, b"black")):
        assert hash_with_cache(root, ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(content).hexdigest()
    # The folder takes the other's place: the real root is the same then.
    one.rename(tmp_path / "aside")
    two.rename(one)
    assert hash_with_cache(one, ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(b"white").hexdigest()
    # So is the name that a link goes by.
    (tmp_path / "link").symlink_to(one)
    assert hash_with_cache(tmp_path / "link", ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(b"white").hexdigest()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "aside")
    assert hash_with_cache(tmp_path / "link", ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(b"black").hexdigest()
    # And a file that is written in place, its time put back.
    (one / "n" / "a").write_bytes(b"green")
    os.utime(one / "n" / "a", (0, 0))
    assert hash_with_cache(one, ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(b"green").hexdigest()


def test_hashes_are_kept_for_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = twins(tmp_path / "one", b"black"), twins(tmp_path / "two", b"white")
    cache = tmp_path / "cache" / "imagenet.json"
    entries = [hash_with_cache(root, ["n/a"], cache) for root in (one, two)]
    monkeypatch.setattr(hashing, "file_digest", lambda path: pytest.fail("hashed again"))
    assert [hash_with_cache(root, ["n/a"], cache) for root in (one, two)] == entries


def test_a_file_that_was_read_before_keeps_its_content_while_it_cannot_be_read(tmp_path: Path) -> None:
    root, cache = twins(tmp_path / "one", b"black"), tmp_path / "c.json"
    first = hash_with_cache(root, ["n/a"], cache)
    (root / "n" / "a").rename(tmp_path / "aside")
    for _ in range(2):  # the cache does not forget it either
        assert hash_with_cache(root, ["n/a"], cache) == {"n/a": Hashed(None, first["n/a"].sha256)}
    assert hash_with_cache(root, ["n/a"], None) == {"n/a": Hashed(None, UNREADABLE)}


@pytest.mark.parametrize("ctime_ns", [1_700_000_000 * 10**9, 0])
def test_a_time_of_change_that_no_clock_gave_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ctime_ns: int
) -> None:
    """Mounted archives make it up from the modification time, so two of them may agree in everything."""
    root, cache = twins(tmp_path / "one", b"black"), tmp_path / "c.json"
    stat = Path.stat

    def mounted(path: Path, **options: bool) -> os.stat_result:
        status = stat(path, **options)
        facts = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
        return os.stat_result(tuple(status)[:10], {**facts, "st_ctime_ns": ctime_ns})

    monkeypatch.setattr(Path, "stat", mounted)
    assert hash_with_cache(root, ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(b"black").hexdigest()
    (root / "n" / "a").write_bytes(b"white")
    os.utime(root / "n" / "a", (0, 0))
    assert hash_with_cache(root, ["n/a"], cache)["n/a"].sha256 == hashlib.sha256(b"white").hexdigest()


def test_caches_of_other_forms_are_not_trusted(tmp_path: Path) -> None:
    root, cache = twins(tmp_path / "one", b"black"), tmp_path / "c.json"
    right = hash_with_cache(root, ["n/a"], cache)
    (kept,) = tmp_path.glob("c-*.json")
    sound = json.loads(kept.read_text())
    status = (root / "n" / "a").stat()
    wrong = [right["n/a"].stamp, "0" * 64]
    old = {"n/a": [status.st_size, status.st_mtime_ns, "0" * 64]}
    others = [
        old,
        {**sound, "files": old},
        {**sound, "version": 1, "files": {"n/a": wrong}},
        {**sound, "root": "/elsewhere", "files": {"n/a": wrong}},
        {**sound, "files": [wrong]},
        [],
        None,
    ]
    for other in others:
        kept.write_text(json.dumps(other))
        cache.write_text(json.dumps(other))
        assert hash_with_cache(root, ["n/a"], cache) == right
    kept.write_text("[" * 100_000)
    assert hash_with_cache(root, ["n/a"], cache) == right


def test_where_the_stamp_is_another_the_bytes_decide(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"black")
    hashed = hash_files(tmp_path, ["a"], {})["a"]
    os.utime(path, (5, 5))
    assert is_unchanged(path, hashed)
    path.write_bytes(b"white")
    assert not is_unchanged(path, hashed)
    assert not is_unchanged(path, Hashed(None, UNREADABLE))


def test_packing_keeps_everything() -> None:
    ids = ["a", "b\n", "\udcff", "ü", "lost"]
    contents = {i: hashlib.sha256(i.encode("utf-8", "surrogateescape")).hexdigest() for i in ids} | {"lost": UNREADABLE}
    assert unpack(pack(ids, contents)) == (ids, contents)
    assert unpack(pack(ids, None)) == (ids, None)


def test_fifty_thousand_images_are_a_small_pickle() -> None:
    rng = np.random.default_rng(0)
    wnids = sorted(f"n{n:08d}" for n in rng.choice(10**8, 1000, replace=False))
    numbers = rng.permutation(50_000) + 1
    ids = sorted(f"{wnids[n % 1000]}/ILSVRC2012_val_{number:08d}.JPEG" for n, number in enumerate(numbers))
    contents = {i: hashlib.sha256(i.encode()).hexdigest() for i in ids}
    assert sum(map(len, pack(ids, None))) < 6 * 50_000
    assert sum(map(len, pack(ids, contents))) < 38 * 50_000
    assert unpack(pack(ids, contents)) == (ids, contents)
