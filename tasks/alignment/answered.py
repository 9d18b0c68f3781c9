"""Answers of a run as trials, and trials of people on just the stimuli that were answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..answers import Answers
from .csv_form import model_trials
from .datasets import AlignmentSet
from .shown import shown
from .trials import Trials


def trials_of(data_set: AlignmentSet, answers: Mapping[str, Answers]) -> dict[str, Trials]:
    """Trials of each model, all on the stimuli that every one of them has answered.

    Args:
        data_set: What was shown.
        answers: By model; image ids are names of stimuli, decisions positions of the data set's categories.

    Returns:
        By model; models without any answer are left out.

    Raises:
        DataError: A stimulus's name tells a condition or category that the data set does not have.
    """
    there = {model: own for model, own in answers.items() if len(own)}
    if not there:
        return {}
    common = sorted(set.intersection(*(set(own.image_ids.tolist()) for own in there.values())))
    ids = np.array(common, dtype=np.str_)
    stimuli = shown(data_set, common)
    conditions = [data_set.conditions[position] for position in stimuli.conditions]
    return {
        model: model_trials(data_set, model, common, conditions, stimuli.shapes, own.decisions[own.rows(ids), 0])
        for model, own in there.items()
    }


def only(trials: Trials, image_ids: np.ndarray) -> Trials:
    """The trials of one observer on some stimuli.

    Args:
        trials: All that there are.
        image_ids: str (m,), as in `Trials.image_ids`.
    """
    kept = np.flatnonzero(np.isin(trials.image_ids, image_ids))
    arrays = ("image_ids", "conditions", "categories", "responses", "reaction_times", "sessions", "numbers")
    return replace(
        trials,
        image_names=tuple(trials.image_names[row] for row in kept),
        lines=trials.lines[kept] if len(trials.lines) else trials.lines,
        **{name: getattr(trials, name)[kept] for name in arrays},
    )


def packed(people: Mapping[str, Trials]) -> dict[str, object]:
    """Trials of people as plain data, to be kept beside predictions; reaction times are not kept."""
    return {
        name: {
            "image_names": list(trials.image_names),
            "conditions": trials.conditions.tolist(),
            "categories": trials.categories.tolist(),
            "responses": trials.responses.tolist(),
        }
        for name, trials in people.items()
    }


def unpacked(data_set: AlignmentSet, facts: Mapping[str, Mapping[str, Sequence[int]]]) -> dict[str, Trials]:
    """The way back from `packed`."""
    found = {}
    for name, kept in facts.items():
        conditions = [data_set.conditions[position] for position in kept["conditions"]]
        names = [str(text) for text in kept["image_names"]]
        found[name] = model_trials(
            data_set, name, names, conditions, np.array(kept["categories"]), np.array(kept["responses"])
        )
    return found
