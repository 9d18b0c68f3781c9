"""Tasks on the stimuli of human alignment, which are scored together, observers and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...results.schema import View
from .kind import Line, Measure
from .plain import Plain

if TYPE_CHECKING:
    from ..task import Task
    from ..truth import Truth


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

    def lines(self, task: Task) -> list[Line]:
        """None: on a scale of its own, in tables of its own."""
        return []


ALIGNMENT = Alignment()
