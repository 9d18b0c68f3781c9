"""Compare every model with the best one for each score, for tables that mark models not clearly worse than the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..reports.data import ReportData
from ..results.metrics import metric
from ..results.schema import RunFacts, Score, View
from ..results.store import Store
from .outcome import gather
from .plan import Plan


def pairs_with_best(scores: Sequence[Score]) -> list[tuple[str, str]]:
    """(model, best) for all numbers that are no single condition of many, such as one corruption at one severity.

    Args:
        scores: Of one task, holes included.

    Returns:
        Each pair once; of several best models the first is the best, as in `reports.best`.
    """
    leaders: dict[tuple[str, str], Score] = {}
    for score in scores:
        if math.isfinite(score.value) and "/" not in score.condition:
            known = leaders.setdefault((score.condition, score.metric), score)
            if metric(score.metric).better * (score.value - known.value) > 0:
                leaders[(score.condition, score.metric)] = score
    everyone = dict.fromkeys(score.model for score in scores)
    found = dict.fromkeys(leader.model for leader in leaders.values())
    return [(model, best) for best in found for model in everyone if model != best]


def gather_with_best(plan: Plan, store: Store, run: RunFacts) -> ReportData:
    """Score a plan; its comparisons are those of every model with the best one of each number, uncorrected.

    The correction is for the comparisons within one row of a table, which only the table knows.

    Args:
        plan: What was asked; its pairs are left out.
        store: Where the predictions lie.
        run: Facts about the run, for the provenance.
    """
    data = gather(replace(plan, pairs=()), store, [], run, "none", choose=pairs_with_best)
    aligned = {str(task["name"]) for task in data.tasks_with(View.ALIGNMENT)}
    means = [s for s in data.scores if s.task in aligned and s.condition == "overall"]
    pairs = dict.fromkeys(pair for task in aligned for pair in pairs_with_best([s for s in means if s.task == task]))
    if pairs:
        # Data sets of alignment are scored together, after the means that tell who is best.
        part = tuple(planned for planned in plan.tasks if planned.task.kind.together)
        more = gather(replace(plan, tasks=part, pairs=tuple(pairs)), store, [], run, "none")
        data = replace(data, comparisons=(*data.comparisons, *more.comparisons))
    return data
