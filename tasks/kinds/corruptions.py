"""Tasks on corrupted images: accuracy by corruption and severity, and corruption errors against a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...results.schema import View
from .kind import Kind, Line, Means, Measure, Units, mean_of, proportion

if TYPE_CHECKING:
    import numpy as np

    from ...results.published.tables import ReferenceErrors
    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

_CLEAN = "clean counterpart"
_ALL_SEVERITIES = [1, 2, 3, 4, 5]


class Corruptions(Kind):
    """Accuracy of cells, corruptions and families; CE, mCE and relative mCE (Hendrycks & Dietterich, ICLR 2019)."""

    name = "corruptions"
    views: tuple[View, ...] = (View.SEVERITIES, View.AGAINST_CLEAN)
    in_gallery = True
    for_plugins = True

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: correct under each of the task's conditions, then on the same images without corruption."""
        import numpy as np

        ids = answers.image_ids
        untouched = np.full((len(ids), 1), np.nan, dtype=np.float32)
        if clean is not None and np.isin(ids, clean.image_ids).all():
            untouched = clean.correct[clean.rows(ids), :1]
        columns = (*(condition.key for condition in task.conditions), _CLEAN)
        return Units(ids, columns, np.hstack([answers.correct, untouched]), answers.labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Corruptions of the family ``"extra"`` have separate numbers and enter neither an overall mean nor the mCE."""
        names = list(dict.fromkeys(condition.name for condition in task.conditions))
        grades = sorted({condition.severity for condition in task.conditions})
        standard = [n for n, name in enumerate(names) if name not in task.families.get("extra", ())]

        def cells(name: str) -> list[str]:
            return [f"{name}/{grade}" for grade in grades]

        def top1(condition: str, columns: Sequence[str]) -> Measure:
            return Measure(condition, "top1", mean_of(columns), tuple(columns))

        entering = [cell for n in standard for cell in cells(names[n])]
        measures = [top1("overall", entering)]
        for family, members in task.families.items():
            measures.append(top1(family, [cell for name in members for cell in cells(name)]))
            measures += [top1(f"{family}/{grade}", [f"{name}/{grade}" for name in members]) for grade in grades]
        for name in names:
            measures.append(top1(name, cells(name)))
            measures += [proportion(cell, "top1", cell) for cell in cells(name)]
        if task.reference is not None:
            measures += _corruption_errors(task.reference, names, grades, standard)
        return measures

    def lines(self, task: Task) -> list[Line]:
        """Accuracy, that of each family, and the mCE where there is one."""
        families = [Line(family, "top1", part=True) for family in task.families]
        return [Line("overall", "top1"), *families, *([Line("overall", "mce")] if task.reference else [])]


def _corruption_errors(who: str, names: list[str], grades: list[int], standard: list[int]) -> list[Measure]:
    """CE of each corruption, mCE and relative mCE.

    Args:
        who: The reference: a model of the same run, or a published table of errors.
        names: Corruptions.
        grades: Severities of each.
        standard: Places in ``names`` of those that enter the means.
    """
    import numpy as np

    from ...results.published.tables import published_reference
    from ..measures import corruption_error, relative_corruption_error

    cells = [[f"{name}/{grade}" for grade in grades] for name in names]
    table = published_reference(who)
    published = None if table is None else _published_grid(table, names, grades)
    joint = table is None

    def errors(means: Means) -> np.ndarray:
        values: np.ndarray = 1.0 - means.of(cells)
        return values

    def reference(means: Means) -> np.ndarray:
        if published is not None:
            return np.broadcast_to(published, (len(means), *published.shape))
        return errors(means.normaliser)

    def reference_clean(means: Means) -> np.ndarray:
        if table is None:
            return 1.0 - means.normaliser[_CLEAN]
        return np.full(len(means), np.nan if table.clean is None else table.clean)

    def relative(means: Means) -> np.ndarray:
        rise = relative_corruption_error(errors(means), 1.0 - means[_CLEAN], reference(means), reference_clean(means))
        mean: np.ndarray = rise[:, standard].mean(axis=1)
        return mean

    def ce(number: int) -> Callable[[Means], np.ndarray]:
        return lambda means: corruption_error(errors(means), reference(means))[:, number]

    def mce(means: Means) -> np.ndarray:
        mean: np.ndarray = corruption_error(errors(means), reference(means))[:, standard].mean(axis=1)
        return mean

    never, never_rises, every = _undefined(who, table, published, names, standard)
    measures = [
        Measure(name, "ce", ce(n), tuple(cells[n]), needs_reference=joint, undefined=never[n])
        for n, name in enumerate(names)
    ]
    entering = tuple(cell for n in standard for cell in cells[n])
    return [
        *measures,
        Measure("overall", "mce", mce, entering, needs_reference=joint, undefined=every),
        Measure("overall", "relative_mce", relative, (*entering, _CLEAN), needs_reference=joint, undefined=never_rises),
    ]


def _published_grid(table: ReferenceErrors, names: Sequence[str], grades: Sequence[int]) -> np.ndarray:
    """Published errors (corruptions, severities); NaN where they are not published."""
    import numpy as np

    grid = np.full((len(names), len(grades)), np.nan)
    for row, name in zip(grid, names, strict=True):
        errors = table.errors.get(name, ())
        if len(errors) > 1:
            row[:] = [errors[grade - 1] for grade in grades]
        elif errors and list(grades) == _ALL_SEVERITIES:
            row[:] = errors[0]  # only their mean is known, and only their sum is asked for
    return grid


def _undefined(
    who: str, table: ReferenceErrors | None, published: np.ndarray | None, names: Sequence[str], standard: Sequence[int]
) -> tuple[list[str], str, str]:
    """Why a CE of each corruption, the relative mCE and the mCE can be undefined."""
    never = [f"{who} never errs under {name}" for name in names]
    every = f"{who} never errs under some corruption"
    rises = f"the error of {who} does not rise over its clean error under some corruption"
    if table is None or published is None:
        return never, rises, every
    unknown = (published != published).any(axis=1)  # NaN alone differs from itself
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


CORRUPTIONS = Corruptions()
