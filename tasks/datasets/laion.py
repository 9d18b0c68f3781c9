"""LAION-C: six distortions that no crawl of the web holds, published or drawn on the fly."""

from __future__ import annotations

import re

from .. import kinds
from ..corruptions import SEVERITIES
from ..corruptions.laion_c import CORRUPTIONS_LAION
from ..download.publication import Folder
from ..images.classes import laion_c_classes
from .conditions import ConditionFolderForm
from .imagenet import validation_images_of
from .protocols import FROM_THE_WEB, LAION_C_PAPER, graded, photographs
from .record import DataSet

_ANSWERS = "laion-c"
_LEVEL = "intensity_level_{severity}"
_LAYOUT = """one folder per distortion, level and superclass:
  {root}/
    mosaic/
      intensity_level_1/
        bird/
          ...
        ...
      ...
      intensity_level_5/
    ..."""

# The authors' scripts add the distortion and its level to the name of a file, as their own options call them, and older
# versions of them leave a full stop before it.
_OPTIONS = "glitched|mosaic|stickers?|vertical_lines|geometric_shapes|luminance(?:_checkerboard)?"
_ADDED = re.compile(rf"\.?_(?:{_OPTIONS})_[1-5]$")

_DRAWN = (
    "Drawn on the fly on the model's own resize and crop, by distortions that are written anew; tiles and stickers "
    "are synthetic pictures instead of photographs (docs/corruptions-laion-c.md): not comparable with published "
    "numbers. As its authors do, the plain mean is reported."
)

DATA_SETS = (
    DataSet(
        name="laion-c",
        title="LAION-C",
        page="https://zenodo.org/records/14051887",
        # Folders, superclasses and decisions: laionc/ of FanfeiLi/LAION-C at commit ee534fc, whose code is MIT. Names,
        # sizes and checksums of the files, the number of images and the licence of the record: found nowhere.
        files=(),
        licence="not found",
        citation=LAION_C_PAPER,
        gated=True,
        notes="Download it from the page and unpack it, so that one folder has mosaic and the other five distortions.",
        folders=tuple(
            Folder(f"{name}/{_LEVEL.format(severity=severity)}", 16)
            for name in CORRUPTIONS_LAION
            for severity in SEVERITIES
        ),
        images_from=FROM_THE_WEB,
        form=ConditionFolderForm(
            _ANSWERS, _LAYOUT, classes=laion_c_classes, merge="mean", level=_LEVEL, renaming=_ADDED, shown="squash"
        ),
        tasks=(
            photographs(
                kinds.CORRUPTIONS,
                "laion-c-folders",
                "LAION-C, published folders",
                conditions=graded(CORRUPTIONS_LAION),
                answers=_ANSWERS,
                clean="laion-c-clean",
                on_disk=True,
                notes="A decision is the superclass with the largest mean probability over its classes of ImageNet, of "
                "which 285 count. Images are squashed to the model's input size. As its authors do, the plain mean is "
                "reported.",
            ),
        ),
    ),
    validation_images_of(
        _ANSWERS,
        "LAION-C",
        laion_c_classes,
        "16 superclasses",
        photographs(
            kinds.CORRUPTIONS,
            "laion-c",
            "LAION-C's distortions on the fly",
            dataset="laion-c-clean",
            conditions=graded(CORRUPTIONS_LAION),
            answers=_ANSWERS,
            clean="laion-c-clean",
            citation=LAION_C_PAPER,
            notes=f"The validation images of its 285 classes. {_DRAWN}",
        ),
        photographs(
            kinds.CORRUPTIONS,
            "laion-c-1000",
            "LAION-C's distortions on the fly, 1,000 classes",
            dataset="imagenet",
            conditions=graded(CORRUPTIONS_LAION),
            citation=LAION_C_PAPER,
            notes=f"On any photographs of ImageNet's classes, and answered among all of them. {_DRAWN}",
        ),
    ),
)
