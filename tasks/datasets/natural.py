"""Natural variants of ImageNet's validation set: ImageNet-A, -R, -V2 and -Sketch, and ObjectNet.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from dataclasses import replace

from ..download.publication import Folder, RemoteFile
from ..images.classes import (
    MergedClass,
    imagenet_a_wnids,
    imagenet_classes,
    imagenet_r_wnids,
    imagenet_wnids,
    objectnet_classes,
)
from .protocols import FROM_THE_WEB, IMAGENET_A_PAPER, shift
from .record import ClassFolderForm, DataSet

_BORDER = 2
"""Pixels cut off each side of ObjectNet's images. Its authors drew a red border of one pixel, so that the images are
recognised and never trained on; their evaluation cuts two."""


def _by_wnid(*examples: str) -> str:
    first, second = examples
    return f"""one folder per class, named by its WordNet id, with images inside:
  {{root}}/
    {first}/
      ...
    {second}/
      ..."""


_NUMBERED = """one folder per class, named by its class index 0 to 999, with images inside:
  {root}/
    0/
      ...
    ...
    999/
      ..."""
_WITH_BORDER = """one folder per class, named as published, with images that still have their red border:
  {root}/
    air_freshener/
    alarm_clock/
      ...
    ..."""


def _of_a() -> tuple[MergedClass, ...]:
    return imagenet_classes(imagenet_a_wnids())


def _of_r() -> tuple[MergedClass, ...]:
    return imagenet_classes(imagenet_r_wnids())


def _of_imagenet() -> tuple[MergedClass, ...]:
    return imagenet_classes(imagenet_wnids())


def _numbered() -> tuple[MergedClass, ...]:
    """Folders are numbers whatever the order of their names: sorted as text, "10" comes before "2"."""
    return tuple(replace(c, key=str(number)) for number, c in enumerate(_of_imagenet()))


_V2_FILES = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"
_V2 = DataSet(
    name="imagenet-v2",
    title="ImageNet-V2",
    page="https://github.com/modestyachts/ImageNetV2",
    # TensorFlow Datasets, datasets/imagenet_v2/checksums.tsv. Despite their names the files are plain tar archives
    # (their sizes are multiples of 512). Licence: README of the repository. Counts: the same.
    files=(
        RemoteFile(
            f"{_V2_FILES}/imagenetv2-matched-frequency.tar.gz",
            "imagenetv2-matched-frequency.tar.gz",
            1_264_079_360,
            sha256="f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
        ),
        RemoteFile(
            f"{_V2_FILES}/imagenetv2-threshold0.7.tar.gz",
            "imagenetv2-threshold0.7.tar.gz",
            1_249_906_176,
            sha256="32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
        ),
        RemoteFile(
            f"{_V2_FILES}/imagenetv2-top-images.tar.gz",
            "imagenetv2-top-images.tar.gz",
            1_245_927_936,
            sha256="85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
        ),
    ),
    licence="ImageNet terms",
    citation="Recht et al., Do ImageNet Classifiers Generalize to ImageNet?, ICML 2019 (arXiv 1902.10811)",
    notes="Three sets. The images come from Flickr with their own licences and can be used the way ImageNet's are. "
    "The folders are numbered 0 to 999, which sorts differently as text.",
    hub="vaishaal/ImageNetV2",
    folders=tuple(
        Folder(f"imagenetv2-{variant}-format-val", 1000, 10_000)
        for variant in ("matched-frequency", "threshold0.7", "top-images")
    ),
    images_from=FROM_THE_WEB,
)
_V2_FORM = ClassFolderForm("imagenet-1k", _NUMBERED, _numbered)


def _v2(variant: str, title: str, place: str) -> DataSet:
    name = f"imagenet-v2-{variant}"
    return _V2.part(name, title, f"imagenetv2-{place}-format-val", _V2_FORM, (shift(name, title),))


DATA_SETS = (
    DataSet(
        name="imagenet-a",
        title="ImageNet-A",
        page="https://github.com/hendrycks/natural-adv-examples",
        # Size, sha256: TensorFlow Datasets, url_checksums/imagenet_a.txt. md5: oodtk (pytorch-ood). Counts: the paper.
        # Licence: the repository's.
        files=(
            RemoteFile(
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
                "imagenet-a.tar",
                687_552_512,
                "c3e55429088dc681f30d81f4726b6595",
                "3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e",
            ),
        ),
        licence="MIT",
        citation=IMAGENET_A_PAPER,
        notes="The images belong to their photographers.",
        images_from=FROM_THE_WEB,
        unpacks_to="imagenet-a",
        folders=(Folder(".", 200, 7500),),
        form=ClassFolderForm("imagenet-a", _by_wnid("n01498041", "n01531178"), _of_a),
        tasks=(
            shift(
                "imagenet-a",
                "ImageNet-A",
                answers="imagenet-a",
                clean="imagenet-a-clean",
                notes="Answered among its 200 classes, as the reference code does; imagenet-a-1000 among all.",
            ),
            shift("imagenet-a-1000", "ImageNet-A among 1,000 classes", notes="The same images without the mask."),
        ),
    ),
    DataSet(
        name="imagenet-r",
        title="ImageNet-R",
        page="https://github.com/hendrycks/imagenet-r",
        # Size, sha256: TensorFlow Datasets, url_checksums/imagenet_r.txt. md5: oodtk (pytorch-ood). Counts: the paper.
        # Licence: the repository's.
        files=(
            RemoteFile(
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
                "imagenet-r.tar",
                2_191_079_936,
                "a61312130a589d0ca1a8fca1f2bd3337",
                "18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52",
            ),
        ),
        licence="MIT",
        citation="Hendrycks et al., The Many Faces of Robustness, ICCV 2021 (arXiv 2006.16241)",
        notes="The images belong to their makers.",
        images_from=FROM_THE_WEB,
        unpacks_to="imagenet-r",
        folders=(Folder(".", 200, 30_000),),
        form=ClassFolderForm("imagenet-r", _by_wnid("n01443537", "n01484850"), _of_r),
        tasks=(
            shift(
                "imagenet-r",
                "ImageNet-R",
                answers="imagenet-r",
                clean="imagenet-r-clean",
                notes="Answered among its 200 classes, as the reference code does; imagenet-r-1000 among all.",
            ),
            shift("imagenet-r-1000", "ImageNet-R among 1,000 classes", notes="The same images without the mask."),
        ),
    ),
    _V2,
    _v2("matched-frequency", "ImageNet-V2, matched frequency", "matched-frequency"),
    _v2("threshold-0.7", "ImageNet-V2, threshold 0.7", "threshold0.7"),
    _v2("top-images", "ImageNet-V2, top images", "top-images"),
    DataSet(
        name="imagenet-sketch",
        title="ImageNet-Sketch",
        page="https://github.com/HaohanWang/ImageNet-Sketch",
        # URL: the copy under the name of the dataset's authors that the README's Google Drive link has as its twin;
        # Drive asks a question before large files. Its size and checksum were found nowhere; those of the Drive file
        # (7,593,573,012 bytes, TensorFlow Datasets) may be of another zip. Top folder: public scripts move sketch/.
        # Count: the Hugging Face card. Licence: the repository's, as model-vs-human quotes it.
        files=(
            RemoteFile(
                "https://huggingface.co/datasets/songweig/imagenet_sketch/resolve/main/data/ImageNet-Sketch.zip",
                "ImageNet-Sketch.zip",
            ),
        ),
        licence="MIT",
        citation="Wang et al., Learning Robust Global Representations by Penalizing Local Predictive Power, "
        "NeurIPS 2019 (arXiv 1905.13549)",
        notes="About 7.6 GB. The images were found by an image search and belong to their makers.",
        images_from=FROM_THE_WEB,
        hub="songweig/imagenet_sketch",
        unpacks_to="sketch",
        folders=(Folder(".", 1000, 50_889),),
        form=ClassFolderForm("imagenet-1k", _by_wnid("n01440764", "n01443537"), _of_imagenet),
        tasks=(shift("imagenet-sketch", "ImageNet-Sketch"),),
    ),
    DataSet(
        name="objectnet",
        title="ObjectNet",
        page="https://objectnet.dev/download.html",
        # md5 of objectnet-1.0.zip: shifthappens. Number of classes: the paper.
        files=(),
        licence="own terms",
        citation="Barbu et al., ObjectNet: A large-scale bias-controlled dataset for pushing the limits of object "
        "recognition models, NeurIPS 2019",
        gated=True,
        notes="Read the terms on the page: the images may never be used to train or tune a model. Download "
        "objectnet-1.0.zip (md5 522aa986a604c41ea641411c1d0a292e) and unpack it with the password that the terms give. "
        f"Every image has a red border of one pixel; leave it on, bench cuts {_BORDER} pixels off each side.",
        folders=(Folder("images", 313),),
        form=ClassFolderForm("objectnet", _WITH_BORDER, objectnet_classes, others=True, border=_BORDER),
        tasks=(
            shift(
                "objectnet",
                "ObjectNet",
                answers="objectnet",
                notes=f"The 113 classes that overlap with ImageNet's; {_BORDER} pixels are cut off each side, to "
                "remove the red border. The images may be used for evaluation only.",
            ),
        ),
    ),
)
