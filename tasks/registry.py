"""The tasks and suites by name. Importing this loads no numerical library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from ..errors import VitobenchError, unknown_name
from ..plugins import added
from . import kinds, plugin_tasks
from .corruptions.record import Collection
from .corruptions.registry import CORRUPTIONS, PUBLISHED
from .datasets.microworld import corrupted
from .datasets.protocols import graded, photographs
from .datasets.registry import DATA_SET_TASKS, by_name
from .task import Task


def _of_collection(collection: Collection) -> Iterator[Task]:
    """Its corruptions on the micro-world and on photographs of ImageNet."""
    names = [corruption.name for corruption in CORRUPTIONS.values() if corruption.collection == collection]
    facts: dict[str, Any] = {"conditions": graded(names), "citation": collection.citation}
    yield corrupted(f"micro-{collection.name}", f"Micro-world, {collection.title}", **facts)
    title = f"ImageNet, {collection.title}"
    yield photographs(kinds.CORRUPTIONS, f"imagenet-{collection.name}", title, dataset="imagenet", **facts)


_COLLECTIONS = dict.fromkeys(c.collection for c in CORRUPTIONS.values() if c.collection not in PUBLISHED)
"""Those without tasks of their own."""

TASKS: dict[str, Task] = by_name(
    (
        *DATA_SET_TASKS,
        *chain.from_iterable(map(_of_collection, _COLLECTIONS)),
        *chain.from_iterable(added(kinds.__name__, "TASKS")),
    )
)
"""Those of vitobench itself; `all_tasks` and `find_task` also know those of plugins."""

_SECOND_LOOKS = (
    "imagenet-c-raw",
    "imagenet-c-extra",
    "imagenet-a-1000",
    "imagenet-r-1000",
    "imagenet-x-multi",
    "laion-c-1000",
)
"""Variants of tasks that a suite already has; run on request only."""


@dataclass(frozen=True)
class Aggregate:
    """The one number by which a suite ranks models: the mean over tasks, each with the same weight.

    A mean needs one scale, so every task enters with the same sort of number, even where its own main number is another
    (mCE, which is a ratio). Tasks that show the same images in another form, or that only repeat others, do not count
    twice. Every world is ranked for itself.

    Attributes:
        about: What the mean is, in words that follow "by".
        members: Task names; forms of the same task in one entry, of which one counts.
        metrics: Metrics in order; a task enters with the first that it measures as a whole.
    """

    about: str
    members: tuple[tuple[str, ...], ...]
    metrics: tuple[str, ...] = ("top1",)


@dataclass(frozen=True)
class Suite:
    """Tasks that belong together, and the numbers to quote for them.

    Attributes:
        name: What the user types.
        description: One line.
        tasks: Names, in the order of the report. A model is run on those in its label space.
        headline: (task, condition, metric) of the numbers to quote; one with missing values is refused, not averaged.
        images: Images of a task where the suite takes another number than the task says.
        aggregate: By what models are ranked over the tasks; None where no mean of them would say anything.
    """

    name: str
    description: str
    tasks: tuple[str, ...]
    headline: tuple[tuple[str, str, str], ...]
    images: Mapping[str, int] = field(default_factory=dict, hash=False)
    aggregate: Aggregate | None = None

    def declared(self, name: str) -> Task:
        """A task as this suite runs it."""
        task = get_task(name)
        return replace(task, images=self.images.get(name, task.images))


_SHIFTS = ("micro-viewpoints", "micro-backgrounds", "micro-light", "micro-occlusion")
_RENDERED = ("micro-val", "micro-c", "micro-c-bar", "micro-3dcc", "micro-vid-robust", *_SHIFTS)

_PHOTOGRAPHED = (
    ("imagenet-val",),
    ("imagenet-c-folders", "imagenet-c"),
    ("imagenet-c-bar-folders", "imagenet-c-bar"),
    ("imagenet-3dcc-folders", "imagenet-3dcc"),
    ("laion-c-folders", "laion-c"),
    ("imagenet-a",),
    ("imagenet-r",),
    ("imagenet-v2-matched-frequency",),
    ("imagenet-sketch",),
    ("objectnet",),
    ("imagenet-vid-robust",),
    ("ytbb-robust",),
)

_CORRUPTED = (
    "micro-c",
    "micro-c-bar",
    "micro-3dcc",
    "micro-laion-c",
    "imagenet-c",
    "imagenet-c-extra",
    "imagenet-c-bar",
    "imagenet-3dcc",
    "laion-c",
)

_ACCURACY = Aggregate(
    "mean accuracy over tasks (of corruptions: over all conditions; of video: on all frames around an anchor, pm-10)",
    (*((name,) for name in (*_RENDERED, "micro-laion-c", "micro-a")), *_PHOTOGRAPHED),
    ("pm10", "top1"),
)

_MANY = 2000
"""Images for claims about methods: few enough for dozens of runs, and enough to detect two points of accuracy."""

_MANY_FRAMES = 320 * 21
"""Frames of as many clips: with 60 of them, differences under about five points are not detectable."""

_SCENES = 120
"""Objects and scenes where a model is asked for features alone: half of what the suite `understanding` asks."""

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "robustness",
            "Clean accuracy, corruptions, 3D corruptions, video, natural shifts and shape bias",
            tuple(
                name
                for name, task in TASKS.items()
                if name not in _SECOND_LOOKS and not (task.kind.together or task.kind.numbers or task.shifted)
            ),
            (
                ("micro-val", "overall", "top1"),
                ("micro-c", "overall", "mce"),
                ("micro-cue-conflict", "overall", "shape_bias"),
                ("imagenet-val", "overall", "top1"),
                ("imagenet-c", "overall", "mce"),
            ),
            aggregate=_ACCURACY,
        ),
        Suite(
            "corruptions",
            "Clean accuracy and every collection of corruptions, drawn on the fly",
            (
                "micro-val",
                "micro-c",
                "micro-c-bar",
                "micro-3dcc",
                "micro-laion-c",
                "imagenet-val",
                "imagenet-c",
                "imagenet-c-raw",
                "imagenet-c-extra",
                "imagenet-c-bar",
                "imagenet-3dcc",
                "laion-c-clean",
                "laion-c",
            ),
            (("micro-c", "overall", "mce"), ("imagenet-c", "overall", "mce")),
            aggregate=Aggregate(
                "mean accuracy over collections of corruptions, each over all its conditions",
                tuple((name,) for name in _CORRUPTED),
            ),
        ),
        Suite(
            "shape-bias",
            "Shape against texture on cue-conflict images",
            ("micro-val", "micro-cue-conflict"),
            (("micro-cue-conflict", "overall", "shape_bias"),),
            aggregate=Aggregate("shape bias", (("micro-cue-conflict",),), ("shape_bias",)),
        ),
        Suite(
            "human-alignment",
            "Accuracy, error consistency and shape bias against people, or simulated observers in the micro-world",
            tuple(task.name for task in DATA_SET_TASKS if task.kind.together),
            tuple(
                (name, "overall", metric)
                for world in ("micro-alignment", "alignment")
                for name, metric in (
                    (world, "accuracy"),
                    (world, "error_consistency"),
                    (f"{world}-cue-conflict", "shape_bias"),
                )
            ),
            aggregate=Aggregate(
                "mean error consistency over data sets",
                tuple((task.name,) for task in DATA_SET_TASKS if task.kind.together),
                ("error_consistency",),
            ),
        ),
        Suite(
            "similarity",
            "Features against people's judgements of similarity, or simulated observers' in the micro-world",
            tuple(task.name for task in DATA_SET_TASKS if task.kind.by_features),
            tuple((task.name, "cosine", task.metric) for task in DATA_SET_TASKS if task.kind.by_features),
        ),
        Suite(
            "understanding",
            "What features know: objects that are followed through clips, classes of pixels and of images, what moves "
            "how, points found again, depth, and boxes of objects",
            tuple(task.name for task in DATA_SET_TASKS if task.protocol is not None),
            (
                ("micro-davis", "overall", "j_and_f"),
                ("micro-segmentation", "overall", "miou"),
                ("micro-segmentation-linear", "overall", "miou"),
                ("micro-detection", "overall", "ap"),
                ("davis-2017", "overall", "j_and_f"),
                ("pascal-voc", "overall", "miou"),
                ("pascal-voc-linear", "overall", "miou"),
                ("ade20k", "overall", "miou"),
                ("ade20k-linear", "overall", "miou"),
                ("micro-classification", "overall", "linear_accuracy"),
                ("coco", "overall", "ap"),
                ("lvis", "overall", "ap"),
                ("micro-actions", "overall", "ordered_accuracy"),
                ("micro-arrow", "overall", "ordered_accuracy"),
                ("micro-correspondence", "overall", "pck_points"),
                ("micro-semantic-correspondence", "overall", "pck_points"),
                ("micro-depth", "overall", "depth_within_125"),
            ),
        ),
        Suite(
            "claims",
            "The tasks that test the claims of VITO's paper in the micro-world: more images, for methods of several "
            "runs",
            (
                "micro-val",
                "micro-c",
                "micro-c-bar",
                "micro-3dcc",
                "micro-vid-robust",
                *_SHIFTS,
                "micro-cue-conflict",
                *(task.name for task in DATA_SET_TASKS if task.kind.together and task.world == "microworld"),
            ),
            (
                ("micro-val", "overall", "top1"),
                ("micro-c", "overall", "top1"),
                ("micro-cue-conflict", "overall", "shape_bias"),
            ),
            {**dict.fromkeys(("micro-val", *_SHIFTS, "micro-cue-conflict"), _MANY), "micro-vid-robust": _MANY_FRAMES},
            aggregate=replace(_ACCURACY, members=tuple((name,) for name in _RENDERED)),
        ),
        Suite(
            "claims-understanding",
            "What features of several runs of a method know besides classes, in the micro-world",
            ("micro-davis", "micro-segmentation", "micro-actions", "micro-arrow"),
            (("micro-davis", "overall", "j_and_f"), ("micro-segmentation", "overall", "miou")),
            dict.fromkeys(("micro-davis", "micro-segmentation"), _SCENES),
        ),
    )
}


def get_task(name: str) -> Task:
    """A task by name.

    Raises:
        UnknownNameError: With the nearest names.
        PluginError: It belongs to a plugin that fails.
    """
    task = TASKS[name] if name in TASKS else plugin_tasks.declaration(name, TASKS)
    if task is None:
        raise unknown_name("task", name, all_tasks())
    return task


def find_task(name: str) -> Task | None:
    """A task by name; None where there is none, or its plugin cannot be used."""
    try:
        return get_task(name)
    except VitobenchError:
        return None


def all_tasks() -> dict[str, Task]:
    """Every task that can be used, by name: vitobench's own, then those of plugins."""
    return TASKS | {task.name: task for _, task, _ in plugin_tasks.listed(TASKS) if task is not None}


def get_suite(name: str) -> Suite:
    """A suite by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in SUITES:
        raise unknown_name("suite", name, SUITES)
    return SUITES[name]
