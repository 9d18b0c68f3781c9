"""LVIS v1: COCO's photographs with a box around each object of some of 1,203 classes, most of them rare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..kinds.detection import AP
from ..kinds.federated_detection import KIND
from ..task import Condition, Task
from ..understanding.federated import Federated
from .protocols import FCOS_PAPER, of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_LISTINGS = ("annotations/lvis_v1_val.json", "annotations/lvis_v1_train.json")

_LAYOUT = """the archives of LVIS and COCO, unpacked into one folder:
  {root}/
    annotations/lvis_v1_val.json and lvis_v1_train.json
    train2017/NAME.jpg
    val2017/NAME.jpg"""

_FEDERATED = Federated()


@dataclass(frozen=True)
class LvisForm(AnnotatedForm):
    """Photographs and two files of annotations.

    Attributes:
        folders: Of the images to be judged.
    """

    folders: tuple[str, ...] = ("train2017", "val2017")

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.lvis import LvisImages

        return LvisImages(
            opening.root,
            data_set.name,
            _LISTINGS,
            self.folders,
            _FEDERATED.groups,
            _FEDERATED.training.images,
            opening.cache,
            opening.progress,
        )

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its folders and annotations."""
        listed = look.inside("annotations").files
        if {"train2017", "val2017"} <= set(look.folders) and "lvis_v1_val.json" in listed:
            return Evidence(_LISTINGS[0], True)
        return None


def _task(name: str, title: str, images: str) -> Task:
    return of_features(
        KIND,
        name,
        f"{title}, by FCOS on frozen features",
        conditions=(Condition("images"),),
        metric=AP,
        citation=FCOS_PAPER,
        notes=f"{images} A light detector is trained on frozen features of {_FEDERATED.training.images:,} images of "
        "LVIS train, for every encoder with the same budget: AP is far below that of fine-tuned detectors. At most "
        "300 detections in an image count; those of classes of which nothing is known in it do not. This is no "
        '"fixed AP".',
        protocol=_FEDERATED,
    )


_LVIS = DataSet(
    name="lvis",
    title="LVIS v1",
    page="https://www.lvisdataset.org/dataset",
    # Fetched by hand: the page gives no checksums of its archives.
    files=(),
    gated=True,
    licence="own terms",
    citation="Gupta et al., LVIS: A dataset for large vocabulary instance segmentation, CVPR 2019 (arXiv 1908.03195)",
    notes=f"19,809 validation images; {_FEDERATED.training.images:,} of LVIS train are learned from. The photographs "
    "are COCO's: unpack its val2017.zip and train2017.zip into one folder, put lvis_v1_val.json and lvis_v1_train.json "
    "into its folder annotations, and name it. `lvis-minival` reads the same folder.",
    required=_LISTINGS,
    form=LvisForm("none", _LAYOUT),
    tasks=(_task("lvis", "LVIS v1", "The validation images, most of which are in COCO's train2017."),),
)

DATA_SETS = (
    _LVIS,
    _LVIS.part(
        "lvis-minival",
        "LVIS v1 minival",
        "",
        LvisForm("none", _LAYOUT, ("val2017",)),
        (_task("lvis-minival", "LVIS v1 minival", "The 4,809 validation images that are in COCO's val2017."),),
    ),
)
