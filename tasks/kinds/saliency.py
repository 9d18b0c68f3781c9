"""Tasks that compare a model's maps of an image with a reference: what people clicked on, or the object's mask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ...results.schema import KindFacts
from ..saliency.protocol import MEASURES, OBSERVERS, MapProtocol
from .kind import Kind, Line, Measure, Units, column

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

ALIGNMENT = "alignment"
METRICS = (ALIGNMENT, *MEASURES)


def protocol_of(task: Task) -> MapProtocol:
    """The protocol of a saliency task.

    Raises:
        ValueError: It has none.
    """
    if task.maps is None:
        raise ValueError(f"{task.name} does not define its maps")
    return task.maps


def _name(of_map: str, metric: str) -> str:
    return f"{of_map} {metric}" if of_map else metric


def _maps(columns: Iterable[str]) -> list[str]:
    """Maps of the columns of a unit, in order; ``""`` for an observer whose map is the same whatever is asked."""
    return list(dict.fromkeys(name.rpartition(" ")[0] for name in columns))


def _measures(task: Task, maps: Iterable[str]) -> list[Measure]:
    why = f"{protocol_of(task).reference} or own map is constant"
    return [
        column(of_map, metric, _name(of_map, metric), undefined=why, defined_only=True)
        for of_map in maps
        for metric in METRICS
    ]


class Saliency(Kind):
    """Spearman correlation, Dice and IoU of each map of a model, and the correlation over its ceiling.

    A model's maps depend on its network: every one has a gradient, those with attention pooling their masks as well.
    Each is a condition of the scores. The observers that see no image have one map, which counts under every condition.
    """

    name = "saliency"
    numbers = MEASURES
    observers = OBSERVERS

    def whole(self, task: Task) -> str:
        """The gradient, plain or smoothed: every model has it."""
        return protocol_of(task).main_map

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: alignment, Spearman correlation, Dice and IoU of each map; NaN where a map is constant."""
        import numpy as np

        ceiling = protocol_of(task).ceiling
        columns: dict[str, np.ndarray] = {}
        for of_map in sorted(_maps(answers.numbers)):
            own = {m: answers.numbers[_name(of_map, m)][:, 0].astype(np.float64) for m in MEASURES}
            own[ALIGNMENT] = own["spearman"] / ceiling
            columns |= {_name(of_map, metric): own[metric] for metric in METRICS}
        values = np.column_stack(list(columns.values())) if columns else np.empty((len(answers), 0))
        return Units(answers.image_ids, tuple(columns), values, answers.labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Every metric of the map that every model has."""
        return _measures(task, [self.whole(task)])

    def combined(self, task: Task, truth: Truth, units: Mapping[str, Units]) -> tuple[dict[str, Units], list[Measure]]:
        """Every metric of every map that any model has; observers that see no image have their numbers under each."""
        import numpy as np

        every = {of_map for part in units.values() for of_map in _maps(part.columns)} - {""}
        maps = sorted(every | {self.whole(task)})
        columns = tuple(_name(of_map, metric) for of_map in maps for metric in METRICS)
        known = {
            model: Units(part.ids, columns, np.tile(part.values, (1, len(maps))), part.labels)
            if _maps(part.columns) == [""]
            else part
            for model, part in units.items()
        }
        return known, _measures(task, maps)

    def lines(self, task: Task) -> list[Line]:
        """The alignment of the gradient."""
        return [Line(self.whole(task), task.metric)]

    def facts(self, task: Task) -> KindFacts:
        """What the reference maps are, and the ceiling."""
        protocol = protocol_of(task)
        return {"maps": protocol.facts(task.images), "reference_maps": protocol.reference, "ceiling": protocol.ceiling}


SALIENCY = Saliency()
