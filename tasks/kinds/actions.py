"""Tasks that name what happens in a clip, by heads on an encoder's features of its frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ...results.metrics import Metric
from ..understanding.actions import HEADS, MEASURES, OBSERVERS, TRUE, Recognising
from .kind import Kind, Line, Means, Measure, Units

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

ORDERED = "ordered_accuracy"
GAIN = "order_gain"
_CLIPS = "clips"
_FIRST, _MIDDLE, _AVERAGED, _ORDERED = HEADS


class Actions(Kind):
    """Accuracy of each head, what order adds to the average of the frames, and the accuracy of each class in order.

    Of a set with several splits, numbers are means over splits, and each split has its own beside. The accuracy of a
    class is over the clips of all splits together.

    The bootstrap draws groups, because the clips of one share footage: the middle frame of the micro-world's, the
    camera and the actors of filmed ones. A clip's id is that of its group, ``/`` and its own name, after the number of
    its split and ``/`` where there are several.
    """

    name = "actions"
    metrics = (
        Metric(ORDERED, "Frames in order"),
        Metric("averaged_accuracy", "Frames averaged"),
        Metric("middle_accuracy", "Middle frame"),
        Metric("first_accuracy", "First frame"),
        Metric(GAIN, "In order less averaged"),
    )
    numbers = MEASURES
    observers = OBSERVERS

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: for each split and head, and for each class in order, the sum over a group; and how many clips."""
        import numpy as np

        classes, splits = _classes(task), _splits(task)
        groups: dict[str, list[int]] = {}
        places = {str(place + 1): place for place in range(len(splits))}
        split = np.zeros(len(answers), dtype=np.int64)
        for row, image_id in enumerate(answers.image_ids):
            name = str(image_id)
            if len(splits) > 1:
                number, _, name = name.partition("/")
                split[row] = places.get(number, -1)
            groups.setdefault(name.rpartition("/")[0], []).append(row)
        columns = _columns(task)
        rows = np.full((len(answers), len(columns)), np.nan)
        if f"{TRUE} class" in answers.numbers:
            true, named = _of(answers, TRUE), [_of(answers, head) for head in HEADS]
            known = np.isfinite(true)
            right = [np.where(known, own == true, np.nan) for own in named]
            own = [np.where(known, true == number, np.nan) for number in range(len(classes))]
            ordered = right[HEADS.index(_ORDERED)]
            parts = [
                np.where(known, split == number, np.nan) * one
                for number in range(len(splits))
                for one in (*right, np.ones(len(answers)))
            ]
            rows = np.column_stack([*parts, *(ordered * one for one in own), *own])
        names = sorted(groups)
        values = np.array([rows[groups[name]].sum(axis=0) for name in names]).reshape(len(names), len(columns))
        return Units(np.array(names, dtype=np.str_), columns, values, np.full(len(names), -1, dtype=np.int64))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Heads on all clips, on those of each split, then the head that sees order on each class."""
        splits, heads = _splits(task), tuple(reversed(HEADS))
        whole = [_accuracy("overall", head, splits) for head in heads]
        parts = [_accuracy(name, head, (name,)) for name in splits for head in heads if len(splits) > 1]
        mean, reads = _mean_of_splits, _reads((_ORDERED, _AVERAGED), splits)
        gain: Callable[[Means], np.ndarray] = lambda m: mean(m, _ORDERED, splits) - mean(m, _AVERAGED, splits)  # noqa: E731
        counts = _reads((_CLIPS,), splits)
        added = Measure("overall", GAIN, gain, (*reads, *counts), counts=counts, undefined=_why(splits))
        return [*whole, added, *parts, *(_of_class(name) for name in _classes(task))]

    def lines(self, task: Task) -> list[Line]:
        """The four heads, from that which sees most."""
        return [Line("overall", f"{head}_accuracy") for head in reversed(HEADS)]


def _classes(task: Task) -> tuple[str, ...]:
    return _protocol(task).classes


def _splits(task: Task) -> tuple[str, ...]:
    """Names of the splits; one without a name where a set has no others."""
    return _protocol(task).splits or ("",)


def _protocol(task: Task) -> Recognising:
    if not isinstance(task.protocol, Recognising):
        raise ValueError(f"{task.name} does not say which actions there are")
    return task.protocol


def _reads(names: Sequence[str], splits: Sequence[str]) -> tuple[str, ...]:
    """Columns of heads or clips, one after the other for each split."""
    return tuple(f"{split} {name}".strip() for split in splits for name in names)


def _columns(task: Task) -> tuple[str, ...]:
    classes = _classes(task)
    own = (f"{what} {name}" for what in ("right", "of") for name in classes)
    return (*_reads((*HEADS, _CLIPS), _splits(task)), *own)


def _mean_of_splits(means: Means, head: str, splits: Sequence[str]) -> np.ndarray:
    """Mean over splits of the share of clips that a head names rightly; NaN where a split has none."""
    shares = [
        _ratio(means[right], means[clips]) for right, clips in (_reads((head, _CLIPS), (split,)) for split in splits)
    ]
    mean: np.ndarray = sum(shares[1:], shares[0]) / len(shares)
    return mean


def _accuracy(condition: str, head: str, splits: Sequence[str]) -> Measure:
    compute: Callable[[Means], np.ndarray] = lambda m: _mean_of_splits(m, head, splits)  # noqa: E731
    reads, counts = _reads((head, _CLIPS), splits), _reads((_CLIPS,), splits)
    return Measure(condition, f"{head}_accuracy", compute, reads, counts=counts, undefined=_why(splits))


def _ratio(right: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """A share; NaN of no clips, as some draws of a few groups have none of a split or class."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        share: np.ndarray = right / clips
    return share


def _why(splits: Sequence[str]) -> str:
    return f"there is no clip of {' or '.join(splits)}" if any(splits) else ""


def _of_class(name: str) -> Measure:
    right, of = f"right {name}", f"of {name}"
    compute: Callable[[Means], np.ndarray] = lambda m: _ratio(m[right], m[of])  # noqa: E731
    why = "there is no clip of this class"
    return Measure(name, f"{_ORDERED}_accuracy", compute, (right, of), counts=(of,), undefined=why)


def _of(answers: Answers, what: str) -> np.ndarray:
    """float64 (n,): the class that a head names, or the true one."""
    import numpy as np

    return answers.numbers[f"{what} class"][:, 0].astype(np.float64)


KIND = Actions()
