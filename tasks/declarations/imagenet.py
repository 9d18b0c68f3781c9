"""Tasks on photographs in the 1,000 classes of ImageNet, or in classes that these are mapped to."""

from __future__ import annotations

from collections.abc import Sequence

from .. import kinds
from ..corruptions import CORRUPTIONS, EXTRA, EXTRA_FAMILIES, FAMILIES, SEVERITIES
from ..corruptions.bar import CORRUPTIONS_BAR
from ..corruptions.three_d import CORRUPTIONS_3D, FAMILIES_3D
from ..task import Condition, Task
from .common import C_BAR_PAPER, CLEAN, IMAGENET_A_PAPER, IMAGENET_C_PAPER, THREE_D_PAPER, VID_ROBUST_PAPER, graded

_IMAGENET_PAPER = "Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015"
_MANY_FACES = "Hendrycks et al., The Many Faces of Robustness, ICCV 2021 (arXiv 2006.16241)"
_V2_PAPER = "Recht et al., Do ImageNet Classifiers Generalize to ImageNet?, ICML 2019 (arXiv 1902.10811)"

_ON_THE_FLY = "Drawn on the fly on the model's own resize and crop, "
_ALEXNET = (
    "Errors are normalised by AlexNet's published ones on the 50,000 validation images, whatever photographs are used."
)
_NOT_RESIZED = (
    "Published images of 224 pixels are not resized for a model that wants 224; for others they are resized to just "
    "its input size."
)


def _task(name: str, title: str, kind: kinds.Kind, dataset: str, citation: str, **more: object) -> Task:
    defaults: dict[str, object] = {
        "version": 1,
        "world": "photographs",
        "label_space": "imagenet-1k",
        "images": None,
        "conditions": CLEAN,
        "clean": None if kind is kinds.CLEAN else "imagenet-val",
    }
    values = defaults | more
    return Task(name=name, title=title, kind=kind, dataset=dataset, citation=citation, **values)  # type: ignore[arg-type]


def _shift(name: str, title: str, citation: str, dataset: str = "", **more: object) -> Task:
    return _task(name, title, kinds.SHIFT, dataset or name, citation, conditions=(Condition("shift"),), **more)


def _published(names: Sequence[str]) -> tuple[Condition, ...]:
    return tuple(Condition(name, severity, "published") for name in names for severity in SEVERITIES)


