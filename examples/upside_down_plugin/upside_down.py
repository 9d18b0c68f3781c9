"""A task of your own as an installed package: the micro-world upside down.

pip install ./examples/upside_down_plugin
bench run --model vito --task micro-val --task upside-down
"""

from collections.abc import Sequence

import numpy as np

from vitobench.identity import digest
from vitobench.tasks import kinds
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.source import LoadFailure
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.task import Condition, Task

task = Task(
    name="upside-down",
    title="Upside down",
    version=1,
    kind=kinds.SHIFT,
    world="microworld",
    label_space="microworld-16",
    dataset="",
    images=500,
    conditions=(Condition("upside-down"),),
    clean="micro-val",
    citation="an example of vitobench",
)


class UpsideDown(MicroSet):
    """The clean images turned by 180 degrees. They keep their ids, by which they are paired with the clean ones."""

    def load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None = None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """uint8 (n, size, size, 3), and which failed."""
        images, failed = super().load(indices, geometry, condition)
        return np.ascontiguousarray(images[:, ::-1, ::-1]), failed

    @property
    def digest(self) -> str:
        """Changes whenever a pixel or a label could."""
        return digest(["upside down 1", super().digest])


def open(limit: int | None, seed: int) -> UpsideDown:
    """Called with ``--limit`` (or the task's number of images) and ``--seed``."""
    return UpsideDown("val", limit or 500, seed)
