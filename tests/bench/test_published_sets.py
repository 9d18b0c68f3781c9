"""Published sets through the command line, in small folders of their real form.

What comes out is compared with a reading that shares no code with the project: Pillow opens the files, torchvision's
transforms make the pixels, and timm's own network answers.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import transforms

from vitobench.bench import pixels as pixels_module
from vitobench.models.model import Model
from vitobench.results.published.tables import published_reference
from vitobench.tasks import registry
from vitobench.tasks.corruptions.three_d import corrupt_3d
from vitobench.tasks.data.classes import imagenet_vid_classes, objectnet_classes
from vitobench.tasks.data.datasets import folders_of
from vitobench.tasks.data.sets.published import PUBLISHED
from vitobench.tasks.labels import labels_for
from vitobench.tasks.task import Condition

Bench = Callable[..., Any]
Groups = Sequence[Sequence[int]]

INFO = Path(timm.__file__).parent / "data" / "_info"
SIDE, RESIZED = 160, 168  # of timm's test_resnet
HALF = [0.5, 0.5, 0.5]


def listed(name: str) -> list[str]:
    return (INFO / name).read_text(encoding="utf-8").split()


WNIDS = listed("imagenet_synsets.txt")
ALL: Groups = [(k,) for k in range(1000)]


@dataclass(frozen=True)
class Classifier:
    """A network under its name for the command line, and asked directly."""

    name: str
    network: torch.nn.Module

    def logits(self, images: Iterable[Image.Image], whole: bool = False) -> np.ndarray:
        """float (n, K); ``whole`` images are squeezed to the input, others resized and cut."""
        resize = transforms.Resize((SIDE, SIDE) if whole else RESIZED)
        steps = transforms.Compose(
            [resize, transforms.CenterCrop(SIDE), transforms.ToTensor(), transforms.Normalize(HALF, HALF)]
        )
        with torch.inference_mode():
            return self.network(torch.stack([steps(image.convert("RGB")) for image in images])).numpy()

    def decisions(self, images: Iterable[Image.Image], groups: Groups = ALL, whole: bool = False) -> list[int]:
        """The best class of each image, where the best logit of a group stands for it."""
        rows = self.logits(images, whole)
        return [int(np.argmax([max(row[k] for k in group) for group in groups])) for row in rows]


def make_classifier(folder: Path, classes: int) -> Classifier:
    torch.manual_seed(classes)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=classes)
    with torch.no_grad():
        # Statistics of real activations, and features on one scale: else one class would always win.
        network.train()(torch.stack([transforms.ToTensor()(picture(n)) * 2 - 1 for n in range(32)]))
        network.eval()
        seen = network.forward_head(
            network.forward_features(torch.stack([transforms.ToTensor()(picture(n)) * 2 - 1 for n in range(32)])), True
        )
        network.fc.weight.normal_().div_(seen.std(0).clamp(min=1e-4))
        network.fc.bias.copy_(-network.fc.weight @ seen.mean(0))
    torch.save(network.state_dict(), folder / f"{classes}.pth")
    return Classifier(f"file:{folder / f'{classes}.pth'}?arch=timm:test_resnet", network)


def picture(seed: int, size: tuple[int, int] = (200, 180)) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BILINEAR)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return make_classifier(tmp_path_factory.mktemp("imagenet"), 1000)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Files that are not yet in any class folder."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for number in range(12):
        picture(number).save(folder / f"{number}.JPEG", quality=95)
    return [folder / f"{number}.JPEG" for number in range(12)]


def opened(paths: Iterable[Path]) -> list[Image.Image]:
    return [Image.open(path) for path in paths]


def placed(path: Path, folder: Path, name: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(path, folder / (name or path.name)))


def half_right(decided: Sequence[int], classes: int) -> list[int]:
    """Labels of which those at even positions are what was decided."""
    return [k if n % 2 == 0 else (k + 1) % classes for n, k in enumerate(decided)]


def share(decided: Sequence[int], labels: Sequence[int]) -> float:
    return float(np.mean(np.array(decided) == np.array(labels)))


def numbers(file: Path) -> dict[tuple[str, str, str], tuple[float | None, int]]:
    rows = json.loads(file.read_text())["scores"]
    return {(r["task"], r["condition"], r["metric"]): (r["value"], r["n"]) for r in rows}


@pytest.fixture
def run(bench_here: Bench, tmp_path: Path) -> Callable[..., dict[tuple[str, str, str], tuple[float | None, int]]]:
    """Run tasks; delete the data, score what is stored and see the same numbers; give them."""

    def call(model: Classifier, tasks: Sequence[str], data: Mapping[str, Path], code: int = 0) -> Any:
        named = [arg for task in tasks for arg in ("--task", task)]
        brought = [arg for name, folder in data.items() for arg in ("--data", f"{name}={folder}")]
        done = bench_here("run", "--model", model.name, *named, *brought, "--json", "run.json")
        assert done.code == code, done.err + done.out
        for folder in set(data.values()):
            shutil.rmtree(folder)
        scored = bench_here("score", *named, "--json", "score.json")
        assert scored.code == code, scored.err + scored.out
        ran, again = (json.loads((tmp_path / file).read_text()) for file in ("run.json", "score.json"))
        for part in ("scores", "failures"):
            assert sorted(map(json.dumps, ran[part])) == sorted(map(json.dumps, again[part]))
        return numbers(tmp_path / "run.json")

    return call


Run = Callable[..., dict[tuple[str, str, str], tuple[float | None, int]]]


def failures(tmp_path: Path) -> list[dict[str, str]]:
    return json.loads((tmp_path / "run.json").read_text())["failures"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a network, call by call."""
    counts: list[int] = []
    original = Model.logits

    def counted(self: Model, images: torch.Tensor) -> torch.Tensor:
        counts.append(len(images))
        return original(self, images)

    monkeypatch.setattr(Model, "logits", counted)
    return counts


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


