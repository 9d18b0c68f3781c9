"""Tasks on images of classes that a model cannot answer: does its score tell them from those that it knows?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
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
FULL = "full_spectrum_"
"""First part of the metrics that count shifted images as known."""

_PART = 5
"""Every fifth image of a task with several conditions is known, by a hash of its name, under one of them."""

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


class FullSpectrum(Kind):
    """The same numbers where shifted images of the known classes are to be accepted as well.

    Known are the images of the clean counterpart and of `Task.shifted`. Of a task with several conditions, such as
    corruptions at five severities, every fifth image counts, each under one condition; a hash of its name says which.
    The unit of the bootstrap is an image of any set. Scores are the softmax: other sets than clean ones do not keep
    more.
    """

    name = "unseen-full-spectrum"
    metrics = tuple(replace(m, name=f"{FULL}{m.name}", label=f"{m.label}, full spectrum") for m in Unseen.metrics)

    def whole(self, task: Task) -> str:
        """The softmax."""
        return SOFTMAX

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: whether the image is of a known class, and its confidence; no known ones where a set is lacking."""
        import numpy as np

        from ..detection import NUMBERS, detection

        parts = [("unseen", answers.image_ids, answers.confidence[:, 0])]
        shifted = {} if clean is None else clean.shifted
        if clean is not None and len(clean) and all(len(shifted.get(name, ())) for name in task.shifted):
            parts.append(("known", clean.image_ids, clean.confidence[:, 0]))
            for name in task.shifted:
                rows, columns = part_of(shifted[name].image_ids, shifted[name].confidence.shape[1])
                confidence = shifted[name].confidence[rows, columns]
                parts.append((f"known/{name}", shifted[name].image_ids[rows], confidence))
        ids = np.concatenate([np.char.add(f"{where}/", names) for where, names, _ in parts])
        known = np.concatenate([np.full(len(names), float(where != "unseen")) for where, names, _ in parts])
        values = np.column_stack([known, np.concatenate([own for _, _, own in parts])])
        order = np.argsort(ids, kind="stable")
        names = tuple(_of(SOFTMAX, f"{FULL}{metric}") for metric in NUMBERS)
        ordered = (Ordered((SOFTMAX, KNOWN), names, detection),)
        labels = np.full(len(ids), -1, dtype=np.int64)
        return Units(ids[order], (KNOWN, SOFTMAX), values[order], labels, ordered=ordered)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Every number by the softmax."""
        from ..detection import NUMBERS

        others = ", ".join((task.clean or "", *task.shifted))
        why = f"known images are needed of each of {others}; run them as well"
        reads = (SOFTMAX, KNOWN)
        return [
            Measure(SOFTMAX, metric, partial(_read, _of(SOFTMAX, metric)), reads, undefined=why, beyond=True)
            for metric in (f"{FULL}{number}" for number in NUMBERS)
        ]

    def lines(self, task: Task) -> list[Line]:
        """AUROC and false alarms."""
        return [Line(SOFTMAX, task.metric), Line(SOFTMAX, f"{FULL}fpr95")]


def part_of(image_ids: np.ndarray, conditions: int) -> tuple[np.ndarray, np.ndarray]:
    """Which images of a shifted task are known, and under which condition.

    Args:
        image_ids: (n,) names.
        conditions: Of the task.

    Returns:
        int64 rows, rising, and as many columns: every image where there is one condition, else every fifth under one.
    """
    import numpy as np

    if conditions == 1:
        return np.arange(len(image_ids)), np.zeros(len(image_ids), dtype=np.int64)
    drawn = [
        int.from_bytes(hashlib.blake2b(str(name).encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
        for name in image_ids
    ]
    rows = np.array([row for row, number in enumerate(drawn) if number % _PART == 0], dtype=np.int64)
    return rows, np.array([drawn[row] // _PART % conditions for row in rows.tolist()], dtype=np.int64)


UNSEEN = Unseen()
FULL_SPECTRUM = FullSpectrum()
