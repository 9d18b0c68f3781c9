"""Judgements of similarity: the odd one out of THINGS, the two alternatives of NIGHTS, and a rendered twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import kinds
from ..download.publication import RemoteFile
from ..microworld.vocabulary import GENERATOR_VERSION
from ..task import Condition, Task
from .recognition import Evidence, Look
from .record import DataSet, FolderForm, Opening, RenderedForm

if TYPE_CHECKING:
    from ..images.source import ImageSource

_TRIPLETS = "triplets"
"""What labels are: choices, and no classes."""

_THINGS_LAYOUT = """the judgements, the names of the concepts and, for models that are to look at them, the pictures:
  {root}/
    test_triplets.csv      three concepts from 1, the position of the odd one from 1 to 3, and the person
    item_names.tsv         the concepts in order, with a column uniqueID
    trainset.txt           more triplets, to fit a transform on: concepts from 0, the odd one last (may be absent)
    images/
      aardvark.jpg         or aardvark/aardvark_01b.jpg, as THINGS is published (may be absent)"""
_NIGHTS_LAYOUT = """the table of judgements and the pictures that it names:
  {root}/
    data.csv
    ref/000/002.png
    distort/000/002_0.png
    distort/000/002_1.png
    ..."""


@dataclass(frozen=True)
class ThingsForm(FolderForm):
    """Rows of concepts, names of the concepts, and a picture of each."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.triplets import ThingsTriplets

        return ThingsTriplets(data_set, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        there = {"test_triplets.csv", "item_names.tsv"} <= set(look.files)
        return Evidence("test_triplets.csv and item_names.tsv", True) if there else None


@dataclass(frozen=True)
class NightsForm(FolderForm):
    """A table of judgements, and the pictures that it names."""

    def _open(self, data_set: DataSet, opening: Opening) -> ImageSource:
        from ..readers.triplets import NightsTriplets

        return NightsTriplets(data_set, opening)

    def recognise(self, data_set: DataSet, look: Look) -> Evidence | None:
        """See `Form.recognise`."""
        there = "data.csv" in look.files and {"ref", "distort"} <= set(look.folders)
        return Evidence("data.csv with folders ref and distort", True) if there else None


def _micro(length: int, seed: int) -> ImageSource:
    from ..microworld.triplets import MicroTriplets

    return MicroTriplets(length, seed)


def _task(name: str, title: str, kind: kinds.Kind, conditions: Sequence[str] = ("triplets",), **more: Any) -> Task:
    usual: dict[str, Any] = {
        "version": 1,
        "world": "photographs",
        "label_space": "imagenet-1k",
        "dataset": "",
        "images": None,
        "conditions": tuple(map(Condition, conditions)),
        "metric": "triplet_accuracy",
    }
    return Task(name=name, title=title, kind=kind, **(usual | more))


DATA_SETS = (
    DataSet(
        name="microworld/triplets",
        title="Micro-world, triplets",
        page="docs/similarity.md",
        files=(),
        licence="Apache-2.0",
        citation="triplets of scenes with a known similarity, judged by simulated observers; defined by this project",
        form=RenderedForm(_TRIPLETS, _micro),
        tasks=(
            _task(
                "micro-triplets",
                "Micro-world, odd one out",
                kinds.ODD_ONE_OUT,
                version=GENERATOR_VERSION,
                world="microworld",
                label_space="microworld-16",
                images=400,
                notes="Two scenes are as similar as their shape, texture, pose and light, with known weights; 20 "
                "simulated observers name the odd one with noise of known strength. They test the method and are no "
                "people.",
            ),
        ),
    ),
    DataSet(
        name="things",
        title="THINGS, odd one out",
        page="https://osf.io/f5rn6/",
        files=(),
        gated=True,
        licence="not stated",
        citation="Hebart, Zheng, Pereira & Baker, Revealing the multidimensional mental representations of natural "
        "objects underlying human similarity judgements, Nature Human Behaviour 2020; Muttenthaler et al., VICE, "
        "NeurIPS 2022 (arXiv 2205.00756)",
        notes="Judgements at the page and, 20,000 of 1,000 triplets, in data/ of github.com/LukasMut/VICE; pictures "
        "of the 1,854 concepts at https://osf.io/jum2f/, after one accepts their terms.",
        required=("test_triplets.csv", "item_names.tsv"),
        form=ThingsForm(_TRIPLETS, _THINGS_LAYOUT),
        tasks=(
            _task(
                "things",
                "THINGS, odd one out",
                kinds.ODD_ONE_OUT,
                notes="Equal similarities share a choice, so that a constant model scores one third; some published "
                "code gives it 100 %.",
            ),
        ),
    ),
    DataSet(
        name="nights",
        title="NIGHTS",
        page="https://dreamsim-nights.github.io/",
        files=(RemoteFile("https://data.csail.mit.edu/nights/nights.zip", "nights.zip"),),
        licence="not stated",
        citation="Fu et al., DreamSim: Learning New Dimensions of Human Visual Similarity using Synthetic Data, "
        "NeurIPS 2023 (arXiv 2306.09344)",
        notes="20,019 triplets, of which the split test is scored; 58 GB unpacked.",
        unpacks_to="nights",
        required=("data.csv",),
        form=NightsForm(_TRIPLETS, _NIGHTS_LAYOUT),
        tasks=(
            _task(
                "nights",
                "NIGHTS, two alternatives",
                kinds.TWO_ALTERNATIVES,
                notes="Triplets that six people or more judged alike. Equal similarities count one half. Pictures are "
                "read as the model's preprocessing says, where the authors squash them to its input size.",
            ),
        ),
    ),
)
