"""Runs of tasks that ask for features: units in the store, resuming, baselines, failures and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vitobench.bench.engine import examining, worker
from vitobench.bench.engine.examining import ModelEncoder
from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.scoring.overlays import blended
from vitobench.bench.settings import Settings
from vitobench.models.model import Model
from vitobench.models.networks import build
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.results import records
from vitobench.results.store import Store
from vitobench.tasks import registry
from vitobench.tasks.microworld import action_clips, labelled_scenes
from vitobench.tasks.microworld.object_clips import MicroObjectClips
from vitobench.tasks.microworld.vocabulary import ACTIONS
from vitobench.tasks.scoring.samples import collect
from vitobench.tasks.understanding.actions import COLOURS
from vitobench.tasks.understanding.pixel_head import COLOURS as COLOUR_AND_PLACE
from vitobench.tasks.understanding.propagation import Propagation
from vitobench.tasks.understanding.segmentation import OBSERVERS as FLOORS_AND_CEILINGS
from vitobench.tasks.understanding.video_objects import OBSERVERS, UNMOVED, ClipExaminer
from vitobench.tests.tasks.understanding.conftest import write_davis

NEAR = Propagation(context=2, radius=6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_davis(tmp_path / "davis", {"a": 2, "b": 1, "c": 1}, frames=5)


@pytest.fixture
def run(folder: Path, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a small DAVIS of 4 objects at the size of its frames."""
    task = registry.TASKS["davis-2017"]
    small = replace(task.protocol, shorter=0, within=8, stages=NEAR)  # type: ignore[type-var]
    monkeypatch.setitem(registry.TASKS, task.name, replace(task, protocol=small))

    def call(*models: str, **more: Any) -> Outcome:
        values: dict[str, Any] = {
            "baselines": (),
            "tasks": (task.name,),
            "store": tmp_path / "store",
            "device": "cpu",
            "threads": 1,
        }
        return execute(Settings(models=models, data={task.name: folder}, **(values | more)))

    return call


def values(outcome: Outcome) -> dict[tuple[str, str], float]:
    return {(s.model, s.metric): s.value for s in outcome.data.scores if s.condition == "overall"}


