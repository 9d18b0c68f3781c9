from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitobench.text import escaped, printable, printable_plain, restored, utf8

# What is text, what is not, and what looks like an escape already.
PIECES = ["a", "é", "\\", "u", "\\u", "d", "c", "e9", "\udce9", "\ud83d", "\\udce9", "\\u005c", "005c", "😀", "\\\\"]
NAMES = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(st.characters(codec=None), max_size=6)


@given(NAMES)
def test_every_name_is_stored_as_text_and_comes_back(name: str) -> None:
    stored = escaped(name)
    assert stored.encode().decode() == stored
    assert restored(stored) == name


@given(NAMES, NAMES)
def test_two_names_never_become_one(one: str, two: str) -> None:
    assert (escaped(one) == escaped(two)) == (one == two)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("n01440764/ILSVRC2012_val_00000293.JPEG", "n01440764/ILSVRC2012_val_00000293.JPEG"),
        ("Größe 😀\\x.jpg", "Größe 😀\\x.jpg"),
        (b"caf\xe9.jpg".decode(errors="surrogateescape"), r"caf\udce9.jpg"),
        (r"caf\udce9.jpg", r"caf\u005cudce9.jpg"),
        ("half \ud83d", r"half \ud83d"),
    ],
)
def test_names_that_are_text_stay(name: str, stored: str) -> None:
    assert escaped(name) == stored


def test_documents_can_be_written_and_read() -> None:
    title = "tabby \ud83d and \\ud83d"
    assert json.loads(utf8(json.dumps({"title": title}, ensure_ascii=False))) == {"title": title}
    assert utf8("<p>\udce9</p>") == rb"<p>\udce9</p>"
    assert printable(printable("\udce9")) == printable("\udce9")
    plain = {"a\udce9": ["b\udce9", ("\udce9", 1, None)]}
    assert printable_plain(plain) == {r"a\udce9": [r"b\udce9", (r"\udce9", 1, None)]}
