"""A store is scored by what it holds alone: no models, no images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitobench.bench.catalogue import model_record, outdated, planned_of, spec_of
from vitobench.bench.planning.plan import PlannedTask
from vitobench.bench.planning.stored import recall
from vitobench.bench.run import Outcome
from vitobench.bench.settings import Settings
from vitobench.errors import StoreError, UnknownNameError, VitobenchError
from vitobench.models.sources import zoo as zoo_source
from vitobench.models.spec import ModelSpec, Preprocessing
from vitobench.results import records
from vitobench.results.store import Store
from vitobench.tasks import registry as task_registry

Run = Callable[..., Outcome]
VAL: dict[str, Any] = {"suite": None, "tasks": ("micro-val",)}


@pytest.fixture
def store(tmp_path: Path) -> Callable[[], Store]:
    return lambda: Store(tmp_path / "store")


@pytest.fixture
def own_zoo(zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the zoo that a test may change."""
    folder = tmp_path / "own-zoo"
    shutil.copytree(zoo, folder)
    monkeypatch.setattr(zoo_source, "ZOO_FOLDER", folder)
    return folder


def sizes(outcome: Outcome) -> dict[tuple[str, str], int]:
    return {
        (s.model, s.task): s.n for s in outcome.data.scores if s.condition == "overall" and s.metric == "top1" and s.n
    }


def versions(outcome: Outcome) -> dict[str, str]:
    return {model["name"]: model["identity"] for model in outcome.data.models}


@pytest.mark.parametrize("crop_mode", ["center", "squash", "border"])
def test_a_record_holds_the_crop_mode_and_earlier_ones_mean_the_centre(crop_mode: str) -> None:
    spec = ModelSpec("m", "file", "a", Preprocessing(64, 72, crop_mode=crop_mode), "imagenet-1k", "0" * 64)
    record = json.loads(json.dumps(model_record(spec)))
    assert spec_of(record) == spec
    del record["preprocessing"]["crop_mode"]
    if crop_mode == "center":
        assert spec_of(record) == spec
    else:
        with pytest.raises(StoreError, match="its content belongs to"):
            spec_of(record)


def test_identities_follow_from_the_records(stored_run: Run, store: Callable[[], Store]) -> None:
    stored_run("vito")
    models, tasks = records.kept(store(), records.MODELS), records.kept(store(), records.TASKS)
    assert {record["name"] for record in models.values()} == {"vito", "moclr", "supervised"}
    for identity, record in models.items():
        assert spec_of(record).identity == identity
        assert spec_of(record).name == record["name"]
    assert {record["name"] for record in tasks.values()} == {
        "micro-val",
        "micro-c",
        "micro-light",
        "micro-cue-conflict",
    }
    for identity, record in tasks.items():
        planned = planned_of(record, 7)
        assert isinstance(planned, PlannedTask)
        assert (planned.identity, planned.images, planned.source) == (identity, 7, None)
        assert planned.task.identity(planned.data_digest, planned.seed) == identity


def test_what_is_recalled_is_what_was_scored_after_the_run(run_small: Run) -> None:
    ran, recalled = run_small("vito", "other"), run_small("vito", "other", compute=False)
    assert recalled.computed == 0
    assert recalled.total == ran.total
    assert recalled.data.scores == ran.data.scores
    assert recalled.data.comparisons == ran.data.comparisons
    assert recalled.data.failures == ran.data.failures == ()
    assert [m["name"] for m in recalled.data.models] == [m["name"] for m in ran.data.models]
    assert recalled.data.shape_decisions == ran.data.shape_decisions


