"""Tasks that name what happens in a clip, by heads on an encoder's features of its frames."""

from __future__ import annotations

from collections.abc import Callable
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

    The bootstrap draws groups, because the clips of one share footage: the middle frame of the micro-world's, the
    camera and the actors of filmed ones. A clip's id is that of its group, ``/`` and its own name.
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
        """Columns: for each head, and for each class in order, the sum over a group; and how many clips there are."""
        import numpy as np

        classes = _classes(task)
        groups: dict[str, list[int]] = {}
        for row, image_id in enumerate(answers.image_ids):
            groups.setdefault(str(image_id).rpartition("/")[0], []).append(row)
        columns = _columns(classes)
        rows = np.full((len(answers), len(columns)), np.nan)
        if f"{TRUE} class" in answers.numbers:
            true, named = _of(answers, TRUE), [_of(answers, head) for head in HEADS]
            right = [np.where(np.isfinite(true), own == true, np.nan) for own in named]
            own = [np.where(np.isfinite(true), true == number, np.nan) for number in range(len(classes))]
            ordered = right[HEADS.index(_ORDERED)]
            rows = np.column_stack([*right, *(ordered * one for one in own), *own, np.ones(len(answers))])
        names = sorted(groups)
        values = np.array([rows[groups[name]].sum(axis=0) for name in names]).reshape(len(names), len(columns))
        return Units(np.array(names, dtype=np.str_), columns, values, np.full(len(names), -1, dtype=np.int64))

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Heads on all clips, then the head that sees order on each class."""
        whole = [_share("overall", f"{head}_accuracy", head, _CLIPS) for head in reversed(HEADS)]
        gain: Callable[[Means], np.ndarray] = lambda m: (m[_ORDERED] - m[_AVERAGED]) / m[_CLIPS]  # noqa: E731
        added = Measure("overall", GAIN, gain, (_ORDERED, _AVERAGED, _CLIPS), counts=(_CLIPS,))
        why = "there is no clip of this class"
        own = [_share(name, ORDERED, f"right {name}", f"of {name}", why) for name in _classes(task)]
        return [*whole, added, *own]

    def lines(self, task: Task) -> list[Line]:
        """The four heads, from that which sees most."""
        return [Line("overall", f"{head}_accuracy") for head in reversed(HEADS)]


def _classes(task: Task) -> tuple[str, ...]:
    if not isinstance(task.protocol, Recognising):
        raise ValueError(f"{task.name} does not say which actions there are")
    return task.protocol.classes


def _columns(classes: tuple[str, ...]) -> tuple[str, ...]:
    return (*HEADS, *(f"right {name}" for name in classes), *(f"of {name}" for name in classes), _CLIPS)


def _share(condition: str, metric: str, right: str, of: str, why: str = "") -> Measure:
    compute: Callable[[Means], np.ndarray] = lambda m: m[right] / m[of]  # noqa: E731
    return Measure(condition, metric, compute, (right, of), counts=(of,), undefined=why)


def _of(answers: Answers, what: str) -> np.ndarray:
    """float64 (n,): the class that a head names, or the true one."""
    import numpy as np

    return answers.numbers[f"{what} class"][:, 0].astype(np.float64)


KIND = Actions()
