"""Published sets through the command line, in small folders of their real form.

What comes out is compared with a reading that shares no code with the project: Pillow opens the files, torchvision's
transforms make the pixels, and timm's own network answers.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vitobench.results.published import timm
from vitobench.results.published.tables import published_reference
from vitobench.tasks import kinds, registry
from vitobench.tasks.datasets.registry import DATA_SETS
from vitobench.tasks.images.classes import imagenet_vid_classes, objectnet_classes
from vitobench.tasks.labels import labels_for
from vitobench.tasks.opening import folders_of
from vitobench.tests.bench.published.kit import (
    INFO,
    WNIDS,
    Bench,
    Classifier,
    Run,
    failures,
    half_right,
    listed,
    make_classifier,
    numbers,
    opened,
    picture,
    placed,
    share,
)


def test_the_clean_counterpart_of_imagenet_a_is_the_validation_images_of_its_classes(
    run: Run, classifier: Classifier, pictures: list[Path], tmp_path: Path
) -> None:
    indices = [int(line) for line in listed("imagenet_a_indices.txt")]
    among = classifier.decisions(opened(pictures), [(k,) for k in indices])
    labels = half_right(among, 200)
    for path, label in zip(pictures, labels, strict=True):
        placed(path, tmp_path / "val" / WNIDS[indices[label]])
        placed(path, tmp_path / "a" / WNIDS[indices[label]])
    other = next(k for k in range(1000) if k not in indices)
    placed(pictures[0], tmp_path / "val" / WNIDS[other])
    data = {"imagenet": tmp_path / "val", "imagenet-a": tmp_path / "a"}
    found = run(classifier, ["imagenet-val", "imagenet-a-clean", "imagenet-a"], data)
    assert found["imagenet-a-clean", "overall", "top1"] == (share(among, labels), 12) == (0.5, 12)
    assert found["imagenet-val", "overall", "top1"][1] == 13
    # Clean and shifted accuracy are of the same classes, answered in the same way, so that the line applies.
    line = timm.line("imagenet-a")
    value, _ = found["imagenet-a", "overall", "effective_robustness"]
    assert value == pytest.approx(0.5 - float(line.predict(0.5)))


def test_imagenet_a_is_answered_among_200_and_1000_classes_at_once(
    run: Run, classifier: Classifier, pictures: list[Path], tmp_path: Path, asked: list[int]
) -> None:
    indices = [int(line) for line in listed("imagenet_a_indices.txt")]
    among = classifier.decisions(opened(pictures), [(k,) for k in indices])
    labels = half_right(among, 200)
    for path, label in zip(pictures, labels, strict=True):
        placed(path, tmp_path / "a" / WNIDS[indices[label]])
    everything = classifier.decisions(opened(pictures))
    found = run(classifier, ["imagenet-a", "imagenet-a-1000"], {"imagenet-a": tmp_path / "a"})
    assert sum(asked) == len(pictures)
    assert found["imagenet-a", "overall", "top1"] == (share(among, labels), 12) == (0.5, 12)
    share_of_all = share(everything, [indices[k] for k in labels])
    assert found["imagenet-a-1000", "overall", "top1"] == (share_of_all, 12)
    assert share_of_all < 0.5
    best = np.argsort(-classifier.logits(opened(pictures)), axis=1)[:, :5]
    five = np.mean([indices[label] in row for label, row in zip(labels, best, strict=True)])
    assert found["imagenet-a-1000", "overall", "top5"] == (pytest.approx(five), 12)


@pytest.mark.parametrize("name", ["imagenet-r", "imagenet-sketch", "imagenet-v2-matched-frequency"])
def test_sets_of_class_folders(
    run: Run, classifier: Classifier, pictures: list[Path], tmp_path: Path, name: str
) -> None:
    indices = [int(line) for line in listed("imagenet_r_indices.txt")] if name == "imagenet-r" else list(range(1000))
    decided = classifier.decisions(opened(pictures), [(k,) for k in indices])
    labels = half_right(decided, len(indices))
    for path, label in zip(pictures, labels, strict=True):
        folder = str(label) if name.startswith("imagenet-v2") else WNIDS[indices[label]]
        placed(path, tmp_path / "set" / folder)
    assert len(set(decided)) > 6
    found = run(classifier, [name], {name: tmp_path / "set"})
    assert found[name, "overall", "top1"] == (share(decided, labels), 12) == (0.5, 12)


def test_objectnet_loses_its_border_and_the_classes_that_imagenet_lacks(
    run: Run, classifier: Classifier, tmp_path: Path
) -> None:
    classes = objectnet_classes()
    inner = [picture(n, (26, 22)) for n in range(12)]  # so small that two red pixels would count
    decided = classifier.decisions(inner, [c.imagenet for c in classes])
    labels = half_right(decided, len(classes))
    bordered = []
    for number, (image, label) in enumerate(zip(inner, labels, strict=True)):
        framed = Image.new("RGB", (30, 26), (255, 0, 0))
        framed.paste(image, (2, 2))
        bordered.append(framed)
        folder = tmp_path / "objectnet" / classes[label].key
        folder.mkdir(parents=True, exist_ok=True)
        framed.save(folder / f"{number}.png")
    other = tmp_path / "objectnet" / "bath_towel_of_nobody"
    other.mkdir()
    bordered[0].save(other / "0.png")
    assert classifier.decisions(bordered, [c.imagenet for c in classes]) != decided
    found = run(classifier, ["objectnet"], {"objectnet": tmp_path / "objectnet"})
    assert found["objectnet", "overall", "top1"] == (share(decided, labels), 12) == (0.5, 12)


def test_reassessed_labels_accept_several_classes(
    run: Run, classifier: Classifier, pictures: list[Path], tmp_path: Path
) -> None:
    accepted = json.loads((INFO / "imagenet_real_labels.json").read_text())
    decided = classifier.decisions(opened(pictures))
    several = {k: number for number, classes in enumerate(accepted) if len(classes) > 1 for k in classes[1:]}
    nothing = accepted.index([])
    expected = []
    for n, (path, decision) in enumerate(zip(pictures, decided, strict=True)):
        number = nothing if n == 0 else several.pop(decision, n) if n % 2 else 1000 + n
        if n:
            expected.append(decision in accepted[number])
        placed(path, tmp_path / "val" / WNIDS[n], f"ILSVRC2012_val_{number + 1:08d}.JPEG")
    assert 2 <= sum(expected) < 10
    found = run(classifier, ["imagenet-real"], {"imagenet-real": tmp_path / "val"})
    assert found["imagenet-real", "overall", "top1"] == (pytest.approx(np.mean(expected)), 11)


def condition_folders(
    root: Path, task: str, wnids: Sequence[str], count: int, family: str = ""
) -> dict[str, dict[str, Path]]:
    """Images of 224 pixels under every condition of a task: condition to image id to file."""
    made: dict[str, dict[str, Path]] = {}
    for position, condition in enumerate(registry.TASKS[task].conditions):
        for number in range(count):
            image_id = f"{wnids[number]}/ILSVRC2012_val_{number + 1:08d}.JPEG"
            path = root / family / condition.key / image_id
            path.parent.mkdir(parents=True, exist_ok=True)
            # A cheap condition of its own: the picture, moved.
            picture(number, (224, 224)).rotate(position % 75).save(path, quality=85)
            made.setdefault(condition.key, {})[image_id] = path
    return made


def right_in_folders(
    classifier: Classifier, made: Mapping[str, Mapping[str, Path]], left_out: Iterable[str] = ()
) -> dict[str, float]:
    """Top-1 under each condition."""
    found = {}
    for key, files in made.items():
        kept = {i: path for i, path in files.items() if i not in left_out}
        decided = classifier.decisions(opened(kept.values()), whole=True)
        found[key] = share(decided, [WNIDS.index(i[:9]) for i in kept])
    return found


def decided_wnids(classifier: Classifier, count: int) -> list[str]:
    return [WNIDS[k] for k in classifier.decisions([picture(n, (224, 224)) for n in range(count)], whole=True)]


@pytest.mark.parametrize("family", ["", "all"])
def test_published_folders_of_imagenet_c(run: Run, classifier: Classifier, tmp_path: Path, family: str) -> None:
    wnids = decided_wnids(classifier, 3)
    task = "imagenet-c-folders"
    made = condition_folders(tmp_path / "c", task, wnids, 3, family)
    right = right_in_folders(classifier, made)
    assert 0 < np.mean(list(right.values())) < 1
    found = run(classifier, [task], {"imagenet-c": tmp_path / "c"})
    for key, value in right.items():
        assert found[task, key, "top1"] == (pytest.approx(value), 3)
    assert found[task, "overall", "top1"] == (pytest.approx(np.mean(list(right.values()))), 3)
    table = published_reference("alexnet")
    assert table is not None
    ces = []
    for name in dict.fromkeys(c.name for c in registry.TASKS[task].conditions):
        error = np.mean([1 - right[f"{name}/{s}"] for s in range(1, 6)])
        ces.append(error / np.mean(table.errors[name]))
    assert found[task, "overall", "mce"] == (pytest.approx(np.mean(ces)), 3)


def test_what_published_folders_lack_is_a_hole_and_named(run: Run, classifier: Classifier, tmp_path: Path) -> None:
    wnids = decided_wnids(classifier, 4)
    task = "imagenet-c-folders"
    made = condition_folders(tmp_path / "c", task, wnids, 4)
    shutil.rmtree(tmp_path / "c" / "fog" / "3")
    absent = f"{wnids[2]}/ILSVRC2012_val_00000003.JPEG"
    made["snow/2"][absent].unlink()
    del made["fog/3"]
    right = right_in_folders(classifier, made, [absent])
    found = run(classifier, [task], {"imagenet-c": tmp_path / "c"}, code=3)
    for key, value in right.items():
        assert found[task, key, "top1"] == (pytest.approx(value), 3)
    holes = [("overall", "mce"), ("overall", "top1"), ("fog", "ce"), ("fog/3", "top1"), ("weather", "top1")]
    assert [found[(task, *hole)][0] for hole in holes] == [None] * len(holes)
    assert found[task, "snow", "ce"][0] is not None
    told = {(f["condition"], f["image_id"]): f["reason"] for f in failures(tmp_path)}
    assert told[("snow/2", absent)] == "snow/2 has no such image"
    assert {reason for (key, _), reason in told.items() if key == "fog/3"} == {"the folder has no fog/3"}
    assert {key for key, _ in told} == {"fog/3", "snow/2"}


def test_published_folders_of_imagenet_c_bar_have_a_plain_mean(
    run: Run, classifier: Classifier, tmp_path: Path
) -> None:
    task = "imagenet-c-bar-folders"
    made = condition_folders(tmp_path / "bar", task, decided_wnids(classifier, 3), 3)
    right = right_in_folders(classifier, made)
    found = run(classifier, [task], {"imagenet-c-bar": tmp_path / "bar"})
    assert found[task, "overall", "top1"] == (pytest.approx(np.mean(list(right.values()))), 3)
    assert not [key for key in found if key[2] in ("mce", "ce")]


def test_cifar_is_for_classifiers_of_its_ten_classes(
    run: Run, bench_here: Bench, classifier: Classifier, tmp_path: Path
) -> None:
    small = make_classifier(tmp_path, 10)
    root = tmp_path / "cifar"
    root.mkdir()
    labels = np.array([0, 3, 9, 1, 4])
    np.save(root / "labels.npy", np.tile(labels, 5))
    right: dict[str, float] = {}
    conditions = registry.TASKS["cifar-10-c"].conditions
    for number, name in enumerate(dict.fromkeys(c.name for c in conditions)):
        images = [picture(100 * number + n, (32, 32)) for n in range(5 * len(labels))]
        np.save(root / f"{name}.npy", np.stack([np.array(image) for image in images]))
        decided = np.array(small.decisions(images, [(k,) for k in range(10)])).reshape(5, len(labels))
        right |= {f"{name}/{s}": share(decided[s - 1].tolist(), labels.tolist()) for s in range(1, 6)}
    assert 0 < np.mean(list(right.values())) < 1
    data = f"cifar-10-c={root}"
    refused = bench_here("run", "--model", classifier.name, "--task", "cifar-10-c", "--data", data)
    assert refused.code == 2
    assert "predicts imagenet-1k classes" in refused.err
    found = run(small, ["cifar-10-c"], {"cifar-10-c": root})
    for key, value in right.items():
        assert found["cifar-10-c", key, "top1"] == (pytest.approx(value), 5)
    assert found["cifar-10-c", "overall", "top1"] == (pytest.approx(np.mean(list(right.values()))), 5)


@pytest.fixture
def video(tmp_path: Path, classifier: Classifier) -> tuple[Path, float, float]:
    """Six anchors with their frames; pm-0 and pm-10."""
    root = tmp_path / "vid"
    groups = [c.imagenet for c in imagenet_vid_classes()]
    labels: dict[str, list[int]] = {}
    anchors: dict[str, list[str]] = {}
    alone, together = [], []
    for n in range(6):
        frames = [f"val/ILSVRC2015_val_{n:08d}/{k:06d}.JPEG" for k in range(4 if n else 1)]
        right = []
        for k, frame in enumerate(frames):
            path = root / frame
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(50 * n + k).save(path, quality=95)
            (decided,) = classifier.decisions(opened([path]), groups)
            right.append(not (n == 1 and k == 0) and not (n in (2, 3) and k == 2))
            labels[frame] = [(decided + 7) % 30, decided] if right[-1] else [(decided + 1) % 30]
        anchors[frames[0]] = frames[1:]
        alone.append(right[0])
        together.append(all(right))
    (root / "metadata").mkdir()
    (root / "metadata" / "labels.json").write_text(json.dumps(labels))
    (root / "metadata" / "pmsets.json").write_text(json.dumps(anchors))
    return root, float(np.mean(alone)), float(np.mean(together))


def test_videos_ask_for_an_anchor_and_all_its_neighbours(
    run: Run, classifier: Classifier, video: tuple[Path, float, float], bench_here: Bench, tmp_path: Path
) -> None:
    task = "imagenet-vid-robust"
    root, alone, together = video
    shutil.copytree(root, tmp_path / "spare")
    found = run(classifier, [task], {task: root})
    assert found[task, "overall", "pm0"] == (pytest.approx(alone), 6)
    assert found[task, "overall", "pm10"] == (pytest.approx(together), 6)
    assert (alone, together) == (5 / 6, 3 / 6)
    # What is known of the frames lies in the store; without it there is no number, and that is said.
    (kept,) = (tmp_path / "bench-results" / "truths").iterdir()
    content = kept.read_bytes()
    # Edited by hand, every anchor would be right; cut off, none could be told.
    edited = json.loads(gzip.decompress(content))
    edited["facts"]["accepted"] = {frame: list(range(30)) for frame in edited["facts"]["accepted"]}
    for damaged in (gzip.compress(json.dumps(edited).encode()), content[:-20]):
        kept.write_bytes(damaged)
        assert bench_here("score", "--task", task, "--json", "lost.json").code == 3
        assert {value for value, _ in numbers(tmp_path / "lost.json").values()} == {None}
        shutil.copytree(tmp_path / "spare", root)
        # As the message says, the next run writes it again, though it has nothing to compute.
        assert run(classifier, [task], {task: root}) == found
        assert kept.read_bytes() == content
    kept.unlink()
    lost = bench_here("score", "--task", task, "--json", "lost.json")
    assert lost.code == 3
    assert {value for value, _ in numbers(tmp_path / "lost.json").values()} == {None}
    assert "truths" in " ".join(lost.out.split())


def test_a_plan_names_every_data_set_that_is_absent(
    bench_here: Bench, classifier: Classifier, photographs: Path, tmp_path: Path
) -> None:
    photos = ("--data", f"imagenet={photographs}")
    plan = ("plan", "--model", classifier.name, "--suite", "robustness", "--no-measure", "--json", "plan.json")
    done = bench_here(*plan, *photos)
    assert done.code == 0, done.err
    wanted = [registry.TASKS[name] for name in registry.SUITES["robustness"].tasks]
    names = {t.dataset for t in wanted if t.label_space == "imagenet-1k" and folders_of(t.dataset) != ("imagenet",)}
    assert set(json.loads((tmp_path / "plan.json").read_text())["absent"]) == names
    assert set(re.findall(r"Missing: (\S+);", done.out)) == names
    for name in names:
        for folder in folders_of(name):
            assert f"--data {folder}=DIR" in done.out
    alone = bench_here("plan", "--model", classifier.name, "--task", "objectnet", "--no-measure")
    assert alone.code == 2
    assert "--data objectnet=DIR" in alone.err


def test_data_that_no_task_asks_for_is_told_as_such(
    bench_here: Bench, classifier: Classifier, photographs: Path, tmp_path: Path
) -> None:
    args = ("--task", "imagenet-val", "--no-measure", "--data", f"imagenet={photographs}")
    done = bench_here("plan", "--model", classifier.name, *args, "--data", f"objectnet={tmp_path}")
    assert "--data objectnet was not used: none of these tasks uses it." in " ".join(done.out.split())


@pytest.mark.parametrize("name", [name for name, task in registry.TASKS.items() if task.world == "photographs"])
def test_every_set_is_labelled_in_classes_that_its_tasks_can_ask_about(name: str) -> None:
    task = registry.TASKS[name]
    form = DATA_SETS[task.dataset].form if task.dataset in DATA_SETS else None
    # People chose among 16 categories, whatever classes a model has.
    own = "entry-level-16" if task.kind is kinds.ALIGNMENT else "imagenet-1k"
    source = SimpleNamespace(name=task.dataset, label_space=form.label_space if form else own)
    assert labels_for(task, source, np.zeros(1, np.int64)).shape == (1,)  # type: ignore[arg-type]
    if task.kind.choices:
        return  # a triplet has no class
    foreign = SimpleNamespace(name="foreign", label_space="microworld-16")
    with pytest.raises(ValueError, match="foreign has labels of microworld-16"):
        labels_for(task, foreign, np.zeros(1, np.int64))  # type: ignore[arg-type]
