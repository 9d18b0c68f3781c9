import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.errors import DataError
from vitobench.tasks import answer_spaces
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, MICRO_ALIGNMENT_SETS
from vitobench.tasks.answer_spaces import ANSWER_SPACES, answer_space
from vitobench.tasks.datasets.conditions import SequenceForm
from vitobench.tasks.datasets.record import ClassFolderForm, RenderedForm
from vitobench.tasks.datasets.registry import DATA_SET_TASKS, DATA_SETS, PUBLISHED, by_name, publication_of
from vitobench.tasks.images.classes import MergedClass
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.images.source import ImageSource
from vitobench.tasks.opening import available, folders_of, open_source


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_set_says_what_it_expects_and_where_it_is(tmp_path: Path, name: str) -> None:
    published = PUBLISHED[name]
    assert published.form is not None
    assert published.form.label_space in (*ANSWER_SPACES, "cifar-10", "cifar-100", "triplets", "none")
    perturbations = ["brightness"] if isinstance(published.form, SequenceForm) else None
    with pytest.raises(DataError) as caught:
        open_source(name, {name: tmp_path / "nowhere"}, None, 0, conditions=perturbations)
    message = str(caught.value)
    assert "does not exist" in message
    assert message.endswith(f"{published.title}: published at {published.page}")
    assert f"{tmp_path / 'nowhere'}/" in message
    assert "{" not in message


def subclasses(base: type) -> set[type]:
    return {c for direct in base.__subclasses__() for c in (direct, *subclasses(direct))}


def test_every_set_of_images_loads_and_is_hashed_by_the_one_function() -> None:
    tasks = Path(inspect.getfile(answer_spaces)).parent
    for path in tasks.rglob("*.py"):
        if re.search(r"^class \w+\(\w*(Source|Set)\b", path.read_text(encoding="utf-8"), re.MULTILINE):
            importlib.import_module(".".join(["vitobench.tasks", *path.relative_to(tasks).with_suffix("").parts]))
    readers = {c for c in subclasses(ImageSource) if c.__module__.startswith("vitobench.")}
    assert {"CifarC", "ClassFolders", "MicroSet", "MapFolder", "PhotographsWithDepth", "CheckedSource"} <= {
        c.__name__ for c in readers
    }
    assert [c for c in readers if "load" in vars(c) or "digest" in vars(c)] == []


def test_conditions_are_checked_before_anything_is_loaded() -> None:
    plain = open_source("microworld/val", {}, 4, 0)
    with pytest.raises(ValueError, match="microworld/val has no conditions, so there is no 'fog/1'"):
        plain.load([0], Geometry(8, 8, "bilinear"), "fog/1")


