"""How often the 95 % intervals of human alignment hold the truth.

    python tests/benchmarks/alignment_coverage.py [EXPERIMENTS]

Simulated observers: a stimulus is answered rightly with probability sigmoid(ease of the condition + of the stimulus +
skill of the observer), independently given these. The truth is what 60,000 stimuli per condition give. An experiment
has 17 data sets of 4 conditions of 160 stimuli, 4 simulated people and a simulated model. Plain percentile intervals
stand beside ours.
"""

from __future__ import annotations

import sys
from collections import defaultdict

import numpy as np

from vitobench.tasks.alignment.consistency import OVERALL, SAMPLED, consistency, limits
from vitobench.tasks.alignment.experiments import AlignmentSet
from vitobench.tasks.alignment.rows import mean_of, mean_rows, overall, rows_of
from vitobench.tasks.alignment.trials import Panel, Stimuli

SETS, STIMULI, REPLICATES = 17, 160, 400
EASE = np.array([2.0, 1.0, 0.3, -0.5])


def simulated(rng: np.random.Generator, skill: np.ndarray, stimuli: int, name: str) -> Panel:
    """Four simulated people and a simulated model on one data set."""
    data_set = AlignmentSet(name, name, "sim", tuple("abcd"), (), stimuli, 4)
    conditions = np.repeat(np.arange(4), stimuli).astype(np.int16)
    n = len(conditions)
    ease = EASE[conditions] + rng.normal(0, 1.5, n)
    right = rng.random((5, n)) < 1 / (1 + np.exp(-(ease + skill[:, None])))
    ids = np.arange(n)
    panel = Stimuli(data_set, ids.astype(np.str_), conditions, np.zeros(n, np.int16), ids)
    return Panel(panel, ("person 1", "person 2", "person 3", "person 4", "model"), 4, np.where(right, 0, 1))


def main() -> None:
    """Simulate and print."""
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    rng = np.random.default_rng(1)
    skills = [np.append(rng.normal(0, 0.25, 4), rng.normal(-0.6, 0.4)) for _ in range(SETS)]
    exact = [consistency(simulated(rng, skill, 60_000, f"truth {k}"), 0) for k, skill in enumerate(skills)]
    truth = {(o, "one set", m): exact[0].values[m][0, -1, exact[0].observers.index(o)]
             for o in ("model", "humans") for m in SAMPLED}  # fmt: skip
    truth |= {(o, "mean of 17", m): found.draws[0]
              for o in ("model", "humans") for m, found in mean_of([overall(e, o) for e in exact]).items()}  # fmt: skip
    held: dict[tuple[str, str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for experiment in range(experiments):
        rng = np.random.default_rng([2, experiment])
        found = [
            consistency(simulated(rng, skill, STIMULI, f"set {k}"), REPLICATES, experiment)
            for k, skill in enumerate(skills)
        ]
        first = [row for row in rows_of(found[0]) if row.condition == OVERALL]
        for observer in ("model", "humans"):
            means = mean_of([overall(one, observer) for one in found])
            single = overall(found[0], observer)
            for where, rows, samples in (
                ("one set", [r for r in first if r.model == observer and r.metric in SAMPLED], single),
                ("mean of 17", list(mean_rows(observer, means, "alignment")), means),
            ):
                for row in rows:
                    key = (observer, where, row.metric)
                    low, high = limits(samples[row.metric].draws[1:])
                    plain = bool(low <= truth[key] <= high)
                    held[key].append((bool(row.ci_low <= truth[key] <= row.ci_high), plain))
    print(f"{experiments} experiments; share of intervals that hold the truth, in %: ours, plain percentiles")
    for key, values in held.items():
        ours, plain = 100 * np.mean(values, axis=0)
        print(f"{key[0]:8}{key[1]:12}{key[2]:24}{ours:6.1f}{plain:8.1f}")


if __name__ == "__main__":
    main()
