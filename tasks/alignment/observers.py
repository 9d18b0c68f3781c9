"""Simulated observers: matchers of shape or of texture, and their answers to what they can see of stimuli."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from .decisions import NO_TEXTURE, Shown
from .evidence import Evidence
from .experiments import image_id
from .trial_files import model_trials, write_trials
from .trials import Trials

# Simulated observers replace people in an experiment without people. Their answers say nothing about people, but the
# truth behind every score is known (`tests.tasks.alignment.observer_truth`).
#
# They err where there is little to see. What there is to see is measured once for all of them (`evidence`); they differ
# in how they weigh it, in how much they need, and in their own noise. So they agree with each other more than chance,
# and a model that needs the same evidence agrees with them as much as they do with each other.


SIMULATED = "simulated observers"
"""The panel's shape matchers as one observer, which replaces people as the reference."""

PREFIX = "simulated-shape-"
"""Prefix of the names of observers that replace people."""

USUAL_AREA = 0.15
"""Share of the picture that an object usually takes up in this world, to which its visible area is compared.

It is near the median over undistorted stimuli, which a test holds; `tests/benchmarks/observer_calibration.py` prints
that.
"""


@dataclass(frozen=True)
class Weights:
    """How an observer weighs evidence, in standard deviations of its own noise.

    The strength of a shape is ``(fine * F + coarse * C) * A ** size * (1 - turned * (1 - U)) + usual * P``, that of a
    texture ``pattern * P * A ** pattern_size``, with the evidence F, C, U and P of `Evidence.fine`, `coarse`, `upright`
    and `surface`, and A, `Evidence.area` over `USUAL_AREA`. The term with ``usual`` is there only if the object has the
    texture of its own class: the usual surface helps to see what something is, another does not.

    Attributes:
        fine: Of fine detail of the outline.
        coarse: Of coarse detail of the outline.
        size: Exponent of the visible area.
        turned: Loss by an object that is not upright.
        usual: Of the surface, for the shape.
        pattern: Of the surface, for the texture.
        pattern_size: Exponent of the visible area, for the texture.
    """

    fine: float = 6.0
    coarse: float = 4.0
    size: float = 1.5
    turned: float = 0.15
    usual: float = 0.5
    pattern: float = 10.0
    pattern_size: float = 0.5

    def shape(self, evidence: Evidence, shapes: np.ndarray) -> np.ndarray:
        """Strength of the shapes, float64 (n,).

        Args:
            evidence: In n stimuli.
            shapes: int (n,), classes of the shapes.
        """
        outline = self.fine * evidence.fine + self.coarse * evidence.coarse
        outline = outline * (evidence.area / USUAL_AREA) ** self.size * (1 - self.turned * (1 - evidence.upright))
        return np.asarray(outline + self.usual * np.where(evidence.textures == shapes, evidence.surface, 0.0))

    def texture(self, evidence: Evidence) -> np.ndarray:
        """Strength of the textures, float64 (n,)."""
        return np.asarray(self.pattern * evidence.surface * (evidence.area / USUAL_AREA) ** self.pattern_size)


@dataclass(frozen=True)
class SimulatedObserver:
    """An observer who matches one cue, and sees it where its strength exceeds a threshold and the observer's own noise.

    The noise is standard normal and independent of all other observers: whatever two of them have in common is in the
    evidence. An observer sees its cue with probability ``(1 - lapses) * Phi(strength - threshold)``. Then:

    - the cue seen: the class of the cue;
    - the cue missed: with probability ``other_cue * Phi(strength of the other cue - its threshold)`` the class of the
      other cue, else any class at random;
    - no texture to see: a texture matcher answers any class at random, and a shape matcher who missed the shape does.

    Attributes:
        name: Key of the observer's own draws; two observers of one name and seed are one.
        cue: What it matches.
        threshold: Strength of a shape that is seen half of the time.
        texture_threshold: The same of a texture.
        weights: How it weighs the evidence.
        lapses: Probability of missing what is plain to see, in [0, 1).
        other_cue: Probability of following the other cue where its own is missed and the other is seen, in [0, 1].
        seed: Seed of all draws.
    """

    name: str
    cue: Literal["shape", "texture"]
    threshold: float = 2.9
    texture_threshold: float = 2.0
    weights: Weights = Weights()
    lapses: float = 0.03
    other_cue: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.cue not in ("shape", "texture"):
            raise ValueError(f"the cue is {self.cue!r}; expected 'shape' or 'texture'")
        if not 0 <= self.lapses < 1:
            raise ValueError(f"Invalid probability {self.lapses} of a lapse; give one in [0, 1)")
        if not 0 <= self.other_cue <= 1:
            raise ValueError(f"Invalid probability {self.other_cue} of the other cue; give one in [0, 1]")


