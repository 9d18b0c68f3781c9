"""PASCAL VOC 2012: photographs with a class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import DataError
from ..kinds.segmentation import KIND, MIOU
from ..task import Condition, Task
from ..understanding.segmentation import Retrieval
from .protocols import HUMMINGBIRD_PAPER
from .recognition import Evidence, Look
from .record import DataSet, FolderForm, Opening

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
class VocForm(FolderForm):
    """Photographs, masks and two lists."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.class_maps import VocImages

        if not opening.root.is_dir():
            problem = "is a file, not a folder" if opening.root.exists() else "does not exist"
            raise data_set.error(f"{opening.root} {problem}.", opening.root)
        try:
            return VocImages(opening.root, data_set.name, _LISTS, opening.cache, opening.progress)
        except DataError as error:
            raise data_set.error(f"{opening.root}: {error}.", opening.root) from error

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
            Task(
                name="pascal-voc",
                title="PASCAL VOC 2012, by retrieval",
                version=1,
                kind=KIND,
                world="photographs",
                label_space="none",
                dataset="",
                images=None,
                conditions=(Condition("images"),),
                metric=MIOU,
                citation=HUMMINGBIRD_PAPER,
                notes="Classes of pixels are retrieved from the images of the list train by features alone. Networks "
                "with stages are read at their last stage, computed at stride 16; images are squares of 512 pixels.",
                protocol=Retrieval(VOC_CLASSES),
            ),
        ),
    ),
)
