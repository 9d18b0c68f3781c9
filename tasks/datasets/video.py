"""Frames of videos: ImageNet-Vid-Robust and YTBB-Robust, which come in one archive."""

from __future__ import annotations

from typing import Any

from .. import kinds
from ..download.publication import RemoteFile
from ..images.classes import imagenet_vid_classes, ytbb_classes
from ..readers.annotations import read_vid, read_ytbb
from ..task import Condition, Task
from .protocols import FROM_THE_WEB, VID_ROBUST_PAPER, photographs
from .record import DataSet, FrameForm

_VID_LAYOUT = """the frames and what the authors say of them:
  {root}/
    val/
      ILSVRC2015_val_00000000/
        000432.JPEG
        ...
    metadata/
      labels.json           classes 0 to 29 of every frame
      pmsets.json           neighbours of every anchor"""
_YTBB_LAYOUT = """the frames and what the authors say of them:
  {root}/
    ytbb_videos/
      04rVDII50JU_66600/
        frame-1998.jpg
        ...
    metadata/
      anchor_labels.json
      pmk_labels.json
      ytbb_robustness_test_anchors_full.csv"""


def _task(name: str, title: str, answers: str, notes: str) -> Task:
    facts: dict[str, Any] = {"conditions": (Condition("frames"),), "metric": "pm10", "answers": answers, "notes": notes}
    return photographs(kinds.VIDEO, name, title, **facts)


_VID = DataSet(
    name="imagenet-vid-robust",
    title="ImageNet-Vid-Robust and YTBB-Robust",
    page="https://modestyachts.github.io/natural-perturbations-website/",
    # URL and top folder: public scripts that download it. Counts: the abstract. Licence: not found.
    files=(
        RemoteFile(
            "https://do-imagenet-classifiers-generalize-across-time.s3-us-west-2.amazonaws.com/"
            "imagenet_vid_ytbb_robust.tar.gz",
            "imagenet_vid_ytbb_robust.tar.gz",
        ),
    ),
    licence="not found",
    citation=VID_ROBUST_PAPER,
    notes="Both sets in one archive: 3,139 sets of similar frames, 57,897 images.",
    images_from=FROM_THE_WEB,
    unpacks_to="imagenet_vid_ytbb_robust",
    form=FrameForm("imagenet-vid", _VID_LAYOUT, read_vid, ("labels.json", "pmsets.json"), imagenet_vid_classes),
    tasks=(
        _task(
            "imagenet-vid-robust",
            "ImageNet-Vid-Robust",
            "imagenet-vid",
            "pm0 is the accuracy on anchors; pm10 asks for the anchor and every neighbour.",
        ),
    ),
)

DATA_SETS = (
    _VID,
    _VID.part(
        "ytbb-robust",
        "YTBB-Robust",
        "",
        FrameForm("ytbb", _YTBB_LAYOUT, read_ytbb, ("anchor_labels.json", "pmk_labels.json"), ytbb_classes),
        (_task("ytbb-robust", "YTBB-Robust", "ytbb", "As ImageNet-Vid-Robust."),),
    ),
)
