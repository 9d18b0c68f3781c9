"""ImageNet and CIFAR with corruptions: where they are published.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable

from .publication import Folder, Publication, RemoteFile

_ROBUSTNESS = (
    "Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, ICLR 2019 "
    "(arXiv 1903.12261)"
)
_SEVERITIES = range(1, 6)

_C_15 = (
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
_C_4 = (
    "speckle_noise", "gaussian_blur", "spatter", "saturate",
)  # fmt: skip
_C_BAR = (
    "blue_noise_sample", "brownish_noise", "caustic_refraction", "checkerboard_cutout", "cocentric_sine_waves",
    "inverse_sparkles", "perlin_noise", "plasma_noise", "single_frequency_greyscale", "sparkles",
)  # fmt: skip
_3DCC = (
    "near_focus", "far_focus", "fog_3d", "flash", "color_quant", "low_light", "xy_motion_blur", "z_motion_blur",
    "iso_noise", "bit_error", "h265_abr", "h265_crf",
)  # fmt: skip


def _zenodo(record: int, name: str, md5: str, size: int | None = None, sha256: str | None = None) -> RemoteFile:
    return RemoteFile(f"https://zenodo.org/records/{record}/files/{name}?download=1", name, size, md5, sha256)


def _conditions(corruptions: Iterable[str]) -> tuple[Folder, ...]:
    return tuple(Folder(f"{name}/{severity}", 1000, 50_000) for name in corruptions for severity in _SEVERITIES)


_ARRAYS = (*(f"{name}.npy" for name in (*_C_15, *_C_4)), "labels.npy")

CORRUPTED_SETS = (
    Publication(
        name="imagenet-c",
        title="ImageNet-C",
        page="https://zenodo.org/records/2235448",
        # md5: the Zenodo record, as quoted by the loaders of shifthappens (tasks/imagenet_c) and oodtk (pytorch-ood).
        # Sizes of noise, blur and weather, and the licence "cc-by-4.0": a public note on what Zenodo's API answers.
        # None was found to the byte for digital and extra, of which oodtk says 7 GB and 15 GB.
        files=(
            _zenodo(2235448, "noise.tar", "e80562d7f6c3f8834afb1ecf27252745", 22_565_673_785),
            _zenodo(2235448, "blur.tar", "2d8e81fdd8e07fef67b9334fa635e45c", 7_112_704_951),
            _zenodo(2235448, "weather.tar", "33ffea4db4d93fe4a428c40a6ce0c25d", 12_797_438_995),
            _zenodo(2235448, "digital.tar", "89157860d7b10d5797849337ca2e5c03"),
            _zenodo(2235448, "extra.tar", "d492dfba5fc162d8ec2c3cd8ee672984"),
        ),
        licence="CC-BY-4.0",
        citation=_ROBUSTNESS,
        notes="About 65 GB. The 15 corruptions need noise, blur, weather and digital; extra holds the four others. "
        "The images are 224 pixels and made of ImageNet's validation set, whose terms hold too.",
        folders=_conditions((*_C_15, *_C_4)),
    ),
    Publication(
        name="imagenet-p",
        title="ImageNet-P",
        page="https://zenodo.org/records/3565846",
        # URLs and md5: the loader of oodtk, now pytorch-ood. Sizes and licence: not found.
        files=(
            _zenodo(3565846, "blur.tar", "869b2d2fb1604d1baa4316b5ecc9fdea"),
            _zenodo(3565846, "digital.tar", "8c1f73e4912812788e2fdb637cd55372"),
            _zenodo(3565846, "noise.tar", "619b37b5139ce764f77ce3bed3aee837"),
            _zenodo(3565846, "weather.tar", "a597ff6db8c6fb0dbcd6eb12ed620002"),
        ),
        licence="not found",
        citation=_ROBUSTNESS,
        notes="Sequences of perturbed frames, as MP4.",
    ),
    Publication(
        name="cifar-10-c",
        title="CIFAR-10-C",
        page="https://zenodo.org/records/2535967",
        # Size, sha256: TensorFlow Datasets, url_checksums/cifar10_corrupted.txt. md5: the Zenodo record, as quoted
        # by several public loaders. Licence: CC BY 4.0 as an unchanged copy on Hugging Face quotes the record.
        files=(
            _zenodo(
                2535967,
                "CIFAR-10-C.tar",
                "56bf5dcef84df0e2308c6dcbcbbd8499",
                2_918_471_680,
                "c72763e101c723b7c507b96205f7e938912a5d587376173b825850cf3cb876a7",
            ),
        ),
        licence="CC-BY-4.0",
        citation=_ROBUSTNESS,
        notes="One array of 50,000 images of 32 pixels for each corruption: 10,000 at each severity, in order.",
        unpacks_to="CIFAR-10-C",
        required=_ARRAYS,
    ),
    Publication(
        name="cifar-100-c",
        title="CIFAR-100-C",
        page="https://zenodo.org/records/3555552",
        # Size, sha256: TensorFlow Datasets, url_checksums/cifar100_corrupted.txt. md5: the Zenodo record, as
        # quoted by several public loaders. Licence: not found.
        files=(
            _zenodo(
                3555552,
                "CIFAR-100-C.tar",
                "11f0ed0f1191edbf9fa23466ae6021d3",
                2_918_473_216,
                "30ee6543a1bfd049fa33834b7c1ada301e7064b7fbe8fc38340eb8b62ced4b33",
            ),
        ),
        licence="not found",
        citation=_ROBUSTNESS,
        notes="As CIFAR-10-C.",
        unpacks_to="CIFAR-100-C",
        required=_ARRAYS,
    ),
    Publication(
        name="imagenet-c-bar",
        title="ImageNet-C-bar",
        page="https://github.com/facebookresearch/augmentation-corruption",
        # URL, corruptions and layout: README of the repository. Top folder: a public script that moves cbar_download.
        files=(RemoteFile("https://dl.fbaipublicfiles.com/inc_bar/imagenet_c_bar.tar.gz", "imagenet_c_bar.tar.gz"),),
        licence="MIT",
        citation="Mintun et al., On Interaction Between Augmentations and Corruptions in Natural Corruption "
        "Robustness, NeurIPS 2021 (arXiv 2102.11273)",
        notes="A copy that colleagues of the authors made; the repository generates it as well, from ImageNet's "
        "validation set, whose terms hold too.",
        unpacks_to="cbar_download",
        folders=_conditions(_C_BAR),
    ),
    Publication(
        name="imagenet-3dcc",
        title="ImageNet-3DCC",
        page="https://github.com/EPFL-VILAB/3DCommonCorruptions",
        # URLs and corruptions: tools/download_imagenet_3dcc.sh of the repository; licence: its README.
        files=tuple(
            RemoteFile(f"https://datasets.epfl.ch/3dcc/imagenet_3dcc/{name}.tar.gz", f"{name}.tar.gz") for name in _3DCC
        ),
        licence="CC-BY-NC-4.0",
        citation="Kar et al., 3D Common Corruptions and Data Augmentation, CVPR 2022 (arXiv 2203.01441)",
        notes="12 corruptions at five severities. Made of ImageNet's validation set, whose terms hold too.",
        folders=_conditions(_3DCC),
    ),
)
