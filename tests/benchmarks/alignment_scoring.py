"""Time of human alignment at the size of the published leaderboard: 52 models on 17 data sets.

    python tests/benchmarks/alignment_scoring.py

People and models are simulated. A plain loop over pandas frames that follows the reference's definitions is the
yardstick, and checks the values; it has no intervals.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from vitobench.tasks.alignment.consistency import OVERALL
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, CATEGORIES, AlignmentSet
from vitobench.tasks.alignment.scoring import score_alignment
from vitobench.tasks.alignment.trial_files import model_trials, read_models, write_trials
from vitobench.tasks.alignment.trials import Trials

MODELS = 52
SETS = tuple(ALIGNMENT_SETS.values())


def simulated(data_set: AlignmentSet, name: str, ease: np.ndarray, rng: np.random.Generator) -> Trials:
    """A simulated observer."""
    n = data_set.stimuli
    categories = np.arange(n) % 16
    right = rng.random(n) < ease * rng.uniform(0.6, 1)
    responses = np.where(right, categories, rng.integers(0, 16, n))
    images = [f"{CATEGORIES[c]}{k}-{CATEGORIES[(c + k // 16) % 16]}1.png" for k, c in enumerate(categories)]
    conditions = list(np.repeat(data_set.conditions, data_set.per_condition))
    return model_trials(data_set, name, images, conditions, categories, responses)


def by_loop(people: dict[str, dict[str, Trials]], models: dict[str, dict[str, Trials]]) -> dict[tuple[str, str], float]:
    """Error consistency by data set and model, one cell after the other."""
    found = {}
    for data_set in SETS:
        frames = {
            name: pd.DataFrame(
                {
                    "image": trials.image_ids,
                    "condition": np.array(data_set.conditions)[trials.conditions],
                    "correct": trials.responses == trials.categories,
                }
            )
            for name, trials in (people[data_set.name] | models[data_set.name]).items()
        }
        for model in models[data_set.name]:
            over_people = []
            for person in people[data_set.name]:
                kappas = []
                for condition in data_set.kept:
                    a = frames[model][frames[model]["condition"] == condition]
                    b = frames[person][frames[person]["condition"] == condition]
                    both = a.merge(b, on="image")
                    p, q = both["correct_x"].mean(), both["correct_y"].mean()
                    expected = p * q + (1 - p) * (1 - q)
                    observed = (both["correct_x"] == both["correct_y"]).mean()
                    kappas.append(1.0 if observed == 1 else (observed - expected) / (1 - expected))
                over_people.append(np.mean(kappas))
            found[(data_set.name, model)] = float(np.mean(over_people))
    return found


def timed(what: str, work: Callable[[], Any]) -> tuple[Any, float]:
    """Do, print the time, and return both."""
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    print(f"{what:60}{seconds:8.2f} s")
    return result, seconds


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    people: dict[str, dict[str, Trials]] = {}
    models: dict[str, dict[str, Trials]] = {}
    for data_set in SETS:
        ease = rng.beta(2, 1, data_set.stimuli)
        names = [f"subject-{k + 1:02d}" for k in range(data_set.people)]
        people[data_set.name] = {name: simulated(data_set, name, ease, rng) for name in names}
        names = [f"model-{k + 1:02d}" for k in range(MODELS)]
        models[data_set.name] = {name: simulated(data_set, name, ease, rng) for name in names}
    with TemporaryDirectory() as folder:
        for by_name in models.values():
            for trials in by_name.values():
                write_trials(trials, Path(folder))
        timed(f"read {MODELS * len(SETS)} CSV files", lambda: read_models(Path(folder), SETS))
    scored, fast = timed("all metrics, no intervals", lambda: score_alignment(people, models, SETS, replicates=0))
    timed("all metrics, 1,000 samples, all pairs compared", lambda: score_alignment(people, models, SETS))
    expected, slow = timed("error consistency alone, a loop over pandas frames", lambda: by_loop(people, models))
    values = {
        (row.data_set, row.model): row.value
        for row in scored.scores
        if row.metric == "error_consistency" and row.condition == OVERALL
    }
    worst = np.max([abs(values[key] - value) for key, value in expected.items()])  # NaN if one is
    print(f"{slow / fast:.0f} times as fast with all metrics; largest difference of values {worst:.1e}")


if __name__ == "__main__":
    main()
