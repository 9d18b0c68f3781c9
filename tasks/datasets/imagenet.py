"""ImageNet's validation set, and the reassessed labels for it.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .. import kinds
from ..download.publication import Folder, RemoteFile
from ..images.classes import MergedClass, imagenet_a_wnids, imagenet_classes, imagenet_r_wnids
from ..kinds.classification import HUNDREDTH, LINEAR_ACCURACY
from ..kinds.classification import KIND as CLASSIFICATION
from ..task import Condition
from ..understanding.classification import Classifying
from .protocols import CLEAN, DINO_PAPER, FROM_THE_WEB, of_features, photographs
from .recognition import Evidence, Look, training_photographs
from .record import DataSet, DepthForm, Form, Opening, PhotographForm, ReassessedForm, UserFolder

if TYPE_CHECKING:
    from ..images.source import ImageSource
    from ..task import Task

_VALIDATION = """ImageNet's validation images under their published names, in one folder per class:
  {root}/
    n01440764/
      ILSVRC2012_val_00000293.JPEG
      ...
    n01443537/
      ..."""


@dataclass(frozen=True)
class SubsetForm(Form):
    """Photographs in one folder per WordNet id, of which only some classes are read.

    Attributes:
        classes: Gives these classes in the order of the answer space `Form.label_space`.
    """

    classes: Callable[[], tuple[MergedClass, ...]]

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.class_folders import ImageNetSubset

        classes = {index: label for label, merged in enumerate(self.classes()) for index in merged.imagenet}
        return ImageNetSubset(opening.root, self.label_space, classes, data_set.name, opening.cache, opening.progress)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """None: the folder is recognised as that of all classes."""
        return None


@dataclass(frozen=True)
class LearningForm(Form):
    """Photographs as in `PhotographForm`, and a second folder of them from which heads learn.

    Attributes:
        lists: Files in a third folder that name parts of the second, by the share that they are; empty where there is
            no third folder.
    """

    lists: Mapping[float, str] = field(default_factory=dict, hash=False)

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..images.folders import ImageFolder
        from ..readers.learning import LabelledImages, positions_listed

        asked, learning = (
            ImageFolder(folder, read.name, opening.cache and opening.cache.with_name(f"{read.name}.json"), told)
            for folder, read, told in zip(opening.folders[:2], data_set.reads, 2 * [opening.progress], strict=False)
        )
        shots = {share: positions_listed(opening.folders[2] / name, learning) for share, name in self.lists.items()}
        return LabelledImages(data_set.name, asked, learning, shots=shots)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """The folder of lists, or that of training photographs; that of the others is recognised by their own set."""
        if not self.lists:
            return training_photographs(look)
        there = [name for name in self.lists.values() if name in look.files]
        return Evidence(f"lists such as {there[0]}", True) if there else None


PHOTOGRAPHS = UserFolder(
    "imagenet",
    "photographs in one folder per WordNet id, such as ImageNet's validation set: --data imagenet=DIR",
)
_DEPTHS = UserFolder(
    "imagenet-depth",
    "a depth map for each photograph of imagenet, .npy or 16-bit .png: --data imagenet-depth=DIR",
)
_TRAIN = UserFolder(
    "imagenet-train",
    "ImageNet's training photographs, in one folder per WordNet id: --data imagenet-train=DIR",
)
_SUBSETS = UserFolder(
    "imagenet-subsets",
    "the lists 1percent.txt and 10percent.txt of SimCLR (github.com/google-research/simclr, imagenet_subsets): "
    "--data imagenet-subsets=DIR",
)
_by_features = partial(of_features, CLASSIFICATION, conditions=(Condition("images"),), metric=LINEAR_ACCURACY)
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
    hub="ILSVRC/imagenet-1k",
    notes="Register at the page, accept the terms, download ILSVRC2012_img_val.tar (6.7 GB, md5 "
    "29b22e2961454d5413ddabcf34fc5622) and ILSVRC2012_devkit_t12.tar.gz, and sort the 50,000 images into one "
    "folder per WordNet id; torchvision.datasets.ImageNet(root, split='val') does this with both archives in root.",
    folders=(Folder(".", 1000, 50_000),),
    form=PhotographForm("imagenet-1k"),
    reads=(PHOTOGRAPHS,),
    tasks=(photographs(kinds.CLEAN, "imagenet-val", "ImageNet, clean", conditions=CLEAN, clean=None),),
    images_from=FROM_THE_WEB,
)


def validation_images_of(
    other: str, title: str, classes: Callable[[], tuple[MergedClass, ...]], count: str, *more: Task
) -> DataSet:
    """The validation images of another set's classes, answered among these: what its accuracy is compared with.

    Args:
        other: The set's answer space.
        title: The set's title.
        classes: As in `SubsetForm`.
        count: How many classes these are, in words.
        more: Further tasks on these images.
    """
    name, heading = f"{other}-clean", f"ImageNet, the classes of {title}"
    notes = f"The validation images of the {count} of {title}, answered among these."
    task = photographs(kinds.CLEAN, name, heading, conditions=CLEAN, clean=None, answers=other, notes=notes)
    return _IMAGENET.part(name, heading, "", SubsetForm(other, classes), (task, *more), (PHOTOGRAPHS,))


DATA_SETS = (
    _IMAGENET,
    validation_images_of("imagenet-a", "ImageNet-A", lambda: imagenet_classes(imagenet_a_wnids()), "200 classes"),
    validation_images_of("imagenet-r", "ImageNet-R", lambda: imagenet_classes(imagenet_r_wnids()), "200 classes"),
    _IMAGENET.part(
        "imagenet-with-depth",
        "ImageNet validation set with depth maps",
        "",
        DepthForm("imagenet-1k"),
        (),  # ImageNet-3DCC is drawn from it; see `corrupted`
        (PHOTOGRAPHS, _DEPTHS),
    ),
    _IMAGENET.part(
        "imagenet-with-train",
        "ImageNet, training photographs and the validation set",
        "",
        LearningForm("none"),
        (
            _by_features(
                "imagenet-classification",
                "ImageNet, frozen features",
                citation=DINO_PAPER,
                notes="Heads on frozen features, fitted to all training photographs: the 20 nearest neighbours, and a "
                "linear classifier that sees all of them, a tenth or a hundredth of each class.",
                protocol=Classifying(1000, shares=(0.1, 0.01)),
            ),
            _by_features(
                "imagenet-classification-100",
                "ImageNet, frozen features, 100 photographs a class",
                citation=DINO_PAPER,
                notes="As imagenet-classification, with 100 training photographs of each class, chosen by their names: "
                "a thirteenth of the work. Its numbers are lower, and are no published ones.",
                protocol=Classifying(1000, each=100),
            ),
        ),
        (PHOTOGRAPHS, _TRAIN),
    ),
    _IMAGENET.part(
        "imagenet-low-shot",
        "ImageNet, SimCLR's 1 % and 10 % of the training photographs",
        "",
        LearningForm("none", {0.1: "10percent.txt", 0.01: "1percent.txt"}),
        (
            _by_features(
                "imagenet-low-shot",
                "ImageNet, frozen features, SimCLR's 1 % and 10 %",
                metric=HUNDREDTH,
                citation="Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML "
                "2020 (arXiv 2002.05709)",
                notes="Linear heads on frozen features, fitted to the photographs of the published lists. The paper "
                "fine-tunes on them instead.",
                protocol=Classifying(1000, whole=False, shares=(0.1, 0.01)),
            ),
        ),
        (PHOTOGRAPHS, _TRAIN, _SUBSETS),
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
        images_from=FROM_THE_WEB,
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
