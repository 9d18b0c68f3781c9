"""Which images are shown where two models disagree."""

from __future__ import annotations

import random

from vitobench.reports.data import chosen, counted, strongest


def test_only_disagreements_are_chosen_and_the_order_of_images_has_no_say():
    rng = random.Random(3)
    ids = [f"val-{n}" for n in range(200)]
    a, b = ([rng.random() < 0.6 for _ in ids] for _ in range(2))
    first, second = chosen(ids, a, b, most=5)
    right = dict(zip(ids, zip(a, b, strict=True), strict=True))
    assert len(first) == len(second) == 5
    assert {right[name] for name in first} == {(True, False)}
    assert {right[name] for name in second} == {(False, True)}
    rows = list(zip(ids, a, b, strict=True))
    rng.shuffle(rows)
    assert chosen(*map(list, zip(*rows, strict=True)), most=5) == (first, second)
    assert chosen(ids, b, a, most=5) == (second, first)
    # Not simply the first ones.
    assert first != [name for name in ids if right[name] == (True, False)][:5]


def test_fewer_are_all_of_them():
    assert chosen(["x", "y"], [True, True], [False, True]) == (["x"], [])


def test_counts_are_those_of_the_four_cases():
    assert counted([True, True, False, False, False], [True, False, True, False, False]) == (1, 1, 1, 2)


def test_the_strongest_condition_has_the_highest_severity_first():
    assert strongest(["fog/1", "fog/5", "snow/5", "snow/4"], [99, 3, 7, 50]) == 2
    assert strongest(["fog/5", "snow/5"], [3, 3]) == 0
    assert strongest(["clean"], [0]) == 0
