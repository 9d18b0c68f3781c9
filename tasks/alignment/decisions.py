"""What a stimulus shows, a model's decision among the 16 categories of people, and agreement of all observers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from ...errors import DataError, unknown_name
from ..images.classes import NUM_CLASSES, entry_level_classes
from ..scoring.samples import Answers
from .experiments import AlignmentSet, cues, image_id
from .measures import Compat, error_consistency, expected_consistency
from .trial_files import model_trials
from .trials import Panel, Trials

# What a data set shows: condition, shape and texture of its stimuli, from their names.


NO_TEXTURE = -1
"""Texture of a stimulus without the texture of any category, such as an outline."""

_PARTS = 7  # of a name: trial, abbreviation, observer, condition, category, number, image


@dataclass(frozen=True)
class Shown:
    """The stimuli of a data set as they were shown.

    Attributes:
        data_set: Which.
        image_names: n names of files, in the order shown.
        conditions: int16 (n,), positions in ``data_set.conditions``.
        shapes: int16 (n,), positions in ``data_set.categories``; the right answers.
        textures: int16 (n,), positions in ``data_set.categories``; `NO_TEXTURE` for none.
    """

    data_set: AlignmentSet
    image_names: tuple[str, ...]
    conditions: np.ndarray
    shapes: np.ndarray
    textures: np.ndarray


def shown(data_set: AlignmentSet, image_names: Sequence[str]) -> Shown:
    """Read names of stimuli.

    Args:
        data_set: What they are of.
        image_names: ``0001_cop_dnn_c30_knife_10_n03041632_7380.png``, or ``knife/knife3.png`` in a data set without
            conditions, with any folders before it.

    Raises:
        DataError: A name that is of neither form, or a condition or category that the data set does not have.
    """
    conditions, shapes, textures = [], [], []
    for name in image_names:
        condition, shape = _facts(data_set, name)
        texture = NO_TEXTURE if data_set.cues == "shape" else shape
        if data_set.cues == "conflict":
            named_shape, texture = cues(image_id(name), data_set.categories)
            if named_shape != shape:
                categories = data_set.categories
                raise DataError(
                    f"The stimulus {name!r} of {data_set.name} has the category {categories[shape]}, and the shape "
                    f"{categories[named_shape]} by its own name; expected the same."
                )
        conditions.append(condition)
        shapes.append(shape)
        textures.append(texture)
    return Shown(
        data_set,
        tuple(image_names),
        np.array(conditions, np.int16),
        np.array(shapes, np.int16),
        np.array(textures, np.int16),
    )


def _facts(data_set: AlignmentSet, name: str) -> tuple[int, int]:
    """Condition and category of a stimulus."""
    folder, _, file = name.replace("\\", "/").rpartition("/")
    parts = file.split("_")
    condition, category = "", folder.rpartition("/")[2]
    if len(parts) >= _PARTS:
        condition, category = parts[3], parts[4]
    elif len(data_set.conditions) > 1:
        raise DataError(
            f"The name of the stimulus {name!r} of {data_set.name} has no condition; expected a name such as "
            f"0001_{data_set.abbreviation}_dnn_{data_set.conditions[-1]}_{data_set.categories[0]}_10_image.png."
        )
    if category not in data_set.categories:
        raise DataError(
            f"The stimulus {name!r} of {data_set.name} has the category {category!r}; expected one of "
            f"{', '.join(data_set.categories)}."
        )
    return data_set.condition(condition), data_set.categories.index(category)


# From a model's many classes to a decision for one of the 16 categories that people choose from.


Groups = Sequence[Sequence[int]]
"""For each category the classes that count as it."""

RULES: MappingProxyType[str, Callable[..., np.ndarray]] = MappingProxyType(
    {"mean": np.mean, "sum": np.sum, "max": np.max}
)
"""How the probabilities of a category's classes become its own. ``mean`` is the rule of model-vs-human.

