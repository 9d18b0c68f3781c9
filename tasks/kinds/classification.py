"""Tasks that name the class of an image by heads on an encoder's frozen features."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.classification import LINEAR, MEASURES, NEIGHBOURS, TRUE, Classifying, head_of
from .kind import Kind, Line, Means, Measure, Units, proportion

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

_WHY = "no image has a class"


def metric_of(head: str, by_class: bool = False) -> str:
    """The metric of a head: its accuracy over images, or the mean of its accuracies in each class."""
    return f"{head.replace('-', '_')}_{'class_' if by_class else ''}accuracy"


KNN_ACCURACY, LINEAR_ACCURACY, LINEAR_BY_CLASS = metric_of(NEIGHBOURS), metric_of(LINEAR), metric_of(LINEAR, True)
TENTH, HUNDREDTH = metric_of(head_of(0.1)), metric_of(head_of(0.01))


class Classification(Kind):
    """Accuracy of each head; where the published measure is the mean over classes, that as well.

    The bootstrap draws images. A class without an image among those drawn is left out of the mean over classes.
    """

    name = "classification"
    metrics = (
        Metric(LINEAR_ACCURACY, "Linear"),
        Metric(KNN_ACCURACY, "k-NN"),
        Metric(TENTH, "Linear, 10 % of the images"),
        Metric(HUNDREDTH, "Linear, 1 % of the images"),
        Metric(LINEAR_BY_CLASS, "Linear, mean per class"),
        Metric(metric_of(NEIGHBOURS, True), "k-NN, mean per class"),
    )
    numbers = MEASURES

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: whether each head is right; where classes count, also in which class it is right, and the class."""
        import numpy as np

        how = _protocol(task)
        columns = {head: np.full(len(answers), np.nan) for head in how.heads}
        true = np.full(len(answers), np.nan)
        if f"{TRUE} class" in answers.numbers:
            true = _of(answers, TRUE)
            columns = {head: np.where(np.isfinite(true), _of(answers, head) == true, np.nan) for head in how.heads}
        if how.by_class:
            own = {number: np.where(np.isfinite(true), true == number, np.nan) for number in range(how.classes)}
            for head in how.heads:
                columns |= {_right(head, number): columns[head] * own[number] for number in own}
            columns |= {_class(number): own[number] for number in own}
        values = np.column_stack(list(columns.values())).astype(np.float32)
        return Units(answers.image_ids, tuple(columns), values, answers.labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Each head over images, and over classes where these count."""
        how = _protocol(task)
        measures = [proportion("overall", metric_of(head), head) for head in how.heads]
        if how.by_class:
            sizes = tuple(map(_class, range(how.classes)))
            for head in how.heads:
                right = tuple(_right(head, number) for number in range(how.classes))
                mean = _mean_of_classes(right, sizes)
                measures.append(Measure("overall", metric_of(head, True), mean, (*right, *sizes), undefined=_WHY))
        return measures

    def lines(self, task: Task) -> list[Line]:
        """Linear heads, then the nearest neighbours; by the published measure."""
        how = _protocol(task)
        heads = sorted(how.heads, key=lambda head: head == NEIGHBOURS)
        return [Line("overall", metric_of(head, how.by_class)) for head in heads]


def _mean_of_classes(right: tuple[str, ...], sizes: tuple[str, ...]) -> Callable[[Means], np.ndarray]:
    def compute(means: Means) -> np.ndarray:
        import numpy as np

        hits, of = means.of(right), means.of(sizes)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = np.where(of > 0, hits / of, 0.0).sum(axis=1)
            mean: np.ndarray = total / (of > 0).sum(axis=1)
        return np.where(np.isnan(of).any(axis=1) | np.isnan(hits).any(axis=1), np.nan, mean)

    return compute


def _right(head: str, number: int) -> str:
    return f"{head} right in {number}"


def _class(number: int) -> str:
    return f"class {number}"


def _protocol(task: Task) -> Classifying:
    if not isinstance(task.protocol, Classifying):
        raise ValueError(f"{task.name} does not say which heads there are")
    return task.protocol


def _of(answers: Answers, what: str) -> np.ndarray:
    """float64 (n,): the class that a head names, or the true one."""
    import numpy as np

    return answers.numbers[f"{what} class"][:, 0].astype(np.float64)


KIND = Classification()
