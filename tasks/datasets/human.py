"""Stimuli that people saw and their answers: where they are published, and the tasks of human alignment.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from ..alignment.experiments import ALIGNMENT_SETS, AlignmentSet
from ..download.publication import Folder, RemoteFile
from ..saliency.protocol import PEOPLE
from .protocols import HUMAN_PAPER, map_tasks, stimuli
from .record import DataSet, MapForm, StimuliForm, UserFolder

HUMAN = "model-vs-human"
"""The folder of the 17 sets of stimuli that people saw."""

HUMAN_ANSWERS = "model-vs-human-answers"
"""The folder of people's trials on them; it is looked for beside the stimuli where it is not named."""

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

_FOLDER = UserFolder(
    HUMAN,
    f"stimuli of model-vs-human, a folder for each set, with people's trials beside them or in "
    f"--data {HUMAN_ANSWERS}=DIR: --data {HUMAN}=DIR (`bench data get {HUMAN}`)",
)
_HUMAN = DataSet(
    name=HUMAN,
    title="model-vs-human, stimuli",
    page="https://github.com/bethgelab/model-vs-human",
    # URL: the repository's own download code, which checks nothing. Licences: licenses/LICENSES_OVERVIEW.md there.
    files=tuple(RemoteFile(f"{_RELEASE}/{name}.tar.gz", f"{name}.tar.gz") for name in _STIMULI),
    licence="mixed",
    citation=HUMAN_PAPER,
    notes="17 sets, 18,080 images. cue-conflict, edge and silhouette: CC-BY-4.0; sketch: MIT; the others are made "
    "of ImageNet, whose terms hold.",
    folders=tuple(Folder(name, None, count) for name, count in _STIMULI.items()),
    along=(HUMAN_ANSWERS,),
)


def _set(experiment: AlignmentSet) -> DataSet:
    task = stimuli(
        f"alignment-{experiment.name}",
        experiment,
        "against people",
        world="photographs",
        label_space="imagenet-1k",
        answers="entry-level-16",
        notes="Each stimulus is shown in one condition. A model's decision is the category with the largest mean "
        "probability over its classes of ImageNet. Published stimuli of 224 pixels are not resized for a model that "
        "wants 224.",
    )
    form = StimuliForm("entry-level-16", experiment)
    return _HUMAN.part(f"{HUMAN}/{experiment.name}", experiment.title, experiment.name, form, (task,), (_FOLDER,))


DATA_SETS = (
    _HUMAN,
    *map(_set, ALIGNMENT_SETS.values()),
    DataSet(
        name=HUMAN_ANSWERS,
        title="model-vs-human, answers of observers",
        page="https://github.com/bethgelab/model-vs-human/tree/master/raw-data",
        files=(
            RemoteFile(
                f"https://github.com/bethgelab/model-vs-human/archive/{_COMMIT}.tar.gz",
                f"model-vs-human-{_COMMIT[:7]}.tar.gz",
            ),
        ),
        licence="not stated",
        citation=HUMAN_PAPER,
        reads=(
            UserFolder(HUMAN_ANSWERS, f"trials of people as CSV, a folder for each set: --data {HUMAN_ANSWERS}=DIR"),
        ),
        notes="85,120 trials of 90 people as CSV, one file each. GitHub packs the archive on request, so no checksum "
        "can be given.",
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
