"""One rank over several tasks: a mean that is declared, with what other images and what other tasks would change.

The two are kept apart, because they answer different questions. Over images: these tasks, other photographs. Over
tasks: other tasks of this sort; with a dozen of them, little of a ranking of many models is certain.

A mean is never taken over the tasks that a model happens to have. A task counts if at least half of the models have it,
a model that lacks one of those that count has no rank, and both are listed with their reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from .metrics import metric
from .rank_sets import better_on_images, better_on_tasks, chance_of_gaps, groups_of, rank_intervals
from .ranking import Contest, ranks_of
from .statistics import LEVEL

COVERED = 0.9
"""Share of the images of a task, of those that any model has, that a model must have to count as having the task: the
others are compared on the images that all of them have."""


@dataclass(frozen=True)
class CountedTask:
    """A task that enters the mean.

    Attributes:
        task: Task name.
        metric: Its number.
        n: Images that all models that have it answered.
    """

    task: str
    metric: str
    n: int


@dataclass(frozen=True)
class Placed:
    """One model's place over all tasks.

    Attributes:
        model: Model name.
        value: Mean over the tasks.
        ci_low: Lower end of the 95 % interval of the mean, over images.
        ci_high: Its upper end.
        rank: 1 is best; equal models share the mean of their places.
        low: Best place that its clear differences from the others allow, over images.
        high: Worst such place. The intervals of all models hold together with 95 %.
        tasks_low: As ``low``, over tasks.
        tasks_high: As ``high``, over tasks.
        group: 1 for models that are level with the best, 2 for those level with the best of the rest, and so on; over
            images.
    """

    model: str
    value: float
    ci_low: float
    ci_high: float
    rank: float
    low: int
    high: int
    tasks_low: int
    tasks_high: int
    group: int


@dataclass(frozen=True)
class SuiteRanking:
    """Models ranked by one number over the tasks of a suite.

    Attributes:
        world: Of the tasks: ``"microworld"`` or ``"photographs"``.
        about: What the number is, in words.
        metric: A metric by which the mean is read: its direction and scale.
        tasks: What entered the mean.
        rows: Models that have all of it, best first.
        left_out: Tasks that the suite declares but that did not enter, and why.
        unranked: Models that lack a task that entered, and why.
    """

    world: str
    about: str
    metric: str
    tasks: tuple[CountedTask, ...]
    rows: tuple[Placed, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    unranked: tuple[tuple[str, str], ...] = ()


def rank_over_tasks(
    world: str,
    about: str,
    members: Sequence[Sequence[str]],
    contests: Mapping[str, Contest],
    models: Sequence[str],
) -> SuiteRanking | None:
    """Rank models by the mean of one number of each task.

    Args:
        world: Of the tasks.
        about: What the mean is, in words.
        members: The tasks that are declared; of several in one entry, which are forms of the same, the one that most
            models have counts.
        contests: The number of each task that has been measured, by its name.
        models: Who is to be ranked.

    Returns:
        None where no two models have any of the tasks.

    Raises:
        ValueError: The numbers differ in direction or scale, so that their mean would mean nothing.
    """
    counted, left_out = _chosen(members, contests, models)
    if not counted:
        return None
    readings = {(metric(one.metric).better, metric(one.metric).percent) for one in counted}
    if len(readings) > 1:
        raise ValueError(f"a mean of {', '.join(one.metric for one in counted)} is on no one scale")
    whole = [model for model in models if all(model in one.models for one in counted)]
    unranked = tuple((model, _lacks(model, counted)) for model in models if model not in whole)
    rows = tuple(_placed(counted, whole)) if len(whole) > 1 else ()
    tasks = tuple(CountedTask(one.task, one.metric, one.n) for one in counted)
    return SuiteRanking(world, about, counted[0].metric, tasks, rows, left_out, unranked)


def _chosen(
    members: Sequence[Sequence[str]], contests: Mapping[str, Contest], models: Sequence[str]
) -> tuple[list[Contest], tuple[tuple[str, str], ...]]:
    """The tasks that at least half of the models have, two at least; and the others with the reason."""
    counted, left_out = [], []
    for forms in members:
        present = [contests[name] for name in forms if name in contests]
        best = max(present, key=lambda one: len(set(models) & set(one.models)), default=None)
        if best is None:
            left_out.append((forms[0], "not measured here"))
            continue
        having = len(set(models) & set(best.models))
        if having >= 2 and 2 * having >= len(models):
            counted.append(best)
        else:
            left_out.append((best.task, f"only {having} of {len(models)} models have it"))
    return counted, tuple(left_out)


def _lacks(model: str, counted: Sequence[Contest]) -> str:
    reasons = [f"{one.task} ({one.lacking.get(model, 'not measured')})" for one in counted if model not in one.models]
    return f"lacks {', '.join(reasons)}"


def _placed(counted: Sequence[Contest], whole: Sequence[str]) -> list[Placed]:
    better = metric(counted[0].metric).better
    values = np.empty((len(counted), len(whole)))
    errors = np.zeros((len(whole), counted[0].errors.shape[1]))
    # Added up before they are squared, since several tasks may show the same images: else fifty equal models that share
    # photographs are found to differ in 7 % of cases instead of 5 (tests/benchmarks/rank_coverage.py).
    roots = np.zeros((len(whole), len(whole)))
    for number, one in enumerate(counted):
        order = [one.models.index(model) for model in whole]
        values[number] = one.values[order]
        errors += one.errors[order].astype(np.float64) / len(counted)
        signs = np.sign(values[number][:, None] - values[number][None, :])
        roots += signs * np.sqrt(chance_of_gaps(values[number], one.n)) / len(counted)
    means = values.mean(axis=0)
    clear = better_on_images(better * means, better * errors, roots**2)
    over_tasks = better_on_tasks(better * values)
    half = NormalDist().inv_cdf(0.5 + LEVEL / 2) * errors.std(axis=1)
    places, groups = ranks_of(means, better), groups_of(clear)
    (low, high), (tasks_low, tasks_high) = rank_intervals(clear), rank_intervals(over_tasks)
    rows = [
        Placed(
            model,
            float(means[n]),
            float(means[n] - half[n]),
            float(means[n] + half[n]),
            float(places[n]),
            int(low[n]),
            int(high[n]),
            int(tasks_low[n]),
            int(tasks_high[n]),
            int(groups[n]),
        )
        for n, model in enumerate(whole)
    ]
    return sorted(rows, key=lambda row: row.rank)
