"""Corruptions drawn on photographs, with and without depth, through the command line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from vitobench.bench.engine import pixels as pixels_module
from vitobench.tasks import registry
from vitobench.tasks.corruptions import corrupt
from vitobench.tasks.task import Condition
from vitobench.tests.bench.published.kit import (
    RESIZED,
    SIDE,
    WNIDS,
    Classifier,
    Run,
    failures,
    share,
)


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
            expected = corrupt(pixels[None], DEEP, severity, image_ids=[image_id], depths=plane[None])
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
