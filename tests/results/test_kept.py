"""Kept values come back as they were, and whatever is wrong with a file they are computed again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from vitobench.results import kept
from vitobench.results.kept import Anew, Kept, digest_of, packed, unpacked


@dataclass(frozen=True)
class Row:
    name: str
    value: float
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Other:
    name: str


class Counted:
    """Computes a value, and counts how often."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        return self.value


VALUE = [Row("a", 0.1 + 0.2, (1, 2)), ("text", b"\x00bytes", None, True), {("m", 1): [1.5], "plain": {}}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "scores"


def keeper(folder: Path, code: str = "1") -> Kept:
    return Kept(folder, code, (Row,))


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize(
    "value",
    [None, True, 3, -0.0, 1e300, "é", b"\xff", (), [], {}, (1, [2, (3,)]), {("a", 2): "b", 3: None}, VALUE],
)
def test_a_value_comes_back_with_its_types(value: Any) -> None:
    found = unpacked(packed(value, (Row,)), (Row,))
    assert repr(found) == repr(value)


def test_numbers_come_back_to_the_last_bit() -> None:
    values = [0.1, 1 / 3, 5e-324, math.inf, -math.inf, math.pi, 2.0**-1074, float(np.float32(0.1))]
    assert unpacked(packed(values, ()), ()) == values
    row = Row("a", math.nan)
    assert unpacked(packed([row, float("nan")], (Row,)), (Row,)) == [row, math.nan]
    assert type(unpacked(packed(np.float64(0.5), ()), ())) is float


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i2", "u1", "?", "U5"])
def test_arrays_come_back(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)[:, ::2]
    found = unpacked(packed(array, ()), ())
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    found[0, 0] = found[0, 1]  # and can be written to, as any other


@pytest.mark.parametrize("value", [{1, 2}, object(), Other("x"), np.array([object()]), 2**70])
def test_what_cannot_be_kept_is_computed_every_time(folder: Path, value: Any) -> None:
    make = Counted([value])
    for _ in range(2):
        assert keeper(folder).remember("facts", make) is make.value
    assert make.calls == 2


def test_a_class_that_is_not_expected_is_refused() -> None:
    with pytest.raises(ValueError, match="Other"):
        unpacked(packed(Other("x"), (Other,)), (Row,))


def test_a_kept_value_is_not_computed_again(folder: Path) -> None:
    make = Counted(VALUE)
    first = keeper(folder).remember(["facts", 1], make)
    again = keeper(folder).remember(["facts", 1], make)
    assert make.calls == 1
    assert repr(first) == repr(again) == repr(VALUE)
    assert Anew().remember(["facts", 1], make) is make.value


@pytest.mark.parametrize(("code", "facts"), [("2", ["facts", 1]), ("1", ["facts", 2]), ("1", ["facts", 1.0]), ("1", 1)])
def test_other_code_and_other_facts_are_another_key(folder: Path, code: str, facts: Any) -> None:
    make = Counted(VALUE)
    keeper(folder).remember(["facts", 1], make)
    keeper(folder, code).remember(facts, make)
    assert make.calls == 2


def damages() -> list[Callable[[bytes], bytes]]:
    flips = [
        lambda content, at=at: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in range(0, 120, 7)
    ]
    return [*flips, lambda content: b"", lambda content: content[:-1], lambda content: content + b"x"]


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_file_is_computed_again_and_replaced(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    make = Counted(VALUE)
    keeper(folder).remember("facts", make)
    path = only_file(folder)
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    assert repr(keeper(folder).remember("facts", make)) == repr(VALUE)
    assert make.calls == 2
    assert path.read_bytes() == sound


def test_a_file_under_the_name_of_another_is_not_believed(folder: Path) -> None:
    keeper(folder).remember("a", Counted("of a"))
    of_a = only_file(folder)
    keeper(folder).remember("b", Counted("of b"))
    (of_b,) = set(folder.iterdir()) - {of_a}
    of_b.write_bytes(of_a.read_bytes())
    assert keeper(folder).remember("b", Counted("of b")) == "of b"


def test_a_sound_file_with_foreign_content_is_computed_again(folder: Path) -> None:
    keeper(folder).remember("facts", Counted(1))
    path = only_file(folder)
    path.write_bytes(kept._sealed(path.name, packed(Other("x"), (Other,))))
    assert keeper(folder).remember("facts", Counted(1)) == 1


def test_nothing_is_kept_where_the_facts_changed_meanwhile(folder: Path) -> None:
    make = Counted(1)
    for _ in range(2):
        assert keeper(folder).remember("facts", make, lambda: False) == 1
    assert make.calls == 2
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the place of the folder")
    make = Counted(1)
    for _ in range(2):
        assert keeper(tmp_path / "cache" / "scores").remember("facts", make) == 1
    assert make.calls == 2


def test_an_error_is_not_kept(folder: Path) -> None:
    def fails() -> int:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        keeper(folder).remember("facts", fails)
    assert keeper(folder).remember("facts", Counted(1)) == 1


def test_the_values_not_used_for_longest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    noise = np.random.default_rng(0)
    blocks = {name: noise.bytes(1000) for name in "abc"}
    for age, (name, block) in enumerate(blocks.items()):
        keeper(folder).remember(name, Counted(block))
        for path in folder.iterdir():
            if path.stat().st_mtime > 1e6:
                os.utime(path, (age, age))
    keeper(folder).remember("a", Counted(blocks["a"]))  # used again
    monkeypatch.setattr(kept, "_LARGEST", 3500)
    keeper(folder).remember("d", Counted(noise.bytes(1000)))
    gone = {
        name
        for name, block in blocks.items()
        if (make := Counted(block)) and keeper(folder).remember(name, make) and make.calls
    }
    assert "b" in gone
    assert "a" not in gone


def test_a_digest_is_that_of_the_values() -> None:
    def rows(value: float) -> list[Any]:
        return [Row("a", value), {"k": (1, None)}, MappingProxyType({"x": np.arange(3)}), Other("b")]

    assert digest_of(rows(0.5)) == digest_of(rows(0.5))
    assert len({digest_of(rows(0.5)), digest_of(rows(0.5 + 1e-16)), digest_of(rows(0.25)), digest_of([])}) == 4