def test_the_recipe_for_a_data_set_needs_one_file_alone(tmp_path: Path) -> None:
    """The block in docs/extending.md becomes a file of the folder, and everything follows from it."""
    page = (Path(__file__).parents[3] / "docs" / "extending.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "ClassFolderForm" in b)
    (tmp_path / "family").mkdir()
    (tmp_path / "family" / "fruit.py").write_text(block, encoding="utf-8")
    pixels = np.random.default_rng(0).integers(0, 256, (26, 26, 3), dtype=np.uint8)
    for folder in ("apple", "lemon", "kiwi"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "data" / folder / "a.png")
    script = """
import json, sys
from pathlib import Path
import vitobench.tasks.datasets as package
package.__path__.append(sys.argv[1])
from vitobench.bench.cli import main
try:
    main(["data", "list", "--json"])
except SystemExit as done:
    assert not done.code
assert "numpy" not in sys.modules
from vitobench.tasks.alignment.experiments import ALIGNMENT_SETS, MICRO_ALIGNMENT_SETS
from vitobench.tasks.answer_spaces import answer_space
from vitobench.tasks.opening import check_data_names, open_source
from vitobench.tasks.images.geometry import Geometry
from vitobench.tasks.registry import SUITES, get_task
task, folders = get_task("fruit"), {"fruit": Path(sys.argv[2])}
check_data_names(folders)
source = open_source(task.dataset, folders, None, 0)
images, failed = source.load(range(len(source)), Geometry(20, 20, "bilinear"))
print()
print(json.dumps({
    "suite": "fruit" in SUITES["robustness"].tasks, "cited": task.citation, "groups": answer_space("fruit").groups,
    "labels": dict(zip(source.image_ids, source.labels.tolist())), "failed": len(failed), "images": images.tolist(),
}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "family"), str(tmp_path / "data")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listing, _, last = done.stdout.strip().rpartition("\n")
    row = next(row for row in json.loads(listing) if row["name"] == "fruit")
    assert (row["licence"], row["size_bytes"], row["checksums"]) == ("MIT", 10_240, "sha256")
    found = json.loads(last)
    assert found["suite"]
    assert found["cited"] == "Doe et al., Fruit, 2024"
    assert found["groups"] == [[948], [950, 951]]
    assert found["labels"] == {"apple/a.png": 0, "lemon/a.png": 1}  # kiwi is no class of it
    assert found["failed"] == 0
    for image in found["images"]:
        np.testing.assert_array_equal(image, pixels[3:-3, 3:-3])  # 26 pixels less 3 at each side


def test_the_border_of_objectnet_is_said_once() -> None:
    form = PUBLISHED["objectnet"].form
    assert isinstance(form, ClassFolderForm)
    assert form.border == 2
    (task,) = PUBLISHED["objectnet"].tasks
    assert "2 pixels" in PUBLISHED["objectnet"].notes
    assert "2 pixels" in task.notes


def test_names_are_unique() -> None:
    with pytest.raises(ValueError, match="'imagenet-a' is given to two: DataSet"):
        by_name([DATA_SETS["imagenet-a"], DATA_SETS["imagenet-a"]])
    with pytest.raises(ValueError, match="is given to two: Task"):
        by_name([*DATA_SET_TASKS, DATA_SET_TASKS[3]])


def apple(*keys: str, imagenet: tuple[int, ...] = (948,)) -> ClassFolderForm:
    return ClassFolderForm("imagenet-1k", "", lambda: tuple(MergedClass(key, key, imagenet) for key in keys))


def test_a_record_whose_labels_would_be_wrong_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="leave them out"):
        apple("kiwi", imagenet=()).labels()  # ImageNet has no kiwi
    with pytest.raises(ValueError, match="2 classes but 1 names"):
        apple("apple", "apple").labels()
    assert apple("apple", "lemon").labels() == {"apple": 0, "lemon": 1}
    # The first class of this set is the 949th of ImageNet, and no label 0 of the space it names.
    monkeypatch.setattr(answer_spaces, "_OF_SETS", (*answer_spaces._OF_SETS, ("imagenet-1k", apple("apple").classes)))
    answer_space.cache_clear()
    with pytest.raises(ValueError, match="labelled in imagenet-1k, and their classes differ"):
        open_source("imagenet-sketch", {"imagenet-sketch": tmp_path}, None, 0)


@pytest.mark.parametrize("name", [n for n, d in PUBLISHED.items() if isinstance(d.form, ClassFolderForm)])
def test_labels_are_positions_in_the_answer_space(name: str) -> None:
    form = PUBLISHED[name].form
    assert isinstance(form, ClassFolderForm)
    groups = answer_space(form.label_space).groups
    keys = list(form.labels())
    assert [c.key for c in form.classes()] == keys
    assert [c.imagenet for c in form.classes()] == list(groups)


def test_tasks_take_what_they_do_not_say_from_the_record() -> None:
    tasks = {task.name: task for task in DATA_SET_TASKS}
    assert tasks["imagenet-a-1000"].dataset == "imagenet-a"
    assert tasks["imagenet-c"].dataset == "imagenet"  # drawn from other images, by the protocol of this set
    assert tasks["imagenet-c"].citation == tasks["imagenet-c-folders"].citation == DATA_SETS["imagenet-c"].citation
    assert tasks["ytbb-robust"].citation == DATA_SETS["imagenet-vid-robust"].citation


def test_tasks_are_listed_by_world_and_kind_and_those_scored_together_last() -> None:
    names = [task.name for task in DATA_SET_TASKS if not task.kind.together]
    assert [name for name in names if not name.startswith(("imagenet-v2", "imagenet-a", "imagenet-r"))] == [
        "micro-val", "micro-c", "micro-c-bar", "micro-3dcc", "micro-laion-c",
        "micro-saliency", "micro-saliency-smoothgrad",
        "micro-a", "micro-vid-robust", "micro-viewpoints", "micro-backgrounds", "micro-light", "micro-occlusion",
        "micro-cue-conflict",
        "micro-classification", "micro-davis", "micro-segmentation", "micro-segmentation-linear", "micro-depth",
        "micro-detection", "micro-actions", "micro-arrow",
        "micro-correspondence", "micro-semantic-correspondence", "micro-triplets",
        "micro-unseen", "micro-unseen-full-spectrum", "micro-empty", "micro-empty-full-spectrum",
        "imagenet-val", "laion-c-clean",
        "imagenet-c", "imagenet-c-raw", "imagenet-c-extra", "imagenet-c-bar", "imagenet-3dcc", "laion-c",
        "laion-c-1000",
        "imagenet-c-folders", "imagenet-c-bar-folders", "imagenet-3dcc-folders", "laion-c-folders", "imagenet-p",
        "imagenet-es-control", "imagenet-es-auto", "imagenet-sketch", "objectnet", "stylized-imagenet", "imagenet-hard",
        "imagenet-d-background", "imagenet-d-texture", "imagenet-d-material", "pug-imagenet",
        "imagenet-x", "imagenet-x-multi",
        "imagenet-vid-robust", "ytbb-robust", "clickme", "clickme-smoothgrad", "things", "nights",
        *(f"openood-{name}" for name in ("ssb-hard", "ninco", "inaturalist", "textures", "openimage-o")),
        *(
            f"openood-{name}-full-spectrum"
            for name in ("ssb-hard", "ninco", "inaturalist", "textures", "openimage-o")
        ),
        "cifar-10-c", "cifar-100-c", "ucf101", "hmdb51", "ssv2",
        "imagenet-classification", "imagenet-classification-100", "imagenet-low-shot",
        *(f"transfer-{name}" for name in (
            "food-101", "cifar-10", "cifar-100", "sun397", "cars", "aircraft", "dtd", "pets", "caltech-101",
            "flowers-102",
        )),
        "spair-71k", "nyuv2", "coco", "lvis", "lvis-minival", "ade20k", "ade20k-linear", "pascal-voc",
        "pascal-voc-linear", "davis-2017", "davis-2016",
    ]  # fmt: skip
    together = [task.name for task in DATA_SET_TASKS[len(names) :]]
    assert together == [
        *(f"micro-alignment-{name}" for name in ALIGNMENT_SETS if f"micro-{name}" in MICRO_ALIGNMENT_SETS),
        *(f"alignment-{name}" for name in ALIGNMENT_SETS),
    ]


def test_what_is_rendered_needs_no_folder_and_has_no_download() -> None:
    rendered = [data_set for data_set in DATA_SETS.values() if isinstance(data_set.form, RenderedForm)]
    assert {task.name for task in DATA_SET_TASKS if task.world == "microworld"} == {
        task.name for data_set in rendered for task in data_set.tasks
    }
    for data_set in rendered:
        assert available(data_set.name, {})
        assert folders_of(data_set.name) == ()
        assert publication_of(data_set.name) is None
        source = open_source(data_set.name, {}, 21, 3)
        space = data_set.form.label_space
        assert (source.name, source.label_space, len(source)) == (data_set.name, space, 21)
        elsewhere = ("triplets", "classes", "objects", "scenes", "boxes", "actions", "arrow", "pairs", "instances")
        assert space == "microworld-16" or data_set.name in [f"microworld/{name}" for name in elsewhere]
