"""Tasks on what people say is unusual about images: how much more often a model errs where a factor holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ...results.schema import View
from .kind import Kind, Line, Means, Measure, Units, proportion

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

RIGHT = "right"

RATIO, WORST = "error_ratio", "worst_factor"


def _right(factor: str) -> str:
    return f"{RIGHT}, {factor}"


def factors_of(task: Task) -> tuple[str, ...]:
    """Names of the factors, in the order of the task's declaration and of the positions in `Truth.factors`."""
    return tuple(name for members in task.families.values() for name in members)


def _accuracy(factor: str) -> Callable[[Means], np.ndarray]:
    """Accuracy on the images with a factor; NaN in a sample without any."""

    def compute(means: Means) -> np.ndarray:
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(means[factor] > 0, means[_right(factor)] / means[factor], np.nan)

    return compute


def _ratio(factor: str) -> Callable[[Means], np.ndarray]:
    """Error on the images with a factor over the error on all; NaN where the model never errs."""
    accuracy = _accuracy(factor)

    def compute(means: Means) -> np.ndarray:
        import numpy as np

        error = 1 - means[RIGHT]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(error > 0, (1 - accuracy(means)) / error, np.nan)

    return compute


def _lowest(factors: tuple[str, ...]) -> Callable[[Means], np.ndarray]:
    """Accuracy on the factor on which it is lowest, among factors that any image has."""

    def compute(means: Means) -> np.ndarray:
        import numpy as np

        each = np.column_stack([_accuracy(factor)(means) for factor in factors])
        lowest = np.min(np.where(np.isnan(each), np.inf, each), axis=1)
        return np.where(np.isfinite(lowest), lowest, np.nan)

    return compute


class Factors(Kind):
    """Error ratio and accuracy of every factor, and the accuracy of the worst (Idrissi et al., ICLR 2023, ImageNet-X).

    Its tasks are made of the predictions of another task, on those of its images that are annotated.
    """

    name = "factors"
    metrics = (
        # Shown in percent, as mCE is: 100 where a factor makes no difference.
        Metric(RATIO, "Error ratio", -1, words=("less affected", "more affected")),
        Metric(WORST, "Top-1, worst factor"),
    )
    views = (View.FACTORS,)
    needs = ("factors",)

    def mismatch(self, task: Task, answers: Answers, truth: Truth) -> str:
        """Images that are not the annotated ones, or have other classes than the annotations say."""
        known = [(str(i), int(label)) for i, label in zip(answers.image_ids, answers.labels, strict=True)]
        shared = [(i, label) for i, label in known if _stem(i) in truth.factors]
        if known and not shared:
            return (
                f"none of the {len(known):,} images is annotated: names such as {known[0][0]}, where annotations are "
                f"of names such as {next(iter(truth.factors), 'none')}"
            )
        wrong = [(i, label, truth.factors[_stem(i)][0]) for i, label in shared if truth.factors[_stem(i)][0] != label]
        if wrong:
            image, here, there = wrong[0]
            return (
                f"{len(wrong):,} of {len(shared):,} annotated images have another class here than in the annotations, "
                f"such as {image}: {here} here, {there} there. One of the two has its classes in another order"
            )
        return ""

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: correct; for every factor whether the image has it; whether it has it and is right.

        Images without annotations are left out.
        """
        import numpy as np

        names = factors_of(task)
        stems = [_stem(str(image_id)) for image_id in answers.image_ids]
        rows = np.array([row for row, stem in enumerate(stems) if stem in truth.factors], dtype=np.int64)
        has = np.zeros((len(rows), len(names)), dtype=np.float32)
        for place, row in enumerate(rows.tolist()):
            has[place, list(truth.factors[stems[row]][1])] = 1
        right = answers.correct[rows, 0]
        columns = (RIGHT, *names, *map(_right, names))
        values = np.column_stack([right, has, has * right[:, None]]).astype(np.float32)
        return Units(answers.image_ids[rows], columns, values, answers.labels[rows])

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Top-1 over all annotated images and on the worst factor; error ratio and top-1 of each factor."""
        names = factors_of(task)
        every = (*names, *map(_right, names))
        measures = [
            proportion("overall", "top1", RIGHT),
            Measure("overall", WORST, _lowest(names), every, undefined="no image has a factor", centred=True),
        ]
        for name in names:
            reads, absent = (name, _right(name)), f"no image has the factor {name}"
            why = f"{absent}, or there is no error at all"
            measures.append(Measure(name, RATIO, _ratio(name), (RIGHT, *reads), counts=(name,), undefined=why))
            measures.append(Measure(name, "top1", _accuracy(name), reads, counts=(name,), undefined=absent))
        return measures

    def lines(self, task: Task) -> list[Line]:
        """Accuracy over all annotated images and on the worst factor; the ratios have a table and a figure."""
        return [Line("overall", "top1"), Line("overall", WORST)]


def _stem(image_id: str) -> str:
    """The name of an image's file without its ending, by which annotations are matched."""
    return image_id.rsplit("/", 1)[-1].rsplit(".", 1)[0]


FACTORS = Factors()
