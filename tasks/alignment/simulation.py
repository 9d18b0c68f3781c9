"""Answers of simulated observers to stimuli."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .csv_form import model_trials, write_trials
from .datasets import image_id
from .observers import MICRO_PANEL, SimulatedObserver
from .shown import NO_TEXTURE, Shown
from .trials import Trials

_UNIT = 2.0**-53


def simulated_trials(observer: SimulatedObserver, stimuli: Shown) -> Trials:
    """What an observer answers; see `SimulatedObserver` for the model.

    An answer depends on the observer, the data set and the stimulus's id, condition and categories alone, not on the
    other stimuli or their order.

    Raises:
        ValueError: Fewer than three categories, so that a miss in conflict has nothing else to answer.
    """
    from scipy.special import ndtri

    data_set = stimuli.data_set
    size = len(data_set.categories)
    if size < 3:
        raise ValueError(f"{data_set.name} has {size} categories; an observer needs 3 or more to choose from")
    ids = [image_id(name) for name in stimuli.image_names]
    common = _uniforms([observer.seed, data_set.name], ids, 1)[:, 0]
    own, follow, pick = _uniforms([observer.seed, data_set.name, observer.name], ids, 3).T
    hard = np.sqrt(observer.shared) * ndtri(common) + np.sqrt(1 - observer.shared) * ndtri(own)
    accuracies = np.array([observer.sees.at(data_set, position) for position in range(len(data_set.conditions))])
    sees = hard < ndtri(accuracies)[stimuli.conditions]

    shape, texture = stimuli.shapes.astype(np.int64), stimuli.textures.astype(np.int64)
    mine, other = (shape, texture) if observer.cue == "shape" else (texture, shape)
    conflict = (mine != other) & (texture != NO_TEXTURE)
    missed = np.where(conflict, _other_than(mine, other, pick, size), _other_than(mine, mine, pick, size))
    missed = np.where(conflict & (follow < observer.other_cue), other, missed)
    answers = np.where(sees, mine, missed)
    answers = np.where(mine == NO_TEXTURE, (pick * size).astype(np.int64), answers)
    conditions = [data_set.conditions[position] for position in stimuli.conditions]
    return model_trials(data_set, observer.name, stimuli.image_names, conditions, shape, answers)


def simulated_panel(
    sets: Iterable[Shown], observers: Sequence[SimulatedObserver] = MICRO_PANEL
) -> dict[str, dict[str, Trials]]:
    """Trials of several observers by data set and observer, as `scoring.score_alignment` takes them."""
    return {
        stimuli.data_set.name: {observer.name: simulated_trials(observer, stimuli) for observer in observers}
        for stimuli in sets
    }


def write_panel(trials: Mapping[str, Mapping[str, Trials]], folder: Path) -> list[Path]:
    """Write every observer's answers in the CSV form of model-vs-human.

    Returns:
        The files, ``micro-contrast/micro-contrast_simulated-shape-1_session-1.csv`` and so on.

    Raises:
        StoreError: One cannot be written.
    """
    return [write_trials(one, folder) for by_name in trials.values() for one in by_name.values()]


def _uniforms(key: Sequence[int | str], ids: Sequence[str], count: int) -> np.ndarray:
    """Numbers in (0, 1) from a counter-based stream for each id, float64 (n, count)."""
    raw = np.empty((len(ids), count), np.uint64)
    # One generator whose fresh state is given each key in turn: making a generator costs six times as much.
    stream = np.random.Philox(key=0)
    fresh = stream.state
    for row, name in enumerate(ids):
        # JSON keeps the parts apart whatever characters an id holds.
        digest = hashlib.blake2b(json.dumps([*key, name]).encode(), digest_size=16).digest()
        fresh["state"]["key"] = np.frombuffer(digest, "<u8")
        stream.state = fresh
        raw[row] = stream.random_raw(count)
    return np.asarray(((raw >> np.uint64(11)).astype(np.float64) + 0.5) * _UNIT)


def _other_than(a: np.ndarray, b: np.ndarray, uniform: np.ndarray, size: int) -> np.ndarray:
    """A category at random that is neither a nor b, which may be the same; int64 (n,)."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    found = (uniform * (size - 1 - (low != high))).astype(np.int64)
    found += found >= low
    return found + ((low != high) & (found >= high))
