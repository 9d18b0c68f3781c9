"""The tasks and suites by name. Importing this loads no numerical library."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import unknown_name
from .declarations.alignment import ALIGNMENT_TASKS
from .declarations.cifar import CIFAR_TASKS
from .declarations.imagenet import IMAGENET_TASKS
from .declarations.microworld import MICRO_TASKS
from .task import Task

TASKS: dict[str, Task] = {task.name: task for task in (*MICRO_TASKS, *IMAGENET_TASKS, *CIFAR_TASKS, *ALIGNMENT_TASKS)}

_SECOND_LOOKS = ("imagenet-c-raw", "imagenet-c-extra", "imagenet-a-1000", "imagenet-r-1000")
"""Other readings of what a suite has already; on request only."""


@dataclass(frozen=True)
class Suite:
    """Tasks that belong together, and the numbers that stand for them.

    Attributes:
        name: What the user types.
        description: One line.
        tasks: Names, in the order of the report. A model takes those that ask in its label space.
        headline: (task, condition, metric) of the numbers to quote; one with a hole is refused, not averaged over.
    """

    name: str
    description: str
    tasks: tuple[str, ...]
    headline: tuple[tuple[str, str, str], ...]


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "robustness",
            "Clean accuracy, corruptions, 3D corruptions, video, natural shifts and shape bias",
            tuple(name for name, task in TASKS.items() if name not in _SECOND_LOOKS and task.kind != "alignment"),
            (
                ("micro-val", "overall", "top1"),
                ("micro-c", "overall", "mce"),
                ("micro-cue-conflict", "overall", "shape_bias"),
                ("imagenet-val", "overall", "top1"),
                ("imagenet-c", "overall", "mce"),
            ),
        ),
        Suite(
            "corruptions",
            "Clean accuracy and every collection of corruptions, drawn on the fly",
            (
                "micro-val",
                "micro-c",
                "micro-c-bar",
                "micro-3dcc",
                "imagenet-val",
                "imagenet-c",
                "imagenet-c-raw",
                "imagenet-c-extra",
                "imagenet-c-bar",
                "imagenet-3dcc",
            ),
            (("micro-c", "overall", "mce"), ("imagenet-c", "overall", "mce")),
        ),
        Suite(
            "shape-bias",
            "Shape against texture on cue-conflict images",
            ("micro-val", "micro-cue-conflict"),
            (("micro-cue-conflict", "overall", "shape_bias"),),
        ),
        Suite(
            "human-alignment",
            "Accuracy, error consistency and shape bias against people, or simulated observers in the micro-world",
            tuple(task.name for task in ALIGNMENT_TASKS),
            tuple(
                (name, "overall", metric)
                for world in ("micro-alignment", "alignment")
                for name, metric in (
                    (world, "accuracy"),
                    (world, "error_consistency"),
                    (f"{world}-cue-conflict", "shape_bias"),
                )
            ),
        ),
    )
}


def get_task(name: str) -> Task:
    """A task by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in TASKS:
        raise unknown_name("task", name, TASKS)
    return TASKS[name]


def get_suite(name: str) -> Suite:
    """A suite by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES)
    return SUITES[name]
