"""Accuracies that timm published of its own models: does a run match, and what does clean accuracy let expect?

``timm.csv`` is made of the folder ``results`` of huggingface/pytorch-image-models (Apache-2.0) by
``tests/results/timm_table.py``. Every number was checked: it is that of a whole number of images, and the differences
to the clean set that the files give agree with the clean accuracies. `SOURCES` names the versions of the files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .tables import rows_of

if TYPE_CHECKING:
    from ..ranking import Baseline

IMAGES: Mapping[str, int] = {
    "imagenet-val": 50_000,
    "imagenet-real": 46_837,
    "imagenet-v2-matched-frequency": 10_000,
    "imagenet-sketch": 50_889,
    "imagenet-a-clean": 10_000,
    "imagenet-a": 7_500,
    "imagenet-r-clean": 10_000,
    "imagenet-r": 30_000,
}
"""By task, the number of images that timm measured on."""

SOURCES: Mapping[str, str] = {
    "2024": "huggingface/pytorch-image-models, results/ at commit 7479d451 (Apache-2.0)",
    "2023": "huggingface/pytorch-image-models, results/ at commits 36d930ff (V2) and 0173a139 (R) (Apache-2.0)",
}
"""ImageNet-V2, -R and the clean accuracies beside them are of 2023, everything else of 2024. In between, top-1 of the
same weights on the validation set moved by a few hundredths of a point."""

ON_IN1K = "in1k"
"""Models of this training class make the lines."""

_LINES: Mapping[str, str] = {
    "imagenet-v2-matched-frequency": "imagenet-v2-clean",
    "imagenet-sketch": "imagenet-val",
    "imagenet-a": "imagenet-a-clean",
    "imagenet-r": "imagenet-r-clean",
}
"""By task with a line: the column of the clean accuracy beside it.

Of models trained on ImageNet-1k alone the table has every row of the files, so that no model is on a line, or off it,
for its accuracy under the shift.
"""

LINES = tuple(_LINES)
"""Tasks with a line."""


@dataclass(frozen=True)
class TimmRow:
    """What timm published of one model at one size.

    Attributes:
        weights: timm's name, ``ARCHITECTURE.TAG``.
        size: Side of the images in pixels.
        training_class: As in `models.training_data`.
        top1: By column, accuracy as a fraction; columns are the tasks of `IMAGES`, and ``imagenet-v2-clean``.
    """

    weights: str
    size: int
    training_class: str
    top1: Mapping[str, float]


@cache
def timm_rows() -> Mapping[tuple[str, int], TimmRow]:
    """All rows by weights and size."""
    rows = {}
    for row in rows_of("timm.csv"):
        weights, size, training_class = row.pop("weights"), int(row.pop("size")), row.pop("trained_on")
        top1 = {column: float(text) / 100 for column, text in row.items() if text}
        rows[weights, size] = TimmRow(weights, size, training_class, top1)
    return rows


def sizes_of(weights: str) -> tuple[int, ...]:
    """Sizes that timm published numbers of these weights for, in ascending order."""
    return tuple(sorted(size for name, size in timm_rows() if name == weights))


# The line of effective robustness.


def accuracies_of(task: str) -> Mapping[str, tuple[float, float]]:
    """Clean and shifted accuracy of models trained on ImageNet-1k alone, each at one size.

    Args:
        task: One of `LINES`.

    Returns:
        By weights, the accuracy on the clean images of the same classes and on those of the task. Of several sizes the
        largest counts, so that no weights count twice. Accuracies of 0 or 1, which have no log odds, are left out.
    """
    clean_column, pairs = _LINES[task], {}
    for (weights, _), row in sorted(timm_rows().items()):
        clean, shifted = (row.top1.get(column, math.nan) for column in (clean_column, task))
        if row.training_class == ON_IN1K and 0 < clean < 1 and 0 < shifted < 1:
            pairs[weights] = (clean, shifted)
    return pairs


@cache
def line(task: str) -> Baseline:
    """The line through `accuracies_of` a task in log odds, with its uncertainty."""
    import numpy as np

    from ..ranking import fit_baseline

    pairs = np.array(list(accuracies_of(task).values()))
    return fit_baseline(pairs[:, 0], pairs[:, 1])


# Whether a run agrees with what timm published.


FLIPS = 0.01
"""Share of images whose answer may differ between two right evaluations of the same weights: timm computes in mixed
precision, and decoders and libraries differ. Differences between versions of its own files are within this."""

_TWO_SIDED = 1.96


@dataclass(frozen=True)
class Agreement:
    """A measured accuracy beside the published one.

    Attributes:
        task: A task of `IMAGES`.
        value: Measured top-1.
        n: On how many images.
        published: Published top-1, on all images of the set.
        margin: Largest difference (95 %) that the choice of the images and rounding explain.
    """

    task: str
    value: float
    n: int
    published: float
    margin: float

    @property
    def difference(self) -> float:
        """Measured less published."""
        return self.value - self.published

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the margin."""
        return abs(self.difference) <= self.margin

    @property
    def causes(self) -> tuple[str, ...]:
        """What may lie behind a difference beyond the margin, the likely ones first; empty if it agrees."""
        if self.agrees:
            return ()
        causes = ["images that were resized, saved again or sorted into wrong folders", "other weights of that name"]
        if self.n != IMAGES[self.task]:
            causes.insert(0, f"the {self.n:,} images are no random part of the {IMAGES[self.task]:,}")
        if self.value < self.published / 2:
            causes.insert(0, "classes in another order")
        return tuple(causes)


def agreement(task: str, value: float, n: int, weights: str, size: int) -> Agreement | None:
    """Compare a measured accuracy with timm's.

    The margin covers two things: if only ``n`` of the N images of the set were used, that another random part has
    another accuracy, with variance p (1 - p) / n (N - n) / (N - 1); and `FLIPS`.

    Args:
        task: Name of a task.
        value: Measured top-1.
        n: Number of images behind it.
        weights: timm's name of the weights.
        size: Side of the images in pixels.

    Returns:
        None if nothing was measured or published.
    """
    row = timm_rows().get((weights, size))
    published = None if row is None or task not in IMAGES else row.top1.get(task)
    if published is None or n < 1 or not math.isfinite(value):
        return None
    whole = IMAGES[task]
    part = published * (1 - published) / n * max(0.0, (whole - n) / (whole - 1))
    return Agreement(task, value, n, published, _TWO_SIDED * math.sqrt(part + FLIPS / n))
