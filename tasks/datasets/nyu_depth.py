"""NYUv2: photographs of rooms with their depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..kinds.depth import KIND, WITHIN
from ..task import Condition
from ..understanding.depth import Probing
from .protocols import of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource

_PARTS = ("test", "train")

_LAYOUT = """the official split of the labelled set as files (depth in millimetres, PNG of 16 bits):
  {root}/
    test/SCENE/rgb_00000.jpg and sync_depth_00000.png
    train/SCENE/rgb_00002.jpg and sync_depth_00002.png"""


@dataclass(frozen=True)
class NyuForm(AnnotatedForm):
    """Two folders of scenes, with pictures and depth."""

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.depth_maps import NyuDepth

        return NyuDepth(opening.root, data_set.name, _PARTS, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """The names of the files in a scene of each part."""
        for part in _PARTS:
            scenes = look.inside(part).folders if part in look.folders else ()
            files = look.inside(part, scenes[0]).files if scenes else ()
            if not any(name.startswith("sync_depth_") for name in files):
                return None
        return Evidence("test/SCENE/sync_depth_*.png", True)


DATA_SETS = (
    DataSet(
        name="nyuv2",
        title="NYU Depth v2",
        page="https://cs.nyu.edu/~silberman/datasets/nyu_depth_v2.html",
        files=(),  # the published file is one of MATLAB, which people unpack with a script of BTS or by their own
        gated=True,
        licence="not found",
        citation="Silberman, Hoiem, Kohli & Fergus, Indoor segmentation and support inference from RGBD images, ECCV "
        "2012",
        notes="654 test and 795 training pictures of the labelled set. Download nyu_depth_v2_labeled.mat and "
        "splits.mat, and write them as files with extract_official_train_test_set_from_mat.py of the repository "
        "cleinc/bts, as is usual.",
        unpacks_to="official_splits",
        required=_PARTS,
        form=NyuForm("none", _LAYOUT),
        tasks=(
            of_features(
                KIND,
                "nyuv2",
                "NYU Depth v2, linear probe",
                conditions=(Condition("images"),),
                metric=WITHIN,
                notes="A linear probe of log depth, on each cell beside the mean of its map, is fitted to the official "
                "training pictures, inside the crop of Eigen et al. and below 10 m, where depth is asked as well. "
                "Published probes are fitted to the 24,000 pictures of BTS's list and are another protocol. Networks "
                "with stages are read at their last stage, computed at stride 16.",
                protocol=Probing(),
            ),
        ),
    ),
)
