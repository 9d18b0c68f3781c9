"""Images that were made: painted over, generated or rendered. Stylized-ImageNet, ImageNet-D and PUG: ImageNet.

What no source gives of sizes and checksums stays unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import kinds
from ..download.publication import Folder, RemoteFile
from ..images.classes import MergedClass, imagenet_classes, imagenet_d_classes, imagenet_wnids, pug_imagenet_classes
from ..task import Condition, Task
from .protocols import CUE_CONFLICT_PAPER, FROM_THE_WEB, photographs, shift
from .recognition import Evidence, Look, class_folders
from .record import ClassFolderForm, DataSet, FolderForm, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource


@dataclass(frozen=True)
class SeveralLabelsForm(FolderForm):
    """Images of named classes, for each of which some classes of ImageNet-1k count as right.

    Attributes:
        classes: Gives the classes; the key is the class's name in the folder or in the table.
    """

    classes: Callable[[], tuple[MergedClass, ...]]

    def accepted(self) -> dict[str, frozenset[int]]:
        """The class indices that count as right, by the class's name."""
        return {merged.key: frozenset(merged.imagenet) for merged in self.classes()}


@dataclass(frozen=True)
class SeveralFoldersForm(SeveralLabelsForm):
    """One folder per class."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.several_labels import SeveralFolders

        return SeveralFolders(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`. Its three parts have the same classes, so that the name of the folder decides."""
        return class_folders(look, self.accepted(), False, False)


@dataclass(frozen=True)
class TableForm(SeveralLabelsForm):
    """A table of files and their classes.

    Attributes:
        table: Its name.
        file_column: Its column of paths below the folder.
        class_column: Its column of classes.
    """

    table: str = ""
    file_column: str = ""
    class_column: str = ""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.several_labels import TableOfFiles

        return TableOfFiles(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        return Evidence(self.table, True) if self.table in look.files else None


_STYLIZED = """one folder per class, named by its WordNet id, with stylized validation images inside:
  {root}/
    n01440764/
      ...
    n01443537/
      ..."""
_BY_NAME = """one folder per class, with generated images inside:
  {root}/
    alarm_clock/
      ...
    backpack/
      ..."""
_WITH_TABLE = """the table of labels, and the images where it says:
  {root}/
    labels_pug_imagenet.csv      with columns filename and character_label
    ..."""


def _accepting(name: str, title: str, notes: str) -> Task:
    return photographs(kinds.MULTI_LABEL, name, title, conditions=(Condition("shift"),), notes=notes)


_D = DataSet(
    name="imagenet-d",
    title="ImageNet-D",
    page="https://github.com/chenshuang-zhang/imagenet_d",
    # Folders: README of the repository. Classes and decisions: evaluate_imagenet_models.py and utils/, commit 30045f7.
    # Licence: the repository's. The archive is on Google Drive, and its files on Hugging Face as zcs15/ImageNet-D.
    files=(),
    licence="MIT",
    citation="Zhang et al., ImageNet-D: Benchmarking Neural Network Robustness on Diffusion Synthetic Object, CVPR "
    "2024 (arXiv 2403.18775)",
    gated=True,
    notes="Three sets of generated images: download ImageNet-D.tar from the link on the page and unpack it.",
    folders=tuple(Folder(part) for part in ("background", "texture", "material")),
)


def _part_of_d(part: str) -> DataSet:
    name, title = f"imagenet-d-{part}", f"ImageNet-D, {part}"
    task = _accepting(
        name,
        title,
        "Answered among all 1,000 classes, as its authors do; right if the decision is one of those that their list "
        "gives for the class.",
    )
    return _D.part(name, title, part, SeveralFoldersForm("imagenet-1k", _BY_NAME, imagenet_d_classes), (task,))


DATA_SETS = (
    DataSet(
        name="stylized-imagenet",
        title="Stylized-ImageNet",
        page="https://github.com/rgeirhos/Stylized-ImageNet",
        # Not published as images: the repository (MIT) makes it from ImageNet and Kaggle's painter-by-numbers. Folders:
        # its README, which asks for val/ with the classes of ImageNet.
        files=(),
        licence="ImageNet terms",
        citation=CUE_CONFLICT_PAPER,
        gated=True,
        notes="Made from ImageNet by the script of the repository, in the style of paintings drawn at random: two "
        "copies differ. Give the folder of its validation images, STYLIZED/val.",
        folders=(Folder(".", 1000, 50_000),),
        form=ClassFolderForm("imagenet-1k", _STYLIZED, lambda: imagenet_classes(imagenet_wnids())),
        images_from=FROM_THE_WEB,
        tasks=(
            shift(
                "stylized-imagenet",
                "Stylized-ImageNet",
                notes="Top-1 on the stylized validation images. Your copy has styles of its own, so that numbers on "
                "two copies differ by more than the interval says.",
            ),
        ),
    ),
    _D,
    *map(_part_of_d, ("background", "texture", "material")),
    DataSet(
        name="pug-imagenet",
        title="PUG: ImageNet",
        page="https://github.com/facebookresearch/PUG",
        # URL, licence: README of the repository; counts, table and classes: PUG_ImageNet/ at commit d6b98fa.
        files=(
            RemoteFile("https://dl.fbaipublicfiles.com/large_objects/pug/PUG_IMAGENET.tar.gz", "PUG_IMAGENET.tar.gz"),
        ),
        licence="CC-BY-NC-4.0",
        citation="Bordes et al., PUG: Photorealistic and Semantically Controllable Synthetic Data for Representation "
        "Learning, NeurIPS 2023 (arXiv 2308.03977)",
        notes="About 27 GB, 88,328 rendered images of 151 classes. CC-BY-NC of no stated version; not for training "
        "generative models.",
        unpacks_to="PUG_IMAGENET",
        required=("labels_pug_imagenet.csv",),
        form=TableForm(
            "imagenet-1k",
            _WITH_TABLE,
            pug_imagenet_classes,
            "labels_pug_imagenet.csv",
            "filename",
            "character_label",
        ),
        tasks=(
            _accepting(
                "pug-imagenet",
                "PUG: ImageNet",
                "Answered among all 1,000 classes; right if the decision is one of those that the authors' list gives "
                "for the class. Accuracy by factor (background, size, texture, camera, pose, light) is not computed.",
            ),
        ),
    ),
)
