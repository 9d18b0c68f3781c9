from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.alignment.decisions import NO_TEXTURE, shown
from vitobench.tasks.alignment.experiments import MICRO_ALIGNMENT_SETS, AlignmentSet, alignment_set, micro_alignment_set
from vitobench.tasks.alignment.observers import (
    MICRO_PANEL,
    PREFIX,
    Psychometric,
    SimulatedObserver,
    simulated_panel,
    simulated_trials,
    write_panel,
)
from vitobench.tasks.alignment.trial_files import is_person, read_models, read_people, read_trials

MakeNames = Callable[..., tuple[str, ...]]
CONFLICT, CONTRAST, EDGE = (micro_alignment_set(name) for name in ("cue-conflict", "contrast", "edge"))
SHAPE, TEXTURE = MICRO_PANEL[0], MICRO_PANEL[4]


@pytest.mark.parametrize("data_set", [CONFLICT, CONTRAST, EDGE], ids=lambda one: one.name)
def test_answers_depend_on_neither_order_nor_company(data_set: AlignmentSet, make_names: MakeNames) -> None:
    names = make_names(data_set, 48)
    order = np.random.default_rng(0).permutation(len(names))[: len(names) // 2]
    for observer in (SHAPE, TEXTURE):
        whole = simulated_trials(observer, shown(data_set, names))
        part = simulated_trials(observer, shown(data_set, [names[k] for k in order]))
        assert part.responses.tolist() == whole.responses[order].tolist()
        again = simulated_panel([shown(data_set, names)], (TEXTURE, SHAPE))
        assert again[whole.data_set.name][observer.name].responses.tolist() == whole.responses.tolist()


def test_other_seeds_names_and_data_sets_give_other_answers(make_names: MakeNames) -> None:
    stimuli = shown(EDGE, make_names(EDGE))
    answers = simulated_trials(SHAPE, stimuli).responses
    elsewhere = shown(replace(EDGE, name="micro-silhouette"), stimuli.image_names)
    for other in (
        simulated_trials(replace(SHAPE, seed=1), stimuli),
        simulated_trials(replace(SHAPE, name="simulated-shape-9"), stimuli),
        simulated_trials(SHAPE, elsewhere),
    ):
        assert 0 < (other.responses != answers).sum() < len(answers) / 2


def test_difficulty_is_shared_within_a_data_set_only(make_names: MakeNames) -> None:
    """The same ids in two data sets are two draws: means over data sets take them for independent."""
    hard = Psychometric(0.9, 1.0)
    a, b = replace(SHAPE, sees=hard), replace(MICRO_PANEL[1], sees=hard)
    here = shown(EDGE, make_names(EDGE, 4_800))
    there = shown(replace(EDGE, name="micro-silhouette"), here.image_names)
    right = [
        simulated_trials(one, stimuli).responses == here.shapes for one, stimuli in ((a, here), (b, here), (b, there))
    ]
    error = 4 / np.sqrt(4_800)
    assert np.corrcoef(right[0], right[1])[0, 1] > 0.3
    assert abs(np.corrcoef(right[0], right[2])[0, 1]) < error


def test_misses_are_spread_over_what_is_left(make_names: MakeNames) -> None:
    """Blind observers who never follow the other cue: every remaining category, and only those, equally often."""
    blind = Psychometric(1e-12, 0.0, chance=0.0)
    for observer in (replace(SHAPE, sees=blind, other_cue=0.0), replace(TEXTURE, sees=blind, other_cue=0.0)):
        for data_set, left in ((CONFLICT, 14), (EDGE, 16 if observer.cue == "texture" else 15)):
            stimuli = shown(data_set, make_names(data_set, 4_800))
            answers = simulated_trials(observer, stimuli).responses
            distance = (answers - stimuli.shapes) % 16
            assert ((answers == stimuli.shapes).sum() == 0) == (left < 16)
            if data_set is CONFLICT:
                assert not (answers == stimuli.textures).any()
            counts = np.bincount(answers, minlength=16)
            assert (abs(counts - 300) < 5 * np.sqrt(300)).all()
            if left == 15:
                spread = np.bincount(distance, minlength=16)[1:]
                assert (abs(spread - 320) < 5 * np.sqrt(320)).all()


def test_a_missed_cue_gives_way_to_the_other(make_names: MakeNames) -> None:
    blind = Psychometric(1e-12, 0.0, chance=0.0)
    stimuli = shown(CONFLICT, make_names(CONFLICT, 320))
    found = simulated_trials(replace(SHAPE, sees=blind, other_cue=1.0), stimuli)
    assert (found.responses == stimuli.textures).all()
    found = simulated_trials(replace(TEXTURE, sees=blind, other_cue=1.0), stimuli)
    assert (found.responses == stimuli.shapes).all()
    sharp = Psychometric(1.0, 50.0, chance=0.0)
    assert (simulated_trials(replace(TEXTURE, sees=sharp), stimuli).responses == stimuli.textures).all()
    assert (simulated_trials(replace(SHAPE, sees=sharp), stimuli).responses == stimuli.shapes).all()


def test_names_tell_what_was_shown() -> None:
    found = shown(CONTRAST, ["0001_cop_dnn_c30_mug_10_val-000123.png", "a/b/0002_cop_s01_c05_box_10_val-000124.png"])
    assert [CONTRAST.conditions[k] for k in found.conditions] == ["c30", "c05"]
    assert [CONTRAST.categories[k] for k in found.shapes] == ["mug", "box"]
    assert found.textures.tolist() == found.shapes.tolist()
    found = shown(CONFLICT, ["0001_s5n_dnn_0_mug_00_mug7-star2.png", "mug/mug7-star3.png"])
    assert [CONFLICT.categories[k] for k in found.textures] == ["star", "star"]
    assert shown(EDGE, ["mug/val-1.png"]).textures.tolist() == [NO_TEXTURE]
    published = shown(alignment_set("contrast"), ["0001_cop_dnn_c30_knife_10_n03041632_7380.png"])
    assert published.data_set.categories[published.shapes[0]] == "knife"


@pytest.mark.parametrize(
    ("name", "data_set", "message"),
    [
        ("mug/val-000123.png", CONTRAST, "has no condition; expected a name such as 0001_cop_dnn_c01_"),
        ("0001_cop_dnn_c31_mug_10_val-000123.png", CONTRAST, "'c31' is not a condition of micro-contrast"),
        ("0001_cop_dnn_c30_bird_10_val-000123.png", CONTRAST, "has the category 'bird'; expected one of ball, box"),
        ("mug/mug7-bird3.png", CONFLICT, "has no shape and texture"),
        ("mug/box7-star3.png", CONFLICT, "has the category mug, and the shape box"),
    ],
)
def test_names_that_do_not_tell_are_refused(name: str, data_set: AlignmentSet, message: str) -> None:
    with pytest.raises(DataError, match=message):
        shown(data_set, [name])


def test_files_are_models_files_and_come_back(tmp_path: Path, make_names: MakeNames) -> None:
    sets = [shown(one, make_names(one, 16)) for one in (CONTRAST, CONFLICT)]
    panel = simulated_panel(sets)
    paths = write_panel(panel, tmp_path)
    assert paths[0] == tmp_path / "micro-contrast" / "micro-contrast_simulated-shape-1_session-1.csv"
    assert len(paths) == 10
    back = read_trials(paths[0], CONTRAST)
    assert back.observer == "simulated-shape-1"
    assert back.responses.tolist() == panel["micro-contrast"]["simulated-shape-1"].responses.tolist()
    reference = read_people(tmp_path, (CONTRAST, CONFLICT), PREFIX)
    assert {name: sorted(found) for name, found in reference.items()} == {
        one.name: [f"simulated-shape-{k}" for k in (1, 2, 3, 4)] for one in (CONTRAST, CONFLICT)
    }
    models, problems = read_models(tmp_path, (CONTRAST, CONFLICT), PREFIX)
    assert problems == ()
    assert list(models["micro-contrast"]) == ["simulated-texture-1"]
    with pytest.raises(DataError, match=r"simulated-shape-…; expected files such as micro-edge/micro-edge_simulated-s"):
        read_people(tmp_path, (EDGE,), PREFIX)


def test_the_panel_is_called_simulated_and_never_a_person() -> None:
    assert [observer.cue for observer in MICRO_PANEL] == ["shape"] * 4 + ["texture"]
    assert all(observer.name.startswith("simulated-") and not is_person(observer.name) for observer in MICRO_PANEL)
    assert all((observer.cue == "shape") == observer.name.startswith(PREFIX) for observer in MICRO_PANEL)


def test_accuracy_falls_with_strength_from_ceiling_to_chance() -> None:
    for data_set in MICRO_ALIGNMENT_SETS.values():
        for observer in MICRO_PANEL:
            found = [observer.sees.at(data_set, k) for k in range(len(data_set.conditions))]
            assert found == sorted(found, reverse=True)
            assert observer.sees.chance < found[-1] <= found[0] < observer.sees.ceiling
    assert Psychometric(0.9, 3.0, chance=0.1).at(CONTRAST, 3) == pytest.approx(0.5)


def test_specs_that_make_no_sense_are_refused() -> None:
    for make in (
        lambda: Psychometric(0.05, 3.0),
        lambda: Psychometric(1.1, 3.0),
        lambda: Psychometric(0.9, 3.0, width=0.0),
        lambda: SimulatedObserver("a", "colour", SHAPE.sees),
        lambda: replace(SHAPE, shared=1.0),
        lambda: replace(SHAPE, other_cue=1.5),
    ):
        with pytest.raises(ValueError, match=r"expected|outside|give"):
            make()
    few = replace(EDGE, categories=("mug", "box"))
    with pytest.raises(ValueError, match="needs 3 or more"):
        simulated_trials(SHAPE, shown(few, ["mug/val-1.png"]))
