"""Whether ranks over a suite keep their promise: many simulated models whose true ranks are known.

    python tests/benchmarks/rank_coverage.py [--models 50] [--experiments 100]

A model has a skill, and on each task a part of its own. Nine tasks of the sizes of the micro-world's; four show the
same photographs, each a part of them, as Micro-C does. An image has a difficulty that all models share in part; true
accuracies follow from a Gaussian copula and are exact. Printed, for models that are apart, close and equal:

- how often the intervals over images of all models hold their true ranks at once (promised: 95 %), and how often that
  of one model does; with those of bootstrapped ranks (2.5 to 97.5 % of their draws) as a peer,
- how wide they are, how many neighbours in the true order and how many of all pairs differ clearly; on one task alone
  with Holm's correction of scipy's paired t-tests as a peer,
- how often the truly best model is in the first group, and how many others are,
- the same of the intervals over tasks, where the truth is a model's skill over all tasks of the sort.

Of equal models every rank is true, and an interval is wrong if it is not open to all.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time

import numpy as np
from scipy.stats import norm, ttest_rel

from vitobench.results.rank_sets import better_on_images, better_on_tasks, chance_of_gaps
from vitobench.results.ranking import Contest, ranks_of
from vitobench.results.statistics import holm, resampled_means, sign_draws
from vitobench.results.suite_ranking import SuiteRanking, rank_over_tasks

SIZES = {"val": 1000, "c": 480, "c-bar": 320, "3dcc": 160, "video": 60, "view": 1000, "back": 1000, "light": 1000,
         "occlusion": 1000}  # fmt: skip
SAME = ("val", "c", "c-bar", "3dcc")
"""Tasks that show the first of the same photographs."""

CONDITIONS = {"c": 6, "c-bar": 6, "3dcc": 6}
SHARED = 0.55  # part of the variance that is the photograph's


class World:
    """Some models, and what they answer."""

    def __init__(self, rng: np.random.Generator, models: int, spread: float, own: float) -> None:
        self.rng = rng
        self.skill = 0.8 + np.sort(rng.normal(0, spread, models))[::-1]
        self.levels = {task: self.skill + rng.normal(0, own, models) - rng.uniform(0, 0.6) for task in SIZES}
        self.names = tuple(f"m{number:02d}" for number in range(models))

    def truth(self) -> np.ndarray:
        """Mean over the tasks of the exact accuracies, (models,)."""
        return np.mean([self._exact(task) for task in SIZES], axis=0)

    def _shifts(self, task: str) -> np.ndarray:
        return np.linspace(0.0, 1.0, CONDITIONS[task]) if task in CONDITIONS else np.zeros(1)

    def _exact(self, task: str) -> np.ndarray:
        return norm.cdf(self.levels[task][:, None] - self._shifts(task)).mean(axis=1)

    def answers(self) -> dict[str, np.ndarray]:
        """Share of conditions that each model gets right of each image, by task (models, images)."""
        photographs = self.rng.standard_normal(max(SIZES.values()))
        made = {}
        for task, n in SIZES.items():
            difficulty = photographs[:n] if task in SAME else self.rng.standard_normal(n)
            right = np.zeros((len(self.names), n))
            for shift in self._shifts(task):
                noise = self.rng.standard_normal(right.shape)
                latent = math.sqrt(SHARED) * difficulty + math.sqrt(1 - SHARED) * noise
                right += latent < (self.levels[task] - shift)[:, None]
            made[task] = right / len(self._shifts(task))
        return made


def ids_of(task: str, n: int) -> list[str]:
    return [f"{'val' if task in SAME else task}-{number}" for number in range(n)]


def contests_of(world: World, answers: dict[str, np.ndarray]) -> dict[str, Contest]:
    contests = {}
    for task, right in answers.items():
        means = right.mean(axis=1)
        errors = sign_draws(right - means[:, None], ids_of(task, right.shape[1]))
        contests[task] = Contest(task, "top1", world.names, means, errors, right.shape[1])
    return contests


def rank(world: World, contests: dict[str, Contest]) -> SuiteRanking:
    ranking = rank_over_tasks("", "", [(task,) for task in contests], contests, world.names)
    assert ranking is not None
    return ranking


def told_apart(contests: list[Contest]) -> np.ndarray:
    """Pairs that our tests tell apart, on the mean of some tasks."""
    values = np.mean([one.values for one in contests], axis=0)
    errors = np.mean([one.errors for one in contests], axis=0)
    roots = np.mean([np.sign(one.values[:, None] - one.values) * np.sqrt(chance_of_gaps(one.values, one.n))
                     for one in contests], axis=0)  # fmt: skip
    return better_on_images(values, errors, roots**2)


def bootstrapped(answers: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the ranks in bootstrap samples."""
    draws = np.mean([resampled_means(np.ascontiguousarray(part.T), 500, k).T for k, part in
                     enumerate(answers.values())], axis=0)  # fmt: skip
    ends = np.quantile(ranks_of(draws, 1), [0.025, 0.975], axis=1)
    return ends[0], ends[1]


