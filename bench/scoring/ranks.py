"""Who is ranked over a suite, by which tasks, and the ranks: from a plan and what its tasks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...results.ranking import Contest
from ...results.suite_ranking import SuiteRanking, rank_over_tasks
from ...tasks.registry import SUITES, Aggregate, find_task
from ..planning.plan import BASELINE, Plan
from .parts import Request


def aggregate_of(plan: Plan) -> Aggregate | None:
    """What the plan's suite declares; None without a suite."""
    suite = SUITES.get(plan.settings.suite or "")
    return None if suite is None else suite.aggregate


def entrants(plan: Plan) -> tuple[str, ...]:
    """Models of a plan that are ranked; baselines that see no image, or are run on some tasks only, are not."""
    return tuple(spec.name for spec in plan.models if spec.source != BASELINE)


def ranked_request(plan: Plan, names: Sequence[str], methods: Mapping[str, Sequence[str]] | None = None) -> Request:
    """Ask for the ranks of models, or of methods of several runs.

    Args:
        plan: Its suite says what counts.
        names: Who is ranked.
        methods: The runs of each method.
    """
    aggregate = aggregate_of(plan)
    members = () if aggregate is None else (name for forms in aggregate.members for name in forms)
    metrics = () if aggregate is None else aggregate.metrics
    return Request(methods, names, counts_by=dict.fromkeys(members, metrics))


def of_methods(contest: Contest, request: Request) -> Contest:
    """The numbers of methods as means of those of their runs; a method that lacks a run lacks the task."""
    values, errors, lacking = [], [], dict(contest.lacking)
    having = []
    for name in request.contest:
        runs = (request.methods or {}).get(name, (name,))
        rows = [contest.models.index(run) for run in runs if run in contest.models]
        if len(rows) < len(runs):
            lacking[name] = next((lacking[run] for run in runs if run in lacking), "not measured")
            continue
        having.append(name)
        values.append(contest.values[rows].mean())
        errors.append(contest.errors[rows].mean(axis=0))
    return replace(contest, models=tuple(having), values=np.array(values), errors=np.array(errors), lacking=lacking)


def rankings(plan: Plan, request: Request, contests: Mapping[str, Contest]) -> tuple[SuiteRanking, ...]:
    """Rank models over the suite, in each world for itself.

    Args:
        plan: What was asked.
        request: Who is ranked.
        contests: The numbers that count, by task.
    """
    aggregate = aggregate_of(plan)
    if aggregate is None or len(request.contest) < 2:
        return ()
    made = []
    for world in dict.fromkeys(planned.task.world for planned in plan.tasks):
        members = [forms for forms in aggregate.members if _world(forms[0]) == world]
        names = {name for forms in members for name in forms}
        tasks = [planned.task for planned in plan.tasks if planned.task.name in names]
        methods = request.methods or {}
        runs = {name: {*methods.get(name, (name,))} for name in request.contest}
        asked = {spec.name for spec in plan.models if any(plan.takes(spec, task) for task in tasks)}
        models = [name for name in request.contest if runs[name] <= asked]
        ranking = rank_over_tasks(world, aggregate.about, members, contests, models)
        if ranking is not None:
            made.append(ranking)
    return tuple(made)


def _world(name: str) -> str:
    task = find_task(name)
    return "" if task is None else task.world
