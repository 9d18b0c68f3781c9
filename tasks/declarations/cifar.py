"""CIFAR-10-C and CIFAR-100-C, for classifiers of these classes."""

from __future__ import annotations

from .. import kinds
from ..corruptions import CORRUPTIONS, FAMILIES
from ..task import Task
from .common import IMAGENET_C_PAPER, graded


def _task(name: str, title: str, label_space: str) -> Task:
    return Task(
        name=name,
        title=title,
        version=1,
        kind=kinds.CORRUPTIONS,
        world="photographs",
        label_space=label_space,
        dataset=name,
        images=None,
        conditions=graded(CORRUPTIONS),
        families=FAMILIES,
        citation=IMAGENET_C_PAPER,
        notes="The published numpy files, 10,000 images of 32 pixels under each condition, in the model's own resize "
        "and crop. The plain mean is reported: no reference is published.",
        on_disk=True,
    )


CIFAR_TASKS = (
    _task("cifar-10-c", "CIFAR-10-C", "cifar-10"),
    _task("cifar-100-c", "CIFAR-100-C", "cifar-100"),
)
