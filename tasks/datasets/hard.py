"""Hard photographs: those that no framing makes easy (ImageNet-Hard), and those taken in bad light (ImageNet-ES).

What no source gives of sizes and checksums stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import kinds
from ..download.publication import Folder
from ..images.classes import tiny_imagenet_classes
from ..kinds.settings import KIND as SETTINGS
from ..task import Condition
from .conditions import ConditionFolderForm
from .protocols import FROM_THE_WEB, photographs
from .recognition import Evidence, Look
from .record import DataSet, FolderForm, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource


@dataclass(frozen=True)
class ParquetForm(FolderForm):
    """Images and the classes of ImageNet-1k that count as right, in Parquet files.

    Attributes:
        images: How many there are; another number is an error, because it means another revision.
    """

    images: int

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.parquet_images import ParquetImages

        return ParquetImages(data_set, self, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`. Many sets have such files, so that the name of the folder decides."""
        places = (look, look.inside("data")) if "data" in look.folders else (look,)
        files = [name for place in places for name in place.files if name.endswith(".parquet")]
        return Evidence(f"{len(files)} Parquet files, such as {files[0]}", False) if files else None


_PARQUET = """the Parquet files of the data set on Hugging Face, in it or in its folder data:
  {root}/
    data/
      validation-00000-of-....parquet
      ..."""
_LIGHTS = ("l1", "l5")  # the lamp on, and off
_PARAM = "param_{severity}"


def _by_setting(last: int) -> str:
    return f"""one folder per light, setting of the camera and class:
  {{root}}/
    l1/
      param_1/
        n01443537/
          ...
      ...
      param_{last}/
    l5/
      ..."""


_ES = DataSet(
    name="imagenet-es",
    title="ImageNet-ES",
    page="https://github.com/Edw2n/ImageNet-ES",
    # Folders: README and DG_Param_Control/configs/config.py of the repository; decisions: DG_Param_Control/modules.
    # The archive is on Google Drive, and the files on Hugging Face as Edw2n/ImageNet-ES. Licence: none was found.
    files=(),
    licence="not found",
    citation="Baek et al., Unexplored Faces of Robustness and Out-of-Distribution: Covariate Shifts in Environment and "
    "Sensor Domains, CVPR 2024 (arXiv 2404.15882)",
    gated=True,
    notes="Photographs of Tiny ImageNet on a screen, under two lights and many settings of the camera. Download it "
    "from the link on the page; only es-test is read.",
    folders=(Folder("es-test/param_control"), Folder("es-test/auto_exposure")),
    images_from=FROM_THE_WEB,
)


def _part_of_es(name: str, title: str, place: str, settings: int) -> DataSet:
    numbers = tuple(range(1, settings + 1))
    form = ConditionFolderForm(
        "tiny-imagenet",
        _by_setting(settings),
        classes=tiny_imagenet_classes,
        severities=numbers,
        level=_PARAM,
        shown="crop",
        shared=True,
    )
    task = photographs(
        SETTINGS,
        name,
        title,
        conditions=tuple(Condition(light, number) for light in _LIGHTS for number in numbers),
        answers="tiny-imagenet",
        clean=None,
        on_disk=True,
        notes="Answered among the 200 classes of Tiny ImageNet, and the mean over settings, as its authors do; l1 and "
        "l5 are the two lights.",
    )
    data_set = _ES.part(name, title, f"es-test/{place}", form, (task,))
    return replace(data_set, folders=tuple(Folder(f"{light}/{_PARAM.format(severity=1)}") for light in _LIGHTS))


DATA_SETS = (
    DataSet(
        name="imagenet-hard",
        title="ImageNet-Hard",
        page="https://huggingface.co/datasets/taesiri/imagenet-hard",
        # Columns and decisions: src/ImageNet_Hard of taesiri/ZoomIsAllYouNeed at commit 70274e4, whose code is MIT.
        # Number of images: the page. Names, sizes and checksums of the files: not pinned, found nowhere.
        files=(),
        licence="mixed",
        citation="Taesiri et al., ImageNet-Hard: The Hardest Images Remaining from a Study of the Power of Zoom and "
        "Spatial Biases in Image Classification, NeurIPS 2023 (arXiv 2304.05538)",
        gated=True,
        notes="10,980 images of eleven other sets, whose terms hold. Download one revision and write down which: hf "
        "download taesiri/imagenet-hard --repo-type dataset --revision COMMIT --local-dir DIR.",
        folders=(Folder("data"),),
        form=ParquetForm("imagenet-1k", _PARQUET, 10_980),
        images_from=FROM_THE_WEB,
        tasks=(
            photographs(
                kinds.MULTI_LABEL,
                "imagenet-hard",
                "ImageNet-Hard",
                conditions=(Condition("shift"),),
                notes="Right if the decision is one of the labels of the image. The digest of the files tells "
                "revisions apart.",
            ),
        ),
    ),
    _ES,
    _part_of_es("imagenet-es-control", "ImageNet-ES, settings by hand", "param_control", 27),
    _part_of_es("imagenet-es-auto", "ImageNet-ES, automatic exposure", "auto_exposure", 5),
)
