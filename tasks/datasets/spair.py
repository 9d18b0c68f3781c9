"""SPair-71k: pairs of photographs of one class, with key points in both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..kinds.correspondence import KIND, PCK
from ..task import Condition
from ..understanding.correspondence import Matching
from .protocols import of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_LAYOUT = """the folder SPair-71k of the published archive:
  {root}/
    PairAnnotation/test/000001-2008_002719-2008_004100:aeroplane.json
    JPEGImages/aeroplane/2008_002719.jpg"""

SPAIR_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dog", "horse"),
    *("motorbike", "person", "pottedplant", "sheep", "train", "tvmonitor"),
)


@dataclass(frozen=True)
class SpairForm(AnnotatedForm):
    """Photographs, and a file for each pair.

    Attributes:
        split: Folder of the pairs.
    """

    split: str = "test"

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.point_pairs import SpairPairs

        return SpairPairs(opening.root, data_set.name, self.split, SPAIR_CLASSES, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its two folders and that of the split."""
        if {"PairAnnotation", "JPEGImages"} <= set(look.folders) and self.split in look.inside(
            "PairAnnotation"
        ).folders:
            return Evidence(f"PairAnnotation/{self.split}", True)
        return None


DATA_SETS = (
    DataSet(
        name="spair-71k",
        title="SPair-71k",
        page="https://cvlab.postech.ac.kr/research/SPair-71k/",
        files=(),  # fetched by hand: no source gives a checksum of its archive
        gated=True,
        licence="not found",
        citation="Min, Lee, Ponce & Cho, SPair-71k: a large-scale benchmark for semantic correspondence, "
        "arXiv:1908.10543",
        notes="12,234 test pairs of 18 classes. Download the archive from the page, and name the folder SPair-71k in "
        "it.",
        unpacks_to="SPair-71k",
        required=("PairAnnotation/test", "JPEGImages"),
        form=SpairForm("none", _LAYOUT),
        tasks=(
            of_features(
                KIND,
                "spair-71k",
                "SPair-71k, key points found again",
                conditions=(Condition("pairs"),),
                metric=PCK,
                notes="Each key point is taken to be at the most similar cell of the whole other photograph, whose "
                "longer side is encoded at 512 pixels in proportion. Networks with stages are read at the last stage "
                "whose own stride is 16 or less, computed at stride 8. The floor of a random point takes any place of "
                "the box.",
                protocol=Matching(SPAIR_CLASSES),
            ),
        ),
    ),
)