_ON_THE_FLY_TASKS = (
    _task("imagenet-val", "ImageNet, clean", kinds.CLEAN, "imagenet", _IMAGENET_PAPER),
    _task(
        "imagenet-c",
        "ImageNet-C on the fly",
        kinds.CORRUPTIONS,
        "imagenet",
        IMAGENET_C_PAPER,
        version=2,
        conditions=_published(CORRUPTIONS),
        metric="mce",
        reference="alexnet",
        families=FAMILIES,
        notes=f"{_ON_THE_FLY}then saved as JPEG of quality 85, as the published folders were. {_ALEXNET}",
    ),
    _task(
        "imagenet-c-raw",
        "ImageNet-C on the fly, without JPEG",
        kinds.CORRUPTIONS,
        "imagenet",
        IMAGENET_C_PAPER,
        conditions=graded(CORRUPTIONS),
        metric="mce",
        reference="alexnet",
        families=FAMILIES,
        notes=f"{_ON_THE_FLY}without the JPEG save of the published folders: not comparable with published mCE to "
        f"better than a few points. {_ALEXNET}",
    ),
    _task(
        "imagenet-c-extra",
        "ImageNet-C's extra corruptions on the fly",
        kinds.CORRUPTIONS,
        "imagenet",
        IMAGENET_C_PAPER,
        conditions=_published(EXTRA),
        metric="mce",
        reference="alexnet",
        families=EXTRA_FAMILIES,
        notes="The four corruptions meant for validation, which enter no mCE of the benchmark. "
        f"{_ON_THE_FLY}then saved as JPEG of quality 85. {_ALEXNET}",
    ),
    _task(
        "imagenet-c-bar",
        "ImageNet-C-bar on the fly",
        kinds.CORRUPTIONS,
        "imagenet",
        C_BAR_PAPER,
        conditions=graded(CORRUPTIONS_BAR),
        notes=f"{_ON_THE_FLY}without the JPEG save of the published folders. As its authors do, the plain mean is "
        "reported.",
    ),
    _task(
        "imagenet-3dcc",
        "ImageNet-3DCC on the fly",
        kinds.CORRUPTIONS,
        "imagenet-with-depth",
        THREE_D_PAPER,
        conditions=graded(CORRUPTIONS_3D),
        metric="mce",
        reference="alexnet-3dcc-5k",
        families=FAMILIES_3D,
        notes=f"{_ON_THE_FLY}from the depth maps that you bring. Written anew from the paper and in places approximate "
        "(docs/corruptions-3d.md); not comparable with numbers on the published folders. Errors are normalised by "
        "AlexNet's on 5,000 published images (RobustBench).",
    ),
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

_FOLDER_TASKS = (
    _task(
        "imagenet-c-folders",
        "ImageNet-C, published folders",
        kinds.CORRUPTIONS,
        "imagenet-c",
        IMAGENET_C_PAPER,
        conditions=graded(CORRUPTIONS),
        metric="mce",
        reference="alexnet",
        families=FAMILIES,
        on_disk=True,
        notes=_NOT_RESIZED,
    ),
    _task(
        "imagenet-c-bar-folders",
        "ImageNet-C-bar, published folders",
        kinds.CORRUPTIONS,
        "imagenet-c-bar",
        C_BAR_PAPER,
        conditions=graded(CORRUPTIONS_BAR),
        on_disk=True,
        notes=_NOT_RESIZED,
    ),
    _task(
        "imagenet-3dcc-folders",
        "ImageNet-3DCC, published folders",
        kinds.CORRUPTIONS,
        "imagenet-3dcc",
        THREE_D_PAPER,
        conditions=graded(CORRUPTIONS_3D),
        metric="mce",
        reference="alexnet-3dcc-5k",
        families=FAMILIES_3D,
        on_disk=True,
        notes=f"{_NOT_RESIZED} Errors are normalised by AlexNet's on 5,000 images (RobustBench): the authors publish "
        "none.",
    ),
)

_SEQUENCES = (
    _task(
        "imagenet-p",
        "ImageNet-P",
        kinds.SEQUENCES,
        "imagenet-p",
        IMAGENET_C_PAPER,
        conditions=tuple(Condition(name) for name in PERTURBATIONS),
        metric="flip_probability",
        on_disk=True,
        notes="The share of frames whose answer differs from that for the frame before (for noise: the first frame), "
        "mean over sequences and perturbations. Rates over AlexNet's are not given: its numbers were published in a "
        f"spreadsheet only. {_NOT_RESIZED}",
    ),
)

_SHIFTS = (
    _shift(
        "imagenet-a",
        "ImageNet-A",
        IMAGENET_A_PAPER,
        answers="imagenet-a",
        notes="Answered among its 200 classes, as the reference code does; imagenet-a-1000 among all.",
    ),
    _shift(
        "imagenet-a-1000",
        "ImageNet-A among 1,000 classes",
        IMAGENET_A_PAPER,
        dataset="imagenet-a",
        notes="The same images without the mask.",
    ),
    _shift(
        "imagenet-r",
        "ImageNet-R",
        _MANY_FACES,
        answers="imagenet-r",
        notes="Answered among its 200 classes, as the reference code does; imagenet-r-1000 among all.",
    ),
    _shift(
        "imagenet-r-1000",
        "ImageNet-R among 1,000 classes",
        _MANY_FACES,
        dataset="imagenet-r",
        notes="The same images without the mask.",
    ),
    _shift("imagenet-v2-matched-frequency", "ImageNet-V2, matched frequency", _V2_PAPER),
    _shift("imagenet-v2-threshold-0.7", "ImageNet-V2, threshold 0.7", _V2_PAPER),
    _shift("imagenet-v2-top-images", "ImageNet-V2, top images", _V2_PAPER),
    _shift(
        "imagenet-sketch",
        "ImageNet-Sketch",
        "Wang et al., Learning Robust Global Representations by Penalizing Local Predictive Power, NeurIPS 2019 "
        "(arXiv 1905.13549)",
    ),
    _shift(
        "objectnet",
        "ObjectNet",
        "Barbu et al., ObjectNet, NeurIPS 2019",
        answers="objectnet",
        notes="The 113 classes that overlap with ImageNet's; the red border of two pixels is cut off. The images may "
        "be used for evaluation only.",
    ),
    _task(
        "imagenet-real",
        "ImageNet, reassessed labels",
        kinds.MULTI_LABEL,
        "imagenet-real",
        "Beyer et al., Are we done with ImageNet?, 2020 (arXiv 2006.07159)",
        conditions=(Condition("shift"),),
        notes="Right if the answer is among the labels that people accepted; images without any are left out.",
    ),
    _task(
        "imagenet-vid-robust",
        "ImageNet-Vid-Robust",
        kinds.VIDEO,
        "imagenet-vid-robust",
        VID_ROBUST_PAPER,
        conditions=(Condition("frames"),),
        metric="pm10",
        answers="imagenet-vid",
        notes="pm0 is the accuracy on anchors; pm10 asks for the anchor and every neighbour.",
    ),
    _task(
        "ytbb-robust",
        "YTBB-Robust",
        kinds.VIDEO,
        "ytbb-robust",
        VID_ROBUST_PAPER,
        conditions=(Condition("frames"),),
        metric="pm10",
        answers="ytbb",
        notes="As ImageNet-Vid-Robust.",
    ),
)

IMAGENET_TASKS = (*_ON_THE_FLY_TASKS, *_FOLDER_TASKS, *_SEQUENCES, *_SHIFTS)