def test_models_and_baselines_have_numbers_with_intervals(run: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = run("vito", "random:vito", baselines=("random:vito",))
    found = values(outcome)
    assert {model for model, _ in found} == {"vito", "random:vito", *OBSERVERS}
    for model in ("vito", UNMOVED):
        assert 0 < found[model, "j"] < 1
        assert found[model, "j_and_f"] == pytest.approx((found[model, "j"] + found[model, "f"]) / 2)
    by_model = {s.model: s for s in outcome.data.scores if (s.condition, s.metric) == ("overall", "j_and_f")}
    for score in by_model.values():
        assert score.n == 4
        assert score.ci_low <= score.value <= score.ci_high
    assert by_model[UNMOVED].ci_low < by_model[UNMOVED].ci_high
    pairs = {(c.a, c.b) for c in outcome.data.comparisons if c.metric == "j_and_f"}
    assert ("vito", "random:vito") in pairs
    assert not outcome.data.failures
    (record,) = records.kept(Store(tmp_path / "store"), records.TASKS).values()
    assert record["protocol"]["stages"]["radius"] == 6


def test_masks_are_computed_again_only_when_that_is_asked_and_are_those_that_were_judged(
    run: Callable[..., Outcome], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        models=("vito", "random:vito"), baselines=(), tasks=("davis-2017",), data={"davis-2017": folder},
        store=tmp_path / "store", device="cpu", threads=1,
    )  # fmt: skip
    outcome = execute(settings, masks=True)
    ((title, found),) = outcome.data.examples.parts
    assert title == registry.TASKS["davis-2017"].title
    assert len(found) == 3 * 2
    assert outcome.data.examples.notes == ("This page contains photographs: share it only as their licence allows.",)
    assert outcome.plan is not None
    (planned,) = outcome.plan.tasks
    ids = [str(image_id) for image_id in planned.source.image_ids]  # type: ignore[union-attr]
    expected = sorted(ids, key=lambda image_id: sha256(image_id.encode()).hexdigest())[:3]
    assert [example.title for example in found] == [f"{name}, frame {n}" for name in expected for n in (2, 3)]
    store = Store(settings.store)
    stored = {
        spec.name: collect(planned.task, spec.name, store.read(planned.identity, spec.identity, planned.ranges())[0])
        for spec in outcome.plan.models
    }
    for example in found:
        image_id, _, number = example.title.partition(", frame ")
        assert [overlay.title for overlay in example.overlays] == ["", "truth", "vito", "random:vito"]
        for overlay in example.overlays[2:]:
            answers = stored[overlay.title]
            (row,) = answers.rows(np.array([image_id]))
            j, f = (float(answers.numbers[f"{int(number):03d} {name}"][row, 0]) for name in ("j", "f"))
            assert overlay.value == f"J {100 * j:.0f}, F {100 * f:.0f}"
    monkeypatch.setattr(ModelEncoder, "maps", None)
    assert rescore(settings, pictures=True).data.examples == outcome.data.examples
    forgotten = rescore(replace(settings, recompute_scores=True), pictures=True).data.examples
    assert forgotten.parts == ()
    assert "bench report --masks" in forgotten.notes[0]
    failed = rescore(replace(settings, recompute_scores=True), masks=True).data.examples
    assert failed.parts == ()
    assert failed.notes[0].startswith(f"No pictures of {title}: ")


def test_labels_have_colours_over_the_picture_and_the_background_has_none() -> None:
    picture = np.full((1, 4, 3), 100, np.uint8)
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    # The colours of the first classes of PASCAL VOC: maroon and green.
    expected = [[100, 100, 100], [45 + 0.55 * 128, 45, 45], [45, 45 + 0.55 * 128, 45], [100, 100, 100]]
    np.testing.assert_array_equal(blended(picture, labels)[0], np.rint(expected))


def test_what_is_stored_is_not_computed_again(run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    first = run("vito")
    monkeypatch.setattr(ClipExaminer, "numbers", None)
    assert values(run("vito")) == values(first)


def test_an_interrupted_clip_is_all_that_is_asked_again(
    run: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = values(run("vito", store=tmp_path / "whole"))
    plain, asked = ClipExaminer.numbers, []

    def numbers(self: ClipExaminer, positions: list[int]) -> Any:
        if not isinstance(self._encoder, str):
            asked.append(self._clips.object_at(positions[0])[0])
            if len(asked) == 3:
                raise KeyboardInterrupt
        return plain(self, positions)

    monkeypatch.setattr(ClipExaminer, "numbers", numbers)
    monkeypatch.setattr(worker, "SPILL_SECONDS", 0.0)
    monkeypatch.setattr(worker, "_SPILL_SHARE", 1e9)
    with pytest.raises(KeyboardInterrupt):
        run("vito")
    assert values(run("vito")) == whole
    assert len(asked) == 4
    assert asked[3] == asked[2]


def test_a_clip_that_cannot_be_read_is_a_counted_failure(run: Callable[..., Outcome], folder: Path) -> None:
    (folder / "JPEGImages/480p/b/00002.jpg").write_bytes(b"no picture")
    outcome = run("vito")
    assert {s.n for s in outcome.data.scores if s.condition == "overall"} == {3}
    assert any("b/00002.jpg is no readable JPEG" in f.reason for f in outcome.data.failures)


def test_a_model_without_maps_is_named_and_takes_nobody_along(
    run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: ModelEncoder, height: int, width: int) -> int:
        from vitobench.models.dense_maps import maps_of

        return len(maps_of(nn.Flatten(), torch.zeros(1, 3, 8, 8), self.name)) if self.name == "moclr" else 0

    monkeypatch.setattr(ModelEncoder, "patch", broken)
    outcome = run("moclr", "vito")
    (reason,) = {f.reason for f in outcome.data.failures}
    assert reason == "moclr has no feature maps (Flatten), so dense tasks cannot ask it."
    found = values(outcome)
    assert np.isnan(found["moclr", "j"])
    assert found["vito", "j"] > 0


class Counted(nn.Module):
    """A network that counts its images and has too little memory for more than one."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.seen = build("micro-resnet8/average", 0), 0

    def named_maps(self, x: Tensor) -> Any:
        if len(x) > 1:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        self.seen += len(x)
        return self.inner.named_maps(x)

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    features = forward


def test_maps_of_the_same_images_are_computed_once_and_batches_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Counted()
    spec = ModelSpec("m", "none", "none", Preprocessing(64, 64), "none", "0")
    encoder = ModelEncoder(Model(spec, network), batch=4)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    first = encoder.maps(images, 16, 16)
    before = network.seen
    torch.testing.assert_close(encoder.maps(images.copy(), 16, 16), first)
    assert network.seen == before
    other = encoder.maps(images[::-1].copy(), 16, 16)
    torch.testing.assert_close(other.flip(0), first)
    assert network.seen > before
    monkeypatch.setattr(examining, "_REMEMBERED", 1)
    encoder.maps(images[:1], 16, 16)
    assert len(encoder._known) == 1


def test_the_twin_follows_every_large_object(zoo: Path, tmp_path: Path) -> None:
    source = MicroObjectClips(9)
    assert len(source.image_ids) == len(source.labels) == 9
    clips = {source.object_at(n)[0] for n in range(9)}
    assert len(clips) < 9  # some have several objects
    assert MicroObjectClips(20).image_ids[:9] == source.image_ids
    assert MicroObjectClips(9, seed=1).digest != source.digest == MicroObjectClips(20).digest
    for clip in clips:
        first = source.mask(clip, 0)
        sizes = np.bincount(first.ravel(), minlength=source.objects(clip) + 1)[1:]
        assert (sizes >= 0.01 * first.size).all()
        assert (np.diff(sizes) <= 0).all()
        assert source.frame(clip, 0).shape == (128, 128, 3)
        assert (source.frame(clip, 0) != source.frame(clip, 11)).any()
    settings = Settings(
        models=("vito",), tasks=("micro-davis",), limit=9, store=tmp_path / "s", device="cpu", baselines=()
    )
    outcome = execute(settings)
    (task,) = outcome.data.tasks
    assert [*task["floors"], *task["ceilings"]] == list(OBSERVERS)
    assert len(task["over_time"]) == 5
    assert outcome.data.pairs == ()
    found = values(outcome)
    assert found[UNMOVED, "j_and_f"] < found["true masks at stride 8", "j_and_f"] < 1
    assert 0 < found["vito", "j_and_f"] < 1
    units = [unit for unit, _ in Store(tmp_path / "s").unit_entries()]
    assert len(units) == 1 + len(OBSERVERS)


def telling_run(said: list[str]) -> Callable[..., Any]:
    """`Worker.run` that keeps what a bar would say."""
    plain = worker.Worker.run

    def run(self: worker.Worker, indices: Any) -> Any:
        self.advance = lambda amount, what="": said.append(what)
        return plain(self, indices)

    return run


def test_heads_on_actions_have_numbers_of_all_clips_and_of_each_class(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action_clips, "LEARNING_CLIPS", 36)
    settings = Settings(
        models=("vito",),
        tasks=("micro-actions",),
        limit=18,
        store=tmp_path / "s",
        device="cpu",
        baselines=(),
        threads=1,
    )
    said: list[str] = []
    monkeypatch.setattr(worker.Worker, "run", telling_run(said))
    outcome = execute(settings)
    assert not outcome.data.failures
    for model in ("vito", COLOURS):
        assert f"{model}: clips to learn from, 0 of 36" in said
        assert f"{model}: clips to learn from, 36 of 36" in said
        assert any(text.startswith(f"{model}: clips to learn from, 35 of 36, about 0:0") for text in said)
    found = {(s.model, s.condition, s.metric): s for s in outcome.data.scores}
    for model in ("vito", COLOURS):
        ordered, averaged = (found[model, "overall", f"{head}_accuracy"] for head in ("ordered", "averaged"))
        assert ordered.n == 18
        assert ordered.ci_low <= ordered.value <= ordered.ci_high
        assert found[model, "overall", "order_gain"].value == pytest.approx(ordered.value - averaged.value)
        assert found[model, "overall", "middle_accuracy"].value == pytest.approx(1 / 6)
        own = [found[model, name, "ordered_accuracy"] for name in ACTIONS]
        assert [score.n for score in own] == [3] * 6
        assert np.mean([score.value for score in own]) == pytest.approx(ordered.value)


def test_pixels_are_counted_for_each_image_and_class(zoo: Path, tmp_path: Path) -> None:
    from vitobench.tasks.understanding.segmentation import CEILINGS, MEAN_MASK, ImageExaminer

    chosen = {"tasks": ("micro-segmentation",), "limit": 9, "store": tmp_path / "s", "device": "cpu", "baselines": ()}
    small = replace(registry.TASKS["micro-segmentation"].protocol, memory=8000)  # type: ignore[type-var]
    with pytest.MonkeyPatch.context() as patched:
        task = replace(registry.TASKS["micro-segmentation"], protocol=small)
        patched.setitem(registry.TASKS, task.name, task)
        outcome = execute(Settings(models=("vito",), **chosen), masks=True)
        found = values(outcome)
        assert {s.n for s in outcome.data.scores if s.condition == "overall"} == {9}
        assert {model for model, _ in found} == {"vito", MEAN_MASK, *CEILINGS}
        assert outcome.plan is not None
        (planned,) = outcome.plan.tasks
        read = Store(tmp_path / "s").read(planned.identity, outcome.plan.models[0].identity, planned.ranges())[0]
        stored = collect(planned.task, "vito", read)
        ((_, examples),) = outcome.data.examples.parts
        assert len(examples) == 3
        for example in examples:
            (row,) = stored.rows(np.array([example.title]))
            both, area = (
                sum(array[row, 0] for name, array in stored.numbers.items() if name.endswith(f" {what}"))
                for what in ("intersection", "area")
            )
            assert example.overlays[2].value == f"{100 * both / area:.0f} % of pixels right"
        eight, sixteen = (found[name, "miou"] for name in CEILINGS)
        assert found[MEAN_MASK, "miou"] < found["vito", "miou"] < sixteen < eight < 1
        assert found["vito", "pixel_accuracy"] > 0.5
        assert not outcome.data.failures
        patched.setattr(ImageExaminer, "numbers", None)
        assert values(execute(Settings(models=("vito",), **chosen))) == found


def test_points_are_found_again_after_each_gap_and_draws_are_of_scenes(zoo: Path, tmp_path: Path) -> None:
    from vitobench.tasks.understanding.correspondence import ANYWHERE, SAME

    chosen = {"tasks": ("micro-correspondence",), "limit": 6, "store": tmp_path / "s", "device": "cpu", "baselines": ()}
    outcome = execute(Settings(models=("vito",), **chosen))
    assert not outcome.data.failures
    found = {(s.model, s.condition, s.metric): s for s in outcome.data.scores}
    pck = {model: found[model, "overall", "pck_points"] for model in ("vito", ANYWHERE, SAME, "true cells at stride 8")}
    assert pck[ANYWHERE].value < pck["vito"].value < pck["true cells at stride 8"].value == 1
    gaps = [found["vito", gap, "pck_points"] for gap in ("0.2 s", "1.28 s", "2.56 s")]
    assert sum(score.n for score in gaps) == pck["vito"].n > 100
    assert found["vito", "overall", "pck_images"].n == 6
    assert pck["vito"].ci_low <= pck["vito"].value <= pck["vito"].ci_high
    assert found[SAME, "0.2 s", "pck_points"].value > found[SAME, "2.56 s", "pck_points"].value


def test_points_are_found_again_on_other_objects_of_their_class(zoo: Path, tmp_path: Path) -> None:
    from vitobench.tasks.microworld.vocabulary import VIEWS
    from vitobench.tasks.understanding.correspondence import ANYWHERE, CEILINGS, SAME

    chosen = {"tasks": ("micro-semantic-correspondence",), "limit": 6, "store": tmp_path / "s", "device": "cpu"}
    outcome = execute(Settings(models=("vito",), baselines=(), **chosen))
    assert not outcome.data.failures
    found = {(s.model, s.condition, s.metric): s for s in outcome.data.scores}
    assert {model for model, _, _ in found} == {"vito", ANYWHERE, SAME, *CEILINGS}
    assert found["true cells at stride 8", "overall", "pck_points"].value > 0.9
    views = [found["vito", view, "pck_points"] for view in VIEWS]
    assert [score.n for score in views] == [2 * 64] * 3
    assert found["vito", "overall", "pck_images"].n == 6


def test_classes_are_named_by_heads_on_features_that_are_kept(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vitobench.tasks.datasets import micro_features
    from vitobench.tasks.understanding import classification
    from vitobench.tasks.understanding.classification import ClassExaminer

    monkeypatch.setattr(micro_features, "_LEARNING", 320)
    monkeypatch.setattr(classification, "PENALTIES", (1e-1, 1e-2))  # strong ones, with which fits end soon
    chosen: dict[str, Any] = {
        "tasks": ("micro-classification",),
        "limit": 130,
        "device": "cpu",
        "baselines": (),
        "threads": 2,
    }
    outcome = execute(Settings(models=("vito", "random:vito"), store=tmp_path / "s", **chosen))
    assert not outcome.data.failures
    found = {(s.model, s.metric): s for s in outcome.data.scores if s.condition == "overall"}
    for head in ("linear", "linear_10", "linear_1", "knn"):
        score = found["vito", f"{head}_accuracy"]
        assert score.n == 130
        assert 1 / 16 < score.ci_low <= score.value <= score.ci_high
    assert found["vito", "linear_accuracy"].value > found["vito", "linear_1_accuracy"].value
    assert found["vito", "knn_accuracy"].value > found["random:vito", "knn_accuracy"].value
    (file, _) = sorted((tmp_path / "s" / "cache" / "features").glob("*/halves.npy"))
    kept = np.load(file)
    assert (kept.dtype, len(kept)) == (np.float16, 320)
    first = values(outcome)
    monkeypatch.setattr(ClassExaminer, "numbers", None)
    assert values(execute(Settings(models=("vito", "random:vito"), store=tmp_path / "s", **chosen))) == first


def test_depth_is_probed_in_scenes_and_on_their_objects(
    zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vitobench.tasks.understanding.depth import CONSTANT, OBSERVERS

    small = replace(registry.TASKS["micro-depth"].protocol, most=10)  # type: ignore[type-var]
    monkeypatch.setitem(registry.TASKS, "micro-depth", replace(registry.TASKS["micro-depth"], protocol=small))
    chosen = {"tasks": ("micro-depth",), "limit": 9, "store": tmp_path / "s", "device": "cpu", "baselines": ()}
    outcome = execute(Settings(models=("vito",), **chosen))
    assert not outcome.data.failures
    found = {(s.model, s.condition, s.metric): s for s in outcome.data.scores}
    assert {model for model, _, _ in found} == {"vito", *OBSERVERS}
    rmse = [found["true depth at stride 8", "overall", "depth_rmse"], found[CONSTANT, "overall", "depth_rmse"]]
    assert 0 < rmse[0].value < rmse[1].value
    within = found["vito", "overall", "depth_within_125"]
    assert within.ci_low <= within.value <= within.ci_high
    assert within.n == 9
    for name in ("depth_rmse", "depth_rmse_pooled", "depth_log_rmse", "depth_log_rmse_shifted", "depth_abs_rel"):
        assert found["vito", "object", name].value > 0


def test_a_head_and_a_memory_read_every_image_once(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled_scenes, "MEMORY", 10)
    linear = registry.TASKS["micro-segmentation-linear"]
    quick = replace(linear.protocol, steps=20)  # type: ignore[type-var]
    monkeypatch.setitem(registry.TASKS, linear.name, replace(linear, protocol=quick))
    plain, seen = ModelEncoder._computed, []

    def counted(self: ModelEncoder, images: np.ndarray, within: int, stride: int) -> Tensor:
        seen.append(len(images))
        return plain(self, images, within, stride)

    monkeypatch.setattr(ModelEncoder, "_computed", counted)
    outcome = execute(
        Settings(
            models=("vito",),
            tasks=("micro-segmentation", linear.name),
            limit=9,
            store=tmp_path / "s",
            device="cpu",
            baselines=(),
            threads=1,
        )
    )
    assert not outcome.data.failures
    assert sum(seen) == 10 + 9
    found = {(s.task, s.model): s for s in outcome.data.scores if (s.condition, s.metric) == ("overall", "miou")}
    assert found.keys() == {
        (t, m) for t in ("micro-segmentation", linear.name) for m in ("vito", *FLOORS_AND_CEILINGS)
    } | {(linear.name, COLOUR_AND_PLACE)}
    for name in FLOORS_AND_CEILINGS:
        assert found[linear.name, name].value == found["micro-segmentation", name].value
    score = found[linear.name, "vito"]
    assert (score.n, 0 < score.ci_low <= score.value <= score.ci_high < 1) == (9, True)
