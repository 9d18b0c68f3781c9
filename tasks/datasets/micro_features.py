"""Twins in the micro-world of tasks that ask for features: classes, masks, boxes, depth, points and motion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import kinds
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
from ..kinds.video_objects import J_AND_F
from ..kinds.video_objects import KIND as VIDEO_OBJECTS
from ..microworld.vocabulary import ACTIONS, CLASSES, GAPS, PLAYED, POSED, SCENE_CLASSES, VIEWS
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
from .microworld import OURS, micro_set, micro_task
from .protocols import DAVIS_2017_PAPER, DINO_PAPER, DINOV2_PAPER, FCOS_PAPER, HUMMINGBIRD_PAPER
from .record import DataSet

if TYPE_CHECKING:
    from ..images.source import ImageSource

_LEARNING = 4096
"""Training photographs from which heads learn, as many as `bench probe` takes."""


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


def _instances(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.point_pairs import MicroInstances

    return MicroInstances(length, seed)


def _classes(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.sets import MicroSet
    from ..readers.learning import LabelledImages

    return LabelledImages("microworld/classes", MicroSet("val", length, seed), MicroSet("train", _LEARNING, seed))


def _boxed(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.object_scenes import MicroObjectScenes

    return MicroObjectScenes(length, seed)


def _by_features(name: str, title: str, kind: kinds.Kind, images: int, what: str, **more: Any) -> Task:
    """A task that needs no classes; its one condition is named by what is asked."""
    return micro_task(name, title, kind, images, label_space="none", conditions=(Condition(what),), clean=None, **more)


def _moving(name: str, title: str, classes: tuple[str, ...], notes: str) -> Task:
    return _by_features(
        f"micro-{name}",
        title,
        ACTIONS_KIND,
        300,
        "clips",
        metric=ORDERED,
        citation=OURS,
        notes=f"{notes} 9 frames at 64 pixels; heads are fitted to 720 clips of the set train.",
        protocol=Recognising(classes, within=8, stride=8),
    )


def _pixels(name: str, way: str, protocol: ClassesOfPixels, citation: str, learned: str) -> Task:
    return _by_features(
        name,
        f"Micro-segmentation, {way}",
        SEGMENTATION,
        240,
        "scenes",
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

DATA_SETS: tuple[DataSet, ...] = (
    micro_set(
        "classes",
        "Micro-world, training photographs and others",
        _classes,
        _by_features(
            "micro-classification",
            "Micro-classification, frozen features",
            CLASSIFICATION,
            1000,
            "images",
            metric=LINEAR_ACCURACY,
            citation=DINO_PAPER,
            notes="Heads on frozen features, fitted to 4,096 photographs of the set train: the 20 nearest neighbours, "
            "and a linear classifier that sees all of them, a tenth (416) or a hundredth (48).",
            protocol=Classifying(16, shares=(0.1, 0.01)),
        ),
    ),
    micro_set(
        "objects",
        "Micro-DAVIS",
        _object_clips,
        _by_features(
            "micro-davis",
            "Micro-DAVIS, masks carried",
            VIDEO_OBJECTS,
            240,
            "clips",
            metric=J_AND_F,
            citation=DAVIS_2017_PAPER,
            notes="240 objects in filmed clips of the set val: 12 frames, 0.2 s apart, at 128 pixels, with every "
            "object that covers a hundredth of the first frame. Networks with stages are read at the last stage whose "
            "own stride is 8 or less. Context, neighbours and temperature are DINO's; the window is 4 cells.",
            protocol=_CARRYING,
        ),
    ),
    micro_set(
        "scenes",
        "Micro-segmentation",
        _labelled,
        _pixels(
            "micro-segmentation",
            "by retrieval",
            Retrieval(SCENE_CLASSES, side=128, within=8, stride=8),
            HUMMINGBIRD_PAPER,
            "The memory is made of all cells of 160 training scenes.",
        ),
        _pixels(
            "micro-segmentation-linear",
            "by a linear head",
            LinearHead(SCENE_CLASSES, side=128, within=8, stride=8),
            DINOV2_PAPER,
            "A linear head is fitted to all cells of 160 training scenes; its learning rate is chosen on every fifth.",
        ),
        _by_features(
            "micro-depth",
            "Micro-depth, linear probe",
            DEPTH,
            240,
            "scenes",
            metric=WITHIN,
            citation=OURS,
            notes="The 240 scenes of micro-segmentation, with exact depth in radii of the largest object; the backdrop "
            "is left out. A linear probe of log depth, on each cell beside the mean of its map, is fitted to 160 "
            "training scenes. Networks with stages are read at the last stage whose own stride is 8 or less.",
            protocol=Probing((WHOLE, OBJECT), within=8, stride=8),
        ),
    ),
    micro_set(
        "boxes",
        "Micro-detection",
        _boxed,
        _by_features(
            "micro-detection",
            "Micro-detection, by FCOS",
            DETECTION,
            240,
            "scenes",
            metric=AP,
            citation=FCOS_PAPER,
            notes="240 scenes of two to four objects at 128 pixels, of 16 classes. A light detector is trained on "
            "frozen features of 320 training scenes, for every encoder with the same budget. Objects are small up to "
            "16 x 16 pixels and large from 48 x 48. Networks with stages are read at the last stage whose own stride "
            "is 8 or less.",
            protocol=_DETECTING,
        ),
    ),
    micro_set(
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
    micro_set(
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
    micro_set(
        "pairs",
        "Micro-correspondence",
        _pairs,
        _by_features(
            "micro-correspondence",
            "Micro-correspondence, points found again",
            CORRESPONDENCE,
            300,
            "pairs",
            metric=PCK,
            citation=OURS,
            notes="300 pairs: the first frame of 100 filmed clips of the set val with those after 0.2, 1.28 and 2.56 "
            "s, at 128 pixels. Up to 64 points of the object that are seen in both; each is taken to be at the most "
            "similar cell of the whole second frame. Networks with stages are read at the last stage whose own stride "
            "is 8 or less.",
            protocol=Matching(tuple(f"{gap:g} s" for gap in GAPS), listed=True, longer=0, within=8, stride=8),
        ),
    ),
    micro_set(
        "instances",
        "Micro-correspondence between objects",
        _instances,
        _by_features(
            "micro-semantic-correspondence",
            "Micro-correspondence between objects of a class",
            CORRESPONDENCE,
            300,
            "pairs",
            metric=PCK,
            citation=OURS,
            notes="300 pairs: photographs of 100 scenes of the set val, each with three other scenes whose largest "
            "object has the same class and is seen from a side that is 0 to 30, 30 to 60 and 60 to 90 degrees away, at "
            f"128 pixels. The classes are those that look different from every side: {', '.join(POSED)}. Up to 64 "
            "points of the first object that are seen on the second; each is taken to be at the most similar cell of "
            "the whole second photograph. As in SPair-71k, networks with stages are read at the last "
            "stage whose own stride is 16 or less, computed at stride 8.",
            protocol=Matching(tuple(VIEWS), listed=True, longer=0, within=16, stride=8),
        ),
    ),
)
