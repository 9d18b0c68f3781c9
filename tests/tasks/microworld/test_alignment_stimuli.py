from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from skimage.color import rgb2gray

from vitobench.errors import UnknownNameError
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, NO_CONDITION, image_id
from vitobench.tasks.alignment.micro_stimuli import DISTORTED, TWINS, AlignmentStimuli, contact_sheet, distort
from vitobench.tasks.alignment.trial_files import model_trials
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.microworld import vocabulary as layout
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.microworld.vocabulary import CLASSES
from vitobench.tasks.opening import available, folders_of, open_source

ORDERED = [name for name in DISTORTED if len(ALIGNMENT_SETS[name].conditions) > 4]
SMALL = Geometry(32, 32, "bilinear")


@cache
def whole(name: str) -> AlignmentStimuli:
    return AlignmentStimuli(name, 10_000)


def condition_and_category(name: str) -> tuple[str, str]:
    """What model-vs-human reads from a name, by its own rule."""
    folder, _, file = name.rpartition("/")
    if folder:
        return NO_CONDITION, folder
    parts = file.split("_")
    return parts[3], parts[4]


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_balanced_as_its_original_is(name: str) -> None:
    stimuli, original = whole(name), ALIGNMENT_SETS[name]
    assert len(stimuli) == len(stimuli.image_ids) == original.stimuli
    told = [condition_and_category(i) for i in stimuli.image_ids]
    assert [category for _, category in told] == [CLASSES[label] for label in stimuli.labels]
    assert [condition for condition, _ in told] == [stimuli.shown(i) for i in range(len(stimuli))]
    cells = Counter(told)
    assert set(cells) == {(condition, category) for condition in original.conditions for category in CLASSES}
    assert set(cells.values()) == {original.per_condition // 16}
    assert len(set(map(image_id, stimuli.image_ids))) == len(stimuli)
    prefix = Counter(told[: 16 * len(original.conditions)])
    assert set(prefix.values()) == {1}


@pytest.mark.parametrize("name", TWINS)
def test_names_become_trials(name: str) -> None:
    stimuli = AlignmentStimuli(name, 64)
    conditions = [condition_and_category(i)[0] for i in stimuli.image_ids]
    trials = model_trials(stimuli.data_set, "m", stimuli.image_ids, conditions, stimuli.labels, stimuli.labels)
    assert [stimuli.data_set.conditions[c] for c in trials.conditions] == conditions
    assert len(set(trials.image_ids.tolist())) == 64


@pytest.mark.parametrize("name", TWINS)
def test_pixels_depend_on_seed_and_stimulus_alone(name: str) -> None:
    stimuli = AlignmentStimuli(name, 160, seed=3)
    images, failed = stimuli.load(range(40, 60), SMALL)
    assert (images.shape, images.dtype, failed) == ((20, 32, 32, 3), np.uint8, {})
    again, _ = pickle.loads(pickle.dumps(stimuli)).load([55, 41], SMALL)
    np.testing.assert_array_equal(again, images[[15, 1]])
    others, _ = AlignmentStimuli(name, 160, seed=4).load(range(40, 60), SMALL)
    assert (others != images).any(axis=(1, 2, 3)).all()


def test_no_two_stimuli_show_the_same_scene() -> None:
    rows = [whole(name).scene(i).start.tobytes() for name in TWINS for i in range(64)]
    rows += [MicroSet("val", 64).scene(i).start.tobytes() for i in range(64)]
    assert len(set(rows)) == len(rows)


def test_identities_differ_and_are_plain_data() -> None:
    digests = {AlignmentStimuli(name, 16, seed).digest for name in TWINS for seed in (0, 1)}
    assert len(digests) == 2 * len(TWINS)
    assert AlignmentStimuli("edge", 16).digest == AlignmentStimuli("edge", 160).digest
    manifest = whole("contrast").manifest()
    assert json.loads(json.dumps(manifest)) == manifest


def test_cue_conflict_is_the_set_of_that_name_and_names_tell_the_cues() -> None:
    stimuli, frames = whole("cue-conflict"), MicroSet("cue-conflict", 48)
    np.testing.assert_array_equal(stimuli.load(range(48), SMALL)[0], frames.load(range(48), SMALL)[0])
    for name, label, texture in zip(stimuli.image_ids, frames.labels, frames.textures(), strict=False):
        shape, _, worn = name.rpartition("/")[2].removesuffix(".png").partition("-")
        assert (shape.rstrip("0123456789"), worn.rstrip("0123456789")) == (CLASSES[label], CLASSES[texture])


def test_outlines_show_whole_objects_in_black_and_white() -> None:
    for name in ("edge", "silhouette"):
        stimuli = whole(name)
        images, _ = stimuli.load(range(32), SMALL)
        assert set(np.unique(images)) == {0, 255}
        masks = stimuli.frames(range(32), 32).mask
        black = images[..., 0] == 0
        if name == "silhouette":
            np.testing.assert_array_equal(black, masks)
        else:
            assert (black.sum(axis=(1, 2)) < masks.sum(axis=(1, 2))).all()
        assert all(stimuli.scene(i).start[layout.OCCLUDERS] == 0 for i in range(32))


@pytest.mark.parametrize("name", ORDERED)
def test_likeness_to_the_frame_falls_from_condition_to_condition(name: str) -> None:
    stimuli = whole(name)
    frames = stimuli.frames(range(16), 64).images

    def likeness(condition: str) -> float:
        rng = np.random.default_rng(0)
        shown = [distort(frame, name, condition, rng, lambda: np.zeros((64, 64))) for frame in frames]
        # Energy of the difference, which sees loss of contrast, too.
        return -float(np.mean([np.var(rgb2gray(a) - rgb2gray(b)) for a, b in zip(shown, frames, strict=True)]))

    conditions = stimuli.data_set.conditions
    values = [likeness(condition) for condition in conditions]
    # The strongest eidolons and filters leave nothing to tell apart.
    kept = values[: 1 + len(stimuli.data_set.kept)]
    assert kept == sorted(kept, reverse=True)


def test_power_equalisation_does_not_depend_on_which_stimuli_are_asked_for() -> None:
    stimuli = AlignmentStimuli("power-equalisation", 64, seed=7)
    one, _ = stimuli.load([17], SMALL)
    many, _ = AlignmentStimuli("power-equalisation", 32, seed=7).load(range(16, 32), SMALL)
    np.testing.assert_array_equal(one[0], many[1])


def test_false_colour_true_and_colour_cr_are_the_frames() -> None:
    for name, condition in (("colour", "cr"), ("false-colour", "True")):
        stimuli = whole(name)
        shown = [i for i in range(64) if stimuli.shown(i) == condition]
        np.testing.assert_array_equal(stimuli.load(shown, SMALL)[0], stimuli.frames(shown, 32).images)


def test_they_open_by_name() -> None:
    for name in TWINS:
        dataset = f"microworld/alignment/{name}"
        assert folders_of(dataset) == ()
        assert available(dataset, {})
        assert len(open_source(dataset, {}, None, 0).image_ids) == ALIGNMENT_SETS[name].stimuli
        assert len(open_source(dataset, {}, 20, 0).image_ids) == 20
    twins = ", ".join(sorted(f"microworld/alignment/{name}" for name in TWINS))
    for wrong in ("sketch", "stylized", "contrasts"):
        with pytest.raises(UnknownNameError, match=f"Valid names: {twins}"):
            open_source(f"microworld/alignment/{wrong}", {}, 20, 0)
    with pytest.raises(ValueError, match="give 1 or more"):
        AlignmentStimuli("edge", 0)


def test_conditions_that_are_none_are_refused(frame: Callable[[], np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    for name, condition in (("colour", "red"), ("contrast", "high"), ("eidolonI", "1-10"), ("rotation", "left")):
        with pytest.raises(ValueError, match="is not a condition of"):
            distort(frame(), name, condition, rng, lambda: np.zeros((8, 8)))
    with pytest.raises(UnknownNameError, match="distortion"):
        distort(frame(), "sketch", "0", rng, lambda: np.zeros((8, 8)))


@pytest.fixture
def frame() -> Callable[[], np.ndarray]:
    return lambda: np.zeros((8, 8, 3), np.uint8)


def test_the_contact_sheet_has_every_condition() -> None:
    sheet = np.asarray(contact_sheet(16))
    assert sheet.shape[0] == len(TWINS) * 31
    assert sheet.shape[1] == 104 + 8 * 18
