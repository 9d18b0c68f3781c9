"""A task of a stranger: the micro-world in a mirror."""

from vitobench.tasks import kinds
from vitobench.tasks.microworld.sets import MicroSet
from vitobench.tasks.task import Condition, Task

task = Task(
    name="mirrored",
    title="In a mirror",
    version=1,
    kind=kinds.SHIFT,
    world="microworld",
    label_space="microworld-16",
    dataset="",
    images=32,
    conditions=(Condition("mirrored"),),
    clean="micro-val",
    citation="A stranger, 2026",
)


class Mirrored(MicroSet):
    """Images and ids of the clean set, so that both are compared image by image."""

    def load(self, indices, geometry, condition=None):
        images, failed = super().load(indices, geometry, condition)
        return images[:, :, ::-1].copy(), failed

    @property
    def digest(self):
        return super().digest + "-mirrored"


def open(limit, seed):
    return Mirrored("val", limit or 32, seed)
