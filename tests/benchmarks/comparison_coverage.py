"""Whether comparisons keep their promises: simulated models whose true differences are known.

    python tests/benchmarks/comparison_coverage.py [--experiments 500]

Every image has a difficulty that all models share in part and that recurs under every condition, as a photograph does;
true accuracies follow from a Gaussian copula and are exact. Printed: how often the 95 % intervals hold the truth, with
scipy's paired t-test on the same data as a peer; how often any of the comparisons of equal models is called different
after Holm's correction (promised: 5 % at most); how often a difference of just the smallest detectable size is found
(promised: 80 %); and for methods of some runs how often the intervals over images alone, runs alone and both hold the
difference of the methods themselves. A share of 95 % in 500 experiments has a standard error of 1 point.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.stats import norm, ttest_1samp

from vitobench.results.schema import MethodComparison
from vitobench.results.statistics import holm
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scoring.compare import compare
from vitobench.tasks.scoring.samples import Answers, prepare

CORRUPTED, CLEAN = TASKS["micro-c-bar"], TASKS["micro-val"]
REPLICATES = 1000
SHARED, OWN = 0.5, 0.25  # parts of the variance: the photograph, the photograph for one model; the rest is noise


class World:
    """Images that models answer; a model is a base level for each condition."""

    def __init__(self, rng: np.random.Generator, n: int, conditions: int) -> None:
        self.rng, self.n, self.conditions = rng, n, conditions
        self.difficulty = rng.standard_normal((n, 1))

    def hits(self, level: np.ndarray, run_parts: np.ndarray | None = None) -> np.ndarray:
        """Whether a model is right, (n, conditions), with probability Phi(level) under each condition."""
        own = self.rng.standard_normal((self.n, 1)) if run_parts is None else run_parts
        noise = self.rng.standard_normal((self.n, self.conditions))
        latent = math.sqrt(SHARED) * self.difficulty + math.sqrt(OWN) * own + math.sqrt(1 - SHARED - OWN) * noise
        return latent < level


def answers(name: str, hits: np.ndarray) -> Answers:
    """As if a store had been read."""
    n = len(hits)
    ids = np.array([f"i{number:06d}" for number in range(n)])
    decisions = np.where(hits, 0, 1).astype(np.int16)
    top = np.full((*hits.shape, 5), -1, np.int16)
    top[..., 0] = decisions
    return Answers(
        name, ids, decisions, hits.astype(np.float32), np.zeros(n, np.int64), np.ones(hits.shape, np.float32), top
    )


def levels(rng: np.random.Generator, conditions: int) -> np.ndarray:
    """Levels whose accuracies lie between about 30 % and 85 %."""
    return rng.uniform(-0.5, 1.0, conditions)


def intervals(experiments: int, n: int) -> None:
    """Coverage of paired intervals, of a mean over conditions and of single ones."""
    rng, conditions = np.random.default_rng([1, n]), len(CORRUPTED.conditions)
    overall, single, peer = [], [], []
    for _ in range(experiments):
        world, level = World(rng, n, conditions), levels(rng, conditions)
        shift = rng.uniform(-0.3, 0.3)
        hits = world.hits(level + shift), world.hits(level)
        own = {name: answers(name, part) for name, part in zip("ab", hits, strict=True)}
        true = norm.cdf(level + shift) - norm.cdf(level)
        rows = {row.condition: row for row in compare(prepare(CORRUPTED, own, replicates=REPLICATES), "a", "b")}
        overall.append(rows["overall"].ci_low <= true.mean() <= rows["overall"].ci_high)
        apart = hits[0].mean(axis=1) - hits[1].mean(axis=1)
        peer.append(ttest_1samp(apart, true.mean()).pvalue > 0.05)
        for number, condition in enumerate(CORRUPTED.conditions[:10]):
            row = rows[condition.key]
            single.append(row.ci_low <= true[number] <= row.ci_high)
    print(
        f"n = {n}, {experiments} experiments: the interval of a mean over {conditions} conditions holds the truth in "
        f"{np.mean(overall):.1%} (scipy's t-test: {np.mean(peer):.1%}), that of a single one in {np.mean(single):.1%}"
    )


def family(experiments: int, n: int, models: int = 3) -> None:
    """Equal models: how often anything is called different."""
    rng, conditions = np.random.default_rng(2), len(CORRUPTED.conditions)
    plain, corrected, cells, cells_corrected = [], [], [], []
    names = [f"m{number}" for number in range(models)]
    pairs = [(a, b) for number, a in enumerate(names) for b in names[number + 1 :]]
    for _ in range(experiments):
        main, single = [], []
        for task, width in ((CORRUPTED, conditions), (CLEAN, 1)):
            world, level = World(rng, n, width), levels(rng, width)
            own = {name: answers(name, world.hits(level)) for name in names}
            prepared = prepare(task, own, replicates=REPLICATES)
            for a, b in pairs:
                rows = compare(prepared, a, b)
                main += [row.p for row in rows if (row.condition, row.metric) == ("overall", "top1")]
                single += [row.p for row in rows if "/" in row.condition and row.test.startswith("mcnemar")]
        plain.append(min(main) < 0.05)
        corrected.append(min(holm(main)) < 0.05)
        cells.append(min(single) < 0.05)
        cells_corrected.append(min(holm(single)) < 0.05)
    print(
        f"n = {n}, {models} equal models, 2 tasks: something is called different in {np.mean(plain):.1%} of "
        f"experiments without correction, {np.mean(corrected):.1%} after Holm ({len(main)} comparisons); among "
        f"{len(single)} single conditions in {np.mean(cells):.1%} and {np.mean(cells_corrected):.1%}"
    )


def power(experiments: int, n: int) -> None:
    """Models that differ by what should just be detectable."""
    conditions = len(CORRUPTED.conditions)
    for task, width in ((CORRUPTED, conditions), (CLEAN, 1)):
        rng = np.random.default_rng(3)
        level = np.full(width, 0.4)

        def rows_of(shift: float, task=task, width=width, level=level, rng=rng):
            world = World(rng, n, width)
            own = {"a": answers("a", world.hits(level + shift)), "b": answers("b", world.hits(level))}
            rows = compare(prepare(task, own, replicates=REPLICATES), "a", "b")
            return next(row for row in rows if (row.condition, row.metric) == ("overall", "top1"))

        detectable = float(np.mean([rows_of(0.0).minimum_detectable for _ in range(20)]))
        shift = float(norm.ppf(norm.cdf(0.4) + detectable)) - 0.4
        found = np.mean([rows_of(shift).p < 0.05 for _ in range(experiments)])
        print(
            f"n = {n}, {task.name}: a true difference of {100 * detectable:.2f} points, just detectable, is found in "
            f"{found:.1%}"
        )


def methods(experiments: int, n: int, runs: int = 3) -> None:
    """Two methods of some runs each; the truth is the difference of the methods, not of these runs."""
    rng = np.random.default_rng(4)
    held = {"images": [], "runs": [], "both": []}
    spread = 0.06
    names = {"a": [f"a{r}" for r in range(runs)], "b": [f"b{r}" for r in range(runs)]}
    for _ in range(experiments):
        world = World(rng, n, 1)
        mean = {"a": 0.5, "b": 0.4}
        own = {}
        for method, members in names.items():
            for name in members:
                own[name] = answers(name, world.hits(np.array([mean[method] + spread * rng.standard_normal()])))
        true = sum(s * norm.cdf(mean[m] / math.sqrt(1 + spread**2)) for m, s in (("a", 1), ("b", -1)))
        rows = compare(prepare(CLEAN, own, replicates=REPLICATES), "a", "b", names)
        row = next(r for r in rows if r.metric == "top1")
        assert isinstance(row, MethodComparison)
        held["images"].append(row.ci_low <= true <= row.ci_high)
        held["runs"].append(row.runs_ci_low <= true <= row.runs_ci_high)
        held["both"].append(row.both_ci_low <= true <= row.both_ci_high)
    found = ", ".join(f"over {what} {np.mean(rows):.1%}" for what, rows in held.items())
    print(f"n = {n}, methods of {runs} runs: the interval holds the difference of the methods: {found}")


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    experiments = parser.parse_args().experiments
    for n in (100, 500):
        intervals(4 * experiments, n)
    for n in (100, 500):
        family(experiments, n)
    power(experiments, 500)
    methods(experiments, 500)
    methods(experiments, 500, runs=5)


if __name__ == "__main__":
    main()
