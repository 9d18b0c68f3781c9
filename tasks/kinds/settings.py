"""Tasks on the same images under settings that are in no order, such as those of a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .corruptions import Corruptions
from .kind import Line

if TYPE_CHECKING:
    from ..task import Task


class Settings(Corruptions):
    """Accuracy under each setting, under all settings of a light, and under all: `Corruptions` without severities.

    The number of a condition tells settings apart and does not say which is stronger, so that no curve is drawn
    through them. An image is resampled with all its settings, as one is with all its corruptions.
    """

    name = "settings"
    views = ()
    in_gallery = False
    for_plugins = False

    def lines(self, task: Task) -> list[Line]:
        """Accuracy under all settings, and under those of each light."""
        names = list(dict.fromkeys(condition.name for condition in task.conditions))
        return [Line("overall", "top1"), *(Line(name, "top1", part=True) for name in names)]


KIND = Settings()
