"""PASCAL VOC 2012: photographs with a class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..kinds.segmentation import KIND, MIOU
from ..task import Condition
from ..understanding.pixel_head import LinearHead
from ..understanding.retrieval import Retrieval
from .protocols import DINOV2_PAPER, HUMMINGBIRD_PAPER, of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_LISTS = ("ImageSets/Segmentation/val.txt", "ImageSets/Segmentation/train.txt")

_LAYOUT = """the folder VOC2012 of the published archive:
  {root}/
    JPEGImages/NAME.jpg
    SegmentationClass/NAME.png
    ImageSets/Segmentation/val.txt and train.txt"""

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""By their number in the masks."""


@dataclass(frozen=True)
class VocForm(AnnotatedForm):
    """Photographs, masks and two lists."""

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.class_maps import VocImages

        return VocImages(opening.root, data_set.name, _LISTS, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its folders and lists."""
        lists = look.inside("ImageSets", "Segmentation").files
        if {"JPEGImages", "SegmentationClass"} <= set(look.folders) and {"val.txt", "train.txt"} <= set(lists):
            return Evidence(_LISTS[0], True)
        return None


DATA_SETS = (
    DataSet(
        name="pascal-voc",
        title="PASCAL VOC 2012",
        page="https://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
        # Fetched by hand: no source gives a checksum of its archive.
        files=(),
        gated=True,
        licence="own terms",
        citation="Everingham et al., The PASCAL Visual Object Classes challenge: a retrospective, IJCV 2015",
        notes="1,449 validation images; those of the list train are the labelled ones. Download the archive of "
        "training and validation from the page, and name the folder VOC2012 in it.",
        unpacks_to="VOCdevkit/VOC2012",
        required=_LISTS,
        form=VocForm("none", _LAYOUT),
        tasks=(
            of_features(
                KIND,
                "pascal-voc",
                "PASCAL VOC 2012, by retrieval",
                conditions=(Condition("images"),),
                metric=MIOU,
                citation=HUMMINGBIRD_PAPER,
                notes="Classes of pixels are retrieved from the images of the list train by features alone. Networks "
                "with stages are read at their last stage, computed at stride 16; images are squares of 512 pixels.",
                protocol=Retrieval(VOC_CLASSES),
            ),
            of_features(
                KIND,
                "pascal-voc-linear",
                "PASCAL VOC 2012, by a linear head",
                conditions=(Condition("images"),),
                metric=MIOU,
                citation=DINOV2_PAPER,
                notes="A linear head on the same frozen features, fitted to 102,400 cells of the images of the list "
                "train, 69 of each; its learning rate is chosen on every fifth of them.",
                protocol=LinearHead(VOC_CLASSES),
            ),
        ),
    ),
)
