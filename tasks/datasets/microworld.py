"""The micro-world: for each benchmark a twin that is rendered, runs offline in minutes and needs no download."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import kinds
from ..alignment.experiments import ALIGNMENT_SETS, MICRO, MICRO_ALIGNMENT_SETS
from ..corruptions import CORRUPTIONS, FAMILIES
from ..corruptions.imagenet_3dcc import CORRUPTIONS_3D, FAMILIES_3D
from ..corruptions.imagenet_c_bar import CORRUPTIONS_BAR
from ..corruptions.laion_c import CORRUPTIONS_LAION
from ..microworld.vocabulary import GENERATOR_VERSION
from ..saliency.protocol import MASKS
from ..task import Condition, Task
from .protocols import (
    C_BAR_PAPER,
    CLEAN,
    CUE_CONFLICT_PAPER,
    IMAGENET_A_PAPER,
    IMAGENET_C_PAPER,
    LAION_C_PAPER,
    THREE_D_PAPER,
    VID_ROBUST_PAPER,
    graded,
    map_tasks,
    stimuli,
)
from .record import DataSet, RenderedForm

if TYPE_CHECKING:
    from ..images.source import ImageSource

_CLASSES = "microworld-16"
OURS = "a procedural world of 16 object classes, defined by this project"
"""What the sets and tasks of the micro-world cite."""


def _plain(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import MicroSet

    return MicroSet(name, length, seed)


def _hard(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import HardSet

    return HardSet(length)


def _video(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import MicroVideo

    return MicroVideo(length, seed)


def _stimuli(name: str, length: int, seed: int) -> ImageSource:
    from ..alignment.micro_stimuli import AlignmentStimuli

    return AlignmentStimuli(name, length, seed)


def micro_set(place: str, title: str, render: Callable[[str, int, int], ImageSource], *tasks: Task) -> DataSet:
    """A set of the micro-world.

    Args:
        place: Its name after ``microworld/``.
        title: Its name for people.
        render: Gives the set, from its own name, the number of images and the seed.
        tasks: Its tasks.
    """
    return DataSet(
        name=f"microworld/{place}",
        title=title,
        page="docs/microworld.md",
        files=(),
        licence="Apache-2.0",
        citation=OURS,
        form=RenderedForm(tasks[0].label_space, partial(render, place.rpartition("/")[2])),
        tasks=tasks,
    )


def micro_task(name: str, title: str, kind: kinds.Kind, images: int, **more: Any) -> Task:
    """A task of the micro-world; its version is that of the generator.

    Args:
        name: What the user types.
        title: Heading in tables.
        kind: What is stored and measured.
        images: How many are asked.
        more: Other fields of `Task`.
    """
    usual: dict[str, Any] = {
        "version": GENERATOR_VERSION,  # so that predictions for another world are recognised as old
        "world": "microworld",
        "label_space": _CLASSES,
        "dataset": "",
        "conditions": CLEAN,
        "clean": None if kind is kinds.CLEAN else "micro-val",
    }
    return Task(name=name, title=title, kind=kind, images=images, **(usual | more))


def corrupted(name: str, title: str, **more: object) -> Task:
    """Corruptions of the clean images; the plain mean is reported.

    Args:
        name: What the user types.
        title: Heading in tables.
        more: Other fields of `Task`.
    """
    return micro_task(name, title, kinds.CORRUPTIONS, 320, dataset="microworld/val", **more)


def _shift(word: str, title: str, notes: str) -> DataSet:
    conditions = (Condition(word),)
    task = micro_task(f"micro-{word}", title, kinds.SHIFT, 1000, conditions=conditions, notes=notes)
    return micro_set(word, title, _plain, task)


def _twin(experiment: str) -> DataSet:
    task = stimuli(
        f"{MICRO}alignment-{experiment}",
        ALIGNMENT_SETS[experiment],
        "against simulated observers",
        version=GENERATOR_VERSION,
        world="microworld",
        label_space=_CLASSES,
        notes="The distortion of the experiment with people, applied to scenes of the micro-world. The observers that "
        "models are compared with are simulated: they see as much as a stimulus shows, measured from its pixels, with "
        "noise of stated strength. They test the method and are no people.",
    )
    return micro_set(f"alignment/{experiment}", task.title, _stimuli, task)


DATA_SETS = (
    micro_set(
        "val",
        "Micro-world, clean",
        _plain,
        micro_task("micro-val", "Micro-world, clean", kinds.CLEAN, 1000),
        micro_task(
            "micro-c",
            "Micro-C",
            kinds.CORRUPTIONS,
            480,
            conditions=graded(CORRUPTIONS),
            metric="mce",
            reference="supervised",
            families=FAMILIES,
            citation=IMAGENET_C_PAPER,
            notes="ImageNet-C's 15 corruptions with the constants of Tiny ImageNet-C at 64 pixels, drawn on the fly, "
            "without the JPEG save of the published sets. Corruption errors are normalised by the model 'supervised' "
            "on the same images, as ImageNet-C's are by AlexNet.",
        ),
        micro_task(
            "micro-c-bar",
            "Micro-C-bar",
            kinds.CORRUPTIONS,
            320,
            conditions=graded(CORRUPTIONS_BAR),
            citation=C_BAR_PAPER,
            notes="ImageNet-C-bar's 10 corruptions, chosen by its authors to be unlike ImageNet-C's; drawn at 64 "
            "pixels, where every length is the same share of the image as at 224. As its authors do, the plain mean "
            "is reported.",
        ),
        micro_task(
            "micro-3dcc",
            "Micro-3DCC",
            kinds.CORRUPTIONS,
            160,
            conditions=graded(CORRUPTIONS_3D),
            metric="mce",
            reference="supervised",
            families=FAMILIES_3D,
            citation=THREE_D_PAPER,
            notes="ImageNet-3DCC's 12 corruptions, written anew from the paper (docs/corruptions-3d.md says where "
            "they are approximate), from the exact depth of every picture. Corruption errors are normalised as in "
            "Micro-C.",
        ),
        micro_task(
            "micro-laion-c",
            "Micro-LAION-C",
            kinds.CORRUPTIONS,
            160,
            conditions=graded(CORRUPTIONS_LAION),
            citation=LAION_C_PAPER,
            notes="LAION-C's 6 distortions, written anew (docs/corruptions-laion-c.md says where they differ), "
            "drawn at 64 pixels, where lengths are the same share of the image as at 224. As its authors do, the plain "
            "mean is reported.",
        ),
        *map_tasks(
            "micro-saliency",
            "Micro-world",
            MASKS,
            version=GENERATOR_VERSION,
            world="microworld",
            label_space=_CLASSES,
            dataset="",
            images=480,
            citation=OURS,
        ),
    ),
    micro_set(
        "hard",
        "Micro-A",
        _hard,
        micro_task(
            "micro-a",
            "Micro-A",
            kinds.SHIFT,
            212,
            conditions=(Condition("hard"),),
            citation=IMAGENET_A_PAPER,
            notes="The first ordinary photographs that two supervised networks both got wrong. Neither is shipped; "
            "they differ from the model 'supervised' in the seed alone. So no model scores 0 by construction.",
        ),
    ),
    micro_set(
        "vid-robust",
        "Micro-Vid-Robust",
        _video,
        micro_task(
            "micro-vid-robust",
            "Micro-Vid-Robust",
            kinds.VIDEO,
            1260,
            conditions=(Condition("frames"),),
            metric="pm10",
            citation=VID_ROBUST_PAPER,
            notes="60 clips (320 in the suite `claims`) as their cameras film them, each with an anchor and the ten "
            "frames before and after it, 25 a second. pm0 is the accuracy on anchors; pm10 asks for the anchor and "
            "every neighbour.",
        ),
    ),
    _shift("viewpoints", "New viewpoints", "Seen from above or far below, rolled and tilted as no training clip is."),
    _shift("backgrounds", "New backgrounds", "Families of background that no training clip shows."),
    _shift("light", "New light", "Coloured, dim and low light; training clips have daylight from above."),
    _shift("occlusion", "Occlusion", "Two occluders in every image, larger than in training."),
    micro_set(
        "cue-conflict",
        "Cue conflict",
        _plain,
        micro_task(
            "micro-cue-conflict",
            "Cue conflict",
            kinds.CUE_CONFLICT,
            1200,
            conditions=(Condition("cue-conflict"),),
            metric="shape_bias",
            citation=CUE_CONFLICT_PAPER,
            notes="The shape of one class in the texture of another. Shape bias is the share of shape decisions among "
            "the decisions for either cue, pooled over trials.",
        ),
    ),
    *(_twin(name.removeprefix(MICRO)) for name in MICRO_ALIGNMENT_SETS),
)
