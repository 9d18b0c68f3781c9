"""COCO 2017: photographs with a box around each object of 80 classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..kinds.detection import AP, KIND
from ..task import Condition
from ..understanding.detection import Detecting
from .protocols import FCOS_PAPER, of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_VAL, _TRAIN = "annotations/instances_val2017.json", "annotations/instances_train2017.json"

_LAYOUT = """the published archives, unpacked into one folder:
  {root}/
    annotations/instances_val2017.json and instances_train2017.json
    val2017/NAME.jpg
    train2017/NAME.jpg"""

COCO_CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
"""In the order of their published numbers, 1 to 90 with gaps."""

_DETECTING = Detecting(COCO_CLASSES)


@dataclass(frozen=True)
class CocoForm(AnnotatedForm):
    """Photographs and two files of annotations."""

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.coco import CocoImages

        parts = ((_VAL, "val2017"), (_TRAIN, "train2017"))
        most = _DETECTING.training.images
        return CocoImages(opening.root, data_set.name, parts, COCO_CLASSES, most, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its folders and annotations."""
        listed = look.inside("annotations").files
        if {"val2017", "train2017"} <= set(look.folders) and "instances_val2017.json" in listed:
            return Evidence(_VAL, True)
        return None


DATA_SETS = (
    DataSet(
        name="coco",
        title="COCO 2017",
        page="https://cocodataset.org/#download",
        # Fetched by hand: the page gives no checksums of its archives.
        files=(),
        gated=True,
        licence="own terms",
        citation="Lin et al., Microsoft COCO: Common objects in context, ECCV 2014 (arXiv 1405.0312)",
        notes="5,000 validation images; 1,000 of train2017 are learned from. Unpack val2017.zip, train2017.zip and "
        "annotations_trainval2017.zip into one folder, and name it.",
        required=(_VAL, _TRAIN),
        form=CocoForm("none", _LAYOUT),
        tasks=(
            of_features(
                KIND,
                "coco",
                "COCO 2017, by FCOS on frozen features",
                conditions=(Condition("images"),),
                metric=AP,
                citation=FCOS_PAPER,
                notes="A light detector is trained on frozen features of 1,000 images of train2017, for every encoder "
                "with the same budget: AP is far below that of fine-tuned detectors. Networks with stages are read at "
                "their last stage, computed at stride 16; images are squares of 512 pixels.",
                protocol=_DETECTING,
            ),
        ),
    ),
)
