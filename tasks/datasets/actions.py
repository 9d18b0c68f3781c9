"""Filmed actions: UCF101, HMDB51 and Something-Something v2."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..kinds.actions import KIND, ORDERED
from ..task import Condition, Task
from ..understanding.actions import Recognising
from .action_names import HMDB51_CLASSES, SSV2_CLASSES, UCF101_CLASSES
from .protocols import of_features
from .recognition import Evidence, Look
from .record import AnnotatedForm, DataSet, Opening

if TYPE_CHECKING:
    from ..images.source import ImageSource
    from ..readers.filmed_clips import ClipLists

_SPLITS = ("split 1", "split 2", "split 3")

_MOST_FITTED = 20_000
"""Clips of Something-Something v2 to which heads are fitted; the list has 168,913."""


@dataclass(frozen=True)
class ClipForm(AnnotatedForm):
    """Videos, and lists that say what happens in them.

    Attributes:
        classes: Names, in the order of their numbers.
    """

    classes: tuple[str, ...] = ()

    def _read(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.filmed_clips import FilmedClips

        lists = self._lists(opening)
        return FilmedClips(opening.root, data_set.name, lists, opening.cache, opening.progress)

    @abstractmethod
    def _lists(self, opening: Opening) -> ClipLists:
        """What the lists say.

        Raises:
            DataError: As in `AnnotatedForm._read`.
        """


_UCF_LAYOUT = """the videos, and the lists of recognition beside them:
  {root}/
    UCF-101/CLASS/v_CLASS_gXX_cYY.avi
    ucfTrainTestlist/classInd.txt
    ucfTrainTestlist/trainlist01.txt to 03 and testlist01.txt to 03"""


@dataclass(frozen=True)
class UcfForm(ClipForm):
    """UCF101 as published."""

    def _lists(self, opening: Opening) -> ClipLists:
        from ..readers.clip_lists import ucf101

        return ucf101(opening.root, self.classes)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its two folders."""
        return Evidence("UCF-101 and ucfTrainTestlist", True) if _both(look, "UCF-101", "ucfTrainTestlist") else None


_HMDB_LAYOUT = """the videos, and the three splits beside them:
  {root}/
    hmdb51_org/CLASS/NAME.avi
    testTrainMulti_7030_splits/CLASS_test_split1.txt to split3"""


@dataclass(frozen=True)
class HmdbForm(ClipForm):
    """HMDB51 as published."""

    def _lists(self, opening: Opening) -> ClipLists:
        from ..readers.clip_lists import hmdb51

        return hmdb51(opening.root, self.classes)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its two folders."""
        folders = ("hmdb51_org", "testTrainMulti_7030_splits")
        return Evidence(" and ".join(folders), True) if _both(look, *folders) else None


_SSV2_LAYOUT = """the videos, and the lists beside them:
  {root}/
    20bn-something-something-v2/ID.webm
    labels/labels.json, labels/train.json and labels/validation.json"""


@dataclass(frozen=True)
class SomethingForm(ClipForm):
    """Something-Something v2 as published."""

    def _lists(self, opening: Opening) -> ClipLists:
        from ..readers.clip_lists import something_something

        return something_something(opening.root, self.classes, _MOST_FITTED)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """Its folder of videos."""
        folder = "20bn-something-something-v2"
        return Evidence(folder, True) if folder in look.folders else None


def _both(look: Look, *folders: str) -> bool:
    return set(folders) <= set(look.folders)


def _task(name: str, title: str, classes: tuple[str, ...], notes: str, **more: Any) -> Task:
    return of_features(
        KIND,
        name,
        f"{title}, frozen features",
        conditions=(Condition("clips"),),
        metric=ORDERED,
        notes=f"{notes} 9 frames of each clip, evenly spaced, their middle square at 224 pixels; last feature maps, "
        "averaged over the frame. No published protocol has these heads.",
        protocol=Recognising(classes, within=32, stride=0, cells=1, **more),
    )


_SPLIT_NOTES = (
    "Heads are fitted to the list for fitting of each of the three splits; numbers are means over splits, and each "
    "split has its own."
)

DATA_SETS = (
    DataSet(
        name="ucf101",
        title="UCF101",
        page="https://www.crcv.ucf.edu/data/UCF101.php",
        # Fetched by hand: no source gives checksums of its archives, and the videos come as .rar.
        files=(),
        gated=True,
        licence="not stated",
        citation="Soomro, Zamir & Shah, UCF101: A dataset of 101 human action classes from videos in the wild, 2012 "
        "(arXiv 1212.0402)",
        notes="13,320 clips of 101 actions. Download the videos and the splits for recognition from the page, and name "
        "the folder that holds UCF-101 and ucfTrainTestlist.",
        required=("ucfTrainTestlist/classInd.txt",),
        form=UcfForm("none", _UCF_LAYOUT, UCF101_CLASSES),
        tasks=(_task("ucf101", "UCF101", UCF101_CLASSES, _SPLIT_NOTES, splits=_SPLITS),),
    ),
    DataSet(
        name="hmdb51",
        title="HMDB51",
        page="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
        files=(),
        gated=True,
        licence="CC-BY-4.0",
        citation="Kuehne et al., HMDB: A large video database for human motion recognition, ICCV 2011",
        notes="6,766 clips of 51 actions, of films and the web. Download the videos and the splits from the page, "
        "unpack the archive of each class, and name the folder that holds hmdb51_org and testTrainMulti_7030_splits.",
        required=("testTrainMulti_7030_splits/brush_hair_test_split1.txt",),
        form=HmdbForm("none", _HMDB_LAYOUT, HMDB51_CLASSES),
        tasks=(_task("hmdb51", "HMDB51", HMDB51_CLASSES, _SPLIT_NOTES, splits=_SPLITS),),
    ),
    DataSet(
        name="ssv2",
        title="Something-Something v2",
        page="https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
        files=(),
        gated=True,
        licence="own terms",
        citation="Goyal et al., The 'something something' video database for learning and evaluating visual common "
        "sense, ICCV 2017 (arXiv 1706.04261)",
        notes="24,777 clips for validation and 168,913 for fitting, of 174 actions with things. Register at the page, "
        "join and unpack the parts, and name the folder that holds 20bn-something-something-v2 and labels.",
        required=("labels/labels.json",),
        form=SomethingForm("none", _SSV2_LAYOUT, SSV2_CLASSES),
        tasks=(
            _task(
                "ssv2",
                "Something-Something v2",
                SSV2_CLASSES,
                f"Clips of the list for validation; heads are fitted to {_MOST_FITTED:,} clips of that for fitting, "
                "chosen by a hash of their ids.",
            ),
        ),
    ),
)
