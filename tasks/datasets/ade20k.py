"""ADE20K, in the form of its scene parsing benchmark: photographs with a class for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..download.publication import Folder
from ..kinds.segmentation import KIND, MIOU
from ..task import Condition
from ..understanding.pixel_head import LinearHead
from ..understanding.retrieval import Retrieval
from .protocols import DINOV2_PAPER, HUMMINGBIRD_PAPER, of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_PARTS = ("validation", "training")

_LAYOUT = """the folder ADEChallengeData2016 of the published archive:
  {root}/
    images/training/NAME.jpg and images/validation/NAME.jpg
    annotations/training/NAME.png and annotations/validation/NAME.png"""

_LABELLED = 5_120
"""Of 20,210 training images: reading all would take ten times as long as the 2,000 that are judged."""

ADE20K_CLASSES = (
    *("wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass", "cabinet"),
    *("sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water"),
    *("painting", "sofa", "shelf", "house", "sea", "mirror", "rug", "field", "armchair", "seat", "fence", "desk"),
    *("rock", "wardrobe", "lamp", "bathtub", "railing", "cushion", "base", "box", "column", "signboard"),
    *("chest of drawers", "counter", "sand", "sink", "skyscraper", "fireplace", "refrigerator", "grandstand", "path"),
    *("stairs", "runway", "case", "pool table", "pillow", "screen door", "stairway", "river", "bridge", "bookcase"),
    *("blind", "coffee table", "toilet", "flower", "book", "hill", "bench", "countertop", "stove", "palm"),
    *("kitchen island", "computer", "swivel chair", "boat", "bar", "arcade machine", "hovel", "bus", "towel"),
    *("light", "truck", "tower", "chandelier", "awning", "streetlight", "booth", "television", "airplane"),
    *("dirt track", "apparel", "pole", "land", "bannister", "escalator", "ottoman", "bottle", "buffet", "poster"),
    *("stage", "van", "ship", "fountain", "conveyer belt", "canopy", "washer", "plaything", "swimming pool", "stool"),
    *("barrel", "basket", "waterfall", "tent", "bag", "minibike", "cradle", "oven", "ball", "food", "step", "tank"),
    *("trade name", "microwave", "pot", "animal", "bicycle", "lake", "dishwasher", "screen", "blanket", "sculpture"),
    *("hood", "sconce", "vase", "traffic light", "tray", "ashcan", "fan", "pier", "crt screen", "plate", "monitor"),
    *("bulletin board", "shower", "radiator", "glass", "clock", "flag"),
)
"""By their number in the published maps less 1: the first of the names in the benchmark's objectInfo150.txt."""


@dataclass(frozen=True)
class AdeForm(AnnotatedForm):
    """Photographs and maps of classes in folders of the same names."""

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.class_maps import AdeImages

        return AdeImages(opening.root, data_set.name, _PARTS, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its folders; the names of files tell it from other sets in this form."""
        folders = [look.inside("annotations", part) for part in _PARTS]
        if all(folder.files and folder.files[0].startswith("ADE_") for folder in folders):
            return Evidence(f"annotations/{_PARTS[0]}/{folders[0].files[0]}", True)
        return None


DATA_SETS = (
    DataSet(
        name="ade20k",
        title="ADE20K scene parsing",
        page="https://github.com/CSAILVision/sceneparsing",
        # Fetched by hand: no source gives a checksum of its archive.
        files=(),
        gated=True,
        licence="own terms",
        citation="Zhou et al., Scene parsing through ADE20K dataset, CVPR 2017",
        notes="2,000 validation images; the 20,210 training images are the labelled ones. This is the release of the "
        "scene parsing benchmark with 150 classes, not the full ADE20K. Download its archive from the page, and name "
        "the folder ADEChallengeData2016 in it.",
        unpacks_to="ADEChallengeData2016",
        folders=tuple(
            Folder(f"{what}/{part}", images=images)
            for part, images in zip(_PARTS, (2_000, 20_210), strict=True)
            for what in ("images", "annotations")
        ),
        form=AdeForm("none", _LAYOUT),
        tasks=(
            of_features(
                KIND,
                "ade20k",
                "ADE20K, by retrieval",
                conditions=(Condition("images"),),
                metric=MIOU,
                citation=HUMMINGBIRD_PAPER,
                notes="Classes of pixels are retrieved from 5,120 training images, drawn by their names, by features "
                "alone. Networks with stages are read at their last stage, computed at stride 16; images are squares "
                "of 512 pixels.",
                protocol=Retrieval(ADE20K_CLASSES, labelled=_LABELLED),
            ),
            of_features(
                KIND,
                "ade20k-linear",
                "ADE20K, by a linear head",
                conditions=(Condition("images"),),
                metric=MIOU,
                citation=DINOV2_PAPER,
                notes="A linear head on the same frozen features of the same training images, fitted to 20 cells of "
                "each; its learning rate is chosen on every fifth of them.",
                protocol=LinearHead(ADE20K_CLASSES, labelled=_LABELLED),
            ),
        ),
    ),
)
