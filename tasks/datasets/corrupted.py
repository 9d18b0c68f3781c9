"""ImageNet with corruptions: ImageNet-C, ImageNet-P, ImageNet-C-bar and ImageNet-3DCC, published or drawn on the fly.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import kinds
from ..corruptions import CORRUPTIONS, EXTRA, EXTRA_FAMILIES, FAMILIES, SEVERITIES
from ..corruptions.imagenet_3dcc import CORRUPTIONS_3D, FAMILIES_3D
from ..corruptions.imagenet_c_bar import CORRUPTIONS_BAR
from ..download.publication import Folder, RemoteFile
from ..task import Condition
from .conditions import ConditionFolderForm, SequenceForm
from .protocols import (
    C_BAR_PAPER,
    FROM_THE_WEB,
    IMAGENET_C_PAPER,
    NOT_RESIZED,
    THREE_D_PAPER,
    graded,
    photographs,
    zenodo,
)
from .record import DataSet

_ON_THE_FLY = "Drawn on the fly on the model's own resize and crop, "
_ALEXNET = (
    "Errors are normalised by AlexNet's published ones on the 50,000 validation images, whatever photographs are used."
)
PERTURBATIONS = (
    "gaussian_noise",
    "shot_noise",
    "motion_blur",
    "zoom_blur",
    "snow",
    "brightness",
    "translate",
    "rotate",
    "tilt",
    "scale",
)
"""The perturbations of ImageNet-P that its score is the mean over."""

_3DCC_FILES = (
    "near_focus", "far_focus", "fog_3d", "flash", "color_quant", "low_light", "xy_motion_blur", "z_motion_blur",
    "iso_noise", "bit_error", "h265_abr", "h265_crf",
)  # fmt: skip
"""In the order of the authors' script."""

_SEQUENCES = """one folder per perturbation and class, with short videos inside:
  {root}/
    brightness/
      n01440764/
        ILSVRC2012_val_00000293.mp4
        ...
    ...
Folders that hold several perturbations, such as noise, blur, weather, digital and extra, may stand in between."""


def _form(example: str, such_as: str = "") -> ConditionFolderForm:
    layout = f"""one folder per corruption, severity 1 to 5 and class, as the archives unpack:
  {{root}}/
    {example}/
      1/
        n01440764/
          ILSVRC2012_val_00000293.JPEG
          ...
      ...
      5/
    ...
Folders that hold several corruptions{such_as} may stand in between."""
    return ConditionFolderForm("imagenet-1k", layout)


def _conditions(corruptions: Iterable[str]) -> tuple[Folder, ...]:
    return tuple(Folder(f"{name}/{severity}", 1000, 50_000) for name in corruptions for severity in SEVERITIES)


