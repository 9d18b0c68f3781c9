"""Tasks of human alignment: the stimuli of model-vs-human, and their twins in the micro-world."""

from __future__ import annotations

from .. import kinds
from ..alignment.datasets import MEAN, MICRO
from ..task import Condition, Task

_PAPER = (
    "Geirhos et al., Partial success in closing the gap between human and machine vision, NeurIPS 2021 "
    "(arXiv 2106.07411)"
)
_SHAPE_PAPER = "Geirhos et al., ImageNet-trained CNNs are biased towards texture, ICLR 2019 (arXiv 1811.12231)"
_ONE_CELL = (Condition("stimuli"),)

_TITLES = {
    "colour": "Colour",
    "contrast": "Contrast",
    "high-pass": "High-pass",
    "low-pass": "Low-pass",
    "phase-scrambling": "Phase scrambling",
    "power-equalisation": "Power equalisation",
    "false-colour": "False colour",
    "rotation": "Rotation",
    "eidolonI": "Eidolon I",
    "eidolonII": "Eidolon II",
    "eidolonIII": "Eidolon III",
    "uniform-noise": "Uniform noise",
    "cue-conflict": "Cue conflict",
    "edge": "Edge",
    "silhouette": "Silhouette",
    "sketch": "Sketch",
    "stylized": "Stylized",
}
"""By data set, in the authors' order; the keys are those of `alignment.datasets.ALIGNMENT_SETS`."""

_NO_TWIN = ("sketch", "stylized")


def _task(name: str, data_set: str, title: str, **more: object) -> Task:
    conflict = data_set == "cue-conflict"
    values: dict[str, object] = {
        "version": 1,
        "images": None,
        "conditions": _ONE_CELL,
        "metric": "shape_bias" if conflict else "error_consistency",
        "citation": f"{_PAPER}; {_SHAPE_PAPER}" if conflict else _PAPER,
        "on_disk": False,
    }
    return Task(name=name, title=title, kind=kinds.ALIGNMENT, **(values | more))  # type: ignore[arg-type]


_PHOTOGRAPHS = tuple(
    _task(
        f"alignment-{name}",
        name,
        f"{title}, against people",
        world="photographs",
        label_space="imagenet-1k",
        answers="entry-level-16",
        dataset=f"model-vs-human/{name}",
        notes="Each stimulus is shown in one condition. A model's decision is the category with the largest mean "
        "probability over its classes of ImageNet. Published stimuli of 224 pixels are not resized for a model that "
        "wants 224.",
    )
    for name, title in _TITLES.items()
)

_MICRO = tuple(
    _task(
        f"micro-alignment-{name}",
        name,
        f"{title}, against simulated observers",
        world="microworld",
        label_space="microworld-16",
        dataset=f"microworld/alignment/{name}",
        notes="The distortion of the experiment with people, applied to scenes of the micro-world. The observers that "
        "models are compared with are simulated: they see what was rendered, with noise of stated strength. They test "
        "the method and are no people.",
    )
    for name, title in _TITLES.items()
    if name not in _NO_TWIN
)

ALIGNMENT_TASKS = (*_MICRO, *_PHOTOGRAPHS)


def data_set_of(task: Task) -> str:
    """Name of the data set that a task of human alignment asks about: ``"contrast"``, ``"micro-contrast"``."""
    name = task.dataset.rpartition("/")[2]
    return f"{MICRO}{name}" if task.world == "microworld" else name


def mean_of(world: str) -> str:
    """What the mean over all data sets of a world is called in scores."""
    return f"{MICRO}{MEAN}" if world == "microworld" else MEAN
