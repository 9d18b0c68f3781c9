"""``bench figures`` and ``bench tables`` on a small store."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from vitobench.bench.run import aligned_pairs, pairs_with_best
from vitobench.reports.data import ReportData
from vitobench.reports.figures.registry import FIGURES
from vitobench.results.schema import Score, TaskRecord, View

RUN = ("run", "--model", "vito", "--model", "moclr", "--model", "supervised", "--suite", "robustness", "--quiet")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_pairs_are_with_the_best_of_each_number_and_leave_out_single_conditions() -> None:
    def score(model: str, condition: str, metric: str, value: float) -> Score:
        return Score(model, "t", condition, metric, value, value, value, 9)

    scores = [
        score("a", "overall", "top1", 0.9), score("b", "overall", "top1", 0.8),
        score("c", "overall", "top1", float("nan")),
        score("a", "overall", "mce", 0.9), score("b", "overall", "mce", 0.8),
        score("c", "snow/3", "top1", 0.9), score("a", "snow/3", "top1", 0.1),
    ]  # fmt: skip
    assert sorted(pairs_with_best(scores)) == [("a", "b"), ("b", "a"), ("c", "a"), ("c", "b")]


def test_pairs_of_human_alignment_are_in_the_order_of_the_tasks() -> None:
    # A table takes the first of a difference and its reverse, whose p-values may differ in the last digit; the order
    # of a set of names differs from one process to the next.
    names = [f"alignment-{n}" for n in range(12)]
    tasks = tuple(TaskRecord(name=name, views=[View.ALIGNMENT.value]) for name in names)
    scores = tuple(
        Score(model, name, "overall", "accuracy", float(model == f"m{n}"), 0.0, 1.0, 9)
        for n, name in enumerate(names)
        for model in [f"m{k}" for k in range(12)]
    )
    pairs = aligned_pairs(ReportData("x", scores, tasks=tasks))
    assert list(dict.fromkeys(best for _, best in pairs)) == [f"m{n}" for n in range(12)]
    assert len(pairs) == len(set(pairs)) == 12 * 11


def test_lists_name_everything(bench_here) -> None:
    figures, tables = bench_here("figures", "--list"), bench_here("tables", "--list")
    assert figures.code == tables.code == 0
    assert "clean-shifted" in figures.out
    assert "calibration" in tables.out
    as_data = json.loads(bench_here("figures", "--list", "--json").out)
    assert [row["name"] for row in as_data] == list(FIGURES)


@pytest.fixture
def filled(stored_command) -> Path:
    return stored_command(*RUN)


@pytest.mark.usefixtures("filled")
def test_figures_and_tables_of_a_store(bench_here, tmp_path: Path) -> None:
    done = bench_here("figures", "headline", "corruptions", "--format", "svg", "--to", "f", "--highlight", "vito")
    assert done.code == 0, done.err
    assert sorted(path.name for path in (tmp_path / "f").iterdir()) == [
        "corruptions-micro-c.csv", "corruptions-micro-c.svg", "headline.csv", "headline.svg",
    ]  # fmt: skip
    assert "2 more in grey" in done.out
    models = {row["model"] for row in rows_of((tmp_path / "f/headline.csv").read_text())}
    assert models == {"vito", "moclr", "supervised"}

    # The tables' numbers are those of `bench score`, whose own tests hold them.
    table = bench_here("tables", "headline", "--format", "csv", "--to", "-")
    assert table.code == 0, table.err
    rows = rows_of(table.out)
    assert {row["model"] for row in rows} == models
    by_number: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        by_number.setdefault((row["task"], row["metric"]), []).append(row)
    for (_, name), line in by_number.items():
        known = [row for row in line if row["value"]]
        if len(known) > 1:
            sign = -1 if name == "mce" else 1
            (best,) = [row for row in known if row["best"] == "True"]
            assert float(best["value"]) * sign == max(float(row["value"]) * sign for row in known)
            others = [row for row in known if row is not best]
            # Two decisions for a cue are too few to compare shape biases: then nobody is called level.
            compared = [row for row in others if row["p_against_best"]]
            assert name == "shape_bias" or compared == others
            assert all(row["level_with_best"] == "False" for row in others if row not in compared)
            assert all((float(row["p_against_best"]) >= 0.05) == (row["level_with_best"] == "True") for row in compared)

    latex = bench_here("tables", "--to", "t", "--format", "latex", "--format", "markdown")
    assert latex.code == 0, latex.err
    assert {path.suffix for path in (tmp_path / "t").iterdir()} == {".tex", ".md"}
    text = (tmp_path / "t/corruptions-micro-c.tex").read_text()
    assert re.search(r"n = 12; seed 0; vitobench \d", text)
    assert r"\textbf{" in text


@pytest.mark.usefixtures("filled")
def test_variants_against_one_baseline_make_an_ablation(bench_here, tmp_path: Path) -> None:
    named = ("--model", "vito", "--model", "moclr", "--baseline", "supervised")
    done = bench_here("figures", "ablation", *named, "--format", "svg", "--to", "f")
    assert done.code == 0, done.err
    rows = rows_of((tmp_path / "f/ablation-supervised.csv").read_text())
    assert {row["variant"] for row in rows} == {"vito", "moclr"}
    assert {row["verdict"] for row in rows} <= {"better", "worse", "open"}


@pytest.mark.usefixtures("small_tasks")
def test_what_cannot_be_drawn_is_said(bench_here, tmp_path: Path) -> None:
    assert bench_here("run", "--model", "other", "--task", "micro-val", "--quiet").code == 0
    some = bench_here("figures", "headline", "shape-bias", "--format", "svg")
    assert some.code == 3
    assert "shape-bias was not drawn: it needs a cue-conflict task" in some.err
    none = bench_here("figures", "shape-bias")
    assert none.code == 2
    assert "Nothing was written" in none.err
    assert bench_here("tables", "alignment").code == 2
    wrong = bench_here("figures", "headlin")
    assert wrong.code == 2
    assert "'headline'" in wrong.err
    assert "micro" not in wrong.out
    nobody = bench_here("figures", "headline", "--highlight", "othr")
    assert nobody.code == 2
    assert "'other'" in nobody.err
    (tmp_path / "file").write_text("")
    assert "is a file" in bench_here("figures", "--to", "file").err
    assert "is a file" in bench_here("tables", "--to", "file").err


def test_figures_and_tables_load_no_torch(bench, bench_here) -> None:
    run = ("run", "--model", "other", "--task", "micro-val", "--limit", 4, "--device", "cpu", "--quiet")
    assert bench_here(*run).code == 0
    done = bench("figures", "headline", "--format", "png")
    assert done.code == 0, done.err
    assert "torch" not in done.loaded
    tables = bench("tables", "headline", "--to", "-")
    assert tables.code == 0, tables.err
    assert not {"torch", "matplotlib"} & tables.loaded
