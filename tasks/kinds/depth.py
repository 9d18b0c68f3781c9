"""Tasks that read depth from an encoder's features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.depth import CEILINGS, MEASURES, OBSERVERS, WHOLE, Probing
from .kind import Kind, Line, Means, Measure, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

RMSE, POOLED, WITHIN = "depth_rmse", "depth_rmse_pooled", "depth_within_125"
_ABSOLUTE, _LOG, _SHIFTED = "depth_abs_rel", "depth_log_rmse", "depth_log_rmse_shifted"
_OF_IMAGES = (RMSE, WITHIN, _ABSOLUTE, _LOG, _SHIFTED)
"""Means over images."""

_IMAGES, _PIXELS, _SQUARES = "images", "pixels", "squares"
_COLUMNS = (*_OF_IMAGES, _SQUARES, _PIXELS, _IMAGES)
_WHY = "no image has a pixel of it"


class Depth(Kind):
    """Errors of depth, of all pixels that have one and of those on the object.

    RMSE is given as the mean of the roots of images, and as the root of the mean over the pixels of all images; the
    other numbers are means over images. An image without a pixel in a region counts nowhere in it. The bootstrap draws
    images.
    """

    name = "depth"
    metrics = (
        Metric(RMSE, "RMSE, mean over images", -1, percent=False, decimals=3),
        Metric(POOLED, "RMSE, pixels of all images", -1, percent=False, decimals=3),
        Metric(WITHIN, "δ < 1.25"),
        Metric(_ABSOLUTE, "Absolute relative error", -1),
        Metric(_LOG, "Log RMSE", -1, percent=False, decimals=3),
        Metric(_SHIFTED, "Log RMSE, scale set free", -1, percent=False, decimals=3),
    )
    numbers = MEASURES
    observers = OBSERVERS
    ceilings = tuple(CEILINGS)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: for each region the numbers of an image, and how many images and pixels there are."""
        import numpy as np

        regions = _regions(task)
        blocks = [_columns(answers, region) for region in regions]
        columns = tuple(f"{region} {column}" for region in regions for column in _COLUMNS)
        return Units(answers.image_ids, columns, np.concatenate(blocks, axis=1), answers.labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """All numbers of each region."""
        return [
            _ratio(region, metric, above, below, root)
            for region in _regions(task)
            for metric, above, below, root in (
                (RMSE, RMSE, _IMAGES, False),
                (POOLED, _SQUARES, _PIXELS, True),
                *((metric, metric, _IMAGES, False) for metric in _OF_IMAGES[1:]),
            )
        ]

    def lines(self, task: Task) -> list[Line]:
        """The share within a factor of 1.25, of the whole and of the object, the relative error, and RMSE."""
        own = [Line(region, WITHIN, part=True) for region in _regions(task) if region != WHOLE]
        return [Line(WHOLE, WITHIN), *own, Line(WHOLE, _ABSOLUTE), Line(WHOLE, RMSE)]


def _regions(task: Task) -> tuple[str, ...]:
    if not isinstance(task.protocol, Probing):
        raise ValueError(f"{task.name} does not say of which regions depth is asked")
    return task.protocol.regions


def _columns(answers: Answers, region: str) -> np.ndarray:
    """float64 (n, columns) of one region."""
    import numpy as np

    if f"{region} {_PIXELS}" not in answers.numbers:
        return np.full((len(answers), len(_COLUMNS)), np.nan)
    own = {name: answers.numbers[f"{region} {name}"][:, 0].astype(np.float64) for name in MEASURES}
    pixels, squares, logs = own[_PIXELS], own[_SQUARES], own["logsquares"]
    variance = np.maximum(logs - own["logmean"] ** 2, 0.0)
    per_image = (np.sqrt(squares), own["within"], own["relative"], np.sqrt(logs), np.sqrt(variance))
    found = np.column_stack([*per_image, squares * pixels, pixels, np.ones(len(answers))])
    found[pixels == 0] = 0.0  # an image without the region adds nothing to sums; a missing number stays missing
    return found


def _ratio(region: str, metric: str, above: str, below: str, root: bool) -> Measure:
    top, bottom = f"{region} {above}", f"{region} {below}"

    def compute(means: Means) -> np.ndarray:
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(means[bottom] != 0, means[top] / means[bottom], np.nan)
        return np.sqrt(share) if root else share

    return Measure(region, metric, compute, (top, bottom), counts=(f"{region} {_IMAGES}",), undefined=_WHY)


KIND = Depth()
