"""How often the 95 % intervals of human alignment hold the truth of simulated observers, which is known exactly.

    python tests/benchmarks/observer_coverage.py [EXPERIMENTS]
    python tests/benchmarks/observer_coverage.py [EXPERIMENTS] mean      # of all 15 sets; slower

Stimuli are rendered and measured once; they are the population. An experiment draws as many of them as a set has,
within each condition and with replacement, and all answers of the micro-world's panel anew. The truth is the closed
form of `observer_truth` among the tests, for the whole population. Of intervals that hold the truth 95 times in 100,
500 experiments show 93 to 97 % with a probability of 95 %; so shape bias is looked at again in many experiments that
draw the numbers of decisions alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from vitobench.tasks.alignment.consistency import OVERALL, limits
from vitobench.tasks.alignment.experiments import MICRO_ALIGNMENT_SETS, micro_alignment_set
from vitobench.tasks.alignment.observers import MICRO_PANEL, SIMULATED, SimulatedObserver, simulated_panel
from vitobench.tasks.alignment.rows import ALL, SHAPE_BIAS
from vitobench.tasks.alignment.scoring import score_alignment
from vitobench.tests.tasks.alignment.observer_truth import (
    Population,
    chances,
    rendered,
    true_accuracy,
    true_error_consistency,
    true_shape_bias,
)

REPLICATES = 400
SETS = tuple(micro_alignment_set(name) for name in ("cue-conflict", "contrast", "silhouette"))
SHAPES, TEXTURE = MICRO_PANEL[:4], MICRO_PANEL[4]


def truths(population: Population) -> dict[tuple[str, str], float]:
    """By observer and metric; the shape matchers together are called as in the scores."""
    accuracies = {observer.name: true_accuracy(observer, population) for observer in MICRO_PANEL}
    known = {(name, "accuracy"): value for name, value in accuracies.items()}
    known[(SIMULATED, "accuracy")] = float(np.mean([accuracies[observer.name] for observer in SHAPES]))
    pairs = [true_error_consistency(a, b, population) for a, b in combinations(SHAPES, 2)]
    known[(SIMULATED, "error_consistency")] = float(np.mean(pairs))
    against = [true_error_consistency(TEXTURE, shape, population) for shape in SHAPES]
    known[(TEXTURE.name, "error_consistency")] = float(np.mean(against))
    if population.data_set.cues == "conflict":
        known |= {(one.name, SHAPE_BIAS): true_shape_bias([one], population) for one in MICRO_PANEL}
        known[(SIMULATED, SHAPE_BIAS)] = true_shape_bias(SHAPES, population)
    return known


def shape_bias_by_counts(observer: SimulatedObserver, population: Population, experiments: int) -> float:
    """Share of percentile intervals that hold the true shape bias, drawing numbers of decisions instead of trials."""
    rng = np.random.default_rng([3, *observer.name.encode()])
    cells = [float(each.mean()) for each in chances(observer, population)]
    n, truth = population.data_set.stimuli, true_shape_bias([observer], population)
    held = 0
    for _ in range(experiments):
        counts = rng.multinomial(n, [*cells, 1 - sum(cells)])
        samples = rng.multinomial(n, counts / n, size=1000)
        low, high = limits(samples[:, 0] / samples[:, :2].sum(axis=1))
        held += bool(low <= truth <= high)
    return held / experiments


def truths_of_mean(populations: Sequence[Population]) -> dict[tuple[str, str, str], float]:
    """Of accuracy and error consistency over all data sets, of those who have one."""
    parts = [truths(one) for one in populations]
    keys = [(TEXTURE.name, "accuracy"), (TEXTURE.name, "error_consistency"), (SIMULATED, "accuracy"),
            (SIMULATED, "error_consistency")]  # fmt: skip
    return {(ALL, *key): float(np.mean([part[key] for part in parts])) for key in keys}


def main() -> None:
    """Simulate, score and print."""
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    of_mean = sys.argv[2:] == ["mean"]
    sets = tuple(MICRO_ALIGNMENT_SETS.values()) if of_mean else SETS
    populations = [rendered(one, one.stimuli) for one in sets]
    known = {(one.data_set.name, *key): value for one in populations for key, value in truths(one).items()}
    known = truths_of_mean(populations) if of_mean else known
    held: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for seed in range(experiments):
        panel = [replace(observer, seed=seed) for observer in MICRO_PANEL]
        rng = np.random.default_rng(seed)
        stimuli = [population.drawn(rng) for population in populations]
        found = score_alignment(
            simulated_panel(stimuli, panel[:4]), simulated_panel(stimuli, panel[4:]), sets,
            replicates=REPLICATES, seed=seed, reference=SIMULATED,
        )  # fmt: skip
        for row in found.scores:
            key = (row.data_set, row.model, row.metric)
            if row.condition == OVERALL and key in known:
                held[key].append(bool(row.ci_low <= known[key] <= row.ci_high))
                values[key].append(row.value)
    print(f"{experiments} experiments: truth, mean of the values found, intervals that hold the truth in %")
    for key, truth in known.items():
        data_set, observer, metric = key
        print(f"{data_set:20}{observer:22}{metric:19}{truth:8.4f}{np.mean(values[key]):8.4f}"
              f"{100 * np.mean(held[key]):7.1f}")  # fmt: skip
    if of_mean:
        return
    print("Shape bias by numbers of decisions, 8,000 experiments")
    for observer in MICRO_PANEL:
        print(f"{SETS[0].name:20}{observer.name:57}{100 * shape_bias_by_counts(observer, populations[0], 8000):7.1f}")


if __name__ == "__main__":
    main()
