from __future__ import annotations

import pytest

from vitobench.errors import DataError, UnknownNameError
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, CATEGORIES, alignment_set, cues, image_id


def test_numbers_of_the_published_sets() -> None:
    sets = ALIGNMENT_SETS.values()
    assert len(sets) == 17
    assert sum(one.stimuli for one in sets) == 18_080
    assert sum(one.stimuli * one.people for one in sets) == 85_120
    assert sum(one.people for one in sets) == 90
    assert sum(len(one.kept) for one in sets if len(one.conditions) > 1) == 41
    assert all(set(one.excluded) < set(one.conditions) for one in sets)
    assert sorted(CATEGORIES) == list(CATEGORIES)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("uniform-noise", "0.90", "0.9"),
        ("uniform-noise", "0.00", "0.0"),
        ("uniform-noise", ".1", "0.1"),
        ("high-pass", "3", "3.0"),
        ("high-pass", "inf", "inf"),
        ("high-pass", "0.55", "0.55"),
        ("false-colour", "true", "True"),
        ("false-colour", "FALSE", "False"),
        ("contrast", " c05 ", "c05"),
        ("low-pass", "10.0", "10"),
        ("power-equalisation", "0", "0"),
        ("eidolonI", "128-10-10", "128-10-10"),
        ("sketch", "NaN", "0"),
        ("cue-conflict", "3", "0"),
        ("edge", "", "0"),
    ],
)
def test_every_spelling_of_a_condition_is_one_condition(name: str, text: str, expected: str) -> None:
    data_set = alignment_set(name)
    assert data_set.conditions[data_set.condition(text)] == expected


@pytest.mark.parametrize(
    ("name", "text"), [("contrast", "c5"), ("high-pass", "2"), ("high-pass", "nan"), ("false-colour", "1"),
                       ("eidolonI", "1-3-10"), ("rotation", "")],
)  # fmt: skip
def test_other_conditions_are_refused(name: str, text: str) -> None:
    with pytest.raises(DataError, match=f"not a condition of {name}; expected one of"):
        alignment_set(name).condition(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0001_cop_s01_c30_knife_10_n03041632_7380.png", "n03041632_7380.png"),
        ("0417_cop_dnn_c30_knife_10_n03041632_7380.png", "n03041632_7380.png"),
        ("0001_ske_s01_0_boat_00_boat-0068-sketch-23.png", "boat-0068-sketch-23.png"),
        ("0001_s5n_s01_0_bird_00_bird3-bird2.png", "bird3-bird2.png"),
        ("bird/bird3-bird2.png", "bird3-bird2.png"),
        ("dnn\\session-1\\0001_hp_dnn_3.0_cat_10_n12345678_1.png", "n12345678_1.png"),
    ],
)
def test_image_id_joins_observers(name: str, expected: str) -> None:
    assert image_id(name) == expected


def test_cues_of_a_stimulus() -> None:
    assert cues("bird3-clock12.png") == (CATEGORIES.index("bird"), CATEGORIES.index("clock"))
    for name in ("bird3.png", "bird3-zebra1.png", "n01_1.png"):
        with pytest.raises(DataError, match="such as bird3-clock2"):
            cues(name)


def test_unknown_set() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'contrast'"):
        alignment_set("contrasts")
