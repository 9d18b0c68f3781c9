"""Tasks in which several classes of an image count as right (Beyer et al. 2020, ReaL)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results.schema import View
from .kind import Kind, Measure, Units, proportion

if TYPE_CHECKING:
    from ..answers import Answers
    from ..task import Task
    from ..truth import Truth


class MultiLabel(Kind):
    """Share of images whose decision is among the accepted classes."""

    name = "multi-label"
    views = (View.SHIFT,)
    needs = ("accepted",)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Column: the decision is accepted. Images for which people accept no class are left out, as ReaL does."""
        import numpy as np

        from ..robustness.groups import accepted_correct

        sets = [truth.accepted.get(str(i), ()) for i in answers.image_ids]
        judged = np.flatnonzero([len(classes) > 0 for classes in sets])
        right = accepted_correct(answers.decisions[judged, 0], [sets[n] for n in judged.tolist()])
        return Units(answers.image_ids[judged], ("accepted",), right[:, None], answers.labels[judged])

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Top-1 among the accepted classes."""
        return [proportion("overall", "top1", "accepted")]


MULTI_LABEL = MultiLabel()
