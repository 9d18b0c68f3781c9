"""Tasks with one condition: clean images and natural shifts, several accepted labels, stimuli of human alignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ...results.schema import Curve, CurvePoint, View
from .kind import RANKED, WORST_CLASSES, Kind, Line, Measure, Units, proportion

if TYPE_CHECKING:
    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task


# Tasks with one condition and one label for each image: clean images, and natural shifts of them.


CORRECT, AMONG_FIVE, CONFIDENCE = "correct", "among five", "confidence"

_FEW = "fewer than 200 images: the bin of the 100 most confident is left out, and there is no other"


def _gap(number: int) -> str:
    return f"gap of bin {number}"


class Plain(Kind):
    """Accuracy among one and five classes, calibration, and accuracy where only the most confident are answered."""

    keeps_ranks = True
    for_plugins = True

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: correct, label among the best five, confidence; gap of confidence and correctness by bin."""
        import numpy as np

        from ..confidences import ECE_BINS, bin_gaps
        from ..measures import top_k_correct

        top = answers.top
        five = top_k_correct(top[:, 0], answers.labels) if top is not None else np.full(len(answers), np.nan)
        correct, confidence = answers.correct[:, 0], answers.confidence[:, 0]
        values = np.column_stack([correct, five, confidence, bin_gaps(confidence, correct)]).astype(np.float32)
        columns = (CORRECT, AMONG_FIVE, CONFIDENCE, *map(_gap, range(ECE_BINS)))
        return Units(answers.image_ids, columns, values, answers.labels, ranked=(CONFIDENCE, CORRECT))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Top-1, top-5, two calibration errors, AURRA, error at a coverage and coverage at an error."""
        from ..confidences import ECE_BINS

        rms, aurra, risk, coverage = RANKED
        reads = (CORRECT, CONFIDENCE)
        gaps = tuple(map(_gap, range(ECE_BINS)))
        return [
            proportion("overall", "top1", CORRECT),
            proportion("overall", "top5", AMONG_FIVE),
            Measure("overall", "ece", lambda m: abs(m.of(gaps)).sum(axis=1), (*reads, *gaps), centred=True),
            Measure("overall", rms, lambda m: m[rms], reads, undefined=_FEW, centred=True, beyond=True),
            Measure("overall", aurra, lambda m: m[aurra], reads, beyond=True),
            Measure("overall", risk, lambda m: m[risk], reads, beyond=True),
            Measure("overall", coverage, lambda m: m[coverage], reads, beyond=True),
        ]

    def curves(self, task: Task, units: Mapping[str, Units]) -> list[CurvePoint]:
        """Accuracy by bin of confidence, and error by coverage."""
        from ..confidences import reliability, risk_by_coverage

        points = []
        for model, part in units.items():
            confidence, correct = (part.values[:, part.columns.index(name)] for name in (CONFIDENCE, CORRECT))
            for curve, rows in (
                (Curve.RELIABILITY, reliability(confidence, correct)),
                (Curve.RISK, risk_by_coverage(confidence, correct)),
            ):
                points += [CurvePoint(model, task.name, curve.value, *row) for row in rows]
        return points


class Clean(Plain):
    """Images as they are; also accuracy in the worst classes."""

    name = "clean"
    in_gallery = True
    keeps_beside = True  # with which unseen classes are compared

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """As `Plain.units`."""
        return replace(super().units(task, answers, clean, truth), by_class=CORRECT)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Those of `Plain.measures`, and the accuracy in the tenth of the classes that is known worst."""
        worst = Measure("overall", WORST_CLASSES, lambda m: m[WORST_CLASSES], (CORRECT,), centred=True, beyond=True)
        return [*super().measures(task, truth), worst]


class Shift(Plain):
    """Other photographs or scenes of the same classes."""

    name = "shift"
    views = (View.SHIFT, View.AGAINST_CLEAN)


CLEAN = Clean()
SHIFT = Shift()


# Tasks in which several classes of an image count as right (Beyer et al. 2020, ReaL).


class MultiLabel(Kind):
    """Share of images whose decision is among the accepted classes."""

    name = "multi-label"
    views = (View.SHIFT,)
    needs = ("accepted",)

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Column: the decision is accepted. Images for which people accept no class are left out, as ReaL does."""
        import numpy as np

        from ..measures import accepted_correct

        sets = [truth.accepted.get(str(i), ()) for i in answers.image_ids]
        judged = np.flatnonzero([len(classes) > 0 for classes in sets])
        right = accepted_correct(answers.decisions[judged, 0], [sets[n] for n in judged.tolist()])
        return Units(answers.image_ids[judged], ("accepted",), right[:, None], answers.labels[judged])

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Top-1 among the accepted classes."""
        return [proportion("overall", "top1", "accepted")]


MULTI_LABEL = MultiLabel()


# Tasks on the stimuli of human alignment; observers and models are scored together.


class Alignment(Plain):
    """Its numbers are those of `alignment.scoring`; alone, a task has no scores."""

    name = "alignment"
    views = (View.ALIGNMENT,)
    keeps_ranks = False
    together = True
    for_plugins = False
    merges = True

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """None."""
        return []

    def curves(self, task: Task, units: Mapping[str, Units]) -> list[CurvePoint]:
        """None."""
        return []

    def lines(self, task: Task) -> list[Line]:
        """None: human alignment has its own scale and its own tables."""
        return []


ALIGNMENT = Alignment()
