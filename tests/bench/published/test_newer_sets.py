"""LAION-C, ImageNet-ES, ImageNet-D, PUG: ImageNet and ImageNet-Hard through the command line, in small folders.

As in `test_published_sets`, what comes out is compared with a reading that shares no code with the project.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitobench.tasks import registry
from vitobench.tasks.datasets.conditions import ConditionFolderForm
from vitobench.tasks.datasets.registry import PUBLISHED
from vitobench.tasks.images.classes import (
    MergedClass,
    imagenet_d_classes,
    laion_c_classes,
    pug_imagenet_classes,
    tiny_imagenet_classes,
)
from vitobench.tests.bench.published.kit import WNIDS, Classifier, Run, failures, opened, picture, placed, share


def _superclasses(classifier: Classifier, images: list[Image.Image], whole: bool) -> list[str]:
    """The authors' rule: softmax over the 1,000 classes, the mean over each superclass, the largest."""
    logits = classifier.logits(images, whole).astype(np.float64)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    names = [c.key for c in laion_c_classes()]
    means = np.stack([odds[:, list(c.imagenet)].mean(axis=1) for c in laion_c_classes()], axis=1)
    return [names[k] for k in means.argmax(axis=1)]


def test_laion_c_is_decided_by_the_mean_probability_of_superclasses(
    run: Run, classifier: Classifier, tmp_path: Path
) -> None:
    root, right, task = tmp_path / "laion", {}, registry.TASKS["laion-c-folders"]
    clean = _superclasses(classifier, [picture(n, (224, 224)) for n in range(4)], True)
    for position, condition in enumerate(task.conditions):
        images = [picture(n, (224, 224)).rotate(2 * position) for n in range(4)]
        folder = root / condition.name / f"intensity_level_{condition.severity}"
        for number, (image, label) in enumerate(zip(images, clean, strict=True)):
            path = folder / label / f"{number}_{condition.name}_{condition.severity}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
        right[condition.key] = share(_superclasses(classifier, images, True), clean)  # type: ignore[arg-type]
    gone = root / "mosaic" / "intensity_level_2" / clean[1] / "1_mosaic_2.png"
    gone.unlink()
    del right["mosaic/2"]
    found = run(classifier, ["laion-c-folders"], {"laion-c": root}, code=3)
    assert len(set(clean)) > 1
    assert 0 < np.mean(list(right.values())) < 1
    for key, value in right.items():
        condition, n = found["laion-c-folders", key, "top1"]
        assert n in (3, 4)
        if n == 4:
            assert condition == pytest.approx(value)
    holes = {(f["condition"], f["image_id"]): f["reason"] for f in failures(tmp_path)}
    assert holes == {("mosaic/2", f"{clean[1]}/1.png"): "mosaic/2 has no such image"}
    page = (tmp_path / "bench-results" / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", " ", page)
    for who, average in (("Best person of 19", "55.2"), ("GPT-4o", "54.1")):
        assert re.search(rf"{who}\D*{average}", text), "the authors' averages are beside it"


def test_the_clean_counterpart_of_laion_c_is_answered_by_the_same_rule(
    run: Run, classifier: Classifier, pictures: list[Path], tmp_path: Path
) -> None:
    decided = _superclasses(classifier, opened(pictures), False)
    members = {c.key: c.imagenet for c in laion_c_classes()}
    names, labels = list(members), []
    for n, (path, name) in enumerate(zip(pictures, decided, strict=True)):
        label = name if n % 2 == 0 else names[(names.index(name) + 1) % 16]
        labels.append(label)
        placed(path, tmp_path / "val" / WNIDS[members[label][n % len(members[label])]])
    placed(pictures[0], tmp_path / "val" / WNIDS[999])  # toilet paper is of no superclass
    found = run(classifier, ["laion-c-clean", "laion-c"], {"imagenet": tmp_path / "val"})
    assert found["laion-c-clean", "overall", "top1"] == (0.5, 12)
    assert found["laion-c", "mosaic/1", "top1"][1] == 12
    assert found["laion-c", "overall", "top1"][0] is not None


def test_settings_of_imagenet_es_are_a_mean_among_200_classes(run: Run, classifier: Classifier, tmp_path: Path) -> None:
    classes = tiny_imagenet_classes()
    form = PUBLISHED["imagenet-es-auto"].form
    assert isinstance(form, ConditionFolderForm)
    labels = classifier.decisions([picture(n) for n in range(3)], [c.imagenet for c in classes])
    right = {}
    for position, condition in enumerate(registry.TASKS["imagenet-es-auto"].conditions):
        images = [picture(n).rotate(4 * position) for n in range(3)]
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = tmp_path / "es" / condition.name / form.folder(condition.severity) / classes[label].key
            path.mkdir(parents=True, exist_ok=True)
            image.save(path / f"{number}.png")
        right[condition.key] = share(classifier.decisions(images, [c.imagenet for c in classes]), labels)
    found = run(classifier, ["imagenet-es-auto"], {"imagenet-es-auto": tmp_path / "es"})
    for key, value in right.items():
        assert found["imagenet-es-auto", key, "top1"] == (pytest.approx(value), 3)
    l1 = np.mean([value for key, value in right.items() if key.startswith("l1")])
    assert found["imagenet-es-auto", "l1", "top1"] == (pytest.approx(l1), 3)
    assert found["imagenet-es-auto", "overall", "top1"] == (pytest.approx(np.mean(list(right.values()))), 3)
    assert 0 < l1 < 1


def test_sets_with_several_accepted_classes(run: Run, classifier: Classifier, tmp_path: Path) -> None:
    """Among all 1,000 classes: a decision that is of no class of the set is wrong, whatever the label."""
    decided = classifier.decisions([picture(n) for n in range(300)])

    def labelled(classes: tuple[MergedClass, ...]) -> tuple[list[tuple[int, str]], float]:
        """Pictures with labels, and the share of right decisions; others are of another class, or of none."""
        by_class = {k: c.key for c in classes for k in c.imagenet}
        accepted = {c.key: c.imagenet for c in classes}
        names = list(accepted)
        inside = [n for n, decision in enumerate(decided) if decision in by_class][:6]
        assert len(inside) == 6
        outside = [n for n, decision in enumerate(decided) if decision not in by_class][:3]
        rows = [(n, by_class[decided[n]]) for n in inside[:4]]
        rows += [(n, names[names.index(by_class[decided[n]]) - 1]) for n in inside[4:]]
        rows += [(n, names[0]) for n in outside]
        return rows, float(np.mean([decided[n] in accepted[name] for n, name in rows]))

    in_folders, right_in_folders = labelled(imagenet_d_classes())
    in_table, right_in_table = labelled(pug_imagenet_classes())
    assert right_in_folders == right_in_table == pytest.approx(4 / 9)
    for n, name in in_folders:
        (tmp_path / "d" / name).mkdir(parents=True, exist_ok=True)
        picture(n).save(tmp_path / "d" / name / f"{n}.png")
    (tmp_path / "pug").mkdir()
    with (tmp_path / "pug" / "labels_pug_imagenet.csv").open("w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["filename", "character_label"])
        for n, name in in_table:
            picture(n).save(tmp_path / "pug" / f"{n}.png")
            rows.writerow([f"{n}.png", name])
    data = {"imagenet-d-material": tmp_path / "d", "pug-imagenet": tmp_path / "pug"}
    found = run(classifier, list(data), data)
    assert found["imagenet-d-material", "overall", "top1"] == (pytest.approx(right_in_folders), 9)
    assert found["pug-imagenet", "overall", "top1"] == (pytest.approx(right_in_table), 9)
