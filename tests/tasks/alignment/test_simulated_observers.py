from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitobench.errors import DataError
from vitobench.tasks.alignment.decisions import NO_TEXTURE, shown
from vitobench.tasks.alignment.evidence import Evidence
from vitobench.tasks.alignment.experiments import AlignmentSet, alignment_set, micro_alignment_set
from vitobench.tasks.alignment.observers import (
    MICRO_PANEL,
    PREFIX,
    SimulatedObserver,
    Weights,
    simulated_panel,
    simulated_trials,
    write_panel,
)
from vitobench.tasks.alignment.trial_files import is_person, read_models, read_people, read_trials
from vitobench.tests.tasks.alignment.observer_truth import made_up

CONFLICT, CONTRAST, EDGE = (micro_alignment_set(name) for name in ("cue-conflict", "contrast", "edge"))
SHAPE, TEXTURE = MICRO_PANEL[0], MICRO_PANEL[4]


@pytest.mark.parametrize("data_set", [CONFLICT, CONTRAST, EDGE], ids=lambda one: one.name)
def test_answers_depend_on_neither_order_nor_company(data_set: AlignmentSet) -> None:
    population = made_up(data_set, 48)
    rows = np.arange(len(population.shapes))
    stimuli, evidence = population.named(rows), population.evidence
    order = np.random.default_rng(0).permutation(rows)[: len(rows) // 2]
    for observer in (SHAPE, TEXTURE):
        whole = simulated_trials(observer, stimuli, evidence)
        some = shown(data_set, [stimuli.image_names[k] for k in order])
        part = simulated_trials(observer, some, evidence.take(order))
        assert part.responses.tolist() == whole.responses[order].tolist()
        again = simulated_panel([(stimuli, evidence)], (TEXTURE, SHAPE))
        assert again[data_set.name][observer.name].responses.tolist() == whole.responses.tolist()


def test_other_seeds_names_data_sets_and_evidence_give_other_answers() -> None:
    population = made_up(EDGE)
    stimuli, evidence = population.named(np.arange(len(population.shapes))), population.evidence
    answers = simulated_trials(SHAPE, stimuli, evidence).responses
    elsewhere = shown(replace(EDGE, name="micro-silhouette"), stimuli.image_names)
    for other in (
        simulated_trials(replace(SHAPE, seed=1), stimuli, evidence),
        simulated_trials(replace(SHAPE, name="simulated-shape-9"), stimuli, evidence),
        simulated_trials(SHAPE, elsewhere, evidence),
        simulated_trials(SHAPE, stimuli, replace(evidence, fine=0.9 * evidence.fine, coarse=0.9 * evidence.coarse)),
    ):
        assert 0 < (other.responses != answers).sum() < len(answers) / 2


def test_who_has_more_evidence_answers_no_worse() -> None:
    """The noise of a stimulus stays, so more to see never turns a cue that was seen into one that is missed."""
    population = made_up(CONFLICT, 640)
    stimuli, seen = population.named(np.arange(len(population.shapes))), population.evidence
    right = simulated_trials(SHAPE, stimuli, seen).responses == stimuli.shapes
    for name in ("fine", "coarse", "area"):
        more = replace(seen, **{name: np.minimum(getattr(seen, name) * 1.3, 1.0)})
        better = simulated_trials(SHAPE, stimuli, more).responses == stimuli.shapes
        # A guess that happened to be right may go with a texture that is followed instead, never a cue that was seen.
        assert better.sum() > right.sum()
        assert (right & ~better).sum() <= 0.02 * len(right)


def blind(data_set: AlignmentSet, count: int) -> tuple[np.ndarray, Evidence]:
    """Rows of stimuli in which nothing can be seen, with their evidence."""
    population = made_up(data_set, count)
    nothing = np.zeros(len(population.shapes))
    return np.arange(len(nothing)), replace(population.evidence, fine=nothing, coarse=nothing, surface=nothing)


@pytest.mark.parametrize("observer", [SHAPE, TEXTURE], ids=lambda one: one.cue)
@pytest.mark.parametrize("data_set", [CONFLICT, EDGE], ids=lambda one: one.name)
def test_who_sees_nothing_guesses_among_all(observer: SimulatedObserver, data_set: AlignmentSet) -> None:
    rows, nothing = blind(data_set, 4_800)
    stimuli = made_up(data_set, 4_800).named(rows)
    unable = replace(observer, threshold=50.0, texture_threshold=50.0)
    answers = simulated_trials(unable, stimuli, nothing).responses
    distances = np.bincount((answers - stimuli.shapes) % 16, minlength=16)
    assert (abs(distances - 300) < 5 * np.sqrt(300)).all()
    assert (abs(np.bincount(answers, minlength=16) - 300) < 5 * np.sqrt(300)).all()


def test_a_missed_cue_gives_way_to_the_other_if_that_is_seen() -> None:
    population = made_up(CONFLICT, 320)
    stimuli, evidence = population.named(np.arange(320)), population.evidence
    ready = replace(SHAPE, lapses=0.0, other_cue=1.0)
    only_texture = replace(ready, threshold=50.0, texture_threshold=-50.0)
    only_shape = replace(ready, threshold=-50.0, texture_threshold=50.0)
    for cue in ("shape", "texture"):
        found = simulated_trials(replace(only_texture, cue=cue), stimuli, evidence)
        assert (found.responses == stimuli.textures).all()
        found = simulated_trials(replace(only_shape, cue=cue), stimuli, evidence)
        assert (found.responses == stimuli.shapes).all()


def test_a_texture_matcher_has_nothing_to_match_on_outlines() -> None:
    population = made_up(EDGE, 4_800)
    stimuli = population.named(np.arange(4_800))
    answers = simulated_trials(replace(TEXTURE, other_cue=1.0), stimuli, population.evidence).responses
    assert (answers == stimuli.shapes).mean() == pytest.approx(1 / 16, abs=0.015)


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


def test_files_are_models_files_and_come_back(tmp_path: Path) -> None:
    sets = []
    for one in (CONTRAST, CONFLICT):
        population = made_up(one, 16)
        sets.append((population.named(np.arange(len(population.shapes))), population.evidence))
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


def test_the_usual_texture_helps_to_see_a_shape_and_another_does_not() -> None:
    evidence = made_up(CONFLICT, 16).evidence
    shapes = np.arange(16)
    usual = replace(evidence, textures=shapes.astype(np.int16))
    weights = Weights(usual=2.0)
    more = weights.shape(usual, shapes) - weights.shape(evidence, shapes)
    np.testing.assert_allclose(more, 2 * evidence.surface, atol=1e-12)
    np.testing.assert_array_equal(Weights().texture(usual), Weights().texture(evidence))


def test_specs_that_make_no_sense_are_refused() -> None:
    for make in (
        lambda: SimulatedObserver("a", "colour"),
        lambda: replace(SHAPE, lapses=1.0),
        lambda: replace(SHAPE, other_cue=1.5),
    ):
        with pytest.raises(ValueError, match=r"expected|give"):
            make()
    population = made_up(EDGE, 32)
    with pytest.raises(ValueError, match="Evidence in 16 stimuli for 32"):
        simulated_trials(SHAPE, population.named(np.arange(32)), population.evidence.take(np.arange(16)))
