"""DAVIS: videos with a mask of every object in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..kinds.video_objects import J_AND_F, KIND
from ..task import Condition
from ..understanding.video_objects import Carrying
from .protocols import DAVIS_2017_PAPER, of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_LAYOUT = """the folder DAVIS of the published archive at 480p:
  {root}/
    JPEGImages/480p/CLIP/00000.jpg
    Annotations/480p/CLIP/00000.png
    ImageSets/YEAR/val.txt"""


@dataclass(frozen=True)
class DavisForm(AnnotatedForm):
    """Frames, masks and lists of clips.

    Attributes:
        year: Of the list, which the folder of 2017 has for both.
        single: Whether all objects of a clip count as one.
    """

    year: int = 2017
    single: bool = False

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.masks import DavisClips

        (listing,) = data_set.required
        return DavisClips(opening.root, data_set.name, listing, self.single, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its folders and the list of the year."""
        lists = look.inside("ImageSets", str(self.year)).files
        if {"JPEGImages", "Annotations"} <= set(look.folders) and "val.txt" in lists:
            return Evidence(f"ImageSets/{self.year}/val.txt", True)
        return None


_PROTOCOL_NOTES = (
    "The first mask is carried along by features alone: DINO's settings for transformers of patches, VFS's for "
    "networks with stages, which are read at the last stage whose own stride is 16 or less, computed at stride 8. "
    "First and last frame are left out; the mean is over objects. The stride of the features is the model's, so "
    "the ceilings of both strides are scored beside."
)


def _davis(year: int, single: bool, citation: str, what: str) -> DataSet:
    return DataSet(
        name=f"davis-{year}",
        title=f"DAVIS {year}",
        page=f"https://davischallenge.org/davis{year}/code.html",
        # Fetched by hand: no source gives sizes or checksums of its archives.
        files=(),
        gated=True,
        licence="own terms",
        citation=citation,
        notes=f"{what} Download the archive at 480p from the page, and name the folder DAVIS in it.",
        unpacks_to="DAVIS",
        required=(f"ImageSets/{year}/val.txt",),
        form=DavisForm("none", _LAYOUT, year, single),
        tasks=(
            of_features(
                KIND,
                f"davis-{year}",
                f"DAVIS {year}, masks carried",
                conditions=(Condition("clips"),),
                metric=J_AND_F,
                notes=_PROTOCOL_NOTES,
                protocol=Carrying(),
            ),
        ),
    )


DATA_SETS = (
    _davis(
        2017,
        False,
        DAVIS_2017_PAPER,
        "30 validation clips of 1,999 frames with 61 objects.",
    ),
    _davis(
        2016,
        True,
        "Perazzi et al., A benchmark dataset and evaluation methodology for video object segmentation, CVPR 2016",
        "20 validation clips, in each one object; the archive of 2017 holds them too.",
    ),
)
