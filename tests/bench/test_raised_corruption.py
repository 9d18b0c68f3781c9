"""A corruption that is mended costs its own cells, and no others: what is stored of these is used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vitobench.bench.engine import pixels as pixels_module
from vitobench.bench.engine.estimate import budget
from vitobench.bench.planning.asked import make_plan
from vitobench.bench.run import Outcome
from vitobench.bench.settings import Settings
from vitobench.results.store import Store
from vitobench.tasks.corruptions import registry

Run = Callable[..., Outcome]
ONLY: dict[str, Any] = {"suite": None, "tasks": ("micro-c",), "baselines": ()}
MODELS = ("other", "supervised")


@pytest.fixture
def mend(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give corruptions a kernel with other pixels and a version of their own."""
    known = dict(registry.CORRUPTIONS)

    def mended(version: int, *names: str) -> None:
        def kernel(image: np.ndarray, draws: Any, **arguments: Any) -> np.ndarray:
            return np.roll(image, 7 * version, axis=0)[::-1].copy()

        newer = {name: replace(known[name], version=version, kernel=kernel) for name in names}
        monkeypatch.setattr(registry, "CORRUPTIONS", known | newer)

    return mended


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Images by the condition that they were corrupted under."""
    count: Counter[str] = Counter()
    original = pixels_module.apply_condition

    def counted(images: np.ndarray, condition: Any, ids: Any, seed: int, depths: Any) -> np.ndarray:
        count[condition.key] += len(images)
        return original(images, condition, ids, seed, depths)

    monkeypatch.setattr(pixels_module, "apply_condition", counted)
    return count


def cells(outcome: Outcome, *without: str) -> dict[tuple[str, str, str], tuple[float, ...]]:
    """Scores of single corruptions and their severities."""
    return {
        (s.model, s.condition, s.metric): (s.value, s.ci_low, s.ci_high, s.n)
        for s in outcome.data.scores
        if s.condition.partition("/")[0] in {"shot_noise", "fog", "contrast"} - {*without}
    }


def rows(store: Path, identity: str) -> pd.DataFrame:
    frame = pd.read_parquet(store / "predictions" / identity)
    keys = ["model", "condition", "severity", "image_id"]
    frame = frame.astype({name: str for name in ("model", "task", "condition", "image_id")})
    return frame.drop(columns="task").sort_values(keys, ignore_index=True)


def effort(store: Path) -> tuple[int, dict[str, Any]]:
    """Images that went through models in the newest run, and what it says of its task."""
    newest = max((store / "runs").glob("*.json"), key=lambda path: path.name)
    record = json.loads(newest.read_text())
    return record["effort"]["images"], record["tasks"]["micro-c"]


def identity_of(outcome: Outcome) -> str:
    return str(outcome.data.task("micro-c")["identity"])


def test_only_the_cells_of_a_mended_corruption_are_computed(
    run_small: Run, mend: Callable[..., None], drawn: Counter[str], tmp_path: Path, bench_here: Callable[..., Any]
) -> None:
    store = tmp_path / "store"
    before = run_small(*MODELS, **ONLY)
    assert effort(store)[0] == 12 * 6 * len(MODELS)
    drawn.clear()
    mend(1, "fog")
    place = Store(store)
    plan = make_plan(Settings(models=MODELS, store=store, device="cpu", **ONLY), place)
    assert budget(plan, place, measure=False).answers == 12 * 2 * len(MODELS)
    after = run_small(*MODELS, **ONLY)
    assert after.complete
    images, asked = effort(store)
    assert images == 12 * 2 * len(MODELS)
    assert asked["reused"] == {identity_of(before): ["shot_noise/2", "shot_noise/5", "contrast/2", "contrast/5"]}
    assert drawn == {"fog/2": 12, "fog/5": 12}
    assert identity_of(after) != identity_of(before)
    assert cells(after, "fog") == cells(before, "fog")
    then, now = rows(store, identity_of(before)), rows(store, identity_of(after))
    fog = then["condition"] == "fog"
    pd.testing.assert_frame_equal(now[~fog], then[~fog])
    assert (now[fog]["confidence"] != then[fog]["confidence"]).all()
    # To the last digit what a run without any store says, cell by cell and image by image.
    fresh = run_small(*MODELS, **ONLY, store=tmp_path / "fresh")
    assert cells(fresh) == cells(after)
    pd.testing.assert_frame_equal(rows(tmp_path / "fresh", identity_of(fresh)), now)
    verified = bench_here("results", "verify", "--store", store)
    assert verified.code == 0, verified.out
    assert run_small(*MODELS, **ONLY).computed == 0
    assert "reused" not in effort(store)[1], "a run that computes nothing takes over nothing"


def test_several_versions_complete_one_another_and_a_damaged_one_is_not_used(
    run_small: Run, mend: Callable[..., None], drawn: Counter[str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    first = run_small("other", **ONLY)
    mend(1, "fog")
    second = run_small("other", **ONLY, limit=5)
    drawn.clear()
    mend(1, "fog", "contrast")
    third = run_small("other", **ONLY)
    # Five images of fog from the second version, all else but contrast from the first.
    assert drawn == {"fog/2": 7, "fog/5": 7, "contrast/2": 12, "contrast/5": 12}
    fresh = run_small("other", **ONLY, store=tmp_path / "fresh")
    pd.testing.assert_frame_equal(rows(store, identity_of(third)), rows(tmp_path / "fresh", identity_of(fresh)))
    drawn.clear()
    mend(2, "contrast")
    for outcome in (first, second, third):
        for path in (store / "predictions" / identity_of(outcome)).rglob("0000000-*.parquet"):
            path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    last = run_small("other", **ONLY)
    assert drawn["contrast/2"] == 12
    assert drawn["shot_noise/2"] == drawn["fog/2"] == 5, "the first five images of every version are damaged"
    again = run_small("other", **ONLY, store=tmp_path / "again")
    pd.testing.assert_frame_equal(rows(store, identity_of(last)), rows(tmp_path / "again", identity_of(again)))


def test_scores_and_runs_say_what_changed(
    bench_here: Callable[..., Any], small_tasks: None, mend: Callable[..., None], tmp_path: Path
) -> None:
    common = ("--model", "other", "--baseline", "none", "--task", "micro-c", "--store", "s")
    assert bench_here("run", *common).code == 0
    mend(1, "fog")
    scored = bench_here("score", *common)
    assert scored.code == 2
    assert "fog changed since it was run. Run it again: only that is computed." in " ".join(scored.err.split())
    ran = bench_here("run", *common)
    assert ran.code == 0
    said = " ".join((ran.out + ran.err).split())
    assert "micro-c: only fog changed since micro-c@" in said
    assert "stored predictions under 4 of 6 conditions are used" in said
    assert bench_here("score", *common).code == 0
