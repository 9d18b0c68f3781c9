"""Tables as records: what fits is kept as it was written, and what does not is named with its place and its rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from vitobench.decoding import Count, CountOrZero, Filled, NotNegative, Positive, Share, check, decode, in_words
from vitobench.errors import DataError, VitobenchError


@dataclass(frozen=True)
class Inner:
    sizes: tuple[Count, Count] = (1, 1)
    colour: Annotated[int, Meta(ge=0, le=255, description="a level from 0 to 255 of grey")] = 0


@dataclass(frozen=True)
class Strict:
    colour: Annotated[int, Meta(ge=0, le=255, description="a level from 0 to 255 of grey")]


@dataclass(frozen=True)
class Outer:
    name: Filled
    steps: Count = 1
    warmup: CountOrZero = 0
    rate: NotNegative = 0.5
    heat: Positive = 0.5
    share: Share = 0.5
    plain: float = 0.5
    half: Annotated[float, Meta(gt=0, le=1)] = 0.5
    flag: bool = False
    near: str | None = None
    scales: Literal[1, 2] = 1
    schedule: Literal["cosine", "constant", "linear"] = "cosine"
    inner: Inner = field(default_factory=Inner)
    names: tuple[Filled, ...] = ()
    places: dict[str, Filled] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self, "outer")


def test_values_stay_as_they_were_written() -> None:
    record = decode(Outer, {"name": "a", "rate": 1, "plain": 2, "inner": {"sizes": [3, 4]}, "near": None}, "f.toml")
    assert record == Outer("a", rate=1, plain=2, inner=Inner((3, 4)))
    assert (type(record.rate), type(record.plain), type(record.inner.sizes)) == (int, int, tuple)
    inner = Inner((5, 6))
    assert decode(Outer, {"name": "a", "inner": inner}, "f.toml").inner is inner


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": "a"}, "names = 'a' must be a list, each text, not empty."),
        ({"names": ["a", 1]}, "names = ['a', 1] must be a list, each text, not empty."),
        ({"places": ["a"]}, "places = ['a'] must be a table, each value text, not empty."),
        ({"places": {"a": "b", "c": 1}}, "places.c = 1 must be text, not empty."),
        ({"name": ""}, "name = '' must be text, not empty."),
        ({"name": " \t"}, "name = ' \\t' must be text, not empty."),
        ({"steps": 1.0}, "steps = 1.0 must be a whole number of 1 or more."),
        ({"steps": True}, "steps = True must be a whole number of 1 or more."),
        ({"warmup": -1}, "warmup = -1 must be a whole number of 0 or more."),
        ({"rate": math.nan}, "rate = nan must be a finite number of 0 or more."),
        ({"rate": math.inf}, "rate = inf must be a finite number of 0 or more."),
        ({"heat": 0}, "heat = 0 must be a finite number above 0."),
        ({"heat": -math.inf}, "heat = -inf must be a finite number above 0."),
        ({"share": 1.5}, "share = 1.5 must be a number from 0 to 1."),
        ({"half": 0}, "half = 0 must be a number above 0 and up to 1."),
        ({"plain": "2"}, "plain = '2' must be a number."),
        ({"plain": "\ud800"}, "plain = '\\ud800' must be a number."),
        ({"flag": 1}, "flag = 1 must be true or false."),
        ({"near": ["x" * 100]}, f"near = ['{'x' * 75}... must be text or null."),
        ({"scales": 3}, "scales = 3 must be 1 or 2."),
        ({"scales": "1"}, "scales = '1' must be 1 or 2."),
        (
            {"schedule": "cosin"},
            "schedule = 'cosin' must be 'cosine', 'constant' or 'linear'. Did you mean 'cosine'?",
        ),
        ({"inner": {"sizes": [0, 1]}}, "inner.sizes = [0, 1] must be a list of 2, each a whole number of 1 or more."),
        ({"inner": {"sizes": [1]}}, "inner.sizes = [1] must be a list of 2, each a whole number of 1 or more."),
        ({"inner": {"colour": 256}}, "inner.colour = 256 must be a level from 0 to 255 of grey."),
        ({"inner": 3}, "inner = 3 must be an object with sizes, colour."),
        (
            {"inner": {"color": 3}},
            "inner.color = 3 is not a known key. Did you mean 'colour'? Valid names: colour, sizes.",
        ),
        ({"a\nb": 3}, "'a\\nb' = 3 is not a known key."),
    ],
)
def test_an_error_names_the_file_the_field_the_value_and_what_is_valid(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(Outer, {"name": "a"} | changes, "f.toml", error=DataError)
    words = str(caught.value)
    assert words.startswith(f"f.toml: {message}")
    assert "Did you mean" not in words.removeprefix(f"f.toml: {message}")


def test_a_file_that_holds_something_else() -> None:
    with pytest.raises(VitobenchError, match=r"^f\.json: \[1\] must be an object with colour\.$"):
        decode(Strict, [1], "f.json")


def test_a_description_goes_before_bounds() -> None:
    assert in_words(Annotated[Count, Meta(description="frames")]) == "frames"
    assert in_words(Count | None) == "a whole number of 1 or more or null"


def test_keys_that_have_to_be_there() -> None:
    with pytest.raises(VitobenchError, match=r"^f\.toml is incomplete: name is missing; it must be text, not empty\.$"):
        decode(Outer, {}, "f.toml")
    with pytest.raises(VitobenchError, match=r"^f\.toml is incomplete: in\.colour is missing; it must be a level"):
        decode(Strict, {}, "f.toml", "in")


def test_a_record_that_is_made_by_hand_is_checked_too() -> None:
    with pytest.raises(VitobenchError, match=r"^outer\.steps = 0 must be a whole number of 1 or more\.$"):
        Outer("a", steps=0)