DATA_SETS = (
    DataSet(
        name="imagenet-c",
        title="ImageNet-C",
        page="https://zenodo.org/records/2235448",
        # md5: the Zenodo record, as quoted by the loaders of shifthappens (tasks/imagenet_c) and oodtk (pytorch-ood).
        # Sizes of noise, blur and weather, and the licence "cc-by-4.0": a public note on what Zenodo's API answers.
        # None was found to the byte for digital and extra, of which oodtk says 7 GB and 15 GB.
        files=(
            zenodo(2235448, "noise.tar", "e80562d7f6c3f8834afb1ecf27252745", 22_565_673_785),
            zenodo(2235448, "blur.tar", "2d8e81fdd8e07fef67b9334fa635e45c", 7_112_704_951),
            zenodo(2235448, "weather.tar", "33ffea4db4d93fe4a428c40a6ce0c25d", 12_797_438_995),
            zenodo(2235448, "digital.tar", "89157860d7b10d5797849337ca2e5c03"),
            zenodo(2235448, "extra.tar", "d492dfba5fc162d8ec2c3cd8ee672984"),
        ),
        licence="CC-BY-4.0",
        citation=IMAGENET_C_PAPER,
        notes="About 65 GB. The 15 corruptions need noise, blur, weather and digital; extra holds the four others. "
        "The images are 224 pixels and made of ImageNet's validation set, whose terms hold too.",
        folders=_conditions((*CORRUPTIONS, *EXTRA)),
        images_from=FROM_THE_WEB,
        form=_form("gaussian_noise", ", such as noise, blur, weather, digital and extra,"),
        tasks=(
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-c",
                "ImageNet-C on the fly",
                version=2,
                dataset="imagenet",
                conditions=graded(CORRUPTIONS, "published"),
                metric="mce",
                reference="alexnet",
                families=FAMILIES,
                notes=f"{_ON_THE_FLY}then saved as JPEG of quality 85, as the published folders were. {_ALEXNET}",
            ),
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-c-raw",
                "ImageNet-C on the fly, without JPEG",
                dataset="imagenet",
                conditions=graded(CORRUPTIONS),
                metric="mce",
                reference="alexnet",
                families=FAMILIES,
                notes=f"{_ON_THE_FLY}without the JPEG save of the published folders: not comparable with published mCE "
                f"to better than a few points. {_ALEXNET}",
            ),
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-c-extra",
                "ImageNet-C's extra corruptions on the fly",
                dataset="imagenet",
                conditions=graded(EXTRA, "published"),
                metric="mce",
                reference="alexnet",
                families=EXTRA_FAMILIES,
                notes="The four corruptions meant for validation, which enter no mCE of the benchmark. "
                f"{_ON_THE_FLY}then saved as JPEG of quality 85. {_ALEXNET}",
            ),
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-c-folders",
                "ImageNet-C, published folders",
                conditions=graded(CORRUPTIONS),
                metric="mce",
                reference="alexnet",
                families=FAMILIES,
                on_disk=True,
                notes=NOT_RESIZED,
            ),
        ),
    ),
    DataSet(
        name="imagenet-p",
        title="ImageNet-P",
        page="https://zenodo.org/records/3565846",
        # URLs and md5: the loader of oodtk, now pytorch-ood. Sizes and licence: not found.
        files=(
            zenodo(3565846, "blur.tar", "869b2d2fb1604d1baa4316b5ecc9fdea"),
            zenodo(3565846, "digital.tar", "8c1f73e4912812788e2fdb637cd55372"),
            zenodo(3565846, "noise.tar", "619b37b5139ce764f77ce3bed3aee837"),
            zenodo(3565846, "weather.tar", "a597ff6db8c6fb0dbcd6eb12ed620002"),
        ),
        licence="not found",
        citation=IMAGENET_C_PAPER,
        notes="Sequences of perturbed frames, as MP4.",
        form=SequenceForm("imagenet-1k", _SEQUENCES),
        images_from=FROM_THE_WEB,
        tasks=(
            photographs(
                kinds.SEQUENCES,
                "imagenet-p",
                "ImageNet-P",
                conditions=tuple(Condition(name) for name in PERTURBATIONS),
                metric="flip_probability",
                on_disk=True,
                notes="The share of frames whose answer differs from that for the frame before (for noise: the first "
                "frame), mean over sequences and perturbations. Rates over AlexNet's are not given: its numbers were "
                f"published in a spreadsheet only. {NOT_RESIZED}",
            ),
        ),
    ),
    DataSet(
        name="imagenet-c-bar",
        title="ImageNet-C-bar",
        page="https://github.com/facebookresearch/augmentation-corruption",
        # URL, corruptions and layout: README of the repository. Top folder: a public script that moves cbar_download.
        files=(RemoteFile("https://dl.fbaipublicfiles.com/inc_bar/imagenet_c_bar.tar.gz", "imagenet_c_bar.tar.gz"),),
        licence="MIT",
        citation=C_BAR_PAPER,
        notes="A copy that colleagues of the authors made; the repository generates it as well, from ImageNet's "
        "validation set, whose terms hold too.",
        unpacks_to="cbar_download",
        folders=_conditions(CORRUPTIONS_BAR),
        images_from=FROM_THE_WEB,
        form=_form("blue_noise_sample"),
        tasks=(
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-c-bar",
                "ImageNet-C-bar on the fly",
                dataset="imagenet",
                conditions=graded(CORRUPTIONS_BAR),
                notes=f"{_ON_THE_FLY}without the JPEG save of the published folders. As its authors do, the plain mean "
                "is reported.",
            ),
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-c-bar-folders",
                "ImageNet-C-bar, published folders",
                conditions=graded(CORRUPTIONS_BAR),
                on_disk=True,
                notes=NOT_RESIZED,
            ),
        ),
    ),
    DataSet(
        name="imagenet-3dcc",
        title="ImageNet-3DCC",
        page="https://github.com/EPFL-VILAB/3DCommonCorruptions",
        # URLs and corruptions: tools/download_imagenet_3dcc.sh of the repository; licence: its README.
        files=tuple(
            RemoteFile(f"https://datasets.epfl.ch/3dcc/imagenet_3dcc/{name}.tar.gz", f"{name}.tar.gz")
            for name in _3DCC_FILES
        ),
        licence="CC-BY-NC-4.0",
        citation=THREE_D_PAPER,
        notes="12 corruptions at five severities. Made of ImageNet's validation set, whose terms hold too.",
        folders=_conditions(_3DCC_FILES),
        images_from=FROM_THE_WEB,
        form=_form("near_focus"),
        tasks=(
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-3dcc",
                "ImageNet-3DCC on the fly",
                dataset="imagenet-with-depth",
                conditions=graded(CORRUPTIONS_3D),
                metric="mce",
                reference="alexnet-3dcc-5k",
                families=FAMILIES_3D,
                notes=f"{_ON_THE_FLY}from the depth maps that you bring. Written anew from the paper and in places "
                "approximate (docs/corruptions-3d.md); not comparable with numbers on the published folders. Errors "
                "are normalised by AlexNet's on 5,000 published images (RobustBench).",
            ),
            photographs(
                kinds.CORRUPTIONS,
                "imagenet-3dcc-folders",
                "ImageNet-3DCC, published folders",
                conditions=graded(CORRUPTIONS_3D),
                metric="mce",
                reference="alexnet-3dcc-5k",
                families=FAMILIES_3D,
                on_disk=True,
                notes=f"{NOT_RESIZED} Errors are normalised by AlexNet's on 5,000 images (RobustBench): the authors "
                "publish none.",
            ),
        ),
    ),
)
