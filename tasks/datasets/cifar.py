"""CIFAR-10-C and CIFAR-100-C, for classifiers of these classes.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from .. import kinds
from ..corruptions import CORRUPTIONS, EXTRA, FAMILIES
from ..task import Task
from .conditions import ArrayForm
from .protocols import IMAGENET_C_PAPER, graded, photographs, zenodo
from .record import DataSet

_ARRAYS = (*(f"{name}.npy" for name in (*CORRUPTIONS, *EXTRA)), "labels.npy")
_LAYOUT = """one array per corruption and the labels:
  {root}/
    labels.npy              (50000,) or (10000,)
    gaussian_noise.npy      (50000, 32, 32, 3) uint8: severity 1 to 5, 10000 images each
    fog.npy
    ..."""


def _task(name: str, title: str, label_space: str) -> Task:
    return photographs(
        kinds.CORRUPTIONS,
        name,
        title,
        label_space=label_space,
        conditions=graded(CORRUPTIONS),
        clean=None,
        families=FAMILIES,
        on_disk=True,
        notes="The published numpy files, 10,000 images of 32 pixels under each condition, in the model's own resize "
        "and crop. The plain mean is reported: no reference is published.",
    )


DATA_SETS = (
    DataSet(
        name="cifar-10-c",
        title="CIFAR-10-C",
        page="https://zenodo.org/records/2535967",
        # Size, sha256: TensorFlow Datasets, url_checksums/cifar10_corrupted.txt. md5: the Zenodo record, as quoted
        # by several public loaders. Licence: CC BY 4.0 as an unchanged copy on Hugging Face quotes the record.
        files=(
            zenodo(
                2535967,
                "CIFAR-10-C.tar",
                "56bf5dcef84df0e2308c6dcbcbbd8499",
                2_918_471_680,
                "c72763e101c723b7c507b96205f7e938912a5d587376173b825850cf3cb876a7",
            ),
        ),
        licence="CC-BY-4.0",
        citation=IMAGENET_C_PAPER,
        notes="One array of 50,000 images of 32 pixels for each corruption: 10,000 at each severity, in order.",
        unpacks_to="CIFAR-10-C",
        required=_ARRAYS,
        form=ArrayForm("cifar-10", _LAYOUT, 10),
        tasks=(_task("cifar-10-c", "CIFAR-10-C", "cifar-10"),),
    ),
    DataSet(
        name="cifar-100-c",
        title="CIFAR-100-C",
        page="https://zenodo.org/records/3555552",
        # Size, sha256: TensorFlow Datasets, url_checksums/cifar100_corrupted.txt. md5: the Zenodo record, as
        # quoted by several public loaders. Licence: not found.
        files=(
            zenodo(
                3555552,
                "CIFAR-100-C.tar",
                "11f0ed0f1191edbf9fa23466ae6021d3",
                2_918_473_216,
                "30ee6543a1bfd049fa33834b7c1ada301e7064b7fbe8fc38340eb8b62ced4b33",
            ),
        ),
        licence="not found",
        citation=IMAGENET_C_PAPER,
        notes="As CIFAR-10-C.",
        unpacks_to="CIFAR-100-C",
        required=_ARRAYS,
        form=ArrayForm("cifar-100", _LAYOUT, 100),
        tasks=(_task("cifar-100-c", "CIFAR-100-C", "cifar-100"),),
    ),
)