def told_by_holm(answers: dict[str, np.ndarray]) -> np.ndarray:
    """Pairs that Holm's correction of scipy's paired t-tests tells apart, on one task alone."""
    right = answers["view"]
    models = len(right)
    pairs = [(a, b) for a in range(models) for b in range(a + 1, models)]
    p = [ttest_rel(right[a], right[b]).pvalue for a, b in pairs]
    better = np.zeros((models, models), bool)
    means = right.mean(axis=1)
    for (a, b), adjusted in zip(pairs, holm(p), strict=True):
        if adjusted < 0.05:
            better[(a, b) if means[a] > means[b] else (b, a)] = True
    return better


def equal(experiments: int) -> None:
    """Equal models on one task, and on nine tasks of their own: how often any is called better (promised: 5 %)."""
    for models, n in ((3, 300), (10, 1000)):
        rng, ids = np.random.default_rng(11), ids_of("view", n)
        wrong = {"images": 0, "tasks": 0}
        for _ in range(experiments):
            noise = rng.standard_normal((models, n))
            latent = math.sqrt(SHARED) * rng.standard_normal(n) + math.sqrt(1 - SHARED) * noise
            right = (latent < 0.8).astype(float)
            means = right.mean(axis=1)
            errors = sign_draws(right - means[:, None], ids)
            wrong["images"] += bool(better_on_images(means, errors, chance_of_gaps(means, n)).any())
            wrong["tasks"] += bool(better_on_tasks(rng.standard_normal((9, models))).any())
        rates = ", ".join(f"over {what} {count / experiments:.1%}" for what, count in wrong.items())
        print(f"{models} equal models, {n} images, {experiments} experiments, any called better: {rates}", flush=True)


def possible(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ranks that are true of each model: several where models are equal."""
    above = (truth[None, :] > truth[:, None] + 1e-12).sum(axis=1)
    below = (truth[None, :] < truth[:, None] - 1e-12).sum(axis=1)
    return above + 1, len(truth) - below


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=50)
    parser.add_argument("--experiments", type=int, default=100)
    asked = parser.parse_args()
    equal(8 * asked.experiments)
    for title, spread, own in (("apart", 0.25, 0.1), ("close", 0.05, 0.03), ("equal", 0.0, 0.0)):
        rows: dict[str, list[float]] = {}
        started = time.perf_counter()
        for experiment in range(asked.experiments):
            world = World(np.random.default_rng([7, experiment]), asked.models, spread, own)
            if own == 0.0:
                world.levels = {task: world.skill.copy() for task in SIZES}
            answers, truth = world.answers(), world.truth()
            contests = contests_of(world, answers)
            ranking = rank(world, contests)
            order = [next(row for row in ranking.rows if row.model == name) for name in world.names]
            for what, low, high, true in (
                ("images", [r.low for r in order], [r.high for r in order], truth),
                ("tasks", [r.tasks_low for r in order], [r.tasks_high for r in order], world.skill),
                ("bootstrapped ranks", *bootstrapped(answers), truth),
            ):
                first, last = possible(true)
                holds = (np.asarray(low) <= first) & (np.asarray(high) >= last)
                width = np.mean(np.asarray(high) - np.asarray(low) + 1)
                for name, value in (("all", holds.all()), ("one", holds.mean()), ("width", width)):
                    rows.setdefault(f"{what}: {name}", []).append(float(value))
            best = int(np.argmax(truth))
            rows.setdefault("best in the first group", []).append(order[best].group == 1)
            rows.setdefault("size of the first group", []).append(sum(row.group == 1 for row in order))
            by_truth = np.argsort(-truth)
            clear = told_apart([*contests.values()])
            told = [clear[a, b] for a, b in itertools.pairwise(by_truth)]
            rows.setdefault("neighbours that differ clearly", []).append(float(np.mean(told)))
            rows.setdefault("all pairs that differ clearly", []).append(
                clear.sum() / (len(clear) * (len(clear) - 1) / 2)
            )
            if experiment < 20:
                holms = told_by_holm(answers)
                rows.setdefault("one task: pairs apart, Holm", []).append(float(holms.sum()))
                rows.setdefault("one task: pairs apart, ours", []).append(float(told_apart([contests["view"]]).sum()))
        seconds = (time.perf_counter() - started) / asked.experiments
        print(f"{asked.models} models, {title}: {asked.experiments} experiments of {seconds:.2f} s")
        for name, values in rows.items():
            print(f"  {name:36s}{np.mean(values):9.3f}")


if __name__ == "__main__":
    main()
