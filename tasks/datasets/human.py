"""Stimuli and answers of human observers: where they are published.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from ..alignment.datasets import ALIGNMENT_SETS
from ..alignment.saliency.protocol import PEOPLE
from ..data.downloads.publication import Folder, RemoteFile
from .protocols import map_tasks
from .record import DataSet, MapForm

_GEIRHOS = (
    "Geirhos et al., Partial success in closing the gap between human and machine vision, NeurIPS 2021 "
    "(arXiv 2106.07411)"
)
_RELEASE = "https://github.com/bethgelab/model-vs-human/releases/download/v0.1"
# A fixed state of the repository: an archive of a branch would change under the same address.
_COMMIT = "0a441cf5ea4d4afa1cd2c4c2f3791178ffa523d6"
_CLICKME = "https://storage.googleapis.com/serrelab/prj_harmonization/dataset/click-me"
_CLICKME_FORMS = """either the published shards, `bench data get clickme`:
  {root}/
    val-0.tfrecords
    ...
or photographs and maps of the same names:
  {root}/
    images/n01440764/ILSVRC2012_val_00000293.JPEG
    maps/n01440764/ILSVRC2012_val_00000293.npz   (or .npy, .png)"""

_STIMULI = {name: experiment.stimuli for name, experiment in ALIGNMENT_SETS.items()}
"""The 17 sets of stimuli with the number of images in each."""

DATA_SETS = (
    DataSet(
        name="model-vs-human",
        title="model-vs-human, stimuli",
        page="https://github.com/bethgelab/model-vs-human",
        # URL: the repository's own download code, which checks nothing. Licences: licenses/LICENSES_OVERVIEW.md there.
        files=tuple(RemoteFile(f"{_RELEASE}/{name}.tar.gz", f"{name}.tar.gz") for name in _STIMULI),
        licence="mixed",
        citation=_GEIRHOS,
        notes="17 sets, 18,080 images. cue-conflict, edge and silhouette: CC-BY-4.0; sketch: MIT; the others are made "
        "of ImageNet, whose terms hold.",
        folders=tuple(Folder(name, None, count) for name, count in _STIMULI.items()),
        along=("model-vs-human-answers",),
    ),
    DataSet(
        name="model-vs-human-answers",
        title="model-vs-human, answers of observers",
        page="https://github.com/bethgelab/model-vs-human/tree/master/raw-data",
        files=(
            RemoteFile(
                f"https://github.com/bethgelab/model-vs-human/archive/{_COMMIT}.tar.gz",
                f"model-vs-human-{_COMMIT[:7]}.tar.gz",
            ),
        ),
        licence="not stated",
        citation=_GEIRHOS,
        notes="85,120 trials of 90 observers (and answers of models) as CSV. GitHub packs the archive on request, so "
        "no checksum can be given.",
        unpacks_to=f"model-vs-human-{_COMMIT}/raw-data",
        folders=tuple(Folder(name) for name in _STIMULI),
    ),
    DataSet(
        name="clickme",
        title="ClickMe, validation part",
        page="https://github.com/serre-lab/Harmonization",
        # URLs: harmonization/evaluation of the repository. Shards 0 to 17: its code reads 17, its tests read val-17.
        files=tuple(RemoteFile(f"{_CLICKME}/val/val-{n}.tfrecords", f"val-{n}.tfrecords") for n in range(18)),
        licence="not stated",
        citation="Fel et al., Harmonizing the object recognition strategies of deep neural networks with humans, "
        "NeurIPS 2022 (arXiv 2211.04533)",
        notes="TFRecords with an image, a heatmap and a label each.",
        required=tuple(f"val-{n}.tfrecords" for n in range(18)),
        form=MapForm("imagenet-1k", _CLICKME_FORMS),
        tasks=map_tasks(
            "clickme", "ClickMe", PEOPLE, world="photographs", label_space="imagenet-1k", dataset="", images=None
        ),
    ),
)
