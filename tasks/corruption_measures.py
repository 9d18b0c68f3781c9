"""Accuracies and corruption errors of a corruption benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..results.published.tables import ReferenceErrors, published_reference
from .measures import Measure, mean_of, proportion
from .robustness.metrics import corruption_error, relative_corruption_error
from .task import Task

_ALL_SEVERITIES = [1, 2, 3, 4, 5]


def _published_grid(table: ReferenceErrors, names: Sequence[str], grades: Sequence[int]) -> np.ndarray:
    """Published errors (corruptions, severities); NaN where they are not published."""
    grid = np.full((len(names), len(grades)), np.nan)
    for row, name in zip(grid, names, strict=True):
        errors = table.errors.get(name, ())
        if len(errors) > 1:
            row[:] = [errors[grade - 1] for grade in grades]
        elif errors and list(grades) == _ALL_SEVERITIES:
            row[:] = errors[0]  # only their mean is known, and only their sum is asked for
    return grid


def corruption_measures(task: Task) -> list[Measure]:
    """Accuracy of cells, corruptions and families; corruption errors against the reference.

    Columns: the task's conditions in order, then clean accuracy on the same images. Corruptions of the family
    ``"extra"`` have numbers of their own and enter no overall mean, as the 4 extra ones of ImageNet-C enter no mCE.
    """
    cells = {condition.key: n for n, condition in enumerate(task.conditions)}
    width = len(task.conditions) + 1
    clean = width - 1
    names = list(dict.fromkeys(condition.name for condition in task.conditions))
    grades = sorted({condition.severity for condition in task.conditions})
    standard = [n for n, name in enumerate(names) if name not in task.families.get("extra", ())]

    def at(name: str) -> list[int]:
        return [cells[f"{name}/{grade}"] for grade in grades]

    def top1(condition: str, columns: Sequence[int]) -> Measure:
        return Measure(condition, "top1", mean_of(columns), reads=tuple(columns))

    entering = [c for n in standard for c in at(names[n])]
    measures = [top1("overall", entering)]
    for family, members in task.families.items():
        measures.append(top1(family, [c for name in members for c in at(name)]))
        for grade in grades:
            measures.append(top1(f"{family}/{grade}", [cells[f"{n}/{grade}"] for n in members]))
    for name in names:
        measures.append(top1(name, at(name)))
        measures += [proportion(f"{name}/{grade}", "top1", cells[f"{name}/{grade}"]) for grade in grades]

    if task.reference is None:
        return measures
    grid = np.array([at(name) for name in names])
    table = published_reference(task.reference)
    published = None if table is None else _published_grid(table, names, grades)
    joint = table is None

    def errors(means: np.ndarray) -> np.ndarray:
        return 1.0 - means[:, grid]

    def reference(means: np.ndarray) -> np.ndarray:
        if published is not None:
            return np.broadcast_to(published, (len(means), *published.shape))
        return 1.0 - means[:, width:][:, grid]

    def reference_clean(means: np.ndarray) -> np.ndarray:
        if table is None:
            return 1.0 - means[:, width + clean]
        return np.full(len(means), np.nan if table.clean is None else table.clean)

    def relative(means: np.ndarray) -> np.ndarray:
        own = 1.0 - means[:, clean]
        found = relative_corruption_error(errors(means), own, reference(means), reference_clean(means))
        return found[:, standard].mean(axis=1)

    def ce(number: int) -> Callable[[np.ndarray], np.ndarray]:
        return lambda m: corruption_error(errors(m), reference(m))[:, number]

    def mce(means: np.ndarray) -> np.ndarray:
        return corruption_error(errors(means), reference(means))[:, standard].mean(axis=1)

    who = task.reference or "the reference"
    never, never_rises, every = _undefined(who, table, published, names, standard)
    for n, name in enumerate(names):
        measures.append(Measure(name, "ce", ce(n), needs_reference=joint, reads=tuple(at(name)), undefined=never[n]))
    reads = tuple(entering)
    measures.append(Measure("overall", "mce", mce, needs_reference=joint, reads=reads, undefined=every))
    reads = (*entering, clean)
    measures.append(
        Measure("overall", "relative_mce", relative, needs_reference=joint, reads=reads, undefined=never_rises)
    )
    return measures


def _undefined(
    who: str, table: ReferenceErrors | None, published: np.ndarray | None, names: Sequence[str], standard: Sequence[int]
) -> tuple[list[str], str, str]:
    """Why a CE of each corruption, the relative mCE and the mCE can be undefined."""
    never = [f"{who} never errs under {name}" for name in names]
    every = f"{who} never errs under some corruption"
    rises = f"the error of {who} does not rise over its clean error under some corruption"
    if table is None or published is None:
        return never, rises, every
    unknown = np.isnan(published).any(axis=1)
    never = [
        f"no error of {who} is published for {name}" if u else t
        for u, name, t in zip(unknown, names, never, strict=True)
    ]
    if unknown[standard].any():
        absent = ", ".join(names[n] for n in standard if unknown[n])
        every = rises = f"errors of {who} are not published for {absent}"
    elif table.clean is None:
        rises = f"no clean error of {who} is published for these images"
    return never, rises, every
