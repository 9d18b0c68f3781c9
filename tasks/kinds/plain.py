"""Tasks with one condition and one label for each image: clean images, and natural shifts of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results.schema import View
from .kind import RANKED, Kind, Measure, Units, proportion

if TYPE_CHECKING:
    from ..answers import Answers
    from ..task import Task
    from ..truth import Truth

CORRECT, AMONG_FIVE, CONFIDENCE = "correct", "among five", "confidence"

_FEW = "fewer than 200 images: the bin of the 100 most confident is left out, and there is no other"


class Plain(Kind):
    """Accuracy among one and five classes, and calibration."""

    keeps_ranks = True
    for_plugins = True

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: correct, label among the best five, confidence."""
        import numpy as np

        from ..robustness.groups import top_k_correct

        top = answers.top
        five = top_k_correct(top[:, 0], answers.labels) if top is not None else np.full(len(answers), np.nan)
        values = np.column_stack([answers.correct[:, 0], five, answers.confidence[:, 0]]).astype(np.float32)
        columns = (CORRECT, AMONG_FIVE, CONFIDENCE)
        return Units(answers.image_ids, columns, values, answers.labels, ranked=(CONFIDENCE, CORRECT))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Top-1, top-5, RMS calibration error and AURRA."""
        rms, aurra = RANKED
        reads = (CORRECT, CONFIDENCE)
        return [
            proportion("overall", "top1", CORRECT),
            proportion("overall", "top5", AMONG_FIVE),
            Measure("overall", rms, lambda m: m[rms], reads, undefined=_FEW, centred=True),
            Measure("overall", aurra, lambda m: m[aurra], reads),
        ]


class Clean(Plain):
    """Images as they are."""

    name = "clean"
    in_gallery = True


class Shift(Plain):
    """Other photographs or scenes of the same classes."""

    name = "shift"
    views = (View.SHIFT, View.AGAINST_CLEAN)


CLEAN = Clean()
SHIFT = Shift()
