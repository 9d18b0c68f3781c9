"""The numbers that the reference's own code gives on the published trials of people (85,120 of them)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitobench.tasks.alignment.consistency import HUMANS, OF_DEFINED, OVERALL, SAMPLED
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS
from vitobench.tasks.alignment.rows import ALL, SHAPE_BIAS
from vitobench.tasks.alignment.scoring import Scored, score_alignment
from vitobench.tasks.alignment.trial_files import read_people, read_trials, write_trials
from vitobench.tasks.alignment.trials import Trials

# Accuracy over all conditions; then over those that count: accuracy, kappa, observed and expected consistency, squared
# accuracy difference.
PUBLISHED = {
    "colour": (0.89766, 0.88672, 0.41543, 0.88281, 0.79892, 0.00075),
    "contrast": (0.54668, 0.66094, 0.43703, 0.78021, 0.60974, 0.00813),
    "high-pass": (0.46426, 0.62891, 0.44014, 0.76510, 0.58968, 0.01497),
    "low-pass": (0.56094, 0.66125, 0.46888, 0.79083, 0.61862, 0.00168),
    "phase-scrambling": (0.55112, 0.68789, 0.44667, 0.79818, 0.63875, 0.00080),
    "power-equalisation": (0.82969, 0.75893, 0.51063, 0.82024, 0.63343, 0.00264),
    "false-colour": (0.88817, 0.87366, 0.44405, 0.87589, 0.77843, 0.00327),
    "rotation": (0.84512, 0.82995, 0.43851, 0.84253, 0.71824, 0.00103),
    "eidolonI": (0.50332, 0.60750, 0.38634, 0.78292, 0.63989, 0.00892),
    "eidolonII": (0.42031, 0.58281, 0.45402, 0.78802, 0.61049, 0.00399),
    "eidolonIII": (0.39004, 0.63906, 0.45953, 0.77882, 0.59276, 0.01103),
    "uniform-noise": (0.55371, 0.68281, 0.43406, 0.78229, 0.61412, 0.00191),
    "cue-conflict": (0.77555, 0.77555, 0.33105, 0.76516, 0.65070, 0.01155),
    "edge": (0.87125, 0.87125, 0.31844, 0.83861, 0.77362, 0.02035),
    "silhouette": (0.75313, 0.75313, 0.47571, 0.80347, 0.62730, 0.00848),
    "sketch": (0.91625, 0.91625, 0.36962, 0.89988, 0.84602, 0.00358),
    "stylized": (0.47125, 0.47125, 0.50058, 0.75025, 0.49994, 0.00854),
}
MEANS = (0.72281, 0.43122, 0.80854, 0.66121, 0.00657)
ORDER = ("accuracy", "error_consistency", "observed_consistency", "expected_consistency", "accuracy_difference")
SHAPE_BIAS_OF_PEOPLE = (96.17, 94.38, 96.73, 91.91, 96.40, 97.60, 94.08, 95.77, 98.66, 95.89)
FIVE_DIGITS = 0.5000001e-5  # silhouette's accuracy is 0.753125 exactly

People = dict[str, dict[str, Trials]]


@pytest.fixture(scope="module")
def people(human_folder: Path) -> People:
    return read_people(human_folder, tuple(ALIGNMENT_SETS.values()))


@pytest.fixture(scope="module")
def scored(people: People) -> Scored:
    return score_alignment(people, {}, tuple(ALIGNMENT_SETS.values()), replicates=100)


def values(scored: Scored, data_set: str) -> dict[str, float]:
    return {
        row.metric: row.value
        for row in scored.scores
        if (row.model, row.data_set, row.condition) == (HUMANS, data_set, OVERALL)
    }


def test_the_published_sets_are_whole(people: People, scored: Scored) -> None:
    assert (scored.problems, scored.notes) == ((), ())
    assert sum(len(trials) for by_name in people.values() for trials in by_name.values()) == 85_120
    assert sum(map(len, people.values())) == 90
    none = sum(int((trials.responses < 0).sum()) for by_name in people.values() for trials in by_name.values())
    assert none == 597


@pytest.mark.parametrize("name", PUBLISHED)
def test_people_have_the_numbers_of_the_reference(name: str, people: People, scored: Scored) -> None:
    everywhere, *counted = PUBLISHED[name]
    hits = np.concatenate([trials.responses == trials.categories for trials in people[name].values()])
    assert hits.mean() == pytest.approx(everywhere, abs=FIVE_DIGITS)
    found = values(scored, name)
    assert [found[metric] for metric in ORDER] == pytest.approx(counted, abs=FIVE_DIGITS)


def test_means_over_data_sets(scored: Scored) -> None:
    found = values(scored, ALL)
    assert set(found) == {*SAMPLED, *OF_DEFINED, "error_consistency_stimuli"}
    assert [found[metric] for metric in ORDER] == pytest.approx(MEANS, abs=FIVE_DIGITS)


def test_shape_bias(scored: Scored) -> None:
    rows = {r.model: r for r in scored.scores if r.metric == SHAPE_BIAS and r.condition == OVERALL}
    found = [100 * rows[f"subject-{number:02d}"].value for number in range(1, 11)]
    assert found == pytest.approx(SHAPE_BIAS_OF_PEOPLE, abs=0.005)
    assert 100 * rows[HUMANS].value == pytest.approx(95.87, abs=0.005)
    assert rows[HUMANS].n == 9236 + 398


def test_files_of_people_survive_a_round_trip(people: People, tmp_path: Path) -> None:
    for name in ("high-pass", "false-colour", "uniform-noise", "edge"):
        before = next(iter(people[name].values()))
        path = write_trials(before, tmp_path)
        assert path.name == before.files[0].name
        after = read_trials(path, before.data_set)
        assert after.image_names == before.image_names
        for field in ("image_ids", "conditions", "categories", "responses", "reaction_times", "sessions", "numbers"):
            np.testing.assert_array_equal(getattr(after, field), getattr(before, field))
