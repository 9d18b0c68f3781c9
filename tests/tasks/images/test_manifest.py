import pytest

from vitobench.tasks.images.hashing import ManifestDifference, difference

OLD = {"b": "1", "a": "1", "c": "1", "d": "1"}


def test_every_id_is_in_its_place() -> None:
    new = {"c": "2", "z": "1", "y": "1", "a": "1", "b": "2"}
    assert difference(OLD, new) == ManifestDifference(added=("y", "z"), removed=("d",), changed=("b", "c"))
    assert difference(new, OLD) == ManifestDifference(added=("d",), removed=("y", "z"), changed=("b", "c"))


def test_order_is_no_difference() -> None:
    same = difference(OLD, dict(reversed(OLD.items())))
    assert same == ManifestDifference((), (), ())
    assert not same
    assert difference(OLD, {})


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        (((), (), ()), "no image differs"),
        ((("x/a", "x/b", "x/c"), (), ("x/d",)), "3 images added, 1 changed (first: x/a)"),
        (((), ("x/r",), ()), "1 image removed (first: x/r)"),
        (((), (), ("x/a", "x/b")), "2 images changed (first: x/a)"),
        ((("x/a",), ("x/b", "x/c"), ("x/d",)), "1 image added, 2 removed, 1 changed (first: x/a)"),
        (((), (), (), ("x/a",), ("x/b",)), "1 image no longer readable, 1 readable now (first: x/a)"),
        (((), (), (), (), ("x/caf\udce9",)), r"1 image readable now (first: x/caf\udce9)"),
    ],
)
def test_the_summary_counts_and_names_one(found: tuple[tuple[str, ...], ...], summary: str) -> None:
    assert ManifestDifference(*found).summary == summary


def test_what_could_not_be_read_is_told_from_what_changed() -> None:
    old = {"a": "1", "b": "unreadable", "c": "unreadable:1", "d": "unreadable:1", "e": "unreadable"}
    new = {"a": "unreadable", "b": "2", "c": "2", "d": "unreadable:2", "e": "unreadable"}
    assert difference(old, new) == ManifestDifference((), (), ("d",), unreadable=("a",), readable=("b", "c"))
    assert not difference(old, new).mended
    assert difference({"a": "unreadable", "b": "1"}, {"a": "2", "b": "1"}).mended
    assert not difference({"b": "1"}, {"b": "1"}).mended
