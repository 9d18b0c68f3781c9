"""ImageNet's validation set, and the reassessed labels for it.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from .. import kinds
from ..download.publication import Folder, RemoteFile
from ..task import Condition
from .protocols import CLEAN, photographs
from .record import DataSet, DepthForm, PhotographForm, ReassessedForm, UserFolder

_VALIDATION = """ImageNet's validation images under their published names, in one folder per class:
  {root}/
    n01440764/
      ILSVRC2012_val_00000293.JPEG
      ...
    n01443537/
      ..."""

_PHOTOGRAPHS = UserFolder(
    "imagenet",
    "photographs in one folder per WordNet id, such as ImageNet's validation set: --data imagenet=DIR",
)
_DEPTHS = UserFolder(
    "imagenet-depth",
    "a depth map for each photograph of imagenet, .npy or 16-bit .png: --data imagenet-depth=DIR",
)
_IMAGENET = DataSet(
    name="imagenet",
    title="ImageNet validation set (ILSVRC 2012)",
    page="https://image-net.org/download.php",
    # ILSVRC2012_img_val.tar: 6,744,924,160 bytes, sha256 c7e06a6c... (TensorFlow Datasets,
    # url_checksums/imagenet2012_real.txt), md5 29b22e29... (torchvision, datasets/imagenet.py). No direct link may
    # be given: its terms have to be accepted first.
    files=(),
    licence="ImageNet terms",
    citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
    gated=True,
    notes="Register at the page, accept the terms, download ILSVRC2012_img_val.tar (6.7 GB, md5 "
    "29b22e2961454d5413ddabcf34fc5622) and ILSVRC2012_devkit_t12.tar.gz, and sort the 50,000 images into one "
    "folder per WordNet id; torchvision.datasets.ImageNet(root, split='val') does this with both archives in root.",
    folders=(Folder(".", 1000, 50_000),),
    form=PhotographForm("imagenet-1k"),
    reads=(_PHOTOGRAPHS,),
    tasks=(photographs(kinds.CLEAN, "imagenet-val", "ImageNet, clean", conditions=CLEAN, clean=None),),
)

DATA_SETS = (
    _IMAGENET,
    _IMAGENET.part(
        "imagenet-with-depth",
        "ImageNet validation set with depth maps",
        "",
        DepthForm("imagenet-1k"),
        (),  # ImageNet-3DCC is drawn from it; see `corrupted`
        (_PHOTOGRAPHS, _DEPTHS),
    ),
    DataSet(
        name="imagenet-real",
        title="ImageNet ReaL labels",
        page="https://github.com/google-research/reassessed-imagenet",
        # TensorFlow Datasets, url_checksums/imagenet2012_real.txt. The labels inside timm (data/_info/
        # imagenet_real_labels.json) have this very sha256.
        files=(
            RemoteFile(
                "https://raw.githubusercontent.com/google-research/reassessed-imagenet/master/real.json",
                "real.json",
                388_478,
                sha256="d83e9bff374c631aae8439eb064c7019acc56e1b3bc3f56b8380c2a710b0220b",
            ),
        ),
        licence="Apache-2.0",
        citation="Beyer et al., Are we done with ImageNet?, 2020 (arXiv 2006.07159)",
        notes="Labels alone, for the images of imagenet. timm brings the same file.",
        required=("real.json",),
        form=ReassessedForm("imagenet-1k", _VALIDATION),
        tasks=(
            photographs(
                kinds.MULTI_LABEL,
                "imagenet-real",
                "ImageNet, reassessed labels",
                conditions=(Condition("shift"),),
                notes="Right if the answer is among the labels that people accepted; images without any are left out.",
            ),
        ),
    ),
)
