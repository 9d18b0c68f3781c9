"""Tasks on images of classes that a model cannot answer: does its score tell them from those that it knows?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ...results.schema import BESIDE
from .kind import Kind, Line, Means, Measure, Ordered, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

KNOWN, SOFTMAX = "known", "softmax"

# Conditions of the numbers are the largest softmax probability, energy and the largest logit. Higher means known.


def _of(score: str, metric: str) -> str:
    return f"{metric} by {score}"


def _measures(task: Task, scores: Iterable[str]) -> list[Measure]:
    from ..detection import NUMBERS

    why = f"known and unseen images are needed: {task.clean} has no predictions of this model; run it as well"
    return [
        Measure(
            score, metric, partial(_read, _of(score, metric)), (score, KNOWN), undefined=why, optional=True, beyond=True
        )
        for score in scores
        for metric in NUMBERS
    ]


def _read(name: str, means: Means) -> np.ndarray:
    return means[name]


class Unseen(Kind):
    """AUROC, AUPR and false alarms of each score, against the images of the clean counterpart, whose classes are known.

    The unit of the bootstrap is an image of either set. Numbers by energy and by the largest logit need units that hold
    these; those that were imported or stored by earlier versions may not.
    """

    name = "unseen"
    metrics = (
        Metric("auroc", "AUROC"),
        Metric("fpr95", "FPR at 95 % of unseen found", better=-1),
        Metric("fpr95_known", "FPR at 95 % of known accepted", better=-1),
        Metric("aupr_unseen", "AUPR, unseen"),
        Metric("aupr_known", "AUPR, known"),
    )
    keeps_beside = True

    def whole(self, task: Task) -> str:
        """The softmax, which every stored prediction has."""
        return SOFTMAX

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: whether the image is of a known class; its scores, as far as all images have them."""
        import numpy as np

        from ..detection import NUMBERS, detection

        parts = [(0.0, answers)] + ([(1.0, clean)] if clean is not None and len(clean) else [])
        known = np.concatenate([np.full(len(part), value) for value, part in parts])
        columns = {KNOWN: known, SOFTMAX: np.concatenate([part.confidence[:, 0] for _, part in parts])}
        for name in BESIDE:
            if all(name in part.numbers and np.isfinite(part.numbers[name]).all() for _, part in parts):
                columns[name] = np.concatenate([part.numbers[name][:, 0] for _, part in parts])
        # The same name may be in both sets; in front of it, the sets come one after the other, sorted.
        ids = np.concatenate([np.char.add("known/" if value else "unseen/", part.image_ids) for value, part in parts])
        order = np.argsort(ids, kind="stable")
        labels = np.concatenate([part.labels for _, part in parts])
        scores = tuple(name for name in columns if name != KNOWN)
        ordered = tuple(
            Ordered((name, KNOWN), tuple(_of(name, metric) for metric in NUMBERS), detection) for name in scores
        )
        values = np.column_stack(list(columns.values()))[order]
        return Units(ids[order], tuple(columns), values, labels[order], ordered=ordered)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Every number by the softmax."""
        return _measures(task, (SOFTMAX,))

    def combined(self, task: Task, truth: Truth, units: Mapping[str, Units]) -> tuple[dict[str, Units], list[Measure]]:
        """Also by energy and by the largest logit, if any model has them."""
        there = {name for part in units.values() for name in part.columns}
        return dict(units), _measures(task, [SOFTMAX, *(name for name in BESIDE if name in there)])

    def lines(self, task: Task) -> list[Line]:
        """AUROC and false alarms by the softmax."""
        return [Line(SOFTMAX, task.metric), Line(SOFTMAX, "fpr95")]


UNSEEN = Unseen()
