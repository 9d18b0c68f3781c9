import json
import math
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vitobench.errors import CheckpointError, DataError, VitobenchError
from vitobench.identity import seal_file
from vitobench.interruption import Stopped
from vitobench.models.pretraining import learners, trainer
from vitobench.models.pretraining.checkpoint import load_state, same_threads, save_state
from vitobench.models.pretraining.clips import ClipPool, Place, clips_at, view_seed
from vitobench.models.pretraining.feeds import PoolFeed, pool_batch
from vitobench.models.pretraining.learners import ContrastiveLearner, make_learner
from vitobench.models.pretraining.methods import Contrastive, Dino, L2Robust, Supervised
from vitobench.models.pretraining.recipe import Recipe
from vitobench.models.pretraining.trainer import learning_rate_at, make_optimiser, parameter_groups

VITO = Recipe(
    "tiny", "", Contrastive(hidden=32, projection=16), "micro-resnet8", pooling="attention", scales=2, window=2.56,
    clips=64, frames_per_clip=2, size=32, batch=16, steps=6, warmup=2, precision="float32", monitor_every=0,
)  # fmt: skip
SMALL_DINO = Dino(hidden=32, projection=16)
SUPERVISED = replace(VITO, method=Supervised(), pooling="average", scales=1, window=0.0, steps=24)


class InterruptedRunError(Exception):
    pass


@pytest.fixture(autouse=True)
def log_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "LOG_STEPS", 1)


def train(recipe: Recipe, pool: ClipPool, folder: Path, progress: Callable[..., Any] | None = None) -> trainer.Training:
    return trainer.train(recipe, PoolFeed(pool), folder, progress)


def losses(training: trainer.Training) -> list[float]:
    return [row["loss"] for row in training.curve]


def test_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    recipe = replace(VITO, steps=110, warmup=10, learning_rate=1.0)
    factors = [learning_rate_at(step, recipe) for step in range(110)]
    assert factors[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[109] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.99)))
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert learning_rate_at(0, replace(recipe, warmup=0)) == 1.0
    assert {learning_rate_at(s, replace(recipe, schedule="constant")) for s in range(10, 110)} == {1.0}


def test_batches_cover_an_epoch_and_are_functions_of_the_step() -> None:
    recipe = replace(VITO, batch=16)
    for epoch in range(2):
        batches = [clips_at(Place(3 * epoch + n), recipe, 50) for n in range(3)]
        assert all(len(b) == 16 for b in batches)
        assert len(set(torch.cat(batches).tolist())) == 48
    assert not torch.equal(clips_at(Place(0), recipe, 50), clips_at(Place(3), recipe, 50))
    assert torch.equal(clips_at(Place(5), recipe, 50), clips_at(Place(5), recipe, 50))
    assert not torch.equal(clips_at(Place(5), recipe, 50), clips_at(Place(5), replace(recipe, seed=1), 50))
    seeds = {view_seed(Place(step, part, rank, 2), recipe) for step in range(5) for part in (0, 1) for rank in (0, 1)}
    assert len(seeds) == 20


def test_ranks_and_parts_share_a_batch_out() -> None:
    recipe = replace(VITO, batch=16, accumulate=2)
    whole = clips_at(Place(1), replace(recipe, accumulate=1), 50)
    parts = [clips_at(Place(1, part, rank, 2), recipe, 50) for part in (0, 1) for rank in (0, 1)]
    assert torch.equal(torch.cat(parts), whole)
    with pytest.raises(DataError, match="cannot be shared by 3 devices"):
        clips_at(Place(0, 0, 0, 3), recipe, 50)
    with pytest.raises(DataError, match="fewer than a batch"):
        clips_at(Place(0), recipe, 10)


def test_biases_and_norms_do_not_decay() -> None:
    learner = make_learner(VITO)
    decayed, kept = parameter_groups(learner, 0.05)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in kept["params"])
    trained = sum(p.requires_grad for p in learner.parameters())
    assert len(decayed["params"]) + len(kept["params"]) == trained


