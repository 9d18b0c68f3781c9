"""What the scores of simulated observers are in expectation, in closed form.

Given the evidence in a stimulus, observers answer independently. So the probability that one is right, or that two are
both right, is known for every stimulus, and every score in expectation follows from its means over stimuli.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vitobench.tasks.alignment.consistency import OVERALL
from vitobench.tasks.alignment.decisions import NO_TEXTURE, Shown
from vitobench.tasks.alignment.evidence import Evidence
from vitobench.tasks.alignment.experiments import AlignmentSet
from vitobench.tasks.alignment.measures import error_consistency, expected_consistency
from vitobench.tasks.alignment.micro_stimuli import AlignmentStimuli
from vitobench.tasks.alignment.observers import USUAL_AREA, SimulatedObserver


@dataclass(frozen=True)
class Population:
    """Stimuli from which those of an experiment are drawn, each as often as any other of its condition.

    Attributes:
        data_set: Whose.
        conditions: int (n,), positions in the data set's list.
        shapes: int (n,), classes.
        evidence: In the n stimuli.
    """

    data_set: AlignmentSet
    conditions: np.ndarray
    shapes: np.ndarray
    evidence: Evidence

    @cached_property
    def rows(self) -> list[np.ndarray]:
        """Rows of each condition."""
        return [np.flatnonzero(self.conditions == k) for k in range(len(self.data_set.conditions))]

    def drawn(
        self, rng: np.random.Generator, per_condition: int | None = None, first: int = 0
    ) -> tuple[Shown, Evidence]:
        """Stimuli drawn with replacement, under new ids from a number on, so that observers answer each for itself."""
        count = per_condition or self.data_set.per_condition
        rows = np.concatenate([rng.choice(of_it, count) for of_it in self.rows])
        return self.named(rows, first), self.evidence.take(rows)

    def named(self, rows: np.ndarray, first: int = 0) -> Shown:
        """Some stimuli as an experiment shows them, with numbered ids."""
        one, names = self.data_set, []
        textures = self.evidence.textures[rows]
        for number, (row, texture) in enumerate(zip(rows, textures, strict=True), first):
            condition, category = one.conditions[self.conditions[row]], one.categories[self.shapes[row]]
            image = f"val-{number:06d}"
            if one.cues == "conflict":
                image = f"{category}{number}-{one.categories[texture]}{number}"
            names.append(f"{number:04d}_{one.abbreviation}_dnn_{condition}_{category}_10_{image}.png")
        shapes = self.shapes[rows].astype(np.int16)
        shown_textures = textures if one.cues == "conflict" else np.full_like(shapes, NO_TEXTURE)
        if one.cues == "agree":
            shown_textures = shapes
        return Shown(one, tuple(names), self.conditions[rows].astype(np.int16), shapes, shown_textures)

    def positions(self, condition: str = OVERALL) -> list[int]:
        """Positions of a condition, or of those that count."""
        names = self.data_set.kept if condition == OVERALL else (condition,)
        return [self.data_set.condition(name) for name in names]


def rendered(data_set: AlignmentSet, length: int, seed: int = 0) -> Population:
    """The first stimuli of a set of the micro-world, rendered and measured."""
    source = AlignmentStimuli(data_set.name.removeprefix("micro-"), length, seed)
    indices = range(len(source))
    conditions = np.array([data_set.condition(source.shown(index)) for index in indices])
    return Population(data_set, conditions, source.labels, source.evidence(indices))


def made_up(data_set: AlignmentSet, per_condition: int = 160, seed: int = 0) -> Population:
    """Stimuli that nobody rendered, with evidence that falls from one condition to the next."""
    rng = np.random.default_rng([seed, *data_set.name.encode()])
    number = len(data_set.conditions)
    conditions = np.repeat(np.arange(number), per_condition)
    n, size = len(conditions), len(data_set.categories)
    shapes = np.arange(n) % size
    left = (1 - conditions / number) if number > 1 else 0.8
    textures = {"agree": shapes, "conflict": (shapes + 1 + np.arange(n) // size % (size - 1)) % size}
    evidence = Evidence(
        fine=np.round(left * rng.uniform(0, 1, n), 4),
        coarse=np.round(left * rng.uniform(0.5, 1, n), 4),
        area=np.round(USUAL_AREA * rng.uniform(0.25, 3.0, n), 4),
        upright=np.round(rng.uniform(0.2, 1, n), 4),
        surface=np.round(left * rng.uniform(0, 1, n), 4),
        textures=textures.get(data_set.cues, np.full(n, NO_TEXTURE)).astype(np.int16),
    )
    return Population(data_set, conditions, shapes, evidence)


def chances(observer: SimulatedObserver, population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that an observer answers the class of the shape, and that of the texture; float64 (n,) each.

    Where shape and texture are of one class both are the same; where there is no texture, the second is 0.
    """
    from scipy.stats import norm

    seen, w = population.evidence, observer.weights
    size = len(population.data_set.categories)
    same = seen.textures == population.shapes
    textured = seen.textures != NO_TEXTURE
    scale = seen.area / USUAL_AREA
    outline = (w.fine * seen.fine + w.coarse * seen.coarse) * scale**w.size * (1 - w.turned + w.turned * seen.upright)
    shape = norm.cdf(outline + same * w.usual * seen.surface - observer.threshold)
    texture = textured * norm.cdf(w.pattern * seen.surface * scale**w.pattern_size - observer.texture_threshold)
    alert, q = 1 - observer.lapses, observer.other_cue
    if observer.cue == "shape":
        by_shape, by_texture = alert * shape, (1 - alert * shape) * q * texture
    else:
        by_shape, by_texture = (1 - alert * texture) * q * shape * textured, alert * texture
    guesses = (1 - by_shape - by_texture) / size
    right = by_shape + guesses + same * by_texture
    return right, np.where(same, right, textured * (by_texture + guesses))


def true_accuracy(observer: SimulatedObserver, population: Population, condition: str = OVERALL) -> float:
    """Probability of a right answer, in [0, 1]; the mean over the conditions that count unless one is given."""
    right, _ = chances(observer, population)
    return float(np.mean([right[population.conditions == k].mean() for k in population.positions(condition)]))


def true_shape_bias(observers: Sequence[SimulatedObserver], population: Population) -> float:
    """Share of shape decisions among the decisions for either cue, in [0, 1], pooled over observers.

    Raises:
        ValueError: The stimuli are not in conflict.
    """
    if population.data_set.cues != "conflict":
        raise ValueError(f"the stimuli of {population.data_set.name} are not in conflict; there is no shape bias")
    of_shape, of_texture = np.sum([[each.mean() for each in chances(one, population)] for one in observers], axis=0)
    return float(of_shape / (of_shape + of_texture))


def true_error_consistency(
    a: SimulatedObserver, b: SimulatedObserver, population: Population, condition: str = OVERALL
) -> float:
    """Cohen's kappa of two observers with endless stimuli: in each condition, then the mean over those that count.

    Raises:
        ValueError: They are the same observer.
    """
    if (a.name, a.seed) == (b.name, b.seed):
        raise ValueError(f"{a.name} cannot be held against itself: the draws are the same; give another name")
    kappas = []
    of_a, of_b = chances(a, population)[0], chances(b, population)[0]
    for position in population.positions(condition):
        rows = population.conditions == position
        p, q = of_a[rows], of_b[rows]
        observed = np.asarray((p * q + (1 - p) * (1 - q)).mean())
        expected = expected_consistency(np.asarray(p.mean()), np.asarray(q.mean()))
        kappas.append(float(error_consistency(observed, expected)))
    return float(np.mean(kappas))
