"""What becomes of the numbers when files of the store are damaged, and whether the advice mends it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.settings import Settings
from vitobench.models.sources import zoo as zoo_source
from vitobench.results import records
from vitobench.results.inventory import verify
from vitobench.results.store import Store

Bench = Callable[..., Any]
Run = Callable[..., Outcome]
FUZZER = Path(__file__).parents[1] / "benchmarks" / "store_bit_flips.py"


@pytest.fixture
def root(two_models: Path) -> Path:
    return two_models


def scored(root: Path) -> Outcome:
    return rescore(Settings(models=(), baselines=(), store=root))


def run_again(root: Path) -> Outcome:
    """What fills `two_models`, without its page."""
    return execute(
        Settings(("vito", "other"), tasks=("micro-val", "micro-light"), baselines=(), store=root, device="cpu")
    )


def numbers(outcome: Outcome) -> dict[tuple[str, str, str, str], tuple[float, int]]:
    return {(s.model, s.task, s.condition, s.metric): (s.value, s.n) for s in outcome.data.scores}


def spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if how == "emptied":
        path.write_bytes(b"")
    elif how == "one bit":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif how == "folder":
        path.mkdir()
        (path / "inside").write_bytes(content)
    elif how == "dangling":
        path.symlink_to(path.with_name("absent"))
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "another's":
        shutil.copy(next(other for other in sorted(path.parent.iterdir()) if other != path), path)
    else:
        assert how == "removed"


HOW = ("emptied", "one bit", "folder", "dangling", "pipe", "another's", "removed")


@pytest.mark.parametrize(
    ("kind", "how"),
    [*(("models/vito@", how) for how in HOW), ("tasks/micro-light@", "one bit"), ("tasks/micro-light@", "removed"),
     ("images/micro-light@", "one bit"), ("images/micro-light@", "removed")],
)  # fmt: skip
def test_predictions_without_their_record_are_named_and_a_run_writes_it_again(
    root: Path, bench_here: Bench, kind: str, how: str
) -> None:
    before = numbers(scored(root))
    (path,) = root.glob(f"{kind}*")
    spoil(path, how)
    found = scored(root)
    (failure,) = found.data.failures
    assert path.name in failure.reason
    assert "run" in failure.reason
    lost = {"models": lambda key: key[0] == "vito", "tasks": lambda key: key[1] == "micro-light"}
    without = lost.get(path.parent.name, lambda key: False)
    assert numbers(found) == {key: value for key, value in before.items() if not without(key)}
    done = bench_here("score", "--baseline", "none", "--quiet")
    assert done.code == 3
    assert path.name in done.err
    # A record is written again by the next run; what is no file has to be removed before.
    if how in ("folder", "pipe"):
        assert bench_here("results", "prune", "--damaged", "--yes", "--quiet").code == 0
    assert run_again(root).complete
    assert verify(Store(root)) == []
    assert numbers(scored(root)) == before
    assert scored(root).complete


@pytest.mark.parametrize("how", HOW[:-1])
def test_a_damaged_unit_is_left_out_and_made_again(root: Path, bench_here: Bench, how: str) -> None:
    before = numbers(scored(root))
    path = next(root.glob("predictions/micro-val@*/vito@*/0000005-*"))
    spoil(path, how)
    found = scored(root)
    (failure,) = found.data.failures
    assert path.name in failure.reason
    assert "bench results prune --damaged --yes" in failure.reason
    now = numbers(found)
    overall = ("vito", "micro-val", "overall", "top1")
    assert (before[overall][1], now[overall][1]) == (14, 9)
    assert {k: v for k, v in now.items() if k[:2] != overall[:2]} == {
        k: v for k, v in before.items() if k[:2] != overall[:2]
    }
    run = ("run", "--model", "vito", "--model", "other", "--task", "micro-val", "--task", "micro-light",
           "--baseline", "none", "--device", "cpu")  # fmt: skip
    commands = (("score", "--baseline", "none"), ("compare", "vito", "other"), ("report", "--no-gallery"), run,
                ("figures", "headline"), ("results", "verify"))  # fmt: skip
    for command in commands if how == "one bit" else commands[-1:]:
        assert bench_here(*command).code == 3, command
    assert bench_here("results", "prune", "--damaged", "--yes", "--quiet").code == 0
    assert not os.path.lexists(path)
    assert run_again(root).complete
    assert numbers(scored(root)) == before
    assert verify(Store(root)) == []


@pytest.mark.parametrize("how", HOW[1:-2])
def test_a_damaged_record_of_a_run_is_named_and_its_task_scored_all_the_same(
    root: Path, bench_here: Bench, how: str
) -> None:
    before = numbers(scored(root))
    path = sorted((root / "runs").iterdir())[0]
    spoil(path, how)
    found = scored(root)
    (failure,) = found.data.failures
    assert path.name in failure.reason
    assert numbers(found) == before
    bench_here("results", "prune", "--damaged", "--yes", "--quiet")
    assert numbers(scored(root)) == before
    assert scored(root).complete


def test_an_older_model_of_the_same_name_does_not_stand_in(
    root: Path, bench_here: Bench, zoo: Path, make_model: Callable[..., Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    shutil.copytree(zoo, tmp_path / "newer")
    make_model(tmp_path / "newer", "vito", 99)
    monkeypatch.setattr(zoo_source, "ZOO_FOLDER", tmp_path / "newer")
    (old,) = root.glob("models/vito@*")
    assert run_again(root).complete
    (new,) = set(root.glob("models/vito@*")) - {old}
    new.unlink()
    found = scored(root)
    assert {model for model, *_ in numbers(found)} == {"other"}
    assert [f.model for f in found.data.failures] == ["vito"]
    assert f"models/{new.name} is missing" in found.data.failures[0].reason
    # Where its predictions are gone, too, the older one is what the name means.
    for folder in root.glob(f"predictions/*/{new.stem}"):
        shutil.rmtree(folder)
    assert {model for model, *_ in numbers(scored(root))} == {"vito", "other"}


def test_a_forged_list_of_images_is_replaced_by_the_next_run(root: Path, bench_here: Bench) -> None:
    before = numbers(scored(root))
    store = Store(root)
    (path,) = root.glob("images/micro-val@*")
    name = f"images/{path.name}"
    document = records.read(store, name)
    assert document is not None
    records.write(store, name, document | {"labels": [(label + 1) % 16 for label in document["labels"]]})
    found = scored(root)
    assert len(found.data.failures) == 6
    assert all("its labels differ from the task's" in f.reason for f in found.data.failures)
    assert run_again(root).complete
    assert numbers(scored(root)) == before


def test_documents_say_what_the_tasks_ask(root: Path) -> None:
    (path,) = root.glob("images/micro-val@*")
    found = records.read(Store(root), f"images/{path.name}")
    assert found == {
        "image_ids": [f"val-0-{n:06d}" for n in range(14)],
        "labels": list(range(14)),
        "classes": 16,
        "conditions": ["clean"],
    }


def test_responses_with_a_damaged_unit_say_so(bench_here: Bench, tmp_path: Path, small_tasks: None) -> None:
    args = ("--task", "micro-alignment-rotation", "--limit", 10, "--device", "cpu", "--quiet", "--baseline", "none")
    assert bench_here("run", "--model", "vito", *args).code in (0, 3)
    command = ("results", "responses", "raw", "--task", "micro-alignment-rotation")
    assert bench_here(*command).code == 0
    next((tmp_path / "bench-results").glob("predictions/*/*/0000000-*")).write_bytes(b"x")
    done = bench_here(*command)
    assert done.code == 3
    assert "0000000-0000005.parquet cannot be read" in done.err


def test_no_flipped_bit_changes_a_number_silently(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("store_bit_flips", FUZZER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as dataclasses want it
    spec.loader.exec_module(module)
    found = module.fuzz(root, module.scoring(root), flips=100, seed=0, seconds=2.0)
    assert found.faults == ()
    assert found.counts["detected"] > 0  # on a slow machine the time allows few


def test_a_mark_that_says_another_schema_is_refused(root: Path, bench_here: Bench) -> None:
    mark = root / "vitobench-store.json"
    mark.write_text(json.dumps({"schema": 2}))
    done = bench_here("score")
    assert done.code == 2
    assert "bench results migrate" in done.err
    before = {path: path.read_bytes() for path in root.rglob("*.parquet")}
    assert bench_here("results", "migrate", "--quiet").code == 0
    assert {path: path.read_bytes() for path in root.rglob("*.parquet")} == before
    assert bench_here("score", "--quiet", "--baseline", "none").code == 0
