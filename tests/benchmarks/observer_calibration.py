"""Accuracy, agreement and cost of the simulated observers on the micro-world's stimuli, next to people's.

    python tests/benchmarks/observer_calibration.py [PER_CONDITION]       # 160 stimuli for each condition if not given

Look at it after a change of the world or of a distortion: thresholds and weights of `MICRO_PANEL` are round numbers
that hold for the world that they were chosen in. All values are expectations, without sampling of answers. People's
are printed where `VITOBENCH_TEST_DATA` has their trials. *ideal* is a decision maker with average weights and noise of
its own; one who ignores the evidence has a kappa of 0 with everybody, whatever its accuracy.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

from vitobench.tasks.alignment.evidence import SIZE, measure, uprightness
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, MICRO_ALIGNMENT_SETS, AlignmentSet
from vitobench.tasks.alignment.micro_stimuli import AlignmentStimuli
from vitobench.tasks.alignment.observers import MICRO_PANEL, USUAL_AREA, SimulatedObserver
from vitobench.tasks.alignment.trial_files import read_people
from vitobench.tasks.images.geometry import Geometry
from vitobench.tests.tasks.alignment.observer_truth import (
    Population,
    rendered,
    true_accuracy,
    true_error_consistency,
    true_shape_bias,
)

SHAPES, TEXTURE = MICRO_PANEL[:4], MICRO_PANEL[4]
PEOPLE = 0.723
"""Their published accuracy, mean of 17 data sets."""

IDEAL = SimulatedObserver("ideal", "shape")


def of_people(published: AlignmentSet) -> Mapping[str, float]:
    """People's accuracy by condition; empty where their trials are absent."""
    folder = os.environ.get("VITOBENCH_TEST_DATA")
    if not folder:
        return {}
    trials = read_people(Path(folder) / "human", [published])[published.name].values()
    right = [(one.responses == one.categories, one.conditions) for one in trials]
    return {
        name: float(np.mean([hits[at == k].mean() for hits, at in right]))
        for k, name in enumerate(published.conditions)
    }


def table(name: str, data_set: AlignmentSet, population: Population) -> tuple[float, float]:
    """Print one set; returns the panel's accuracy and kappa."""
    pairs = [true_error_consistency(a, b, population) for a, b in combinations(SHAPES, 2)]
    accuracy = float(np.mean([true_accuracy(one, population) for one in SHAPES]))
    ideal = np.mean([true_error_consistency(IDEAL, one, population) for one in SHAPES])
    texture = np.mean([true_error_consistency(TEXTURE, one, population) for one in SHAPES])
    print(
        f"{name}: accuracy {accuracy:.3f}, kappa {np.mean(pairs):.3f} ({min(pairs):.3f} to {max(pairs):.3f}); with the "
        f"panel: ideal {ideal:.3f} (accuracy {true_accuracy(IDEAL, population):.3f}), texture matcher {texture:.3f} "
        f"(accuracy {true_accuracy(TEXTURE, population):.3f})"
    )
    people = of_people(ALIGNMENT_SETS[name])
    for condition in data_set.conditions:
        values = [true_accuracy(one, population, condition) for one in SHAPES]
        beside = f"  people {people[condition]:.2f}" if people else ""
        mark = "" if condition in data_set.kept else " (left out)"
        print(f"    {condition:12}{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f}){beside}{mark}")
    return accuracy, float(np.mean(pairs))


def shift_for(populations: Sequence[Population], wanted: float) -> float:
    """What to add to all thresholds so that the panel's mean accuracy is a given one."""

    def excess(shift: float) -> float:
        panel = [replace(one, threshold=one.threshold + shift) for one in SHAPES]
        return float(np.mean([true_accuracy(one, population) for one in panel for population in populations])) - wanted

    return float(brentq(excess, -3.0, 3.0, xtol=0.01))


def cost(name: str, number: int = 256) -> None:
    """Print the share of the time of making stimuli that measuring them takes."""
    stimuli = AlignmentStimuli(name, number)
    geometry = Geometry(SIZE, SIZE, "bilinear")
    stimuli.load(range(16), geometry)  # compiles
    start = time.process_time()
    images, _ = stimuli.load(range(number), geometry)
    loaded = time.process_time()
    frames = stimuli.frames(range(number))
    start_measuring = time.process_time()
    measure(images, frames.mask, uprightness(frames.poses), frames.textures)
    measuring = time.process_time() - start_measuring
    making = loaded - start - measuring
    print(
        f"{name}: {1e3 * making / number:.2f} ms to make a stimulus, {1e3 * measuring / number:.3f} ms to measure it, "
        f"{100 * measuring / making:.1f} %"
    )


def main() -> None:
    """Print all of it."""
    per_condition = int(sys.argv[1]) if len(sys.argv) > 1 else 160
    values, populations = [], []
    for twin, data_set in MICRO_ALIGNMENT_SETS.items():
        name = twin.removeprefix("micro-")
        number = per_condition * max(len(data_set.conditions), 4 if name == "cue-conflict" else 1)
        population = rendered(data_set, number)
        populations.append(population)
        values.append(table(name, data_set, population))
        if name == "cue-conflict":
            single = ", ".join(f"{true_shape_bias([one], population):.3f}" for one in MICRO_PANEL)
            print(f"    shape bias of the panel {true_shape_bias(SHAPES, population):.3f}; of each {single}")
    accuracy, kappa = np.mean(values, axis=0)
    print(f"mean of {len(values)} sets: accuracy {accuracy:.3f}, kappa {kappa:.3f} (people, of 17 sets: .723 and .431)")
    areas = np.concatenate([one.evidence.area for one in populations if one.data_set.cues == "agree"])
    print(f"median of the visible area: {np.median(areas):.2f}; USUAL_AREA is {USUAL_AREA}")
    shift = shift_for(populations, PEOPLE)
    panel = [replace(one, threshold=one.threshold + shift) for one in SHAPES]
    kappas = [true_error_consistency(a, b, one) for one in populations for a, b in combinations(panel, 2)]
    print(f"thresholds {shift:+.2f} would give an accuracy of {PEOPLE} and a kappa of {np.mean(kappas):.3f}")
    for name in ("contrast", "phase-scrambling", "eidolonI", "cue-conflict", "silhouette"):
        cost(name)


if __name__ == "__main__":
    main()