The mean favours the categories of a single class (airplane, knife, oven), the sum those of many (dog, bird); shape
biases under different rules cannot be compared.
"""


def imagenet_groups() -> tuple[tuple[int, ...], ...]:
    """The classes of ImageNet-1k that count as each of the 16 categories; 793 count as none."""
    return tuple(merged.imagenet for merged in entry_level_classes())


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax over all classes, in float32 as in the reference.

    Args:
        logits: float (n, classes).

    Returns:
        float32 (n, classes); rows sum to 1.
    """
    shifted = np.asarray(logits, np.float32)
    powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def category_scores(probability: np.ndarray, groups: Groups | None = None, rule: str = "mean") -> np.ndarray:
    """A score for each category; they do not sum to 1, since most classes count as no category.

    Args:
        probability: float (n, classes), in [0, 1]: over all classes, not only those that count.
        groups: Classes of each category; `imagenet_groups` by default.
        rule: A name of `RULES`.

    Returns:
        Same dtype (n, categories).

    Raises:
        UnknownNameError: No such rule.
        ValueError: Not probabilities, or another number of classes than the groups use.
    """
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    if probability.ndim != 2 or (groups is None and probability.shape[1] != NUM_CLASSES):
        raise ValueError(f"expected probabilities of shape (n, {NUM_CLASSES}), not {probability.shape}")
    groups = imagenet_groups() if groups is None else groups
    if probability.shape[1] <= max(map(max, groups)):
        raise ValueError(f"the categories need {max(map(max, groups)) + 1} classes, not {probability.shape[1]}")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("probabilities must be in [0, 1]; pass logits through `probabilities` first")
    merge = RULES[rule]
    return np.stack([merge(probability[:, list(group)], axis=1) for group in groups], axis=1)


def decide(logits: np.ndarray, groups: Groups | None = None, rule: str = "mean") -> np.ndarray:
    """Decisions of a model.

    Args:
        logits: float (n, classes).
        groups: Classes of each category; `imagenet_groups` by default.
        rule: A name of `RULES`.

    Returns:
        int64 (n,), positions of categories. Of equal scores the last category wins, as in the reference.
    """
    scores = category_scores(probabilities(logits), groups, rule)
    return np.asarray(scores.shape[1] - 1 - scores[:, ::-1].argmax(axis=1), np.int64)


def ranking(
    logits: np.ndarray, groups: Groups | None = None, rule: str = "mean", k: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """The best categories of a model in order; the first is that of `decide`.

    Args:
        logits: float (n, classes).
        groups: Classes of each category; `imagenet_groups` by default.
        rule: A name of `RULES`.
        k: How many.

    Returns:
        int64 (n, k), positions of categories, best first; and float32 (n,), the score of the best.
    """
    scores = category_scores(probabilities(logits), groups, rule)
    last = scores.shape[1] - 1
    order = last - np.argsort(-scores[:, ::-1], axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(scores, order[:, :1], axis=1)[:, 0]


# Answers of a run as trials, and trials of people on just the stimuli that were answered.


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
    rows = np.flatnonzero(np.isin(trials.image_ids, image_ids))
    arrays = ("image_ids", "conditions", "categories", "responses", "reaction_times", "sessions", "numbers")
    return replace(
        trials,
        image_names=tuple(trials.image_names[row] for row in rows),
        lines=trials.lines[rows] if len(trials.lines) else trials.lines,
        **{name: getattr(trials, name)[rows] for name in arrays},
    )


def packed(people: Mapping[str, Trials]) -> dict[str, object]:
    """Trials of people as plain data, to be stored next to predictions; reaction times are left out."""
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
    """The inverse of `packed`."""
    trials = {}
    for name, columns in facts.items():
        conditions = [data_set.conditions[position] for position in columns["conditions"]]
        names = [str(text) for text in columns["image_names"]]
        trials[name] = model_trials(
            data_set, name, names, conditions, np.array(columns["categories"]), np.array(columns["responses"])
        )
    return trials


# Agreement of every observer with every other one, single people included.


def agreement_matrix(panel: Panel, compat: Compat | None = None) -> np.ndarray:
    """Error consistency of all pairs of observers (Geirhos et al., NeurIPS 2020), mean over the conditions that count.

    Args:
        panel: Answers of people and models to the same stimuli.
        compat: See `error_consistency`.

    Returns:
        float64 (O, O), symmetric, in the order of ``panel.observers``. NaN where undefined under any condition, and on
        the diagonal: agreement with oneself is 1 and says nothing.
    """
    data_set = panel.stimuli.data_set
    kappas = []
    for position, name in enumerate(data_set.conditions):
        of_it = panel.stimuli.conditions == position
        if name in data_set.excluded or not of_it.any():
            continue
        # float64 counts hits and misses exactly.
        hits = panel.correct[:, of_it].astype(np.float64)
        misses = 1 - hits
        observed = (hits @ hits.T + misses @ misses.T) / hits.shape[1]
        accuracies = hits.mean(axis=1)
        kappas.append(error_consistency(observed, expected_consistency(accuracies[:, None], accuracies[None]), compat))
    size = len(panel.observers)
    agreement = np.mean(kappas, axis=0) if kappas else np.full((size, size), np.nan)
    np.fill_diagonal(agreement, np.nan)
    return np.asarray(agreement)
