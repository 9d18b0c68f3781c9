"""What `vitobench.run` gives back: numbers, differences, figures, a page, and itself in a notebook."""

from __future__ import annotations

import html.parser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import vitobench
from vitobench.bench.api import Result
from vitobench.bench.run import Outcome
from vitobench.errors import UnknownNameError, VitobenchError
from vitobench.results.schema import Failure


class Tags(html.parser.HTMLParser):
    """Counts what is open, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def result(stored_run: Callable[..., Outcome]) -> Result:
    return Result(stored_run("vito"))


def test_a_result_compares_with_the_baselines(result: Result) -> None:
    table = result.compare()
    assert {(a, b) for a, b in zip(table["a"], table["b"], strict=True)} == {("vito", "moclr"), ("moclr", "supervised")}
    assert set(table["condition"]) == {"overall"}
    assert set(result.compare(metric="mce")["task"]) == {"micro-c"}
    assert len(result.compare(condition="")) == len(result.comparisons)
    value = {(row.model, row.metric): row.value for row in result.scores.itertuples() if row.task == "micro-val"}
    (row,) = [r for r in table.itertuples() if (r.task, r.metric, r.a) == ("micro-val", "top1", "vito")]
    assert row.difference == pytest.approx(value["vito", "top1"] - value["moclr", "top1"])


def test_figures_are_those_of_the_registry(result: Result) -> None:
    overview = result.figure("headline")
    assert overview.axes
    corrupted = result.figure("corruptions", "micro-c", highlight=["vito"])
    assert {axes.get_title(loc="left") for axes in corrupted.axes} >= {"Shot noise", "Fog", "Contrast"}
    with pytest.raises(UnknownNameError, match="headline"):
        result.figure("headlin")
    with pytest.raises(UnknownNameError, match="micro-c"):
        result.figure("corruptions", "micro-cc")
    with pytest.raises(UnknownNameError, match="vito"):
        result.figure("headline", highlight=["vitoo"])
    with pytest.raises(VitobenchError, match="needs two or more checkpoints"):
        result.figure("curves")


def test_a_notebook_shows_the_headline_and_what_is_missing(result: Result) -> None:
    rogue = Failure("<script>alert(1)</script>", "micro-c", "*", "*", "lost & gone")
    data = replace(result.data, failures=(*result.data.failures, rogue))
    page = Result(replace(result.outcome, data=data))._repr_html_()
    parser = Tags()
    parser.feed(page)
    assert not parser.open
    assert "<script" not in page
    for text in ("Micro-world, clean", "vito", "moclr", "supervised", "95 % intervals", "lost & gone"):
        assert text in parser.text


def test_the_page_is_written(figures: None, result: Result, tmp_path: Path) -> None:
    path = result.report(tmp_path / "page.html")
    assert "<html" in path.read_text(encoding="utf-8")
    assert {task.name for task in vitobench.list_tasks()} >= {"micro-val", "imagenet-c"}


def test_exports_are_those_of_the_command(result: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = result.export("csv", tmp_path / "scores.csv")
    assert "scores.csv" in line
    assert len((tmp_path / "scores.csv").read_text().splitlines()) > len(result.scores)
    result.export("json", "-")
    assert '"scores"' in capsys.readouterr().out
    result.export("hugging-face", tmp_path / "README.md", models=["vito"])
    card = (tmp_path / "README.md").read_text()
    assert "vito" in card
    with pytest.raises(UnknownNameError, match="csv"):
        result.export("cvs", tmp_path / "scores.csv")
    with pytest.raises(UnknownNameError, match="moclr"):
        result.export("hugging-face", tmp_path / "README.md", models=["moclrr"])
    with pytest.raises(VitobenchError, match="cannot be printed"):
        result.export("parquet", "-")