def narrowed(monkeypatch: pytest.MonkeyPatch, task: str, names: Sequence[str]) -> None:
    """Keep a few corruptions of a task, at every severity."""
    whole = registry.TASKS[task]
    families = {f: tuple(n for n in members if n in names) for f, members in whole.families.items()}
    changed = replace(
        whole,
        conditions=tuple(c for c in whole.conditions if c.name in names),
        families={f: members for f, members in families.items() if members},
    )
    monkeypatch.setitem(registry.TASKS, task, changed)


@pytest.fixture
def photographs(classifier: Classifier, pictures: list[Path], tmp_path: Path) -> Path:
    """Four photographs of what the classifier sees in them."""
    root = tmp_path / "photographs"
    for path, decision in zip(pictures[:4], classifier.decisions(opened(pictures[:4])), strict=True):
        placed(path, root / WNIDS[decision])
    return root


Drawn = dict[tuple[Condition, str], np.ndarray]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    """Pixels of every image under every condition that was drawn."""
    seen: Drawn = {}
    original = pixels_module.apply_condition

    def recorded(images: np.ndarray, condition: Condition, ids: Sequence[str], *more: Any) -> np.ndarray:
        out = original(images, condition, ids, *more)
        seen.update({(condition, i): image for i, image in zip(ids, out, strict=True)})
        return out

    monkeypatch.setattr(pixels_module, "apply_condition", recorded)
    return seen


def right_when_drawn(classifier: Classifier, drawn: Drawn, condition: Condition, left_out: Iterable[str] = ()) -> float:
    kept = {i: pixels for (c, i), pixels in drawn.items() if c == condition and i not in left_out}
    decided = classifier.decisions([Image.fromarray(pixels) for pixels in kept.values()], whole=True)
    return share(decided, [WNIDS.index(i[:9]) for i in kept])


