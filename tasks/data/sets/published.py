"""The published sets by name: where each comes from, what its files look like, and in which classes it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ....errors import DataError, unknown_name


@dataclass(frozen=True)
class PublishedSet:
    """What is known of a set before its files are seen.

    Attributes:
        name: What the user types: ``--data imagenet-a=DIR``.
        title: For people.
        label_space: In which classes its labels are; an answer space, or ``"cifar-10"``, ``"cifar-100"``.
        page: Where its authors publish it.
        form: What its folder looks like, with ``{root}`` for the folder.
        images: How many images (anchors, sequences) are published under each condition; None where that is not known.
        reader: Kind of reader: ``"class-folders"``, ``"real"``, ``"condition-folders"``, ``"cifar-c"``, ``"frames"``,
            ``"sequences"``.
    """

    name: str
    title: str
    label_space: str
    page: str
    form: str
    images: int | None
    reader: str

    def expected(self, root: Path) -> str:
        """What ends the message of every error about the set's form."""
        return f"Expected {self.form.format(root=root)}\n{self.title} is published at {self.page}"

    def error(self, problem: str, root: Path) -> DataError:
        """An error that says what was wrong, what the form is, and where the set is published."""
        return DataError(f"{problem}\n{self.expected(root)}")


_WNIDS = """one folder per class, named by its WordNet id, with images inside:
  {{root}}/
    {0}/
      ...
    {1}/
      ..."""
_VALIDATION = """ImageNet's validation images under their published names, in one folder per class:
  {root}/
    n01440764/
      ILSVRC2012_val_00000293.JPEG
      ...
    n01443537/
      ..."""
_NUMBERS = """one folder per class, named by its class index 0 to 999, with images inside:
  {root}/
    0/
      ...
    ...
    999/
      ..."""
_CONDITIONS = """one folder per corruption, severity 1 to 5 and class, as the archives unpack:
  {{root}}/
    {0}/
      1/
        n01440764/
          ILSVRC2012_val_00000293.JPEG
          ...
      ...
      5/
    ...
Folders that hold several corruptions{1} may stand in between."""
_CIFAR = """one array per corruption and the labels:
  {root}/
    labels.npy              (50000,) or (10000,)
    gaussian_noise.npy      (50000, 32, 32, 3) uint8: severity 1 to 5, 10000 images each
    fog.npy
    ..."""
_VID = """the frames and what the authors say of them:
  {root}/
    val/
      ILSVRC2015_val_00000000/
        000432.JPEG
        ...
    metadata/
      labels.json           classes 0 to 29 of every frame
      pmsets.json           neighbours of every anchor"""
_YTBB = """the frames and what the authors say of them:
  {root}/
    ytbb_videos/
      04rVDII50JU_66600/
        frame-1998.jpg
        ...
    metadata/
      anchor_labels.json
      pmk_labels.json
      ytbb_robustness_test_anchors_full.csv"""
_SEQUENCES = """one folder per perturbation and class, with short videos inside:
  {root}/
    brightness/
      n01440764/
        ILSVRC2012_val_00000293.mp4
        ...
    ...
Folders that hold several perturbations, such as noise, blur, weather, digital and extra, may stand in between."""


def _v2(name: str, title: str) -> PublishedSet:
    page = "https://github.com/modestyachts/ImageNetV2"
    return PublishedSet(f"imagenet-v2-{name}", title, "imagenet-1k", page, _NUMBERS, 10_000, "class-folders")


PUBLISHED: dict[str, PublishedSet] = {
    published.name: published
    for published in (
        PublishedSet(
            "imagenet-a",
            "ImageNet-A",
            "imagenet-a",
            "https://github.com/hendrycks/natural-adv-examples",
            _WNIDS.format("n01498041", "n01531178"),
            7500,
            "class-folders",
        ),
        PublishedSet(
            "imagenet-r",
            "ImageNet-R",
            "imagenet-r",
            "https://github.com/hendrycks/imagenet-r",
            _WNIDS.format("n01443537", "n01484850"),
            30_000,
            "class-folders",
        ),
        PublishedSet(
            "imagenet-sketch",
            "ImageNet-Sketch",
            "imagenet-1k",
            "https://github.com/HaohanWang/ImageNet-Sketch",
            _WNIDS.format("n01440764", "n01443537"),
            None,
            "class-folders",
        ),
        _v2("matched-frequency", "ImageNet-V2, matched frequency"),
        _v2("threshold-0.7", "ImageNet-V2, threshold 0.7"),
        _v2("top-images", "ImageNet-V2, top images"),
        PublishedSet(
            "objectnet",
            "ObjectNet",
            "objectnet",
            "https://objectnet.dev",
            """one folder per class, named as published, with images that still have their red border:
  {root}/
    air_freshener/
    alarm_clock/
      ...
    ...""",
            18_514,
            "class-folders",
        ),
        PublishedSet(
            "imagenet-real",
            "ImageNet ReaL",
            "imagenet-1k",
            "https://github.com/google-research/reassessed-imagenet",
            _VALIDATION,
            46_837,
            "real",
        ),
        PublishedSet(
            "imagenet-c",
            "ImageNet-C",
            "imagenet-1k",
            "https://github.com/hendrycks/robustness",
            _CONDITIONS.format("gaussian_noise", ", such as noise, blur, weather, digital and extra,"),
            50_000,
            "condition-folders",
        ),
        PublishedSet(
            "imagenet-c-bar",
            "ImageNet-C-bar",
            "imagenet-1k",
            "https://github.com/facebookresearch/augmentation-corruption",
            _CONDITIONS.format("blue_noise_sample", ""),
            50_000,
            "condition-folders",
        ),
        PublishedSet(
            "imagenet-3dcc",
            "ImageNet-3DCC",
            "imagenet-1k",
            "https://3dcommoncorruptions.epfl.ch",
            _CONDITIONS.format("near_focus", ""),
            50_000,
            "condition-folders",
        ),
        PublishedSet(
            "cifar-10-c",
            "CIFAR-10-C",
            "cifar-10",
            "https://github.com/hendrycks/robustness",
            _CIFAR,
            10_000,
            "cifar-c",
        ),
        PublishedSet(
            "cifar-100-c",
            "CIFAR-100-C",
            "cifar-100",
            "https://github.com/hendrycks/robustness",
            _CIFAR,
            10_000,
            "cifar-c",
        ),
        PublishedSet(
            "imagenet-vid-robust",
            "ImageNet-Vid-Robust",
            "imagenet-vid",
            "https://modestyachts.github.io/natural-perturbations-website/",
            _VID,
            1109,
            "frames",
        ),
        PublishedSet(
            "ytbb-robust",
            "YTBB-Robust",
            "ytbb",
            "https://modestyachts.github.io/natural-perturbations-website/",
            _YTBB,
            None,
            "frames",
        ),
        PublishedSet(
            "imagenet-p",
            "ImageNet-P",
            "imagenet-1k",
            "https://github.com/hendrycks/robustness",
            _SEQUENCES,
            None,
            "sequences",
        ),
    )
}


def published_set(name: str, readers: Mapping[str, object] | None = None) -> PublishedSet:
    """A published set by name.

    Args:
        name: As in `PUBLISHED`.
        readers: Kinds of reader to accept, as keys; None accepts every set.

    Raises:
        UnknownNameError: With the nearest names.
    """
    valid = {n: p for n, p in PUBLISHED.items() if readers is None or p.reader in readers}
    if name not in valid:
        raise unknown_name("published set", name, valid)
    return valid[name]
