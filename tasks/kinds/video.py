"""Tasks on frames of videos around an anchor (Shankar et al., ICCV 2021, pm-k)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results.schema import View
from .kind import Kind, Measure, Units, proportion

if TYPE_CHECKING:
    from ..answers import Answers
    from ..task import Task
    from ..truth import Truth

ANCHOR, ALL_FRAMES = "anchor", "all frames"


class Video(Kind):
    """Share of anchors that are right, alone and with all their neighbours."""

    name = "video"
    views = (View.SHIFT,)
    needs = ("anchors", "accepted")

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: the anchor is right; it and all its neighbours are. An anchor that lacks a frame is left out."""
        import numpy as np

        from ..robustness.groups import accepted_correct, pm_k

        right = answers.correct[:, 0]
        if truth.accepted:
            sets = [truth.accepted.get(str(i), ()) for i in answers.image_ids]
            right = accepted_correct(answers.decisions[:, 0], sets)
        row = {str(i): n for n, i in enumerate(answers.image_ids)}
        whole = sorted(a for a, near in truth.anchors.items() if a in row and all(frame in row for frame in near))
        anchors = np.array([row[a] for a in whole], dtype=np.int64)
        near = [np.array([row[frame] for frame in truth.anchors[a]], dtype=np.int64) for a in whole]
        nobody = [np.empty(0, np.int64)] * len(whole)
        values = np.column_stack([pm_k(anchors, nobody, right), pm_k(anchors, near, right)])
        return Units(np.array(whole, dtype=np.str_), (ANCHOR, ALL_FRAMES), values, answers.labels[anchors])

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """pm-0 and pm-10."""
        return [proportion("overall", "pm0", ANCHOR), proportion("overall", "pm10", ALL_FRAMES)]


VIDEO = Video()