def test_the_published_variant_is_saved_as_jpeg_and_the_raw_one_is_not(
    run: Run, classifier: Classifier, photographs: Path, tmp_path: Path, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ("imagenet-c", "imagenet-c-raw")
    for task in tasks:
        narrowed(monkeypatch, task, ("shot_noise", "contrast"))
    found = run(classifier, tasks, {"imagenet": photographs})
    told = {t["name"]: t["identity"] for t in json.loads((tmp_path / "run.json").read_text())["tasks"]}
    assert told["imagenet-c"].split("@")[1] != told["imagenet-c-raw"].split("@")[1]
    assert len(drawn) == 2 * 10 * 4
    for (condition, image_id), pixels in drawn.items():
        if condition.variant == "raw":
            saved = io.BytesIO()
            Image.fromarray(pixels).save(saved, "JPEG", quality=85, optimize=True)
            published = drawn[replace(condition, variant="published"), image_id]
            np.testing.assert_array_equal(published, np.array(Image.open(saved)))
            assert (published != pixels).any()
    for task in tasks:
        for condition in registry.TASKS[task].conditions:
            right = right_when_drawn(classifier, drawn, condition)
            assert found[task, condition.key, "top1"] == (pytest.approx(right), 4)


DEEP, FLAT = "near_focus", "iso_noise"


@pytest.fixture
def depths(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plane for each photograph, and two corruptions of which one needs it."""
    narrowed(monkeypatch, "imagenet-3dcc", (DEEP, FLAT))
    root = tmp_path / "depths"
    for image in photographs.rglob("*.JPEG"):
        place = (root / image.relative_to(photographs)).with_suffix(".npy")
        place.parent.mkdir(parents=True, exist_ok=True)
        np.save(place, np.linspace(1, 9, 180, dtype=np.float32)[:, None].repeat(200, 1))
    return root


def test_3d_corruptions_are_drawn_from_the_depth_maps_that_were_brought(
    run: Run, classifier: Classifier, photographs: Path, depths: Path, drawn: Drawn
) -> None:
    task = "imagenet-3dcc"
    steps = transforms.Compose([transforms.Resize(RESIZED), transforms.CenterCrop(SIDE)])
    files = sorted(photographs.rglob("*.JPEG"))
    untouched = {f.relative_to(photographs).as_posix(): np.array(steps(Image.open(f))) for f in files}
    found = run(classifier, [task, "imagenet-val"], {"imagenet": photographs, "imagenet-depth": depths})
    assert found["imagenet-val", "overall", "top1"] == (1.0, 4)
    for condition in registry.TASKS[task].conditions:
        right = right_when_drawn(classifier, drawn, condition)
        assert found[task, condition.key, "top1"] == (pytest.approx(right), 4)
    # 180 rows of depth become 168, of which the middle 160 are kept: 4 to 164, each the nearest of the old ones.
    rows = ((np.arange(4, 164) + 0.5) * 180 / RESIZED).astype(int)
    plane = np.linspace(1, 9, 180, dtype=np.float32)[rows, None].repeat(SIDE, 1)
    for severity in (1, 5):
        condition = Condition(DEEP, severity)
        for image_id, pixels in untouched.items():
            expected = corrupt_3d(pixels[None], DEEP, severity, image_ids=[image_id], depths=plane[None])
            np.testing.assert_array_equal(drawn[condition, image_id], expected[0])


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_photograph_without_its_depth_map_is_named_and_costs_no_other(
    run: Run, classifier: Classifier, photographs: Path, depths: Path, drawn: Drawn, tmp_path: Path, harm: str
) -> None:
    first = sorted(depths.rglob("*.npy"))[0]
    image_id = first.relative_to(depths).with_suffix(".JPEG").as_posix()
    if harm == "missing":
        first.unlink()
    else:
        first.write_bytes(first.read_bytes()[:40])
    data = {"imagenet": photographs, "imagenet-depth": depths}
    found = run(classifier, ["imagenet-3dcc", "imagenet-val"], data, code=3)
    assert found["imagenet-val", "overall", "top1"] == (1.0, 4)
    for condition in registry.TASKS["imagenet-3dcc"].conditions:
        right = right_when_drawn(classifier, drawn, condition, [image_id])
        assert found["imagenet-3dcc", condition.key, "top1"] == (pytest.approx(right), 3)
    told = failures(tmp_path)
    assert {(f["condition"], f["image_id"]) for f in told} == {(f"{DEEP}/{s}", image_id) for s in range(1, 6)}
    assert all("depth map" in f["reason"] and str(tmp_path) not in f["reason"] for f in told)


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
    assert "answers in imagenet-1k" in refused.err
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
    found = run(classifier, [task], {task: root})
    assert found[task, "overall", "pm0"] == (pytest.approx(alone), 6)
    assert found[task, "overall", "pm10"] == (pytest.approx(together), 6)
    assert (alone, together) == (5 / 6, 3 / 6)
    # What is known of the frames lies in the store; without it there is no number, and that is said.
    (kept,) = (tmp_path / "bench-results" / "truths").iterdir()
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
    names = {t.dataset for t in wanted if t.label_space == "imagenet-1k"} - {"imagenet"}
    assert set(json.loads((tmp_path / "plan.json").read_text())["absent"]) == names
    assert set(re.findall(r"Absent: (\S+),", done.out)) == names
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
    assert "--data objectnet was not used: none of these tasks asks for it." in " ".join(done.out.split())


@pytest.mark.parametrize("name", [name for name, task in registry.TASKS.items() if task.world == "photographs"])
def test_every_set_is_labelled_in_classes_that_its_tasks_can_ask_about(name: str) -> None:
    task = registry.TASKS[name]
    published = PUBLISHED.get(task.dataset)
    source = SimpleNamespace(name=task.dataset, label_space=published.label_space if published else "imagenet-1k")
    assert labels_for(task, source, np.zeros(1, np.int64)).shape == (1,)  # type: ignore[arg-type]
    foreign = SimpleNamespace(name="foreign", label_space="microworld-16")
    with pytest.raises(ValueError, match="foreign is labelled in microworld-16"):
        labels_for(task, foreign, np.zeros(1, np.int64))  # type: ignore[arg-type]
