"""Data sets are recognised by the form of their folders, and what is recognised can be opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vitobench.tasks.alignment.experiments import CATEGORIES
from vitobench.tasks.corruptions import CORRUPTIONS
from vitobench.tasks.datasets.conditions import ConditionFolderForm
from vitobench.tasks.datasets.recognition import Look
from vitobench.tasks.datasets.registry import PUBLISHED
from vitobench.tasks.images.classes import imagenet_a_wnids, imagenet_r_wnids, imagenet_wnids, objectnet_classes
from vitobench.tasks.opening import USER_DATA, folders_of, open_source
from vitobench.tasks.registry import TASKS
from vitobench.tasks.scanning import in_usual_places, recognise, scan, usual_places

VALIDATION = {"n01440764": "ILSVRC2012_val_00000293.JPEG", "n01443537": "ILSVRC2012_val_00000236.JPEG"}


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not read")


def classes(*names: str) -> Callable[[Path], None]:
    return lambda root: [touch(root / name / "some photograph.jpg") for name in names] and None


def validation(root: Path) -> None:
    for wnid, name in VALIDATION.items():
        touch(root / wnid / name)


def conditions(*corruptions: str, group: str = "") -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for corruption in corruptions:
            for severity in "12345":
                validation(root / group / corruption / severity)

    return write


def perturbations(root: Path) -> None:
    for name in ("noise/gaussian_noise", "weather/brightness"):
        touch(root / name / "n01440764" / "ILSVRC2012_val_00000293.mp4")


def arrays(count: int) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        root.mkdir(parents=True)
        np.save(root / "labels.npy", np.tile(np.arange(count), 5))
        np.save(root / f"{CORRUPTIONS[0]}.npy", np.zeros((5 * count, 32, 32, 3), np.uint8))

    return write


def frames(root: Path) -> None:
    touch(root / "val" / "ILSVRC2015_val_00000000" / "000432.JPEG")
    (root / "metadata").mkdir()
    frame = "val/ILSVRC2015_val_00000000/000432.JPEG"
    (root / "metadata" / "labels.json").write_text(json.dumps({frame: [0]}))
    (root / "metadata" / "pmsets.json").write_text(json.dumps({frame: []}))


def youtube(root: Path) -> None:
    touch(root / "ytbb_videos" / "04rVDII50JU_66600" / "frame-1998.jpg")
    for name in ("anchor_labels.json", "pmk_labels.json"):
        touch(root / "metadata" / name)


def shards(root: Path) -> None:
    touch(root / "val-0.tfrecords")


def maps(root: Path) -> None:
    touch(root / "images" / "n01440764" / "ILSVRC2012_val_00000293.JPEG")
    touch(root / "maps" / "n01440764" / "ILSVRC2012_val_00000293.npz")


def depths(root: Path) -> None:
    touch(root / "n01440764" / "ILSVRC2012_val_00000293.npy")


def stimuli(root: Path) -> None:
    for category in CATEGORIES:
        touch(root / "edge" / category / f"{category}1.png")


def levels(name: str) -> Callable[[Path], None]:
    """Folders by condition, level and class of a set, as its form names them."""

    def write(root: Path) -> None:
        form = PUBLISHED[name].form
        assert isinstance(form, ConditionFolderForm)
        task = next(task for task in PUBLISHED[name].tasks if task.on_disk)
        for condition in task.conditions:
            touch(root / condition.name / form.folder(condition.severity) / next(iter(form.labels)) / "a.jpg")

    return write


def table(root: Path) -> None:
    touch(root / "labels_pug_imagenet.csv")


def parquet(root: Path) -> None:
    touch(root / "data" / "validation-00000-of-00001.parquet")


def factors(root: Path) -> None:
    for name in ("imagenet_x_val_top_factor.jsonl", "imagenet_x_val_multi_factor.jsonl", "prototypical_paths.csv"):
        touch(root / name)


def things(root: Path) -> None:
    touch(root / "test_triplets.csv")
    (root / "test_triplets.csv").write_text("1 2 3 3\n")
    (root / "item_names.tsv").write_text("uniqueID\nant\nbat\ncat\n")


def nights(root: Path) -> None:
    pictures = ("ref/000/000.png", "distort/000/000_0.png", "distort/000/000_1.png")
    for name in pictures:
        touch(root / name)
    heads = "id,left_vote,right_vote,votes,ref_path,left_path,right_path,split"
    (root / "data.csv").write_text(f"{heads}\n0,1,0,6,{','.join(pictures)},test\n")


def openood(root: Path) -> None:
    touch(root / "images_largescale" / "ssb_hard" / "a.JPEG")
    touch(root / "benchmark_imglist" / "imagenet" / "test_ssb_hard.txt")
    (root / "benchmark_imglist" / "imagenet" / "test_ssb_hard.txt").write_text("ssb_hard/a.JPEG -1\n")


def davis(year: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for name in ("JPEGImages/480p/cows/00000.jpg", "Annotations/480p/cows/00000.png", f"ImageSets/{year}/val.txt"):
            touch(root / name)

    return write


def pascal(root: Path) -> None:
    for name in ("JPEGImages/a.jpg", "SegmentationClass/a.png"):
        touch(root / name)
    for part in ("train", "val"):
        touch(root / "ImageSets" / "Segmentation" / f"{part}.txt")


def scene_parsing(root: Path) -> None:
    for part in ("training", "validation"):
        for folder, end in (("images", "jpg"), ("annotations", "png")):
            touch(root / folder / part / f"ADE_{part[:5]}_00000001.{end}")


def spair(root: Path) -> None:
    touch(root / "JPEGImages" / "cat" / "a.jpg")
    touch(root / "PairAnnotation" / "test" / "000001-a-b:cat.json")


def nyu(root: Path) -> None:
    for part, number in (("test", "00001"), ("train", "00002")):
        for name in (f"rgb_{number}.jpg", f"sync_depth_{number}.png"):
            touch(root / part / "bath" / name)


def filmed(*names: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for name in names:
            touch(root / name)

    return write


def coco(root: Path) -> None:
    for name in ("annotations/instances_val2017.json", "val2017/a.jpg", "train2017/b.jpg"):
        touch(root / name)


def lvis(root: Path) -> None:
    for name in ("annotations/lvis_v1_val.json", "val2017/a.jpg", "train2017/b.jpg"):
        touch(root / name)


def coco_and_lvis(root: Path) -> None:
    coco(root)
    lvis(root)


def training(root: Path) -> None:
    touch(root / "n01440764" / "n01440764_18.JPEG")
    touch(root / "n01443537" / "n01443537_2.JPEG")


def lists(root: Path) -> None:
    touch(root / "1percent.txt")
    touch(root / "10percent.txt")


UNMISTAKABLE: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "validation images": (validation, {"imagenet", "imagenet-real"}),
    "training photographs": (training, {"imagenet-train"}),
    "lists of them": (lists, {"imagenet-subsets"}),
    "imagenet-a": (classes(*imagenet_a_wnids()), {"imagenet-a"}),
    "imagenet-r": (classes(*imagenet_r_wnids()), {"imagenet-r"}),
    "objectnet": (classes(*(c.key for c in objectnet_classes()), "beer_can"), {"objectnet"}),
    "imagenet-c": (conditions("gaussian_noise", "fog"), {"imagenet-c"}),
    "imagenet-c in groups": (conditions("fog", group="weather"), {"imagenet-c"}),
    "imagenet-c-bar": (conditions("blue_noise_sample"), {"imagenet-c-bar"}),
    "imagenet-3dcc": (conditions("near_focus"), {"imagenet-3dcc"}),
    "imagenet-p": (perturbations, {"imagenet-p"}),
    "cifar-10-c": (arrays(10), {"cifar-10-c"}),
    "cifar-100-c": (arrays(100), {"cifar-100-c"}),
    "imagenet-vid-robust": (frames, {"imagenet-vid-robust"}),
    "ytbb-robust": (youtube, {"ytbb-robust"}),
    "clickme shards": (shards, {"clickme"}),
    "clickme folders": (maps, {"clickme"}),
    "imagenet-x": (factors, {"imagenet-x"}),
    "imagenet-depth": (depths, {"imagenet-depth"}),
    "model-vs-human": (stimuli, {"model-vs-human"}),
    "things": (things, {"things"}),
    "nights": (nights, {"nights"}),
    "openood": (openood, {"openood"}),
    "davis-2016": (davis("2016"), {"davis-2016"}),
    "davis-2017": (davis("2017"), {"davis-2017"}),
    "pascal-voc": (pascal, {"pascal-voc"}),
    "spair-71k": (spair, {"spair-71k"}),
    "nyuv2": (nyu, {"nyuv2"}),
    "ade20k": (scene_parsing, {"ade20k"}),
    "ucf101": (filmed("UCF-101/YoYo/v_YoYo_g01_c01.avi", "ucfTrainTestlist/classInd.txt"), {"ucf101"}),
    "hmdb51": (filmed("hmdb51_org/wave/a.avi", "testTrainMulti_7030_splits/wave_test_split1.txt"), {"hmdb51"}),
    "ssv2": (filmed("20bn-something-something-v2/1.webm", "labels/labels.json"), {"ssv2"}),
    "coco": (coco, {"coco"}),
    "lvis": (lvis, {"lvis", "lvis-minival"}),
    "coco and lvis": (coco_and_lvis, {"coco", "lvis", "lvis-minival"}),
    "laion-c": (levels("laion-c"), {"laion-c"}),
    "pug-imagenet": (table, {"pug-imagenet"}),
}
"""Written under a name that says nothing."""

BY_NAME = {
    "sketch": (classes(*imagenet_wnids()), "imagenet-sketch"),
    "ImageNet_Sketch": (classes("n01440764"), "imagenet-sketch"),
    "imagenetv2-matched-frequency-format-val": (classes(*map(str, range(1000))), "imagenet-v2-matched-frequency"),
    "imagenetv2-threshold0.7-format-val": (classes("0", "7"), "imagenet-v2-threshold-0.7"),
    "imagenetv2-top-images-format-val": (classes("0", "7"), "imagenet-v2-top-images"),
    "objectnet-1.0/images": (classes("desk_lamp", "beer_can"), "objectnet"),
    "imagenet/val": (classes("n01440764"), "imagenet"),
    "imagenet-a": (classes("n01498041"), "imagenet-a"),
    "stylized-imagenet/val": (classes("n01498041"), "stylized-imagenet"),
    "ImageNet-D/background": (classes("alarm_clock", "wok"), "imagenet-d-background"),
    "ImageNet-D/texture": (classes("alarm_clock", "wok"), "imagenet-d-texture"),
    "ImageNet-D/material": (classes("alarm_clock", "wok"), "imagenet-d-material"),
    "ImageNet-ES/es-test/param_control": (levels("imagenet-es-control"), "imagenet-es-control"),
    "ImageNet-ES/es-test/auto_exposure": (levels("imagenet-es-auto"), "imagenet-es-auto"),
    "imagenet-hard": (parquet, "imagenet-hard"),
}
"""Looks like several sets, or is a part of one."""

NOT_OPENED = {
    "imagenet-p",
    "ytbb-robust",
    "clickme",
    "imagenet-depth",
    "imagenet-train",
    "imagenet-subsets",
    "model-vs-human",
    "pug-imagenet",
    "imagenet-hard",
    "imagenet-x",
    "davis-2016",
    "davis-2017",
    "pascal-voc",
    "ade20k",
    "ucf101",
    "hmdb51",
    "ssv2",
    "coco",
    "lvis",
    "lvis-minival",
}
"""Opening reads contents of videos, lists, tables, masks or a second folder; annotations are not opened."""


def opens(name: str, folder: Path) -> bool:
    task = next(task for task in TASKS.values() if folders_of(task.dataset) == (name,))
    keys = [condition.key for condition in task.conditions] if task.on_disk else None
    return len(open_source(task.dataset, {name: folder}, None, 0, conditions=keys).image_ids) > 0


@pytest.mark.parametrize("case", UNMISTAKABLE)
def test_a_form_is_recognised_under_any_name(case: str, tmp_path: Path) -> None:
    write, names = UNMISTAKABLE[case]
    folder = tmp_path / "disk" / "x"
    write(folder)
    found = scan(tmp_path)
    assert {one.name for one in found} == names
    assert all(one.folder == folder and one.certain and one.why and not one.flat for one in found)
    for name in names - NOT_OPENED:
        assert opens(name, folder)


@pytest.mark.parametrize("path", BY_NAME)
def test_where_sets_look_alike_the_name_of_the_folder_decides(path: str, tmp_path: Path) -> None:
    write, name = BY_NAME[path]
    write(tmp_path / path)
    assert [(one.name, one.certain) for one in scan(tmp_path)] == [(name, True)]
    assert name in NOT_OPENED or opens(name, tmp_path / path)
    anonymous = tmp_path / "other" / "x"
    write(anonymous)
    found = recognise(Look(anonymous))
    assert name in {one.name for one in found}
    assert not any(one.certain for one in found)


def test_every_form_of_published_folders_is_covered() -> None:
    covered = {name for _, names in UNMISTAKABLE.values() for name in names} | {name for _, name in BY_NAME.values()}
    # The answers are found beside the stimuli; the folder of torchvision's sets may have any others in it.
    assert set(USER_DATA) - covered == {"model-vs-human-answers", "transfer"}


def test_what_is_no_set_of_ours_is_passed_over(tmp_path: Path) -> None:
    touch(tmp_path / "pets" / "cat" / "1.jpg")
    touch(tmp_path / "words" / "notes.txt")
    np.save(tmp_path / "words" / "labels.npy", np.arange(10))
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    assert scan(tmp_path) == []


def test_a_severity_of_a_corrupted_set_is_not_the_clean_set(tmp_path: Path) -> None:
    conditions("gaussian_noise")(tmp_path)
    assert [one.name for one in scan(tmp_path)] == ["imagenet-c"]
    assert scan(tmp_path / "gaussian_noise") == []


def test_sets_beside_each_other_are_all_found_and_counted(tmp_path: Path) -> None:
    validation(tmp_path / "deep" / "in" / "some" / "disk")
    conditions("near_focus")(tmp_path / "three")
    stimuli(tmp_path / "people")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    calls: list[tuple[int, int]] = []
    found = {(one.name, one.folder.name) for one in scan(tmp_path, lambda done, total: calls.append((done, total)))}
    assert found == {
        ("imagenet", "disk"), ("imagenet-real", "disk"), ("imagenet-3dcc", "three"), ("model-vs-human", "people")
    }  # fmt: skip
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_flat_folder_is_recognised_as_not_sorted(tmp_path: Path) -> None:
    touch(tmp_path / "ILSVRC2012_img_val" / "ILSVRC2012_val_00000001.JPEG")
    (one,) = scan(tmp_path)
    assert (one.name, one.flat, one.folder.name) == ("imagenet", True, "ILSVRC2012_img_val")
    assert in_usual_places(tmp_path) == {}


def test_usual_places_are_those_of_the_download_command(tmp_path: Path) -> None:
    assert next(usual_places("imagenet-a", tmp_path)) == tmp_path / "imagenet-a" / "imagenet-a"
    assert next(usual_places("imagenet-v2-top-images", tmp_path)) == (
        tmp_path / "imagenet-v2" / "imagenetv2-top-images-format-val"
    )
    classes("0", "7")(tmp_path / "imagenet-v2" / "imagenetv2-top-images-format-val")
    validation(tmp_path / "imagenet" / "val")
    conditions("fog", group="weather")(tmp_path / "imagenet-c")
    conditions("near_focus")(tmp_path / "elsewhere")  # found by a scan only
    touch(tmp_path / "imagenet-r" / "notes.txt")  # the right name, but no such set
    assert in_usual_places(tmp_path) == {
        "imagenet": tmp_path / "imagenet" / "val",
        "imagenet-real": tmp_path / "imagenet" / "val",
        "imagenet-c": tmp_path / "imagenet-c",
        "imagenet-v2-top-images": tmp_path / "imagenet-v2" / "imagenetv2-top-images-format-val",
    }