def test_lars_adapts_what_decays_and_leaves_biases_to_momentum() -> None:
    """You et al. 2017: the local rate is trust |w| / (|g| + decay |w|)."""
    recipe = replace(VITO, optimiser="lars", learning_rate=0.5, weight_decay=0.1, trust=1e-3, optimiser_momentum=0.9)
    layer = torch.nn.Linear(3, 2)
    weight, bias = layer.weight.detach().double().clone(), layer.bias.detach().double().clone()
    optimiser = make_optimiser(recipe, layer)
    layer(torch.ones(4, 3)).sum().backward()
    g, gb = layer.weight.grad.double(), layer.bias.grad.double()
    optimiser.step()
    local = 1e-3 * weight.norm() / (g.norm() + 0.1 * weight.norm())
    torch.testing.assert_close(layer.weight.double(), weight - 0.5 * local * (g + 0.1 * weight), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(layer.bias.double(), bias - 0.5 * gb, rtol=1e-5, atol=1e-7)


def test_a_contrastive_run_leaves_a_log_and_a_checkpoint(pool: ClipPool, tmp_path: Path) -> None:
    calls = []
    training = train(VITO, pool, tmp_path, lambda *facts: calls.append(facts))
    assert [c[:2] for c in calls] == [(n, 6) for n in range(1, 7)]
    assert all(math.isfinite(value) for value in losses(training))
    # Nothing is learned yet in six steps: the loss is of the order of log(16).
    assert 1 < losses(training)[0] < 6
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert tuple(rows) == training.curve
    assert [row["step"] for row in rows] == list(range(1, 7))
    assert rows[1]["learning_rate"] == pytest.approx(VITO.learning_rate)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.jsonl", "training.pt"]
    assert training.seconds > 0
    target, online = training.learner.target.network, training.learner.online
    moved = [not torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2


def test_a_supervised_run_learns(pool: ClipPool, tmp_path: Path) -> None:
    values = losses(train(SUPERVISED, pool, tmp_path))
    assert sum(values[-4:]) < 0.9 * sum(values[:4])


@pytest.mark.parametrize(
    "recipe",
    [
        VITO,
        replace(VITO, accumulate=2, method=Contrastive(hidden=32, projection=16, same_view_negatives=True)),
        replace(
            VITO,
            method=SMALL_DINO,
            pooling="average",
            scales=1,
            optimiser="lars",
            accumulate=4,
            clip_norm=1.0,
        ),
        replace(SUPERVISED, steps=6),
    ],
    ids=["contrastive", "in two parts", "dino by lars in four parts", "supervised"],
)
def test_a_resumed_run_equals_an_undisturbed_one(
    recipe: Recipe, pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(recipe, pool, tmp_path / "whole")
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", -1.0)

    def stop(done: int, steps: int, loss: float) -> None:
        if done == 4:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        train(recipe, pool, tmp_path / "cut", stop)
    seen = []
    torch.manual_seed(99)
    resumed = train(recipe, pool, tmp_path / "cut", lambda done, steps, loss: seen.append(done))
    assert seen == [4, 5, 6]  # the interruption came before step 4 was saved
    assert losses(resumed) == losses(whole)
    expected = whole.learner.state_dict()
    for name, value in resumed.learner.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_a_finished_run_is_not_repeated(pool: ClipPool, tmp_path: Path) -> None:
    recipe = replace(VITO, steps=2)
    first = train(recipe, pool, tmp_path)
    calls = []
    again = train(recipe, pool, tmp_path, lambda *facts: calls.append(facts))
    assert calls == []
    assert again.curve == first.curve


def test_another_runs_checkpoint_is_refused_and_kept(pool: ClipPool, tmp_path: Path) -> None:
    recipe = replace(VITO, steps=1)
    train(recipe, pool, tmp_path)
    kept = (tmp_path / "training.pt").read_bytes()
    with pytest.raises(CheckpointError, match="other settings"):
        train(replace(recipe, learning_rate=0.5), pool, tmp_path)
    assert (tmp_path / "training.pt").read_bytes() == kept
    torch.save(torch.zeros(3), tmp_path / "training.pt")
    with pytest.raises(CheckpointError, match=r"does not end with its digest: .*delete it to restart"):
        train(recipe, pool, tmp_path)
    seal_file(tmp_path / "training.pt")
    with pytest.raises(CheckpointError, match="is not a training state"):
        train(recipe, pool, tmp_path)
    (tmp_path / "training.pt").write_bytes(kept[:500])
    with pytest.raises(CheckpointError, match="is damaged"):
        train(recipe, pool, tmp_path)


def test_a_run_of_an_earlier_version_is_refused_with_the_ways_out(pool: ClipPool, tmp_path: Path) -> None:
    recipe = replace(VITO, steps=1)
    train(recipe, pool, tmp_path)
    path = tmp_path / "training.pt"
    state = load_state(path)
    assert state is not None
    assert state.pop("recipe_form") == 2
    save_state(path, state)  # as earlier versions wrote it
    kept = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"earlier version .*Finish that run.*--output.*delete that file"):
        train(recipe, pool, tmp_path)
    assert path.read_bytes() == kept


def test_a_flipped_bit_of_a_checkpoint_is_found(pool: ClipPool, tmp_path: Path) -> None:
    recipe = replace(VITO, steps=1)
    train(recipe, pool, tmp_path)
    path = tmp_path / "training.pt"
    kept = path.read_bytes()
    before = torch.load(path, weights_only=True)["learner"]
    name = next(name for name, value in before.items() if value.ndim == 1 and len(value.unique()) > 16)
    place = kept.index(before[name].numpy().tobytes()) + 2
    flipped = kept[:place] + bytes([kept[place] ^ 64]) + kept[place + 1 :]
    path.write_bytes(flipped)
    assert not torch.equal(torch.load(path, weights_only=True)["learner"][name], before[name])  # torch itself takes it
    with pytest.raises(CheckpointError, match="its content does not have the digest it ends with"):
        train(recipe, pool, tmp_path)
    assert path.read_bytes() == flipped


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGINT, 130)])
def test_a_run_that_a_signal_stops_has_saved_its_step_and_goes_on_exactly(
    pool: ClipPool, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    whole = train(VITO, pool, tmp_path / "whole")

    def stop(done: int, steps: int, loss: float) -> None:
        if done == 3:
            signal.raise_signal(number)

    with pytest.raises(Stopped) as stopped:
        train(VITO, pool, tmp_path / "cut", stop)
    what = "Interrupted" if number == signal.SIGINT else f"Stopped by {number.name}"
    assert (stopped.value.exit_code, stopped.value.message.startswith(what)) == (code, True)
    assert "saved at step 3 of 6; run the same command to continue" in stopped.value.message
    seen: list[int] = []
    resumed = train(VITO, pool, tmp_path / "cut", lambda done, steps, loss: seen.append(done))
    assert seen == [4, 5, 6]
    assert losses(resumed) == losses(whole)
    expected = whole.learner.state_dict()
    for name, value in resumed.learner.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_a_resumed_run_computes_with_the_threads_that_it_began_with(pool: ClipPool, tmp_path: Path) -> None:
    def stop(done: int, steps: int, loss: float) -> None:
        if done == 3:
            signal.raise_signal(signal.SIGTERM)

    def runs(threads: int, folder: Path, progress: Callable[..., Any] | None = None) -> trainer.Training:
        torch.set_num_threads(threads)
        return train(VITO, pool, folder, progress)

    with same_threads():
        one, two = runs(1, tmp_path / "one"), runs(2, tmp_path / "two")
        with pytest.raises(Stopped):
            runs(1, tmp_path / "cut", stop)
        resumed = runs(2, tmp_path / "cut")
        assert torch.get_num_threads() == 1
    assert losses(one) != losses(two)  # why it matters; where this no longer holds, nothing has to be restored
    assert losses(resumed) == losses(one)


def test_the_machine_chooses_the_precision_and_a_resumed_run_keeps_it(
    pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(VITO, precision="auto", steps=4)

    def stop(done: int, steps: int, loss: float) -> None:
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(trainer, "quick_precision", lambda kind: "bfloat16")
    with pytest.raises(Stopped):
        train(recipe, pool, tmp_path / "auto", stop)
    monkeypatch.setattr(trainer, "quick_precision", lambda kind: "float32")  # as on another machine
    resumed = train(recipe, pool, tmp_path / "auto")
    assert resumed.precision == "bfloat16"
    assert losses(resumed) == losses(train(replace(recipe, precision="bfloat16"), pool, tmp_path / "stated"))
    other = train(recipe, pool, tmp_path / "other")
    assert other.precision == "float32"
    assert losses(other) != losses(resumed)


def test_a_run_on_another_world_is_named(pool: ClipPool, tmp_path: Path) -> None:
    recipe = replace(VITO, steps=1)
    train(recipe, pool, tmp_path)
    state = load_state(tmp_path / "training.pt")
    assert state is not None
    del state["generator_version"]
    save_state(tmp_path / "training.pt", state)
    with pytest.raises(CheckpointError, match=r"generator version 1, and this is version 2\).*choose another --output"):
        train(recipe, pool, tmp_path)


def test_a_run_on_another_number_of_devices_is_refused(pool: ClipPool, tmp_path: Path) -> None:
    recipe = replace(VITO, steps=1)
    train(recipe, pool, tmp_path)
    state = load_state(tmp_path / "training.pt")
    assert state is not None
    save_state(tmp_path / "training.pt", state | {"ranks": 2})
    with pytest.raises(CheckpointError, match="a run on 2 devices, but this one has 1"):
        train(recipe, pool, tmp_path)


@pytest.mark.parametrize("saved", [True, False])
def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(
    saved: bool, pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if saved:
        monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
        monkeypatch.setattr(trainer, "CHECKPOINT_SHARE", -1.0)
    honest, calls = ContrastiveLearner.forward, []

    def forward(self: ContrastiveLearner, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(1)
        loss, features = honest(self, *arguments)
        return loss * (float("nan") if len(calls) == 3 else 1.0), features

    monkeypatch.setattr(ContrastiveLearner, "forward", forward)
    message = "last good checkpoint is .*training.pt" if saved else "no checkpoint was written"
    with pytest.raises(VitobenchError, match=f"nan at step 3; .*{message}"):
        train(VITO, pool, tmp_path)
    assert (tmp_path / "training.pt").exists() == saved
    if saved:
        assert torch.load(tmp_path / "training.pt", weights_only=True)["step"] == 2


def test_accumulated_parts_are_the_batch(pool: ClipPool, tmp_path: Path) -> None:
    """Of a loss without negatives and a network without batch statistics; gradients add up to those of the batch."""
    recipe = replace(SUPERVISED, steps=1)
    whole = make_learner(recipe)
    parts = make_learner(recipe)
    parts.load_state_dict(whole.state_dict())
    for learner in (whole, parts):
        learner.eval()
    views, labels = torch.rand(16, 3, 32, 32), torch.arange(16)
    whole((views,), labels)[0].backward()
    for a, b in ((0, 8), (8, 16)):
        (parts((views[a:b],), labels[a:b])[0] / 2).backward()
    for one, two in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6)
    training = train(replace(VITO, accumulate=2, steps=2), pool, tmp_path)
    assert all(math.isfinite(value) for value in losses(training))


def test_monitors_watch_without_any_influence(pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = train(VITO, pool, tmp_path / "watched")
    assert all(0 <= row["linear"] <= 1 for row in watched.curve)
    monkeypatch.setattr(trainer.LinearMonitor, "learn", lambda *arguments: None)
    plain = train(VITO, pool, tmp_path / "plain")
    assert losses(plain) == losses(watched)
    assert not any("linear" in row for row in plain.curve)
    expected = plain.learner.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in watched.learner.state_dict().items())


def test_pretraining_leaves_the_classifier_alone(pool: ClipPool, tmp_path: Path) -> None:
    torch.manual_seed(VITO.seed)
    fresh = make_learner(VITO).encoder.head.weight
    assert torch.equal(train(replace(VITO, steps=2), pool, tmp_path).learner.encoder.head.weight, fresh)


def test_half_precision_rounds_no_views_and_no_attacks(
    pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(SUPERVISED, method=L2Robust(epsilon=0.1), precision="bfloat16", steps=2)
    honest, seen, types = learners.l2_attack, [], []

    def attack(loss_of: Any, images: torch.Tensor, *arguments: Any) -> torch.Tensor:
        found = honest(loss_of, images, *arguments)
        seen.append((images, (found - images).flatten(1).double().norm(dim=1)))
        return found

    def look(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        if isinstance(module, torch.nn.Conv2d):
            types.append(output.dtype)

    monkeypatch.setattr(learners, "l2_attack", attack)
    with torch.nn.modules.module.register_module_forward_hook(look):
        train(recipe, pool, tmp_path)
    assert set(types) == {torch.bfloat16}
    for step, (images, moved) in enumerate(seen):
        assert torch.equal(images, pool_batch(pool, recipe, 1, Place(step)).views[0])
        assert moved.max() < 0.1 + 1e-5
        assert moved.min() > 0.05