def test_neither_models_nor_images_are_needed(
    run_small: Run, own_zoo: Path, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    mine = make_model(tmp_path / "models", "mine", 9)
    before = run_small("vito", f"file:{mine}")
    shutil.rmtree(own_zoo)
    mine.unlink()
    again = run_small("vito", f"file:{mine}", compute=False)
    assert again.data.scores == before.data.scores
    assert again.data.comparisons == before.data.comparisons


def test_photographs_are_not_needed(run_small: Run, tmp_path: Path, zoo: Path) -> None:
    import numpy as np
    import timm
    import torch
    from PIL import Image

    rng = np.random.default_rng(0)
    root = tmp_path / "photographs"
    for number, wnid in enumerate(("n01440764", "n02099601", "n03445777")):
        (root / wnid).mkdir(parents=True)
        for image in range(2):
            pixels = rng.integers(0, 256, (80, 90 + number, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / wnid / f"{image}.JPEG")
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=1000)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    name = f"file:{tmp_path / 'mine.pth'}?arch=timm:test_resnet"
    tasks: dict[str, Any] = {"suite": None, "tasks": ("imagenet-val",)}
    before = run_small(name, data={"imagenet": root}, **tasks)
    assert sizes(before) == {(name, "imagenet-val"): 6}
    shutil.rmtree(root)
    (tmp_path / "mine.pth").unlink()
    assert run_small(name, compute=False, **tasks).data.scores == before.data.scores
    # The manifest in the store knows how many images there were.
    fewer = run_small(name, compute=False, limit=100, **tasks)
    assert sizes(fewer) == {(name, "imagenet-val"): 6}
    assert fewer.complete


def test_all_models_and_all_tasks_by_default(run_small: Run) -> None:
    run_small("vito", baselines=(), suite=None, tasks=("micro-val", "micro-light"))
    run_small("other", baselines=(), **VAL)
    found = run_small(compute=False, suite=None, baselines=())
    assert sizes(found) == {("vito", "micro-val"): 14, ("vito", "micro-light"): 14, ("other", "micro-val"): 14}
    # The other was never run under other light: that is missing.
    assert [(f.model, f.task) for f in found.data.failures] == [("other", "micro-light")]


def test_baselines_come_along_and_can_be_left_out(run_small: Run, stored_run: Run) -> None:
    stored_run("vito", **VAL)
    found = run_small("vito", compute=False, **VAL)
    assert {model for model, _ in sizes(found)} == {"vito", "moclr"}
    assert {(c.a, c.b) for c in found.data.comparisons} == {("vito", "moclr")}
    alone = run_small("vito", compute=False, baselines=(), **VAL)
    assert {model for model, _ in sizes(alone)} == {"vito"}
    with pytest.raises(VitobenchError, match="Did you mean 'moclr'"):
        run_small("vito", compute=False, baselines=("moclrr",), **VAL)


@pytest.fixture
def two_versions(run_small: Run, own_zoo: Path, make_model: Callable[..., Path]) -> tuple[Outcome, Outcome]:
    """The outcomes of `other` with its weights, and with newer ones of the same name."""
    first = run_small("other", **VAL)
    make_model(own_zoo, "other", 77)
    return first, run_small("other", **VAL)


def test_a_name_means_what_the_newest_run_meant(
    run_small: Run, two_versions: tuple[Outcome, Outcome], store: Callable[[], Store], zoo: Path
) -> None:
    first, second = two_versions
    old, new = first.data.models[0]["identity"], second.data.models[0]["identity"]
    assert old != new
    for models in (("other",), ()):
        found = run_small(*models, compute=False, **VAL)
        assert found.data.scores == second.data.scores
        assert versions(found) == {"other": new}
    # A newer run of the older weights turns that around.
    run = records.runs(store())[-1]
    assert run["models"] == {"other": old}
    records.write_run(store(), "99990101T000000000000Z-x", {k: v for k, v in run.items() if k != "name"})
    assert versions(run_small("other", compute=False, **VAL)) == {"other": old}


def test_an_identity_or_the_beginning_of_one_means_just_that(
    run_small: Run, two_versions: tuple[Outcome, Outcome]
) -> None:
    for version in two_versions:
        identity = version.data.models[0]["identity"]
        for name in (identity, identity[:-8]):
            found = run_small(name, compute=False, **VAL)
            assert versions(found) == {"other": identity}
            assert found.data.scores == version.data.scores
    with pytest.raises(StoreError, match=r"'other@' matches several models"):
        run_small("other@", compute=False, **VAL)
    with pytest.raises(StoreError, match=r"no model 'other@zz'. It has: other@"):
        run_small("other@zz", compute=False, **VAL)


def test_two_versions_of_one_name_are_not_mixed_up(run_small: Run, two_versions: tuple[Outcome, Outcome]) -> None:
    old, new = (version.data.models[0]["identity"] for version in two_versions)
    with pytest.raises(VitobenchError, match=rf"(?s){old}.*{new}.*same name"):
        run_small(old, new, compute=False, **VAL)
    with pytest.raises(VitobenchError, match="same name"):
        run_small(new, compute=False, baselines=(old,), **VAL)
    # One model by its name and by its identity is one model.
    found = run_small("other", new, compute=False, **VAL)
    assert found.data.scores == two_versions[1].data.scores
    assert len(found.data.models) == 1


def test_a_baseline_may_be_named_by_its_identity(run_small: Run) -> None:
    ran = run_small("vito", baselines=("other",), **VAL)
    identity = versions(ran)["other"]
    for name in (identity, identity[:-4]):
        found = run_small("vito", compute=False, baselines=(name,), **VAL)
        assert found.data.comparisons == ran.data.comparisons
        assert len(found.data.comparisons) > 0


def test_seeds_are_told_apart(run_small: Run) -> None:
    first = run_small("other", seed=3, **VAL)
    second = run_small("other", seed=4, **VAL)
    assert first.data.tasks[0]["identity"] != second.data.tasks[0]["identity"]

    def recalled(seed: int | None) -> Outcome:
        from vitobench.bench.run import rescore

        settings = Settings(models=("other",), store=Path(str(second.data.run["store"])), **VAL)
        return rescore(settings, seed=seed)

    assert recalled(None).data.tasks[0]["identity"] == second.data.tasks[0]["identity"]
    for seed, outcome in ((3, first), (4, second)):
        assert recalled(seed).data.tasks[0]["identity"] == outcome.data.tasks[0]["identity"]
        assert recalled(seed).data.scores == outcome.data.scores
    with pytest.raises(StoreError, match="none of the tasks micro-val"):
        recalled(5)


def test_a_limit_narrows_and_widens(run_small: Run, stored_run: Run) -> None:
    stored_run("other", **VAL)
    assert sizes(run_small("other", compute=False, limit=6, **VAL)) == {("other", "micro-val"): 6}
    run_small("other", limit=3, **VAL)  # a quick look afterwards hides nothing
    assert sizes(run_small("other", compute=False, **VAL)) == {("other", "micro-val"): 14}
    for limit in (14, 1000):
        wide = run_small("other", compute=False, limit=limit, **VAL)
        assert sizes(wide) == {("other", "micro-val"): 14}
        assert wide.complete
    for limit in (0, -1):
        with pytest.raises(VitobenchError, match=f"--limit {limit} leaves no image"):
            run_small("other", compute=False, limit=limit, **VAL)


def test_what_the_store_lacks_is_missing_and_not_passed_over(run_small: Run, stored_run: Run) -> None:
    stored_run("other", **VAL)
    named = run_small("other", compute=False, suite=None, tasks=("micro-val", "micro-light"))
    assert [(f.task, f.reason) for f in named.data.failures] == [("micro-light", "the store has no predictions for it")]
    # A task that asks in other classes than the model's was never meant.
    suite = run_small("other", compute=False)
    assert {f.task for f in suite.data.failures if f.model == "*"} == {"micro-c", "micro-light", "micro-cue-conflict"}


def test_nothing_there_says_what_to_do(run_small: Run, stored_run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"There is no store at .*store; start with `bench run`, or name another folder with --store"
    ):
        run_small("vito", compute=False)
    assert not (tmp_path / "store").exists()
    stored_run("other", **VAL)
    with pytest.raises(StoreError, match=r"has none of the tasks micro-light for other; `bench results list`"):
        run_small("other", compute=False, suite=None, tasks=("micro-light",))
    with pytest.raises(StoreError, match=r"Did you mean 'other'"):
        run_small("othr", compute=False, **VAL)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'micro-val'"):
        run_small("other", compute=False, suite=None, tasks=("micro-vall",))
    several = run_small("othr", "other", compute=False, **VAL)
    assert [failure.model for failure in several.data.failures] == ["othr"]
    assert sizes(several) == {("other", "micro-val"): 14}


def test_an_empty_store_holds_no_model(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.prepare()
    with pytest.raises(StoreError, match="has none of the requested models"):
        recall(Settings(models=(), store=store.location), store)


def change(store: Store, kind: str, which: str, **more: Any) -> None:
    """Change a record behind the store's back."""
    (path,) = (file for file in store.folder.names(kind) if file.startswith(which))
    record = records.read(store, f"{kind}/{path}")
    assert record is not None
    records.write(store, f"{kind}/{path}", record | more)


@pytest.mark.parametrize(
    "more",
    [{"weights_hash": "0" * 64}, {"architecture": "another"}, {"label_space": "imagenet-1k"}, {"preprocessing": {}},
     {"preprocessing": None}, {"precision": "bfloat16"}, {"precision": "float7"}, {"name": "another"}],
)  # fmt: skip
def test_a_changed_record_of_a_model_is_refused(
    run_small: Run, stored_run: Run, store: Callable[[], Store], more: dict[str, Any]
) -> None:
    stored_run("other", **VAL)
    change(store(), "models", "other@", **more)
    with pytest.raises(
        StoreError, match=r"The record models/other@\w{16}\.json is damaged.*the next run of it writes it"
    ):
        run_small("other", compute=False, **VAL)
    # As the message says: the next run writes it again, though it has nothing to compute.
    assert run_small("other", **VAL).computed == 0
    assert sizes(run_small("other", compute=False, **VAL)) == {("other", "micro-val"): 14}


@pytest.mark.parametrize(
    "more", [{"data_digest": "0" * 64}, {"conditions": ["fog/1"]}, {"version": 9}, {"seed": None}, {"corruptions": [1]}]
)
def test_a_changed_record_of_a_task_is_refused(
    run_small: Run, stored_run: Run, store: Callable[[], Store], more: dict[str, Any]
) -> None:
    stored_run("other", suite=None, tasks=("micro-val", "micro-c"), baselines=())
    change(store(), "tasks", "micro-c@", **more)
    for named in (VAL | {"tasks": ("micro-val", "micro-c")}, {"suite": None}):
        found = run_small("other", compute=False, **named)
        (failure,) = found.data.failures
        assert failure.task == "micro-c"
        assert "is damaged" in failure.reason
        assert {task for _, task in sizes(found)} == {"micro-val"}
    with pytest.raises(StoreError, match=r"has none of the tasks micro-c for other.*(?s:.*)tasks/micro-c@"):
        run_small("other", compute=False, suite=None, tasks=("micro-c",))
    (record,) = (r for r in records.kept(store(), "tasks").values() if r["name"] == "micro-c")
    assert not outdated(record)


def test_an_earlier_protocol_is_passed_over_with_a_word(
    run_small: Run, stored_run: Run, store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_run("other", suite=None, tasks=("micro-val", "micro-light"))
    older = task_registry.TASKS["micro-light"]
    newer = replace(older, version=older.version + 1)
    monkeypatch.setitem(task_registry.TASKS, "micro-light", newer)
    (record,) = (r for r in records.kept(store(), "tasks").values() if r["name"] == "micro-light")
    assert outdated(record)
    plan = recall(Settings(models=("other",), store=store().location), store())
    assert [p.task.name for p in plan.tasks] == ["micro-val"]
    assert plan.failures == ()
    (note,) = plan.notes
    assert "earlier version of its protocol" in note
    named = run_small("other", compute=False, suite=None, tasks=("micro-val", "micro-light"))
    assert [(f.task, f.reason) for f in named.data.failures] == [("micro-light", note)]


def test_a_task_of_another_version_of_the_package_is_passed_over(
    run_small: Run, stored_run: Run, store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_run("other", suite=None, tasks=("micro-val", "micro-light"))
    (record,) = (r for r in records.kept(store(), "tasks").values() if r["name"] == "micro-light")
    monkeypatch.delitem(task_registry.TASKS, "micro-light")
    assert "has no task 'micro-light'" in str(planned_of(record, 1))
    assert not outdated(record)
    assert sizes(run_small("other", compute=False, suite=None)) == {("other", "micro-val"): 14}
