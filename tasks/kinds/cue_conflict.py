"""Tasks on images whose shape is of one class and whose texture is of another (Geirhos et al., ICLR 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...results.schema import KindFacts, ModelDecisions, View
from .kind import Kind, Line, Means, Measure, Units, proportion

if TYPE_CHECKING:
    import numpy as np

    from ..labels import Truth
    from ..scoring.samples import Answers
    from ..task import Task

CORRECT, SHAPE, TEXTURE = "correct", "shape", "texture"


def _of(cue: str, category: str) -> str:
    return f"{cue}, {category}"


def _bias(condition: str, shape: str, texture: str) -> Measure:
    def compute(means: Means) -> np.ndarray:
        from ..measures import shape_bias

        return shape_bias(means[shape], means[texture])

    cues = (shape, texture)
    return Measure(condition, "shape_bias", compute, cues, counts=cues, undefined="no decision for either cue")


class CueConflict(Kind):
    """Shape bias, pooled and by category of the shape, and accuracy for the shape."""

    name = "cue-conflict"
    views = (View.SHAPE,)
    needs = ("textures", "categories")

    def units(self, task: Task, answers: Answers, clean: Answers | None, truth: Truth) -> Units:
        """Columns: correct, decision for the shape, for the texture; then both cues by category of the shape."""
        import numpy as np

        from ..measures import cue_hits

        categories = truth.categories
        decided = answers.decisions[:, 0]
        textures = np.array([truth.textures[str(i)] for i in answers.image_ids], dtype=np.int64)
        by_shape, by_texture = cue_hits(decided, answers.labels, textures)
        member = answers.labels[:, None] == np.arange(len(categories))[None, :]
        values = np.column_stack(
            [answers.correct[:, 0], by_shape, by_texture, by_shape[:, None] & member, by_texture[:, None] & member]
        )
        columns = (CORRECT, SHAPE, TEXTURE, *(_of(cue, name) for cue in (SHAPE, TEXTURE) for name in categories))
        return Units(answers.image_ids, columns, values.astype(np.float32), answers.labels)

    def measures(self, task: Task, truth: Truth) -> list[Measure]:
        """Shape bias, accuracy, and shape bias by category."""
        by_category = [_bias(name, _of(SHAPE, name), _of(TEXTURE, name)) for name in truth.categories]
        return [_bias("overall", SHAPE, TEXTURE), proportion("overall", "top1", CORRECT), *by_category]

    def lines(self, task: Task) -> list[Line]:
        """Shape bias alone, because accuracy for the shape measures the same thing."""
        return [Line("overall", "shape_bias")]

    def facts(self, task: Task) -> KindFacts:
        """The categories, so that a report also has a line for those without decisions."""
        from ..microworld.vocabulary import CLASSES

        return {"shape_classes": list(CLASSES)}

    def decisions(self, task: Task, units: Mapping[str, Units], truth: Truth) -> list[ModelDecisions]:
        """Decisions for the shape, the texture and neither, by category of the shape."""
        import numpy as np

        rows = []
        for model, part in units.items():
            counts = np.bincount(part.labels, minlength=len(truth.categories))
            for number, name in enumerate(truth.categories):
                s, t = (int(part.values[:, part.columns.index(_of(cue, name))].sum()) for cue in (SHAPE, TEXTURE))
                other = int(counts[number]) - s - t
                rows.append(ModelDecisions(model=model, task=task.name, category=name, shape=s, texture=t, other=other))
        return rows


CUE_CONFLICT = CueConflict()