MICRO_PANEL = (
    SimulatedObserver("simulated-shape-1", "shape", 2.7, weights=Weights(fine=5.5, coarse=4.2), lapses=0.02),
    SimulatedObserver("simulated-shape-2", "shape", 2.9, weights=Weights(fine=6.5, coarse=3.8), lapses=0.03),
    SimulatedObserver("simulated-shape-3", "shape", 3.0, weights=Weights(size=1.3, turned=0.2), lapses=0.03),
    SimulatedObserver("simulated-shape-4", "shape", 3.1, weights=Weights(size=1.7, usual=0.8), lapses=0.04),
    SimulatedObserver("simulated-texture-1", "texture"),
)
"""The micro-world's observers: four shape matchers, which replace people, and a texture matcher as a contrast.

All numbers are round. A fit to people's accuracies under each condition and to their error consistency was the guide,
so being near those is by construction.
"""


# Answers of simulated observers to stimuli.


_UNIT = 2.0**-53


def simulated_trials(observer: SimulatedObserver, stimuli: Shown, evidence: Evidence) -> Trials:
    """What an observer answers; see `SimulatedObserver` for the model.

    An answer depends on the observer, the data set, the stimulus's id and categories and its evidence alone, not on the
    other stimuli or their order.

    Args:
        observer: Who is asked.
        stimuli: n stimuli.
        evidence: In the same n stimuli.

    Raises:
        ValueError: Evidence in another number of stimuli.
    """
    from scipy.special import ndtr, ndtri

    if len(evidence) != len(stimuli.image_names):
        raise ValueError(f"Evidence in {len(evidence)} stimuli for {len(stimuli.image_names)}; measure each of them")
    data_set = stimuli.data_set
    size = len(data_set.categories)
    shapes, textures = stimuli.shapes.astype(np.int64), evidence.textures.astype(np.int64)
    textured = textures != NO_TEXTURE
    shape = observer.weights.shape(evidence, shapes) - observer.threshold
    texture = np.where(textured, observer.weights.texture(evidence) - observer.texture_threshold, -np.inf)
    mine, other = (shapes, textures) if observer.cue == "shape" else (textures, shapes)
    own_margin, other_margin = (shape, texture) if observer.cue == "shape" else (texture, shape)

    ids = [image_id(name) for name in stimuli.image_names]
    noise, alert, follow, pick = _uniforms([observer.seed, data_set.name, observer.name], ids, 4).T
    sees = (ndtri(noise) < own_margin) & (alert >= observer.lapses)
    follows = follow < observer.other_cue * ndtr(other_margin)
    if observer.cue == "texture":
        follows &= textured  # without anything to match, it guesses
    answers = np.where(sees, mine, np.where(follows, other, (pick * size).astype(np.int64)))
    conditions = [data_set.conditions[position] for position in stimuli.conditions]
    return model_trials(data_set, observer.name, stimuli.image_names, conditions, shapes, answers)


def simulated_panel(
    sets: Iterable[tuple[Shown, Evidence]], observers: Sequence[SimulatedObserver] = MICRO_PANEL
) -> dict[str, dict[str, Trials]]:
    """Trials of several observers by data set and observer, as `scoring.score_alignment` takes them."""
    return {
        stimuli.data_set.name: {observer.name: simulated_trials(observer, stimuli, evidence) for observer in observers}
        for stimuli, evidence in sets
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
