"""Agreement of all pairs and counts of decisions, against scikit-learn and published numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitobench.tasks.alignment.cues import cue_counts
from vitobench.tasks.alignment.decisions import agreement_matrix
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, AlignmentSet, alignment_set, described
from vitobench.tasks.alignment.trial_files import read_people
from vitobench.tasks.alignment.trials import NO_RESPONSE, Panel, Stimuli, responses_to, stimuli_of


def panel_of_people(folder: Path, name: str) -> Panel:
    people = read_people(folder, [alignment_set(name)])[name]
    stimuli = stimuli_of(next(iter(people.values())))
    rows = np.stack([responses_to(stimuli, trials) for trials in people.values()])
    return Panel(stimuli, tuple(people), len(people), rows)


def test_agreement_is_cohens_kappa_by_condition(
    make_panel: Callable[..., Panel], small_set: Callable[..., AlignmentSet]
) -> None:
    from sklearn.metrics import cohen_kappa_score

    data_set = small_set("rotation", per_condition=40)
    right = np.random.default_rng(0).random((5, 160)) < np.array([0.8, 0.7, 0.6, 0.5, 0.4])[:, None]
    panel = make_panel(data_set, right, people=3)
    found = agreement_matrix(panel)
    assert np.isnan(np.diag(found)).all()
    for a in range(5):
        for b in range(a):
            # The first condition is the control, which does not count.
            kappas = [cohen_kappa_score(right[a, s : s + 40], right[b, s : s + 40]) for s in (40, 80, 120)]
            assert found[a, b] == found[b, a] == pytest.approx(np.mean(kappas), abs=1e-12)


def test_undefined_agreement_is_no_number(
    make_panel: Callable[..., Panel], small_set: Callable[..., AlignmentSet]
) -> None:
    right = np.ones((3, 16), bool)
    right[2, :4] = False
    panel = make_panel(small_set("edge"), right, people=2)
    assert np.isnan(agreement_matrix(panel)[0, 1])
    assert agreement_matrix(panel, "model-vs-human")[0, 1] == 1
    assert agreement_matrix(panel)[0, 2] == 0


@pytest.mark.parametrize(
    ("name", "kappa"),
    [("edge", 0.31844), ("silhouette", 0.47571), ("stylized", 0.50058), ("contrast", 0.43703)],
)
def test_pairs_of_people_have_the_published_mean(human_folder: Path, name: str, kappa: float) -> None:
    found = agreement_matrix(panel_of_people(human_folder, name))
    assert np.nanmean(found) == pytest.approx(kappa, abs=6e-6)


def test_decisions_for_either_cue_are_counted_by_hand() -> None:
    data_set = replace(alignment_set("cue-conflict"), per_condition=4)
    ids = np.array(["bear1-cat1.png", "bear2-cat2.png", "bear3-bear1.png", "cat1-dog1.png"])
    bear, cat, dog = (data_set_index(name) for name in ("bear", "cat", "dog"))
    stimuli = Stimuli(data_set, ids, np.zeros(4, np.int16), np.array([bear, bear, bear, cat]), np.arange(4))
    responses = np.array([[bear, cat, bear, dog], [cat, NO_RESPONSE, bear, cat]])
    counts = {(c["observer"], c["category"]): (c["shape"], c["texture"], c["other"])
              for c in cue_counts(Panel(stimuli, ("one", "two"), 2, responses), "both")}  # fmt: skip
    assert counts["one", "bear"] == (1, 1, 0)
    assert counts["two", "bear"] == (0, 1, 1)
    assert counts["both", "bear"] == (1, 2, 1)
    assert counts["one", "cat"] == (0, 1, 0)
    assert counts["both", "cat"] == (1, 1, 0)
    assert counts["both", "dog"] == (0, 0, 0)


def data_set_index(name: str) -> int:
    from vitobench.tasks.alignment.experiments import CATEGORIES

    return CATEGORIES.index(name)


def test_people_decided_as_published(human_folder: Path) -> None:
    panel = panel_of_people(human_folder, "cue-conflict")
    counts = [count for count in cue_counts(panel) if count["observer"] == "humans"]
    assert sum(count["shape"] for count in counts) == 9236
    assert sum(count["texture"] for count in counts) == 398
    assert sum(count["shape"] + count["texture"] + count["other"] for count in counts) == 10 * 1200


def test_every_data_set_is_described_for_those_who_draw_it() -> None:
    records = [described(data_set) for data_set in ALIGNMENT_SETS.values()]
    kinds = [record["kind"] for record in records]
    assert [kinds.count(kind) for kind in ("parametric", "binary", "nonparametric")] == [9, 3, 5]
    for record in records:
        assert record["title"] != record["name"]
        assert len(record["ticks"]) == len(record["conditions"])
        assert bool(record["axis"]) == (record["kind"] != "nonparametric")
    contrast, reach = (described(alignment_set(name))["ticks"] for name in ("contrast", "eidolonII"))
    assert contrast == ["100", "50", "30", "15", "10", "5", "3", "1"]
    assert reach == list("01234567")
    assert described(alignment_set("high-pass"))["ticks"][:2] == ["∞", "3.0"]
    twin = replace(alignment_set("contrast"), name="micro-contrast")
    assert described(twin)["title"] == "Contrast"
    assert described(replace(twin, name="something else"))["title"] == "something else"
