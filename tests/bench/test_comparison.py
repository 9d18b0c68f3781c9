"""`bench compare`: from a store alone, with exit codes, refusals and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vitobench
from vitobench.bench.run import Outcome
from vitobench.bench.scoring.comparison import Request, as_json, compare_stored
from vitobench.bench.scoring.parts import Request as Ranked
from vitobench.bench.scoring.ranks import of_methods
from vitobench.bench.settings import Settings
from vitobench.errors import StoreError, UnknownNameError, VitobenchError
from vitobench.reports.comparison import Compared
from vitobench.results.ranking import Contest
from vitobench.results.schema import Comparison
from vitobench.tasks.registry import SUITES, TASKS

Run = Callable[..., Outcome]
Compare = Callable[..., Compared]
Bench = Callable[..., Any]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    def call(*sides: str, **more: Any) -> Compared:
        values: dict[str, Any] = {"suite": "robustness", "store": tmp_path / "store"}
        values |= {name: more.pop(name) for name in ("suite", "tasks", "limit") if name in more}
        return compare_stored(Request(Settings(models=sides, **values), **more))

    return call


def test_what_is_compared_is_what_the_run_found(stored_run: Run, compare: Compare) -> None:
    ran = stored_run("vito", baselines=("moclr",))
    found = compare("vito", "moclr")
    assert found.sides == ("vito", "moclr")
    # The same rows with the same correction: the run had this one pair, too.
    assert found.data.comparisons == ran.data.comparisons
    assert {row.family for row in found.data.comparisons} == {"primary", "secondary", "conditions", "groups"}
    assert all(row.test and row.verdict for row in found.data.comparisons)
    # So few decisions may leave a shape bias undefined in too many samples.
    defined = [row for row in found.data.comparisons if row.p == row.p]
    assert len(defined) >= 25
    assert all(row.p <= row.p_adjusted <= 1 for row in defined)
    assert {row.n for row in found.data.comparisons if row.task == "micro-c"} == {12}
    assert not found.data.failures


def test_json_has_the_fields(stored_run: Run, compare: Compare) -> None:
    stored_run("vito")
    found = json.loads(json.dumps(as_json(compare("vito", "moclr")), allow_nan=False))
    row = found["comparisons"][0]
    assert set(row) == {field.name for field in fields(Comparison)}
    assert found["correction"] == "holm"
    assert found["families"]["primary"]["comparisons"] == 4
    assert sum(part["comparisons"] for part in found["families"].values()) == len(found["comparisons"])


def test_more_than_two_are_ranked(stored_run: Run, compare: Compare) -> None:
    stored_run("vito", "other")
    found = compare("other", "vito", "supervised")
    assert {(c.a, c.b) for c in found.data.comparisons} == {
        ("other", "vito"), ("other", "supervised"), ("vito", "supervised"),
    }  # fmt: skip
    assert len(found.ranks) == 3 * 4
    for task in ("micro-val", "micro-light"):
        rows = [row for row in found.ranks if row.task == task]
        assert sum(row.rank for row in rows) == 6
        assert [row.value for row in rows] == sorted((row.value for row in rows), reverse=True)
        assert all(row.ci_low <= row.rank <= row.ci_high for row in rows)
    errors = [row.value for row in found.ranks if row.task == "micro-c"]
    assert errors == sorted(errors)  # a lower mCE ranks first


def test_four_are_ranked_over_the_suite(
    stored_run: Run, compare: Compare, bench_here: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = stored_run("vito", "other", "supervised")
    found = compare("other", "vito", "supervised", "moclr")
    (ranking,) = found.data.rankings
    (same,) = ran.data.rankings
    assert {row.model: (row.value, row.rank) for row in same.rows} == {r.model: (r.value, r.rank) for r in ranking.rows}
    assert [one.task for one in ranking.tasks] == ["micro-val", "micro-c", "micro-light"]
    assert {one.metric for one in ranking.tasks} == {"top1"}  # not mCE, which is on another scale
    means = [row.value for row in ranking.rows]
    assert means == sorted(means, reverse=True)
    for row in ranking.rows:
        scores = [found.value(row.model, one.task, "overall", one.metric) for one in ranking.tasks]
        assert row.value == pytest.approx(sum(scores) / 3)
        assert row.low <= row.rank <= row.high
        assert (row.tasks_low, row.tasks_high) == (1, 4)
    left = dict(ranking.left_out)
    assert left["micro-occlusion"] == "not measured here"
    assert "imagenet-val" not in left  # another world
    plain = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert plain["suite_ranks"][0]["rows"][0]["rank"] == ranking.rows[0].rank
    shown = bench_here("compare", *found.sides, "--store", tmp_path / "store", "--suite", "robustness").out
    assert shown.lstrip().startswith("4 models ranked over 3 tasks")
    assert "vito against" not in shown
    monkeypatch.setattr("vitobench.bench.scoring.comparison.MANY", 3)
    few = compare(*found.sides, parts=False)
    assert few.data.rankings == found.data.rankings
    assert {row.family for row in few.data.comparisons} == {"primary"}
    assert few.notes[0].startswith("6 pairs are compared by the main number of each task")


def test_suites_rank_by_numbers_that_their_tasks_have() -> None:
    from vitobench.tasks.labels import Truth

    for suite in SUITES.values():
        members = () if suite.aggregate is None else suite.aggregate.members
        names = [name for forms in members for name in forms]
        assert len(names) == len(set(names))
        assert set(names) <= set(suite.tasks)
        for forms in members:
            assert len({TASKS[name].world for name in forms}) == 1
        for name in names:
            task = TASKS[name]
            if task.kind.together:  # scored elsewhere, by this number alone
                assert suite.aggregate.metrics == ("error_consistency",)
                continue
            whole = {m.metric for m in task.kind.measures(task, Truth()) if m.condition == task.kind.whole(task)}
            assert whole & set(suite.aggregate.metrics), name


def test_a_method_is_ranked_by_the_mean_of_its_runs_and_not_without_one() -> None:
    errors = np.array([[1.0, -1.0], [3.0, 1.0], [0.0, 2.0]], np.float32)
    runs = Contest("t", "error_consistency", ("a0", "a1", "b"), np.array([0.2, 0.4, 0.6]), errors, 9, {"c1": "why"})
    methods = {"a": ("a0", "a1"), "c": ("b", "c1")}
    found = of_methods(runs, Ranked(methods, ("a", "b", "c")))
    assert found.models == ("a", "b")
    assert found.values == pytest.approx([0.3, 0.6])
    assert found.errors.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert found.lacking["c"] == "why"


def test_images_that_only_one_has_are_said(run_small: Run, compare: Compare) -> None:
    run_small("vito", baselines=(), limit=5)
    run_small("other", baselines=())
    found = compare("vito", "other", tasks=("micro-val",), suite=None)
    row = next(c for c in found.data.comparisons if c.metric == "top1")
    assert (row.n, row.n_a, row.n_b) == (5, 5, 14)
    assert any("vito has 5 images, other has 14; compared on the 5" in line for line in found.unpaired())
    assert any("were not run" in failure.reason for failure in found.data.failures)


def test_other_data_are_refused(run_small: Run, compare: Compare) -> None:
    run_small("vito", baselines=(), seed=1)
    run_small("other", baselines=())
    with pytest.raises(VitobenchError, match=r"vito was run on other images of micro-val: micro-val@\w+, but"):
        compare("vito", "other")
    with pytest.raises(VitobenchError, match=r"other was run on .* --seed 0"):
        compare("vito", "other", seed=1)
    run_small("other", baselines=(), seed=1)
    assert compare("vito", "other", seed=1).data.comparisons


def test_runs_of_a_method(stored_run: Run, compare: Compare) -> None:
    stored_run("vito", "other")
    found = compare("mine", "other", seeds=("mine=vito,moclr",))
    assert found.methods == {"mine": ("vito", "moclr")}
    row = next(c for c in found.data.comparisons if (c.task, c.metric) == ("micro-val", "top1"))
    values = [found.value(side, "micro-val", "overall", "top1") for side in ("vito", "moclr", "other", "mine")]
    assert values[3] == pytest.approx((values[0] + values[1]) / 2)
    assert row.difference == pytest.approx(values[3] - values[2])
    assert row.test == "two-way-t"
    assert as_json(found)["comparisons"][0]["runs_a"] == 2


def test_wrong_names_and_numbers_of_models(stored_run: Run, compare: Compare) -> None:
    with pytest.raises(StoreError, match="no store"):
        compare("vito", "moclr")
    stored_run("vito")
    with pytest.raises(VitobenchError, match="two models or more"):
        compare("vito")
    with pytest.raises(VitobenchError, match="each only once"):
        compare("vito", "vito", "moclr")
    with pytest.raises(StoreError, match="Did you mean 'vito'"):
        compare("vitu", "moclr")
    with pytest.raises(UnknownNameError, match="holm"):
        compare("vito", "moclr", correction="bonferroni")
    identity = next(m["identity"] for m in compare("vito", "moclr").data.models if m["name"] == "vito")
    assert compare(identity, "moclr").sides == ("vito", "moclr")
    with pytest.raises(VitobenchError, match="are the same model"):
        compare(identity, "vito")


def test_the_command(stored_run: Run, bench_here: Bench, bench: Bench, tmp_path: Path) -> None:
    stored_run("vito")
    store = ("--store", tmp_path / "store", "--suite", "robustness")
    done = bench_here("compare", "vito", "moclr", *store, "--json", tmp_path / "c.json")
    assert done.code == 0
    assert done.out.startswith("vito against moclr: better on ")
    assert json.loads((tmp_path / "c.json").read_text())["comparisons"]
    assert "conditions" in bench_here("compare", "vito", "moclr", *store, "--conditions").out
    assert bench_here("compare", "vito", "moclr", *store, "--fail-if", "micro-val.top1 < 0").code == 0
    failed = bench_here("compare", "vito", "moclr", *store, "--fail-if", "micro-val.top1 >= 0", "--quiet")
    assert (failed.code, failed.out) == (4, "")
    assert "fails: micro-val.top1 >= 0" in failed.err
    wrong = bench_here("compare", "vito", "moclr", *store, "--fail-if", "micro-val.top2 >= 0")
    assert wrong.code == 2
    assert "top1" in wrong.err
    assert bench_here("compare", "vito").code == 2
    alone = bench("compare", "vito", "moclr", "--store", tmp_path / "store", "--task", "micro-val")
    assert not {"torch", "timm", "pandas", "matplotlib"} & alone.loaded


def test_a_hole_fails_nothing_but_is_told(stored_run: Run, bench_here: Bench, tmp_path: Path) -> None:
    stored_run("vito", limit=5)  # too few images for a calibration error
    call = ("compare", "vito", "moclr", "--store", tmp_path / "store", "--task", "micro-val")
    done = bench_here(*call, "--limit", 5, "--fail-if", "micro-val.rms_calibration_error > 3")
    assert done.code == 3
    assert "is undecided" in done.out
    both = bench_here(*call, "--fail-if", "micro-val.rms_calibration_error > 3", "--fail-if", "micro-val.top1 >= 0")
    assert both.code == 4


def test_python(stored_run: Run, tmp_path: Path) -> None:
    ran = stored_run("vito")
    store = tmp_path / "store"
    table = vitobench.compare(["vito", "moclr"], "robustness", store=store)
    assert set(table["condition"]) == {"overall"}
    assert {"difference", "p", "p_adjusted", "verdict", "family", "minimum_detectable"} <= set(table.columns)
    assert set(vitobench.compare(["vito", "moclr"], "robustness", metric="mce", store=store)["task"]) == {"micro-c"}
    runs = {"m": ["vito", "moclr"]}
    several = vitobench.compare(["m", "supervised"], seeds=runs, store=store, tasks=["micro-val"])
    assert set(several["runs_a"]) == {2}
    from vitobench.bench.api import Result

    old = vitobench.compare(Result(ran), metric="mce")
    assert set(old["metric"]) == {"mce"}
    with pytest.raises(VitobenchError, match="already scored"):
        vitobench.compare(Result(ran), "robustness")
