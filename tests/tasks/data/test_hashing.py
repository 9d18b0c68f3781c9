import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.data import hashing
from vitobench.tasks.data.hashing import Hashed, hash_files, pack, unpack


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
        status = (tmp_path / name).stat()
        assert entry == (status.st_size, status.st_mtime_ns, hashlib.sha256(name.encode()).hexdigest())


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


def test_a_missing_file_is_named(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "1500").unlink()
    with pytest.raises(DataError, match=r"1500 cannot be read: No such file"):
        hash_files(tmp_path, files, {})


def test_packing_keeps_everything() -> None:
    ids = ["a", "b\n", "\udcff", "ü"]
    entries = {
        i: Hashed(size, time, hashlib.sha256(i.encode("utf-8", "surrogateescape")).hexdigest())
        for i, size, time in zip(ids, (0, 1, 2**40, 255), (-1, 0, 1_700_000_000_123_456_789, 2**62), strict=True)
    }
    assert unpack(pack(ids, entries)) == (ids, entries)
    assert unpack(pack(ids, None)) == (ids, None)


def test_fifty_thousand_images_are_a_small_pickle() -> None:
    rng = np.random.default_rng(0)
    wnids = sorted(f"n{n:08d}" for n in rng.choice(10**8, 1000, replace=False))
    numbers = rng.permutation(50_000) + 1
    ids = sorted(f"{wnids[n % 1000]}/ILSVRC2012_val_{number:08d}.JPEG" for n, number in enumerate(numbers))
    entries = {
        i: Hashed(int(size), int(time), hashlib.sha256(i.encode()).hexdigest())
        for i, size, time in zip(
            ids,
            rng.integers(20_000, 300_000, 50_000),
            1_339_000_000 * 10**9 + rng.integers(0, 10**12, 50_000),
            strict=True,
        )
    }
    assert sum(map(len, pack(ids, None))) < 6 * 50_000
    assert sum(map(len, pack(ids, entries))) < 48 * 50_000
    assert unpack(pack(ids, entries)) == (ids, entries)
