"""The same command again takes what was scored and drawn, and never where anything that decides it has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitobench.bench import run as run_module
from vitobench.bench.exports.files import as_json
from vitobench.bench.run import Outcome, execute, rescore
from vitobench.bench.scoring import gallery as gallery_module
from vitobench.bench.scoring import memory as memory_module
from vitobench.bench.scoring import parts as parts_module
from vitobench.bench.settings import Settings
from vitobench.reports.figures.figure import FigureSpec
from vitobench.reports.page.html import render_html
from vitobench.results.store import Store

Run = Callable[..., Outcome]


class Work:
    """Counts what is scored, drawn and shown."""

    def __init__(self) -> None:
        self.scored: list[str] = []
        self.drawn: list[str] = []
        self.shown: list[str] = []

    def clear(self) -> None:
        for names in (self.scored, self.drawn, self.shown):
            names.clear()

    @property
    def nothing(self) -> bool:
        return not (self.scored or self.drawn or self.shown)


@pytest.fixture
def work(figures: None, monkeypatch: pytest.MonkeyPatch) -> Work:
    counted = Work()
    score, draw, disagree = parts_module.score_task, FigureSpec.draw, gallery_module._disagreement

    def scoring(task: Any, *args: Any, **more: Any) -> Any:
        counted.scored.append(task.name)
        return score(task, *args, **{"replicates": 50} | more)

    def drawing(spec: FigureSpec, *args: Any) -> Any:
        counted.drawn.append(spec.name)
        return draw(spec, *args)

    def disagreeing(planned: Any, *args: Any) -> Any:
        counted.shown.append(planned.task.name)
        return disagree(planned, *args)

    monkeypatch.setattr(parts_module, "score_task", scoring)
    monkeypatch.setattr(FigureSpec, "draw", drawing)
    monkeypatch.setattr(gallery_module, "_disagreement", disagreeing)
    return counted


def settings(store: object, **more: Any) -> Settings:
    return Settings(**({"models": (), "store": store} | more))


def page(outcome: Outcome) -> str:
    """The page without what is of this one run."""
    return render_html(replace(outcome.data, run={"date": "", "versions": {}}))


def numbers(outcome: Outcome) -> dict[str, Any]:
    found = as_json(outcome)
    return json.loads(json.dumps({key: value for key, value in found.items() if key != "run"}, default=str))


def score(store: object, **more: Any) -> Outcome:
    return rescore(settings(store, **more), pictures=True)


@pytest.fixture
def store(stored_run: Run, tmp_path: Path) -> Path:
    stored_run("vito")
    return tmp_path / "store"


def test_the_same_again_is_neither_scored_nor_drawn(store: Path, work: Work) -> None:
    first = score(store, recompute_scores=True)
    texts = [page(first)]
    assert work.scored
    assert work.drawn
    assert work.shown
    for _ in range(2):
        again = score(store)
        texts.append(page(again))
        assert numbers(again) == numbers(first)
    work.clear()
    third = score(store)
    texts.append(page(third))
    assert work.nothing
    assert len(set(texts)) == 1
    assert repr(third.data.scores) == repr(again.data.scores)
    # And the types are those of numbers that were computed.
    assert {type(row.value) for row in third.data.scores} == {float}


def test_a_run_leaves_its_scores_to_the_next_command(run_small: Run, work: Work) -> None:
    first = run_small("vito")
    work.clear()
    again = run_small("vito")
    assert again.computed == 0
    assert not work.scored
    assert numbers(again)["scores"] == numbers(first)["scores"]


def test_to_recompute_leaves_what_is_kept_alone(store: Path, work: Work) -> None:
    page(score(store))
    before = {path: path.read_bytes() for path in (store / "cache" / "scores").iterdir()}
    work.clear()
    page(score(store, recompute_scores=True))
    assert work.scored
    assert work.drawn
    assert {path: path.read_bytes() for path in (store / "cache" / "scores").iterdir()} == before


@pytest.mark.parametrize(
    "more",
    [
        {"models": ("vito", "other"), "baselines": ("supervised",)},
        {"baselines": ()},
        {"tasks": ("micro-light",)},
        {"limit": 6},
        {"seed": 1},
    ],
)
def test_another_request_is_another_key(
    run_small: Run, once: Callable[..., Any], work: Work, more: dict[str, Any], tmp_path: Path
) -> None:
    store, more = tmp_path / "store", dict(more)

    def make() -> None:
        for models, seed in (("vito", 0), ("other", 0), ("vito", 1)):
            run_small(models, seed=seed)
        score(store)

    once("several requests", store, make)
    seed = more.pop("seed", None)
    right = rescore(settings(store, recompute_scores=True, **more), seed=seed)
    work.clear()
    found = rescore(settings(store, **more), seed=seed)
    assert numbers(found) == numbers(right)


def unit_of(store: Path, task: str) -> Path:
    return next(path for path in sorted((store / "predictions").rglob("*.parquet")) if path.parts[-3].startswith(task))


def test_a_damaged_unit_is_said_although_its_scores_were_kept(store: Path, work: Work) -> None:
    score(store)
    path = unit_of(store, "micro-light")
    content = path.read_bytes()
    path.write_bytes(content[:-40] + bytes([content[-40] ^ 1]) + content[-39:])
    work.clear()
    found = score(store)
    assert "micro-light" in work.scored
    assert "micro-cue-conflict" not in work.scored
    assert any(path.name in failure.reason for failure in found.data.failures)
    path.write_bytes(content)
    work.clear()
    assert not score(store).data.failures
    assert work.nothing


def test_a_unit_that_is_gone_is_missing(store: Path) -> None:
    score(store)
    unit_of(store, "micro-light").unlink()
    assert any("were not run" in failure.reason for failure in score(store).data.failures)


def test_predictions_of_another_model_change_its_scores_alone(run_small: Run, store: Path, work: Work) -> None:
    score(store, models=("vito",))
    work.clear()
    run_small("other")
    assert work.scored
    work.clear()
    score(store, models=("vito",))
    assert work.nothing


def test_an_edit_of_the_code_is_another_version(store: Path, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    page(score(store))
    monkeypatch.setattr(memory_module, "code_digest", lambda: "another")
    work.clear()
    page(score(store))
    assert work.scored
    assert work.drawn


def test_the_digest_of_the_code_is_of_every_module_and_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {path.relative_to(memory_module._ROOT).as_posix() for path in memory_module._sources()}
    assert {"identity.py", "tasks/measures.py", "reports/figures/style.py", "bench/scoring/parts.py"} <= names
    assert {"results/published/alexnet-imagenet-c.csv", "tasks/microworld/hard.json"} <= names
    assert not any(name.startswith(("tests/", "docs/")) for name in names)
    for folder in memory_module._LAYERS:
        (tmp_path / folder).mkdir()
    table = tmp_path / "results" / "table.csv"
    table.write_text("a,1")
    monkeypatch.setattr(memory_module, "_ROOT", tmp_path)

    def digest() -> str:
        return memory_module.code_digest.__wrapped__()

    before = digest()
    assert digest() == before
    table.write_text("a,2")
    assert digest() != before
    table.rename(tmp_path / "results" / "other.csv")
    assert digest() != before


def test_damaged_entries_are_computed_again(store: Path, work: Work) -> None:
    first = score(store)
    for path in (store / "cache" / "scores").iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    work.clear()
    assert numbers(score(store)) == numbers(first)
    assert work.scored


def test_a_store_whose_cache_cannot_be_written_is_scored_all_the_same(store: Path, work: Work) -> None:
    first = score(store)
    for path in (store / "cache" / "scores").iterdir():
        path.unlink()
    (store / "cache" / "scores").rmdir()
    (store / "cache" / "scores").write_text("in the way")
    for _ in range(2):
        work.clear()
        assert numbers(score(store)) == numbers(first)
        assert work.scored


def test_a_store_behind_a_url_keeps_its_scores_on_this_machine(
    run_small: Run, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    run_small("vito", store="memory://again", tasks=("micro-light",), suite=None)
    work.clear()
    score("memory://again")
    score("memory://again")
    work.clear()
    score("memory://again")
    assert work.nothing
    assert list((tmp_path / "home" / "vitobench" / "scores").iterdir())
    assert not any("cache" in entry.name for entry in Store("memory://again").folder.files())


def test_a_choice_of_pairs_without_a_name_is_never_kept(store: Path, work: Work) -> None:
    request = parts_module.Request(choose=lambda scores: [])
    plan = run_module.recall(settings(store), Store(store), None)
    assert request.plain(plan) is None
    assert parts_module.Request(choose=run_module.pairs_with_best).plain(plan) is not None
    for _ in range(2):
        work.clear()
        memory = memory_module.Memory(Store(store))
        run_module.gather(plan, Store(store), [], {}, request=request, memory=memory)
        assert work.scored


def test_units_that_arrive_while_they_are_scored_are_not_kept(
    store: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unit_of(store, "micro-light")
    content = path.read_bytes()
    path.unlink()
    part = parts_module.task_part

    def late(reader: Any, planned: Any, request: Any) -> Any:
        if planned.task.name == "micro-light":
            path.write_bytes(content)
        return part(reader, planned, request)

    monkeypatch.setattr("vitobench.bench.scoring.outcome.task_part", late)
    assert not score(store).data.failures
    monkeypatch.setattr("vitobench.bench.scoring.outcome.task_part", part)
    path.unlink()
    assert any("were not run" in failure.reason for failure in score(store).data.failures)


def test_results_knows_what_is_kept(store: Path, bench_here: Callable[..., Any]) -> None:
    score(store)
    files = list((store / "cache" / "scores").iterdir())
    listed = bench_here("results", "list", "--store", store)
    assert f"{len(files)} files" in listed.out
    assert bench_here("results", "verify", "--store", store).code == 0
    asked = bench_here("results", "prune", "--cache", "--store", store)
    assert "would be removed" in asked.out
    assert all(path.exists() for path in files)
    bench_here("results", "prune", "--leftovers", "--damaged", "--yes", "--store", store)
    assert all(path.exists() for path in files)
    bench_here("results", "prune", "--cache", "--yes", "--store", store)
    assert not any(path.exists() for path in files)
    assert "kept" not in bench_here("results", "list", "--store", store).out
    assert not score(store).data.failures


def test_every_command_that_scores_can_do_it_anew(store: Path, work: Work, bench_here: Callable[..., Any]) -> None:
    commands = (
        ("score",), ("report",), ("compare", "vito", "moclr"), ("figures", "headline"), ("tables", "headline"),
        ("export", "--format", "csv", "--to", "out.csv"),
    )  # fmt: skip
    for command in commands:
        bench_here(*command, "--store", store)
        work.clear()
        bench_here(*command, "--store", store)
        assert not work.scored, command
        bench_here(*command, "--store", store, "--recompute-scores")
        assert work.scored, command


def test_a_run_can_be_scored_anew(run_small: Run, store: Path, work: Work) -> None:
    work.clear()
    run_small("vito", recompute_scores=True)
    assert work.scored


# Tasks that are finished are shown while others are still running.


def test_a_long_run_shows_each_task_once_before_the_last(
    zoo: Path, small_tasks: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    monkeypatch.setattr(run_module, "_EARLIEST", 0.0)
    with (tmp_path / "out").open("w") as file:
        wanted = settings(tmp_path / "store", models=("vito",), suite="robustness", device="cpu", threads=2)
        execute(wanted, Console(file=file, width=100))
    lines = (tmp_path / "out").read_text().splitlines()
    early = [line for line in lines if "vito " in line and "moclr " in line]
    assert early
    assert len(set(early)) == len(early)
    assert len(early) < 4  # the table follows the last ones at once


def test_a_short_run_shows_its_table_only(zoo: Path, small_tasks: None, tmp_path: Path) -> None:
    from rich.console import Console

    with (tmp_path / "out").open("w") as file:
        wanted = settings(tmp_path / "store", models=("vito",), suite="robustness", device="cpu", threads=2)
        execute(wanted, Console(file=file, width=100))
    assert not [line for line in (tmp_path / "out").read_text().splitlines() if "vito " in line and "moclr " in line]
