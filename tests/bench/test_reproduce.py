"""From nothing to tables: tiny runs of two methods, trained, measured and judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from statsmodels.stats.multitest import multipletests

from vitobench.bench.claims import budget, declared, features
from vitobench.bench.claims import reproduction as module
from vitobench.bench.claims.features import decode_all
from vitobench.bench.claims.reproduction import Reproduction, reproduce
from vitobench.bench.claims.training import train_missing
from vitobench.bench.cli import main
from vitobench.errors import VitobenchError
from vitobench.models.pretraining.recipe import Recipe

TINY = ("clips=48", "batch=16", "frames_per_clip=2", "monitor_every=0", "warmup=1", "precision=float32")
TASKS = ("micro-val", "micro-viewpoints", "micro-cue-conflict")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {name: replace(method, settings=(*method.settings, *TINY)) for name, method in declared.METHODS.items()}
    monkeypatch.setattr(declared, "METHODS", small)
    monkeypatch.setattr(module, "METHODS", small)
    monkeypatch.setattr("vitobench.bench.claims.training.METHODS", small)
    monkeypatch.setattr("vitobench.models.pretraining.produce.CLEAN_IMAGES", 32)
    monkeypatch.setattr(features, "_LEARNT", 64)
    monkeypatch.setattr(features, "_ASKED", 32)
    monkeypatch.setattr(features, "_CLIPS", 2)


def test_a_reproduction_ends_in_tables_and_is_not_done_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Reproduction(tmp_path / "out", ("d",), seeds=2, steps=2, workers=1, limit=32, tasks=TASKS)
    assert asked.methods == ["vito", "vito-uncurated"]
    data, files = reproduce(asked)
    assert not data.failures
    assert all(path.stat().st_size > 0 for path in files)
    assert {path.name for path in files} == {"claims.md", "effects.md", "claims.json", "methods.svg", "methods.png"}
    (claim,) = data.claims
    assert [effect.task for effect in claim.effects] == [*TASKS, "decoding"]
    # Those that are not measured here count in the correction all the same.
    declared_ones = next(claim for claim in declared.CLAIMS if claim.key == "d")
    assert claim.absent == len(declared_ones.numbers) - 4 > 0
    raw = [effect.p for effect in claim.effects]
    adjusted = multipletests([*raw, *[1.0] * claim.absent], method="holm")[1][:4]
    assert [effect.p_adjusted for effect in claim.effects] == pytest.approx(list(adjusted))
    found = json.loads((tmp_path / "out" / "claims.json").read_text())
    rows = {(r["method"], r["task"], r["metric"], r["seed"]): r["value"] for r in found["methods"]}
    for effect in found["effects"]:
        means = [
            np.mean([rows[(name, effect["task"], effect["metric"], seed)] for seed in (0, 1)]) for name in asked.methods
        ]
        assert effect["value"] == pytest.approx(means[0] - means[1])
        assert effect["runs"] == 4
        assert effect["both_ci_low"] <= effect["value"] <= effect["both_ci_high"]
    assert [(row["claim"], row["hypothesis"]) for row in found["verdicts"]] == [("d", "")]
    assert found["facts"]["alpha"] == 0.05
    page = (tmp_path / "out" / "claims.md").read_text()
    assert "| `vito-uncurated` |" in page
    assert "(d) Curation" in page

    assert not list((tmp_path / "out" / "runs" / "pools").iterdir())  # what a seed's runs shared is not left behind
    monkeypatch.setattr("vitobench.bench.claims.training._train", None)  # nothing is left to train
    again, _ = reproduce(asked)
    assert again.claims == data.claims
    fewer, _ = reproduce(replace(asked, seeds=1))
    assert fewer.claims == data.claims  # a finished seed is not left out
    assert [run.seed for run in replace(asked, seeds=1, steps=3).runs()] == [0, 0]  # of another length it would be


def test_shape_and_texture_are_decoded_from_features_that_hold_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Reproduction(tmp_path, ("d",), seeds=1, steps=2, workers=1).runs()[0]
    assert not train_missing([run], 1)
    images = features._images(64)
    assert images.pixels.shape == (96, 3, 64, 64)
    assert (images.classes["shape"] != images.classes["texture"]).all()

    class Knows:
        def features(self, pixels: torch.Tensor) -> torch.Tensor:
            at = [seen[pixel.numpy().tobytes()] for pixel in pixels]
            return torch.eye(16)[torch.from_numpy(images.classes["texture"][at])]

    seen = {pixel.tobytes(): number for number, pixel in enumerate(images.pixels)}
    monkeypatch.setattr("vitobench.models.registry.load", lambda name: Knows())
    found = decode_all([run])[run]
    assert found["texture"].mean() == 1
    assert found["shape"].mean() < 0.5  # only that it is another than the texture's
    monkeypatch.setattr(features, "_decode", None)  # what is kept is not done again
    np.testing.assert_equal(decode_all([run])[run], found)
    (run.folder / "decoding.json").write_text("{")
    with pytest.raises(TypeError):
        decode_all([run])


def test_a_run_that_cannot_be_made_is_told_and_the_others_are_judged(tmp_path: Path) -> None:
    asked = Reproduction(tmp_path, ("d",), seeds=1, steps=2, workers=1, limit=32, tasks=TASKS)
    broken = asked.runs()[1].folder
    broken.parent.mkdir(parents=True)
    broken.write_text("a file where a folder is wanted")
    data, _ = reproduce(asked)
    assert any("vito-uncurated, seed 0" in failure for failure in data.failures)
    assert set(data.methods) == {"vito"}
    assert not data.claims


def test_the_claim_by_features_is_measured_on_its_own_tasks_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(claim.on_demand for claim in Reproduction(tmp_path).chosen)
    few = ("vito", "vito-uncurated")
    claims = tuple(replace(claim, effects=declared.difference(*few)) for claim in declared.CLAIMS if claim.on_demand)
    monkeypatch.setattr(module, "CLAIMS", claims)
    monkeypatch.setattr("vitobench.bench.claims.measuring.CLAIMS", claims)
    asked = Reproduction(tmp_path, ("4",), seeds=1, steps=2, workers=1, limit=4)
    (settings,) = asked.settings(asked.runs())
    assert (settings.suite, len(settings.models)) == ("claims-understanding", 2)
    data, _ = reproduce(replace(asked, tasks=("micro-davis",)))
    assert not data.failures
    (claim,) = data.claims
    assert [effect.task for effect in claim.effects] == ["micro-davis"]
    for effect in claim.effects:
        one, other = (data.methods[name][(effect.task, effect.metric)][0] for name in few)
        assert effect.value == pytest.approx(one - other)
    assert np.isnan(data.methods["vito"][("micro-val", "top1")]).all()  # not measured here


def _as_an_earlier_version_wrote_it(path: Path) -> None:
    """Settings of all methods beside the others."""
    card = json.loads(path.read_text())
    own = card["recipe"].pop("contrastive")
    card["recipe"] |= {"epsilon": 0.5, "prototypes": 1024} | own
    path.write_text(json.dumps(card))


def test_unfinished_or_other_runs_are_not_taken_for_finished(tmp_path: Path) -> None:
    asked = Reproduction(tmp_path, ("d",), seeds=1, steps=2, workers=1)
    run = asked.runs()[0]
    assert not run.finished()
    assert not train_missing([run], 2)  # in another process
    assert run.finished()
    _as_an_earlier_version_wrote_it(run.checkpoint.with_suffix(".json"))
    assert run.finished()
    assert not (run.folder / "training.pt").exists()
    assert not replace(run, steps=3).finished()
    assert not replace(run, seed=1).finished()
    content = bytearray(run.checkpoint.read_bytes())
    content[-1] ^= 1
    run.checkpoint.write_bytes(content)
    assert not run.finished()
    run.checkpoint.unlink()
    assert not run.finished()


def test_the_command_lists_what_is_missing_and_refuses_claims_that_there_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["reproduce", "--to", str(tmp_path), "--claim", "d", "--seeds", "1", "--list"])
    assert capsys.readouterr().out.splitlines() == [
        f"missing  {tmp_path}/runs/vito/seed-0",
        f"missing  {tmp_path}/runs/vito-uncurated/seed-0",
    ]
    with pytest.raises(SystemExit) as end:
        main(["reproduce", "--to", str(tmp_path), "--claim", "g", "--list"])
    assert end.value.code == 2
    assert "Valid names: 0, 1, 2, 3, 4, a, b, c, d, e, f" in capsys.readouterr().err


def test_nothing_finished_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Reproduction(tmp_path, ("d",), seeds=1)
    monkeypatch.setattr(module, "train_missing", lambda runs, *_: dict.fromkeys(runs, "no room"))
    with pytest.raises(VitobenchError, match="no room"):
        reproduce(asked)


def test_an_estimate_adds_up_what_it_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Reproduction(Path("nowhere"), ("d",), seeds=2, steps=10)
    runs = asked.runs()
    timed: list[str] = []

    def step_seconds(recipe: Recipe) -> float:
        timed.append(recipe.network)
        return 3.0

    monkeypatch.setattr(budget, "step_seconds", step_seconds)
    monkeypatch.setattr(budget, "forward_seconds", lambda recipe: 0.0)
    monkeypatch.setattr(budget, "frame_seconds", lambda: 0.01)
    expected = budget.estimate(runs, 2)
    assert timed == ["micro-resnet8/attention-2scale"]  # once for all runs of a kind
    assert expected.training == 4 * 10 * 3.0 / 2
    # Of each seed 48 clips and as many others with 2 frames each, and 48 photographs for all heads.
    assert expected.rendering == pytest.approx(2 * (48 * 2 * 2 + 48) * 0.01)
    assert expected.line() == "About 0.0 hours on this machine (minutes: rendering 0, training 1, measuring 0)."


def test_steps_and_frames_can_be_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_FRAMES", 4)
    recipe = Reproduction(Path("nowhere"), ("d",), seeds=1, steps=10).runs()[0].recipe
    assert 0 < budget.forward_seconds(recipe) < budget.step_seconds(recipe) < 60
    assert 0 < budget.frame_seconds() < 10
