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
from ..kinds.actions import KIND as ACTIONS_KIND
from ..kinds.actions import ORDERED
from ..kinds.classification import KIND as CLASSIFICATION
from ..kinds.classification import LINEAR_ACCURACY
from ..kinds.correspondence import KIND as CORRESPONDENCE
from ..kinds.correspondence import PCK
from ..kinds.depth import KIND as DEPTH
from ..kinds.depth import WITHIN
from ..kinds.detection import AP
from ..kinds.detection import KIND as DETECTION
from ..kinds.segmentation import KIND as SEGMENTATION
from ..kinds.segmentation import MIOU
from ..kinds.segmentation_linear import KIND as LINEAR_SEGMENTATION
from ..kinds.video_objects import J_AND_F
from ..kinds.video_objects import KIND as VIDEO_OBJECTS
from ..microworld.vocabulary import ACTIONS, CLASSES, GAPS, GENERATOR_VERSION, PLAYED, SCENE_CLASSES
from ..saliency.protocol import MASKS
from ..task import Condition, Task
from ..understanding.actions import Recognising
from ..understanding.classification import Classifying
from ..understanding.correspondence import Matching
from ..understanding.depth import OBJECT, WHOLE, Probing
from ..understanding.detection import Detecting
from ..understanding.pixel_head import LinearHead
from ..understanding.propagation import Propagation
from ..understanding.retrieval import Retrieval
from ..understanding.segmentation import ClassesOfPixels
from ..understanding.training import Training
from ..understanding.video_objects import Carrying
from .protocols import (
    C_BAR_PAPER,
    CLEAN,
    CUE_CONFLICT_PAPER,
    DAVIS_2017_PAPER,
    DINO_PAPER,
    DINOV2_PAPER,
    FCOS_PAPER,
    HUMMINGBIRD_PAPER,
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
_LEARNING = 4096
"""Training photographs from which heads learn, as many as `bench probe` takes."""
_OURS = "a procedural world of 16 object classes, defined by this project"


def _plain(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import MicroSet

    return MicroSet(name, length, seed)


def _hard(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import HardSet

    return HardSet(length)


def _video(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import MicroVideo

    return MicroVideo(length, seed)


def _object_clips(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.object_clips import MicroObjectClips

    return MicroObjectClips(length, seed)


def _actions(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.action_clips import MicroActions

    return MicroActions(length, seed)


def _arrow(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.action_clips import MicroArrow

    return MicroArrow(length, seed)


def _labelled(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.labelled_scenes import MicroLabelledScenes

    return MicroLabelledScenes(length, seed)


def _pairs(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.point_pairs import MicroPairs

    return MicroPairs(length, seed)


def _classes(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import MicroSet
    from ..readers.learning import LabelledImages

    return LabelledImages("microworld/classes", MicroSet("val", length, seed), MicroSet("train", _LEARNING, seed))


def _boxed(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.object_scenes import MicroObjectScenes

    return MicroObjectScenes(length, seed)


def _stimuli(name: str, length: int, seed: int) -> ImageSource:
    from ..alignment.micro_stimuli import AlignmentStimuli

    return AlignmentStimuli(name, length, seed)


def _set(place: str, title: str, render: Callable[[str, int, int], ImageSource], *tasks: Task) -> DataSet:
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
        citation=_OURS,
        form=RenderedForm(tasks[0].label_space, partial(render, place.rpartition("/")[2])),
        tasks=tasks,
    )


def _task(name: str, title: str, kind: kinds.Kind, images: int, **more: Any) -> Task:
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
    return _task(name, title, kinds.CORRUPTIONS, 320, dataset="microworld/val", **more)


def _shift(word: str, title: str, notes: str) -> DataSet:
    conditions = (Condition(word),)
    task = _task(f"micro-{word}", title, kinds.SHIFT, 1000, conditions=conditions, notes=notes)
    return _set(word, title, _plain, task)


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
    return _set(f"alignment/{experiment}", task.title, _stimuli, task)


def _moving(name: str, title: str, classes: tuple[str, ...], notes: str) -> Task:
    return _task(
        f"micro-{name}",
        title,
        ACTIONS_KIND,
        300,
        label_space="none",
        conditions=(Condition("clips"),),
        clean=None,
        metric=ORDERED,
        citation=_OURS,
        notes=f"{notes} 9 frames at 64 pixels; heads are fitted to 720 clips of the set train.",
        protocol=Recognising(classes, within=8, stride=8),
    )


def _pixels(name: str, way: str, kind: kinds.Kind, protocol: ClassesOfPixels, citation: str, learned: str) -> Task:
    return _task(
        name,
        f"Micro-segmentation, {way}",
        kind,
        240,
        label_space="none",
        conditions=(Condition("scenes"),),
        clean=None,
        metric=MIOU,
        citation=citation,
        notes=f"240 scenes of one to four objects at 128 pixels, with 16 classes and the background. {learned} "
        "Networks with stages are read at the last stage whose own stride is 8 or less.",
        protocol=protocol,
    )


_NEAR = Propagation(radius=4)
_CARRYING = Carrying(within=8, stride=8, shorter=0, patches=_NEAR, stages=_NEAR, soft=True)

_DETECTING = Detecting(
    CLASSES,
    within=8,
    stride=8,
    limits=(16.0, 48.0),
    training=Training(side=128, finest=8, levels=2, images=320, detections=50),
)
"""COCO's limits of 32 and 96 pixels are for photographs of 640; these part the objects of a frame in thirds, about."""

DATA_SETS = (
    _set(
        "val",
        "Micro-world, clean",
        _plain,
        _task("micro-val", "Micro-world, clean", kinds.CLEAN, 1000),
        _task(
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
        _task(
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
        _task(
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
        _task(
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
            citation=_OURS,
        ),
    ),
    _set(
        "hard",
        "Micro-A",
        _hard,
        _task(
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
    _set(
        "vid-robust",
        "Micro-Vid-Robust",
        _video,
        _task(
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
    _set(
        "cue-conflict",
        "Cue conflict",
        _plain,
        _task(
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
    _set(
        "classes",
        "Micro-world, training photographs and others",
        _classes,
        _task(
            "micro-classification",
            "Micro-classification, frozen features",
            CLASSIFICATION,
            1000,
            label_space="none",
            conditions=(Condition("images"),),
            clean=None,
            metric=LINEAR_ACCURACY,
            citation=DINO_PAPER,
            notes="Heads on frozen features, fitted to 4,096 photographs of the set train: the 20 nearest neighbours, "
            "and a linear classifier that sees all of them, a tenth (416) or a hundredth (48).",
            protocol=Classifying(16, shares=(0.1, 0.01)),
        ),
    ),
    _set(
        "objects",
        "Micro-DAVIS",
        _object_clips,
        _task(
            "micro-davis",
            "Micro-DAVIS, masks carried",
            VIDEO_OBJECTS,
            240,
            label_space="none",
            conditions=(Condition("clips"),),
            clean=None,
            metric=J_AND_F,
            citation=DAVIS_2017_PAPER,
            notes="240 objects in filmed clips of the set val: 12 frames, 0.2 s apart, at 128 pixels, with every "
            "object that covers a hundredth of the first frame. Networks with stages are read at the last stage whose "
            "own stride is 8 or less. Context, neighbours and temperature are DINO's; the window is 4 cells.",
            protocol=_CARRYING,
        ),
    ),
    _set(
        "scenes",
        "Micro-segmentation",
        _labelled,
        _pixels(
            "micro-segmentation",
            "by retrieval",
            SEGMENTATION,
            Retrieval(SCENE_CLASSES, side=128, within=8, stride=8),
            HUMMINGBIRD_PAPER,
            "The memory is made of all cells of 160 training scenes.",
        ),
        _pixels(
            "micro-segmentation-linear",
            "by a linear head",
            LINEAR_SEGMENTATION,
            LinearHead(SCENE_CLASSES, side=128, within=8, stride=8),
            DINOV2_PAPER,
            "A linear head is fitted to all cells of 160 training scenes; its learning rate is chosen on every fifth.",
        ),
        _task(
            "micro-depth",
            "Micro-depth, linear probe",
            DEPTH,
            240,
            label_space="none",
            conditions=(Condition("scenes"),),
            clean=None,
            metric=WITHIN,
            citation=_OURS,
            notes="The 240 scenes of micro-segmentation, with exact depth in radii of the largest object; the backdrop "
            "is left out. A linear probe of log depth, on each cell beside the mean of its map, is fitted to 160 "
            "training scenes. Networks with stages are read at the last stage whose own stride is 8 or less.",
            protocol=Probing((WHOLE, OBJECT), within=8, stride=8),
        ),
    ),
    _set(
        "boxes",
        "Micro-detection",
        _boxed,
        _task(
            "micro-detection",
            "Micro-detection, by FCOS",
            DETECTION,
            240,
            label_space="none",
            conditions=(Condition("scenes"),),
            clean=None,
            metric=AP,
            citation=FCOS_PAPER,
            notes="240 scenes of two to four objects at 128 pixels, of 16 classes. A light detector is trained on "
            "frozen features of 320 training scenes, for every encoder with the same budget. Objects are small up to "
            "16 x 16 pixels and large from 48 x 48. Networks with stages are read at the last stage whose own stride "
            "is 8 or less.",
            protocol=_DETECTING,
        ),
    ),
    _set(
        "actions",
        "Micro-actions",
        _actions,
        _moving(
            "actions",
            "Micro-actions, what moves how",
            ACTIONS,
            "300 clips of 50 scenes of the set val, in each of which one thing moves: the camera approaches or "
            "recedes, the object turns, or the camera circles around it. The six clips of a scene "
            "share their middle frame.",
        ),
    ),
    _set(
        "arrow",
        "Micro-arrow",
        _arrow,
        _moving(
            "arrow",
            "Micro-arrow, forwards or backwards",
            PLAYED,
            "300 clips of 150 scenes of the set val, whose motion slows down, forwards and backwards. The average of "
            "the frames is the same for both.",
        ),
    ),
    _set(
        "pairs",
        "Micro-correspondence",
        _pairs,
        _task(
            "micro-correspondence",
            "Micro-correspondence, points found again",
            CORRESPONDENCE,
            300,
            label_space="none",
            conditions=(Condition("pairs"),),
            clean=None,
            metric=PCK,
            citation=_OURS,
            notes="300 pairs: the first frame of 100 filmed clips of the set val with those after 0.2, 1.28 and 2.56 "
            "s, at 128 pixels. Up to 64 points of the object that are seen in both; each is taken to be at the most "
            "similar cell of the whole second frame. Networks with stages are read at the last stage whose own stride "
            "is 8 or less.",
            protocol=Matching(tuple(f"{gap:g} s" for gap in GAPS), listed=True, longer=0, within=8, stride=8),
        ),
    ),
    *(_twin(name.removeprefix(MICRO)) for name in MICRO_ALIGNMENT_SETS),
)
