"""Simulated observers: matchers of shape or of texture, and their answers to stimuli."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .decisions import NO_TEXTURE, Shown
from .experiments import AlignmentSet, image_id
from .trial_files import model_trials, write_trials
from .trials import Trials

# Simulated observers: matchers of shape or of texture with noise of stated strength, and the micro-world's panel.
#
# They replace people in an experiment without people. Their answers say nothing about people, but the truth behind
# every score is known (`tests.tasks.alignment.observer_truth`).


SIMULATED = "simulated observers"
"""The panel's shape matchers as one observer, which replaces people as the reference."""

PREFIX = "simulated-shape-"
"""Prefix of the names of observers that replace people."""


@dataclass(frozen=True)
class Psychometric:
    """How often an observer sees its cue, by how strong the distortion is.

    The strength is the rank of a condition in the data set's list, 0 for the undistorted control. The accuracy is
    ``chance + (ceiling - chance) * Phi((midpoint - rank) / width)``: a cumulative normal distribution between the
    ceiling and chance. A data set of a single condition has no control; its condition has rank 1.

    Attributes:
        ceiling: Accuracy without any distortion, in (chance, 1].
        midpoint: Rank half way between ceiling and chance.
        width: Standard deviation of the distribution, in ranks, above 0.
        chance: Accuracy where the cue is invisible, in [0, ceiling).
    """

    ceiling: float
    midpoint: float
    width: float = 1.5
    chance: float = 1 / 16

    def __post_init__(self) -> None:
        if not 0 <= self.chance < self.ceiling <= 1:
            raise ValueError(f"expected 0 <= chance < ceiling <= 1, not {self.chance} and {self.ceiling}")
        if not self.width > 0:
            raise ValueError(f"Invalid width {self.width}; give one above 0")

    def at(self, data_set: AlignmentSet, condition: int) -> float:
        """Probability of seeing the cue in a condition, given by its position in the data set's list."""
        from scipy.special import ndtr

        rank = condition if len(data_set.conditions) > 1 else 1
        return float(self.chance + (self.ceiling - self.chance) * ndtr((self.midpoint - rank) / self.width))


@dataclass(frozen=True)
class SimulatedObserver:
    """A probit model of an observer who matches one cue.

    A stimulus is as hard to an observer as ``sqrt(shared) * u + sqrt(1 - shared) * v``, where u is standard normal and
    the same for all observers of a seed, v is standard normal and the observer's own. The observer sees its cue where
    that is below the threshold that the condition's accuracy sets (`Psychometric`). Then:

    - the cue seen: the category of the cue;
    - the cue missed, shape and texture in conflict: the other cue's category with probability ``other_cue``, else one
      of the remaining categories at random;
    - the cue missed otherwise: one of the other categories at random;
    - a texture matcher without a texture to match: any category at random.

    Attributes:
        name: Key of the observer's own draws; two observers of one name and seed are one.
        cue: What it matches.
        sees: How often it sees its cue, by condition.
        shared: Share of the variance of difficulty that all observers have in common, in [0, 1): the correlation of
            two observers with the same share.
        other_cue: Probability of following the other cue where its own is missed, in [0, 1].
        seed: Seed of all draws.
    """

    name: str
    cue: Literal["shape", "texture"]
    sees: Psychometric
    shared: float = 0.65
    other_cue: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.cue not in ("shape", "texture"):
            raise ValueError(f"the cue is {self.cue!r}; expected 'shape' or 'texture'")
        if not 0 <= self.shared < 1:
            raise ValueError(f"Invalid shared part {self.shared}; give one in [0, 1)")
        if not 0 <= self.other_cue <= 1:
            raise ValueError(f"Invalid probability {self.other_cue} of the other cue; give one in [0, 1]")


MICRO_PANEL = (
    SimulatedObserver("simulated-shape-1", "shape", Psychometric(0.97, 4.2)),
    SimulatedObserver("simulated-shape-2", "shape", Psychometric(0.95, 4.0)),
    SimulatedObserver("simulated-shape-3", "shape", Psychometric(0.93, 3.8)),
    SimulatedObserver("simulated-shape-4", "shape", Psychometric(0.91, 3.6)),
    SimulatedObserver("simulated-texture-1", "texture", Psychometric(0.93, 3.8)),
)
"""The micro-world's observers: four shape matchers, which replace people, and a texture matcher as a contrast.

Thresholds, spread and shared part are round numbers. They give accuracies and error consistencies of the size of those
of people in the published experiments, but are not fitted to them.
"""


# Answers of simulated observers to stimuli.


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
    choices = (uniform * (size - 1 - (low != high))).astype(np.int64)
    choices += choices >= low
    return choices + ((low != high) & (choices >= high))
