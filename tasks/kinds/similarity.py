"""Tasks on triplets of pictures whose similarity people judged: the odd one out of three, or the nearer one of two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from ...results.metrics import Metric
from ...results.schema import KindFacts
from ..similarity import COSINE, DOT, LIMIT, LINEAR, NAMES, column
from .kind import Kind, Line, Means, Measure, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

ACCURACY, CEILED, LOG_LOSS = "triplet_accuracy", "triplet_accuracy_ceiled", "triplet_log_loss"
JUDGED, AGREED, SURPRISE, REPEATED, LARGEST = "judgements", "agreed", "surprise", "repeated", "majority"

# Conditions of the scores are the kinds of similarity, by which features are compared.

_AS_LOGITS = (DOT, LINEAR)  # a cosine is no logit: it lies between -1 and 1 whatever the model is sure of
_WHY = "features are zero, not finite, too large or without a fitted transform"


def _ratio(above: str, below: str) -> Callable[[Means], np.ndarray]:
    """Mean over mean: triplets that more people judged count for more."""

    def compute(means: Means) -> np.ndarray:
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(means[below] > 0, means[above] / means[below], np.nan)

    return compute


def _measure(kind: str, metric: str, above: str, below: str) -> Measure:
    return Measure(kind, metric, _ratio(above, below), (above, below), undefined=_WHY, defined_only=True)


def _measures(kinds: Iterable[str]) -> list[Measure]:
    measures = []
    for kind in kinds:
        agreed, surprise, repeated = (column(kind, name) for name in (AGREED, SURPRISE, REPEATED))
        measures.append(_measure(kind, ACCURACY, agreed, JUDGED))
        measures.append(_measure(kind, CEILED, repeated, LARGEST))
        if kind in _AS_LOGITS:
            measures.append(_measure(kind, LOG_LOSS, surprise, JUDGED))
    return measures


class Similarity(Kind):
    """How often people judge as a model does, by cosine, by dot product, and after a fitted linear transform.

    A model's choice is the pair with the largest similarity; equal pairs share it. Accuracy is the share of judgements
    that agree. Where triplets were judged by several people, the noise ceiling is the mean share of the majority, and
    the accuracy over those triplets is also given as a share of it.

    Attributes:
        offered: The choices that people had: choice k leaves the pair without picture k.
        chance: Accuracy of guessing.
    """

    offered: ClassVar[tuple[int, ...]] = (0, 1, 2)
    metrics = (
        Metric(ACCURACY, "Triplet accuracy", words=("nearer", "farther")),
        Metric(CEILED, "Triplet accuracy, share of the ceiling", words=("nearer", "farther")),
        Metric(LOG_LOSS, "Triplet log loss", -1, percent=False, decimals=3, words=("nearer", "farther")),
    )
    numbers = MappingProxyType({name: (-LIMIT, LIMIT) for name in NAMES})
    needs = ("votes",)
    by_features = True
    choices = 3

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(self.offered)

    def whole(self, task: Task) -> str:
        """The cosine: it depends on no scale, so every model's features can be compared by it."""
        return COSINE

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: judgements; of triplets with several, the majority's share; by kind of similarity what agrees."""
        import numpy as np

        from ..similarity.judgements import choice_shares, surprise

        there = np.array([str(i) in truth.votes for i in answers.image_ids], dtype=bool)
        ids = answers.image_ids[there]
        judged = np.array([truth.votes[str(i)] for i in ids], dtype=np.float64).reshape(-1, 3)
        counts = judged.sum(axis=1)
        several = np.where(counts > 1, 1 / np.maximum(counts, 1), 0.0)
        columns = {JUDGED: counts, LARGEST: judged.max(axis=1, initial=0.0) * several}
        for kind in (COSINE, DOT, LINEAR):
            if not all(column(kind, name) in answers.numbers for name in NAMES):
                continue
            values = np.column_stack([answers.numbers[column(kind, name)][there, 0] for name in NAMES])
            agreed = (choice_shares(values, self.offered) * judged).sum(axis=1)
            columns |= {column(kind, AGREED): agreed, column(kind, REPEATED): agreed * several}
            columns[column(kind, SURPRISE)] = surprise(values, judged, self.offered)
        return Units(ids, tuple(columns), np.column_stack(list(columns.values())), answers.labels[there])

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Accuracy by cosine, as it is and as a share of the ceiling."""
        return _measures((COSINE,))

    def combined(self, task: Task, truth: Truth, units: Mapping[str, Units]) -> tuple[dict[str, Units], list[Measure]]:
        """Also by dot product and after the fitted transform, and their log loss, if any model has them."""
        there = {name for part in units.values() for name in part.columns}
        return dict(units), _measures([COSINE, *(kind for kind in _AS_LOGITS if column(kind, AGREED) in there)])

    def lines(self, task: Task) -> list[Line]:
        """The accuracy by cosine."""
        return [Line(COSINE, task.metric)]

    def facts(self, task: Task) -> KindFacts:
        """Accuracy of guessing."""
        return {"chance": self.chance}


class OddOneOut(Similarity):
    """Which of three pictures fits the others least."""

    name = "odd-one-out"


class TwoAlternatives(Similarity):
    """Which of two pictures is more like a reference, which is the triplet's first picture."""

    name = "2afc"
    offered = (1, 2)


ODD_ONE_OUT = OddOneOut()
TWO_ALTERNATIVES = TwoAlternatives()
