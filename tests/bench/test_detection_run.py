"""Runs of tasks that find objects: numbers of whole sets in the store, and of groups of classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitobench.bench.run import execute
from vitobench.bench.settings import Settings
from vitobench.tasks import registry
from vitobench.tasks.microworld.object_scenes import MicroObjectScenes
from vitobench.tasks.understanding.detection import OBSERVERS, BoxExaminer
from vitobench.tests.tasks.readers.lvis_folder import opened, write


def test_boxes_of_a_detector_have_cocos_numbers(zoo: Path, tmp_path: Path) -> None:
    task = registry.TASKS["micro-detection"]
    quick = replace(task.protocol.training, images=16, steps=2, detections=5)  # type: ignore[union-attr]
    chosen = {"tasks": (task.name,), "limit": 6, "store": tmp_path / "s", "device": "cpu", "baselines": ()}
    scenes, plain = MicroObjectScenes(6), BoxExaminer.detected
    boxes = {scenes.picture(name).tobytes(): scenes.boxes_of(name) for name in scenes.image_ids}

    def detected(self: BoxExaminer, pictures: list[np.ndarray]) -> Any:
        found = plain(self, pictures)  # the detector is trained in any case
        return found if isinstance(self._encoder, str) else [boxes[one.tobytes()] for one in pictures]

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(registry.TASKS, task.name, replace(task, protocol=replace(task.protocol, training=quick)))  # type: ignore[type-var]
        patched.setattr(BoxExaminer, "detected", detected)
        outcome = execute(Settings(models=("vito",), **chosen))
        assert not outcome.data.failures
        found = {(s.model, s.metric): s for s in outcome.data.scores if s.condition == "overall"}
        perfect = found["vito", "ap"]
        assert (perfect.n, perfect.value, perfect.ci_low, perfect.ci_high) == pytest.approx((6, 1, 1, 1))
        assert found["vito", "ar1"].value < found["vito", "ar10"].value + 1e-9 == pytest.approx(1)
        for model in OBSERVERS:
            assert found[model, "ap"].n == 6
            assert 0 <= found[model, "ap"].ci_low <= found[model, "ap"].ci_high < 0.5
        patched.setattr(BoxExaminer, "numbers", None)
        again = execute(Settings(models=("vito",), **chosen)).data.scores
        assert {(s.model, s.metric): s for s in again if s.condition == "overall"} == found


def test_boxes_of_many_classes_have_lviss_numbers_by_how_common_they_are(zoo: Path, tmp_path: Path) -> None:
    folder, names = write(tmp_path / "lvis"), ("lvis", "lvis-minival")
    how = registry.TASKS["lvis"].protocol
    quick = replace(how, training=replace(how.training, side=64, steps=2, detections=300))  # type: ignore[type-var,union-attr]
    source, plain = opened(folder), BoxExaminer.detected
    boxes = {source.picture(name).tobytes(): source.boxes_of(name) for name in source.image_ids}

    def detected(self: BoxExaminer, pictures: list[np.ndarray]) -> Any:
        found = plain(self, pictures)
        if isinstance(self._encoder, str):
            return found
        own = [boxes[one.tobytes()] for one in pictures]
        return [replace(one, scores=np.full(len(one), 0.5)) for one in own]  # with a box that is everywhere

    with pytest.MonkeyPatch.context() as patched:
        for name in names:
            patched.setitem(registry.TASKS, name, replace(registry.TASKS[name], protocol=quick))
        patched.setattr(BoxExaminer, "detected", detected)
        chosen: dict[str, Any] = {
            "models": ("vito",), "tasks": names, "data": dict.fromkeys(names, folder), "store": tmp_path / "s",
            "device": "cpu", "baselines": (),
        }  # fmt: skip
        outcome = execute(Settings(**chosen))
        assert not outcome.data.failures
        found = {(s.task, s.model, s.condition, s.metric): s for s in outcome.data.scores}
        for name, images in zip(names, (5, 2), strict=True):
            for where in ("overall", "rare", "frequent"):
                score = found[name, "vito", where, "ap"]
                assert (score.n, score.value) == pytest.approx((images, 1))
                if name == "lvis":  # many draws of two images have none with an object of a frequent class
                    assert (score.ci_low, score.ci_high) == pytest.approx((1, 1))
            assert np.isnan(found[name, "vito", "common", "ap"].value)
            assert found[name, "vito", "overall", "ar300"].value == pytest.approx(1)
            for model in OBSERVERS:
                assert 0 <= found[name, model, "overall", "ap"].value < 0.5
        (record, _) = outcome.data.tasks
        assert [line["condition"] for line in record["headline"] if line["part"]] == ["rare", "common", "frequent"]
        patched.setattr(BoxExaminer, "numbers", None)
        again = {(s.task, s.model, s.condition, s.metric): s.value for s in execute(Settings(**chosen)).data.scores}
        assert again == pytest.approx({key: score.value for key, score in found.items()}, nan_ok=True)
