import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitobench.errors import CheckpointError, VitobenchError
from vitobench.models.pretraining import trainer
from vitobench.models.pretraining.clips import ClipPool, render_pool
from vitobench.models.pretraining.learner import ContrastiveLearner
from vitobench.models.pretraining.recipe import Recipe
from vitobench.models.pretraining.trainer import batch_at, learning_rate_factor, train

VITO = Recipe(
    "tiny",
    "",
    "contrastive",
    "micro-resnet/attention-2scale",
    two_frames=True,
    clips=64,
    frames_per_clip=2,
    size=32,
    batch=16,
    steps=6,
    warmup=2,
    hidden=32,
    projection=16,
)
SUPERVISED = replace(VITO, objective="supervised", architecture="micro-resnet/average", two_frames=False, steps=24)


class InterruptedRunError(Exception):
    pass


@pytest.fixture(scope="module")
def pool() -> ClipPool:
    return render_pool(64, 2, 32, 0)


@pytest.fixture(autouse=True)
def log_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "LOG_STEPS", 1)


def losses(training: trainer.Training) -> list[float]:
    return [row["loss"] for row in training.curve]


def test_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    factors = [learning_rate_factor(step, 10, 110) for step in range(110)]
    assert factors[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert factors[10] == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[109] == pytest.approx(0.5 * (1 + math.cos(math.pi * 0.99)))
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert learning_rate_factor(0, 0, 5) == 1.0
    assert 0 < learning_rate_factor(4, 10, 5) <= 1


def test_batches_cover_an_epoch_and_are_functions_of_the_step() -> None:
    recipe = replace(VITO, clips=50, batch=16)
    for epoch in range(2):
        batches = [batch_at(3 * epoch + n, recipe, 50)[0] for n in range(3)]
        assert all(len(b) == 16 for b in batches)
        assert len(set(torch.cat(batches).tolist())) == 48
    assert not torch.equal(batch_at(0, recipe, 50)[0], batch_at(3, recipe, 50)[0])
    once, again = batch_at(5, recipe, 50), batch_at(5, recipe, 50)
    assert torch.equal(once[0], again[0])
    assert torch.equal(torch.rand(4, generator=once[1]), torch.rand(4, generator=again[1]))
    other = batch_at(5, replace(recipe, seed=1), 50)
    assert not torch.equal(once[0], other[0])
    assert len(batch_at(2, replace(recipe, batch=80), 50)[0]) == 50  # fewer clips than a batch


def test_biases_and_norms_do_not_decay() -> None:
    learner = ContrastiveLearner(VITO)
    decayed, kept = trainer._groups(learner, 0.05)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.05, 0.0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert all(p.ndim == 1 for p in kept["params"])
    trained = sum(p.requires_grad for p in learner.parameters())
    assert len(decayed["params"]) + len(kept["params"]) == trained


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
    target, online = training.learner.target, training.learner.online
    moved = [not torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2


def test_a_supervised_run_learns(pool: ClipPool, tmp_path: Path) -> None:
    values = losses(train(SUPERVISED, pool, tmp_path))
    assert sum(values[-4:]) < 0.9 * sum(values[:4])


@pytest.mark.parametrize("recipe", [VITO, replace(SUPERVISED, steps=6)], ids=["contrastive", "supervised"])
def test_a_resumed_run_equals_an_undisturbed_one(
    recipe: Recipe, pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(recipe, pool, tmp_path / "whole")
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)

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
    with pytest.raises(CheckpointError, match="other settings"):
        train(recipe, pool, tmp_path)
    (tmp_path / "training.pt").write_bytes(kept[:500])
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(recipe, pool, tmp_path)


@pytest.mark.parametrize("saved", [True, False])
def test_a_loss_that_is_not_finite_names_the_last_good_checkpoint(
    saved: bool, pool: ClipPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if saved:
        monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
    honest, calls = ContrastiveLearner.loss, []

    def loss(self: ContrastiveLearner, *arguments: object) -> torch.Tensor:
        calls.append(1)
        return honest(self, *arguments) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(ContrastiveLearner, "loss", loss)
    message = "last good checkpoint is .*training.pt" if saved else "no checkpoint was written"
    with pytest.raises(VitobenchError, match=f"nan at step 3; .*{message}"):
        train(VITO, pool, tmp_path)
    assert (tmp_path / "training.pt").exists() == saved
    if saved:
        assert torch.load(tmp_path / "training.pt", weights_only=True)["step"] == 2


def test_pretraining_leaves_the_classifier_alone(pool: ClipPool, tmp_path: Path) -> None:
    torch.manual_seed(VITO.seed)
    fresh = ContrastiveLearner(VITO).encoder.head.weight
    assert torch.equal(train(replace(VITO, steps=2), pool, tmp_path).learner.encoder.head.weight, fresh)
