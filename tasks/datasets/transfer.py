"""Smaller sets to which features are transferred, as torchvision reads them: those of BYOL's table 10 that it has.

Sizes of the splits are those of Grill et al. 2020, appendix D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..download.publication import Folder
from ..kinds.classification import KIND, LINEAR_ACCURACY, LINEAR_BY_CLASS
from ..task import Condition
from ..understanding.classification import Classifying
from .protocols import of_features
from .recognition import Evidence, Look
from .record import DataSet, Form, Opening, UserFolder

if TYPE_CHECKING:
    from ..images.source import ImageSource

_BYOL_PAPER = "Grill et al., Bootstrap Your Own Latent, NeurIPS 2020 (arXiv 2006.07733)"
_FOLDER = UserFolder(
    "transfer",
    "the folder in which torchvision keeps its data sets, with food-101, cifar-10-batches-py, dtd and others in it: "
    "--data transfer=DIR",
)


@dataclass(frozen=True)
class TransferForm(Form):
    """A set in the folder of all of torchvision's, as its class reads it.

    Attributes:
        reader: A class of ``torchvision.datasets``.
        place: The set's folder.
        learning: Arguments of the class for each part that heads learn from.
        asked: Those for the part whose classes are asked.
        validation: Whether penalties are chosen on the last of the parts that heads learn from; else on a fifth of all.
        lists: Two files in the set's folder, that name the images to learn from and those that are asked, of a set that
            torchvision does not split.
        each: Images of each class to learn from, drawn by their names, of a set that is published without lists.
    """

    reader: str
    place: str
    learning: tuple[Mapping[str, Any], ...] = field(hash=False)
    asked: Mapping[str, Any] = field(hash=False)
    validation: bool = False
    lists: tuple[str, ...] = ()
    each: int = 0

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.transfer import open_transfer

        return open_transfer(data_set, self, opening)

    def is_in(self, folders: Sequence[Path]) -> bool:
        """A user may have a few of the sets."""
        return all((root / self.place).is_dir() for root in folders)

    def absence(self, name: str, folder: Path) -> str:
        """See `Form.absence`."""
        return f"{folder} has none of the data sets of {name}, such as {self.place}. It needs {_FOLDER.holds}."

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """None: the folder of all sets may hold others beside them, which a scan would then not look for."""
        return None


def _set(
    name: str, title: str, page: str, licence: str, citation: str, classes: int, form: TransferForm, notes: str,
    by_class: bool = False,
) -> DataSet:  # fmt: skip
    task = of_features(
        KIND,
        f"transfer-{name}",
        f"{title}, frozen features",
        conditions=(Condition("images"),),
        metric=LINEAR_BY_CLASS if by_class else LINEAR_ACCURACY,
        citation=f"{citation}; protocol: {_BYOL_PAPER}",
        notes=f"{classes} classes. {notes}",
        protocol=Classifying(classes, by_class=by_class),
    )
    return DataSet(
        name=f"transfer-{name}",
        title=title,
        page=page,
        files=(),
        gated=True,
        licence=licence,
        citation=citation,
        folders=(Folder(form.place),),
        notes=f"`torchvision.datasets.{form.reader}` reads it from DIR/{form.place}, for --data transfer=DIR.",
        form=form,
        reads=(_FOLDER,),
        tasks=(task,),
    )


_TRAIN, _VALIDATION, _TEST = {"split": "train"}, {"split": "val"}, {"split": "test"}
_THREE = ((_TRAIN, _VALIDATION), _TEST, True)
"""Published with a part of their own on which penalties are chosen."""
_CIFAR = (({"train": True},), {"train": False})
_KRIZHEVSKY = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
_LICENCE_UNKNOWN = "not found"

DATA_SETS = (
    _set(
        "food-101",
        "Food-101",
        "https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/",
        # Scientific fair use: its licence file, as the card of ethz/food101 on Hugging Face quotes it.
        "own terms",
        "Bossard et al., Food-101: Mining Discriminative Components with Random Forests, ECCV 2014",
        101,
        TransferForm("none", "Food101", "food-101", (_TRAIN,), _TEST),
        "75,750 images to learn from, 25,250 asked. Measure: top-1.",
    ),
    _set(
        "cifar-10",
        "CIFAR-10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        _LICENCE_UNKNOWN,
        _KRIZHEVSKY,
        10,
        TransferForm("none", "CIFAR10", "cifar-10-batches-py", *_CIFAR),
        "50,000 images of 32 pixels to learn from, 10,000 asked, enlarged to the model's size. Measure: top-1.",
    ),
    _set(
        "cifar-100",
        "CIFAR-100",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        _LICENCE_UNKNOWN,
        _KRIZHEVSKY,
        100,
        TransferForm("none", "CIFAR100", "cifar-100-python", *_CIFAR),
        "50,000 images of 32 pixels to learn from, 10,000 asked, enlarged to the model's size. Measure: top-1.",
    ),
    _set(
        "sun397",
        "SUN397, partition 1",
        "https://vision.princeton.edu/projects/2010/SUN/",
        _LICENCE_UNKNOWN,
        "Xiao et al., SUN Database: Large-scale Scene Recognition from Abbey to Zoo, CVPR 2010",
        397,
        TransferForm("none", "SUN397", "SUN397", ({},), {}, lists=("Training_01.txt", "Testing_01.txt")),
        "19,850 images to learn from, 19,850 asked, by the lists Training_01.txt and Testing_01.txt of the page's "
        "Partitions.zip, in the folder SUN397. Measure: top-1.",
    ),
    _set(
        "cars",
        "Stanford Cars",
        "https://ai.stanford.edu/~jkrause/cars/car_dataset.html",
        _LICENCE_UNKNOWN,
        "Krause et al., 3D Object Representations for Fine-Grained Categorization, 3dRR 2013",
        196,
        TransferForm("none", "StanfordCars", "stanford_cars", (_TRAIN,), _TEST),
        "8,144 images to learn from, 8,041 asked. Measure: top-1.",
    ),
    _set(
        "aircraft",
        "FGVC-Aircraft",
        "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/",
        # Non-commercial research: the page, as the card of Voxel51/FGVC-Aircraft on Hugging Face quotes it.
        "own terms",
        "Maji et al., Fine-Grained Visual Classification of Aircraft, 2013 (arXiv 1306.5151)",
        100,
        TransferForm("none", "FGVCAircraft", "fgvc-aircraft-2013b", *_THREE),
        "6,667 images to learn from, 3,333 of which choose the penalty; 3,333 asked. Measure: mean per class.",
        by_class=True,
    ),
    _set(
        "dtd",
        "Describable Textures, split 1",
        "https://www.robots.ox.ac.uk/~vgg/data/dtd/",
        _LICENCE_UNKNOWN,
        "Cimpoi et al., Describing Textures in the Wild, CVPR 2014",
        47,
        TransferForm("none", "DTD", "dtd", *_THREE),
        "3,760 images to learn from, 1,880 of which choose the penalty; 1,880 asked. Measure: top-1.",
    ),
    _set(
        "pets",
        "Oxford-IIIT Pet",
        "https://www.robots.ox.ac.uk/~vgg/data/pets/",
        # CC-BY-SA-4.0: the page, as the cards of timm/oxford-iiit-pet and pcuenq/oxford-pets on Hugging Face have it.
        "own terms",
        "Parkhi et al., Cats and Dogs, CVPR 2012",
        37,
        TransferForm("none", "OxfordIIITPet", "oxford-iiit-pet", ({"split": "trainval"},), _TEST),
        "3,680 images to learn from, 3,669 asked. Measure: mean per class.",
        by_class=True,
    ),
    _set(
        "caltech-101",
        "Caltech-101",
        "https://data.caltech.edu/records/mzrjq-6wc02",
        # The card of HuggingFaceM4/Caltech-101 on Hugging Face.
        "CC-BY-4.0",
        "Fei-Fei et al., Learning Generative Visual Models from Few Training Examples, CVPR workshop 2004",
        101,
        TransferForm("none", "Caltech101", "caltech101", ({},), {}, each=30),
        "30 images of each class to learn from, drawn by their names, the rest asked. No lists are published, and "
        "draws differ; BYOL also has the class BACKGROUND_Google, which torchvision leaves out. Measure: mean per "
        "class.",
        by_class=True,
    ),
    _set(
        "flowers-102",
        "Oxford Flowers 102",
        "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        _LICENCE_UNKNOWN,
        "Nilsback & Zisserman, Automated Flower Classification over a Large Number of Classes, ICVGIP 2008",
        102,
        TransferForm("none", "Flowers102", "flowers-102", *_THREE),
        "2,040 images to learn from, 1,020 of which choose the penalty; 6,149 asked. Measure: mean per class.",
        by_class=True,
    ),
)
