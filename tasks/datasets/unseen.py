"""Images of classes that a model cannot answer: OpenOOD v1.5's benchmark of ImageNet-1k, and a rendered twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .. import kinds
from ..download.publication import Folder
from ..kinds.unseen import FULL
from ..microworld.vocabulary import GENERATOR_VERSION
from ..task import Condition, Task
from .protocols import photographs
from .recognition import Evidence, Look
from .record import DataSet, Form, Opening, RenderedForm, UserFolder

if TYPE_CHECKING:
    from ..images.source import ImageSource

_PAPER = (
    "Zhang et al., OpenOOD v1.5: Enhanced Benchmark for Out-of-Distribution Detection, 2023 (arXiv 2306.09301); "
    "scores: Hendrycks & Gimpel, ICLR 2017 (arXiv 1610.02136), Liu et al., Energy-based Out-of-distribution Detection, "
    "NeurIPS 2020 (arXiv 2010.03759), Hendrycks et al., ICML 2022 (arXiv 1911.11132)"
)
_PAGE = "https://github.com/Jingkang50/OpenOOD"
_LAYOUT = """OpenOOD's data folder, with its lists of images and the images that they name:
  {root}/
    benchmark_imglist/imagenet/test_ninco.txt
    images_largescale/ninco/...      (or images_classic/, as the list has it)"""


@dataclass(frozen=True)
class ListForm(Form):
    """Images that a list of OpenOOD names, in the folder of all its sets.

    Attributes:
        list_name: The list, below the folder of lists.
    """

    list_name: str

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.unseen import ListedImages

        return ListedImages(data_set, self, opening)

    def list_in(self, root: Path) -> Path:
        """Where the list is in a data folder."""
        return root / "benchmark_imglist" / "imagenet" / self.list_name

    def is_in(self, folders: Sequence[Path]) -> bool:
        """A user may have a few of the sets."""
        return all(self.list_in(root).is_file() for root in folders)

    def absence(self, name: str, folder: Path) -> str:
        """See `Form.absence`."""
        return f"{folder} has none of the lists of {name}. {self.expected(folder)}"

    def expected(self, root: Path) -> str:
        """What the folder looks like, for the end of an error."""
        return f"Expected {_LAYOUT.format(root=root)}\nPublished at {_PAGE}"

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        lists = look.inside("benchmark_imglist", "imagenet").files if "benchmark_imglist" in look.folders else ()
        return Evidence(f"benchmark_imglist/imagenet/{self.list_name}", True) if self.list_name in lists else None


def _micro(name: str, length: int, seed: int) -> ImageSource:
    from ..microworld.unseen import UnseenSet

    return UnseenSet(name, length, seed)


def full_spectrum(task: Task, shifted: tuple[str, ...]) -> Task:
    """The same images against shifted ones of the known classes, too: made of what is stored, and never run itself.

    Args:
        task: One on unseen classes.
        shifted: Names of the tasks on shifted images.
    """
    return replace(
        task,
        name=f"{task.name}-full-spectrum",
        title=f"{task.title}, full spectrum",
        kind=kinds.FULL_SPECTRUM,
        metric=f"{FULL}auroc",
        made_of=task.name,
        shifted=shifted,
        notes=f"Made of the predictions for {task.name}. Known are the images of {task.clean} and of "
        f"{', '.join(shifted)}, of all of which the store needs predictions.",
    )


def _rendered(name: str, title: str, images: int, notes: str) -> DataSet:
    task = Task(
        name=f"micro-{name}",
        title=title,
        version=GENERATOR_VERSION,
        kind=kinds.UNSEEN,
        world="microworld",
        label_space="microworld-16",
        dataset="",
        images=images,
        conditions=(Condition(name),),
        clean="micro-val",
        metric="auroc",
        citation=_PAPER,
        notes=notes,
    )
    full = full_spectrum(task, ("micro-viewpoints", "micro-backgrounds", "micro-light", "micro-occlusion"))
    return DataSet(
        name=f"microworld/{name}",
        title=title,
        page="docs/unseen.md",
        files=(),
        licence="Apache-2.0",
        citation="scenes without any of the 16 object classes, defined by this project",
        form=RenderedForm("microworld-16", partial(_micro, name)),
        tasks=(task, full),
    )


_FOLDER = UserFolder(
    "openood", "OpenOOD v1.5's data folder, with benchmark_imglist and images_largescale: --data openood=DIR"
)
_OPENOOD = DataSet(
    name="openood",
    title="OpenOOD v1.5, ImageNet-1k",
    page=_PAGE,
    files=(),
    gated=True,
    licence="mixed",
    citation=_PAPER,
    folders=(Folder("benchmark_imglist/imagenet"),),
    notes="Lists and images: scripts/download/download.py of the repository; each set has its own terms.",
)


def _listed(name: str, title: str, images: int, near: bool) -> DataSet:
    """One set of unseen classes.

    Args:
        name: As in OpenOOD, with hyphens.
        title: Its name for people.
        images: How many the list of version 1.5 names.
        near: Whether OpenOOD counts it as near to ImageNet.
    """
    where = "near" if near else "far"
    task = photographs(
        kinds.UNSEEN,
        f"openood-{name}",
        f"{title}, unseen classes ({where})",
        conditions=(Condition("unseen"),),
        metric="auroc",
        notes=f"{images:,} images, {where} out-of-distribution. The known images are those of imagenet-val that "
        "are stored; OpenOOD keeps 5,000 of the 50,000 apart to tune methods that have something to tune.",
    )
    form = ListForm("imagenet-1k", f"test_{name.replace('-', '_')}.txt")
    # Labels of imagenet-r are among 200 classes; the confidence has to be that among all 1,000.
    full = full_spectrum(task, ("imagenet-v2-matched-frequency", "imagenet-c", "imagenet-r-1000"))
    return _OPENOOD.part(f"openood/{name}", f"{title} in OpenOOD", "", form, (task, full), (_FOLDER,))


DATA_SETS = (
    _rendered("unseen", "Unseen solids", 400, "Eight solids that training never shows, in known textures and places."),
    _rendered("empty", "Empty scenes", 160, "Backdrop and floor without an object."),
    _OPENOOD,
    _listed("ssb-hard", "SSB-hard", 49_000, near=True),
    _listed("ninco", "NINCO", 5_879, near=True),
    _listed("inaturalist", "iNaturalist", 10_000, near=False),
    _listed("textures", "Textures", 5_160, near=False),
    _listed("openimage-o", "OpenImage-O", 15_869, near=False),
)
