"""The tasks and suites by name. Importing this loads no numerical library."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import unknown_name
from .corruptions import CORRUPTIONS, FAMILIES, SEVERITIES
from .task import Condition, Task

CLEAN = (Condition("clean"),)
_ALL_CORRUPTIONS = tuple(Condition(name, severity) for name in CORRUPTIONS for severity in SEVERITIES)
_IMAGENET_C = "Hendrycks & Dietterich, Benchmarking Neural Network Robustness, ICLR 2019 (arXiv 1903.12261)"
_MICRO = "a procedural world of 16 object classes, defined by this project"


def _micro(name: str, title: str, kind: str, images: int, **more: object) -> Task:
    defaults: dict[str, object] = {
        "version": 1,
        "world": "microworld",
        "label_space": "microworld-16",
        "conditions": CLEAN,
        "clean": None if kind == "clean" else "micro-val",
        "citation": _MICRO,
    }
    return Task(name=name, title=title, kind=kind, images=images, **(defaults | more))  # type: ignore[arg-type]


def _shift(word: str, title: str, notes: str) -> Task:
    return _micro(
        f"micro-{word}",
        title,
        "shift",
        1000,
        dataset=f"microworld/{word}",
        conditions=(Condition(word),),
        notes=notes,
    )


_TASKS = (
    _micro("micro-val", "Micro-world, clean", "clean", 1000, dataset="microworld/val"),
    _micro(
        "micro-c",
        "Micro-C",
        "corruptions",
        480,
        dataset="microworld/val",
        conditions=_ALL_CORRUPTIONS,
        metric="mce",
        reference="supervised",
        families=FAMILIES,
        citation=_IMAGENET_C,
        notes="ImageNet-C's 15 corruptions with the constants of Tiny ImageNet-C at 64 pixels, drawn on the fly, "
        "without the JPEG save of the published sets. Corruption errors are normalised by the model 'supervised' on "
        "the same images, as ImageNet-C's are by AlexNet.",
    ),
    _shift("viewpoints", "New viewpoints", "Seen from above or far below, rolled and tilted as no training clip is."),
    _shift("backgrounds", "New backgrounds", "Families of background that no training clip shows."),
    _shift("light", "New light", "Coloured, dim and low light; training clips have daylight from above."),
    _shift("occlusion", "Occlusion", "Two occluders in every image, larger than in training."),
    _micro(
        "micro-cue-conflict",
        "Cue conflict",
        "cue-conflict",
        1200,
        dataset="microworld/cue-conflict",
        conditions=(Condition("cue-conflict"),),
        metric="shape_bias",
        citation="Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019 (arXiv 1811.12231)",
        notes="The shape of one class in the texture of another. Shape bias is the share of shape decisions among the "
        "decisions for either cue, pooled over trials.",
    ),
    Task(
        name="imagenet-val",
        title="ImageNet, clean",
        version=1,
        kind="clean",
        world="photographs",
        label_space="imagenet-1k",
        dataset="imagenet",
        images=None,
        conditions=CLEAN,
        citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
    ),
    Task(
        name="imagenet-c",
        title="ImageNet-C on the fly",
        version=1,
        kind="corruptions",
        world="photographs",
        label_space="imagenet-1k",
        dataset="imagenet",
        images=None,
        conditions=_ALL_CORRUPTIONS,
        clean="imagenet-val",
        metric="mce",
        reference="alexnet",
        families=FAMILIES,
        citation=_IMAGENET_C,
        notes="Drawn on the fly on the model's own resize and crop, without the JPEG save of the published folders: "
        "not comparable with published mCE to better than a few points. Errors are normalised by AlexNet's published "
        "ones on the 50,000 validation images, whatever photographs are used here.",
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in _TASKS}


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
            "Clean accuracy, ImageNet-C's corruptions, natural shifts and shape bias",
            tuple(TASKS),
            (
                ("micro-val", "overall", "top1"),
                ("micro-c", "overall", "mce"),
                ("micro-cue-conflict", "overall", "shape_bias"),
                ("imagenet-val", "overall", "top1"),
                ("imagenet-c", "overall", "mce"),
            ),
        ),
        Suite(
            "shape-bias",
            "Shape against texture on cue-conflict images",
            ("micro-val", "micro-cue-conflict"),
            (("micro-cue-conflict", "overall", "shape_bias"),),
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
