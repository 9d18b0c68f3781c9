"""Tables for papers: what is best, what is level with it, and that every format survives any name."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from statsmodels.stats.multitest import multipletests

from vitobench.reports.data import ReportData
from vitobench.reports.tables.registry import TABLES, standing, tables
from vitobench.reports.tables.writing import WRITERS, latex_escape, to_latex
from vitobench.results.schema import Comparison, Score

from .conftest import described

KEY = ("micro-val", "overall", "top1")
AWKWARD = r"_%&#$~^\{}"


def small(values: dict[str, float], p_values: dict[str, float], key: tuple[str, str, str] = KEY) -> ReportData:
    scores = tuple(Score(name, *key, value, value - 0.02, value + 0.02, 400) for name, value in values.items())
    best = max(values, key=lambda name: values[name])
    pairs = tuple(
        Comparison(name, best, *key, values[name] - values[best], -0.1, 0.0, p, 400) for name, p in p_values.items()
    )
    task = {"name": key[0], "title": "Clean & 100 %", "kind": "clean", "seed": 3}
    run = {"versions": {"vitobench": "0.1.0"}, "seed": 0}
    models = tuple({"name": name} for name in values)
    return ReportData("t", scores, pairs, models=models, tasks=(task,), run=run)


def one(data: ReportData, name: str = "headline"):
    ((_, (found,)),) = tables(data, [TABLES[name]])
    return found


def test_level_with_the_best_is_told_by_holm_within_the_row() -> None:
    raw = {"b": 0.012, "c": 0.03, "d": 0.2}
    data = small({"a": 0.9, "b": 0.8, "c": 0.85, "d": 0.88}, raw)
    found = standing(data, *KEY)
    assert found.best == "a"
    _, adjusted, *_ = multipletests(list(raw.values()), method="holm")
    assert list(found.p_adjusted.values()) == pytest.approx(list(adjusted))
    # 0.03 alone would be significant; of three comparisons it is not.
    assert found.level == {"c", "d"}


def test_best_is_the_lowest_where_lower_is_better_and_nobody_alone() -> None:
    data = small({"a": 0.9, "b": 0.8}, {}, ("micro-val", "overall", "rms_calibration_error"))
    assert standing(data, "micro-val", "overall", "rms_calibration_error").best == "b"
    assert standing(data, "micro-val", "overall", "rms_calibration_error", ["a"]).best == ""


def test_a_model_that_was_not_compared_is_not_called_level() -> None:
    assert standing(small({"a": 0.9, "b": 0.8, "c": 0.7}, {"b": 0.5}), *KEY).level == {"b"}


def test_a_model_that_no_test_compares_is_marked_apart_from_those_that_are_worse() -> None:
    table = one(small({"a": 0.9, "b": 0.8, "c": 0.7, "d": float("nan")}, {"b": 0.001}))
    assert [entry.mark for entry in table.entries[0]] == ["", "", "‡", ""]
    assert "‡: could not be tested against the best" in table.caption(across=True)
    assert r"70.0$^{\ddagger}$" in to_latex(table)
    assert "70.0‡" in WRITERS["markdown"](table)
    alone = one(small({"a": 0.9}, {}))
    assert [entry.mark for entry in alone.entries[0]] == [""]
    assert "‡" not in alone.caption(across=True)


SEEDS = [f"file:runs/2026-11-28/vito-seed{seed}/checkpoints/vito.safetensors" for seed in range(6)]


@pytest.mark.parametrize("count", [2, 6])
@pytest.mark.parametrize(
    "names", [SEEDS, ["a b", "a  b", "a\u200b b", 'a" b', "a'' b", "a\tb"]], ids=["seeds", "escapes"]
)
def test_models_side_by_side_or_below_one_another_have_labels_of_their_own(names: list[str], count: int) -> None:
    table = one(small({name: 0.5 + n / 100 for n, name in enumerate(names[:count])}, {}))
    text = to_latex(table)
    if count == 2:  # in the head
        heads = re.findall(r"\\shortstack\[r\]\{(.*?)\}(?= [&\\])", text.split(r"\midrule")[0])
    else:
        heads = [line.removeprefix("{}").split(" & ")[0] for line in text.splitlines() if line.startswith("{}")]
    printed = [" ".join(head.split()) for head in heads]
    assert len(printed) == len(set(printed)) == count
    if names is SEEDS:
        assert all(f"ed{n}" in head.replace(r"\\{}", "") for n, head in enumerate(heads))
    for form in ("markdown", "html"):
        written = WRITERS[form](table)
        cells = re.findall(r"<th scope=\"(?:col|row)\">(.*?)</th>", written) if form == "html" else written.split("|")
        shown = [" ".join("".join(c for c in cell if c.isprintable() or c == "\t").split()) for cell in cells]
        wanted = [cell for cell in shown if cell.startswith(("file:", "a"))]
        assert len(set(wanted)) == len(wanted) >= count


def test_a_long_name_goes_on_below_its_numbers() -> None:
    data = small({"a": 0.9, "b": 0.885}, {"b": 0.5})
    record = {**data.tasks[0], "title": "ImageNet-V2, matched frequency"}
    lines = to_latex(one(dataclasses.replace(data, tasks=(record,)))).splitlines()
    first = next(n for n, line in enumerate(lines) if "90.0" in line)
    assert lines[first].startswith("{}ImageNet-V2, matched & Top-1 accuracy & ")
    assert lines[first + 1] == r"{}frequency &  &  &  \\"


def test_every_table_is_filled_or_left_out(make_report) -> None:
    data = make_report(3, photographs=True)
    found = {spec.name: [table.name for table in grids] for spec, grids in tables(data, list(TABLES.values()))}
    assert found == {
        "headline": ["headline"],
        "corruptions": ["corruptions-micro-c", "corruptions-imagenet-c"],
        "shifts": ["shifts"],
        "factors": [],
        "calibration": [],
        "alignment": [],
        "alignment-sets": [],
    }


def test_corruptions_have_fifteen_their_mean_and_mce(make_report) -> None:
    data = make_report(2)
    table = one(data, "corruptions")
    assert len(table.lines) == 17
    assert [line.label for line in table.lines[-2:]] == ["Mean", "mCE"]
    assert table.entries[0][0].score == data.score("vito-micro", "micro-c", "gaussian_noise", "top1")


def test_alignment_has_means_and_the_shape_bias_once(report: ReportData) -> None:
    tasks = (
        {"name": "alignment-edge", "identity": "alignment-edge@1", "kind": "alignment", "title": "Edges"},
        {"name": "alignment-cue-conflict", "identity": "x@1", "kind": "alignment", "title": "Cue conflict"},
        {"name": "alignment", "kind": "alignment", "title": "Alignment, mean of 2 data sets"},
    )
    names = ("accuracy", "accuracy_difference", "observed_consistency", "error_consistency")
    scores = [Score("m", task["name"], "overall", name, 0.5, 0.4, 0.6, 9) for task in tasks for name in names]
    scores.append(Score("m", "alignment-cue-conflict", "overall", "shape_bias", 0.5, 0.4, 0.6, 9))
    data = ReportData("t", tuple(scores), tasks=tuple(described(task) for task in tasks))
    shown = [(line.task, line.metric) for line in one(data, "alignment").lines]
    assert shown == [("alignment-cue-conflict", "shape_bias"), *(("alignment", name) for name in names)]
    assert len(one(data, "alignment-sets").lines) == 4
    # Without means there is no table of means, and the shape bias is shown beside the single data sets.
    part = ReportData(
        "t", tuple(score for score in scores if score.task != "alignment"), tasks=tuple(map(described, tasks))
    )
    assert not TABLES["alignment"].lines(part)
    assert [(line.task, line.metric) for line in one(part, "alignment-sets").lines] == [
        ("alignment-edge", "accuracy"),
        ("alignment-edge", "error_consistency"),
        ("alignment-cue-conflict", "accuracy"),
        ("alignment-cue-conflict", "error_consistency"),
        ("alignment-cue-conflict", "shape_bias"),
    ]


def test_the_caption_says_images_seed_and_version() -> None:
    words = one(small({"a": 0.9, "b": 0.8}, {"b": 0.5})).caption(across=True)
    assert "n = 400; seed 3; vitobench 0.1.0." in words
    assert "within the row" in words
    assert "†" not in one(small({"a": 0.9, "b": 0.8}, {})).caption(across=True)


def test_cells_in_every_format() -> None:
    table = one(small({"a": 0.9, "b": 0.885}, {"b": 0.5}))
    assert r"\textbf{90.0} {\tiny [88.0, 92.0]} & 88.5$^{\dagger}$ {\tiny [86.5, 90.5]} \\" in to_latex(table)
    assert "| **90.0** [88.0, 92.0] | 88.5† [86.5, 90.5] |" in WRITERS["markdown"](table)
    assert "<td><b>90.0</b> <small>[88.0, 92.0]</small></td><td>88.5<sup>†</sup>" in WRITERS["html"](table)
    first, second = csv.DictReader(io.StringIO(WRITERS["csv"](table)))
    assert (first["value"], first["best"], first["level_with_best"], first["p_against_best"]) == (
        "0.9",
        "True",
        "False",
        "",
    )
    assert (second["value"], second["level_with_best"], second["p_against_best"]) == ("0.885", "True", "0.5")


def test_a_hole_is_a_dash(make_report) -> None:
    table = one(make_report(2, holes=True))
    row = [line.task for line in table.lines].index("micro-light")
    assert table.entries[row][0].value == "—"
    assert " & --- & " in to_latex(table)


@pytest.mark.parametrize("letter", AWKWARD)
def test_special_letters_are_escaped(letter: str) -> None:
    text = latex_escape(f"a{letter}b")
    bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum)\{\}|\\[{}$&%#_]", "", text)
    assert bare == "ab"


def check_latex(text: str) -> None:
    """What TeX would stumble over first: braces, environments, and rows of other lengths than the columns."""
    plain = re.sub(r"\\[\\{}$&%#_]", lambda found: "\n" if found[0] == r"\\" else "", text)
    plain = re.sub(r"^%.*$", "", plain, flags=re.MULTILINE)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert len(re.findall(r"\\begin", plain)) == len(re.findall(r"\\end", plain))
    for columns, body in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert rows
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1, row


def names(count: int) -> tuple[str, ...]:
    return tuple(f"[{number}]*{AWKWARD}" for number in range(count))


@pytest.mark.parametrize("models", [1, 2, 5, 50])
def test_latex_is_well_formed_for_any_names(make_report, models: int) -> None:
    for _, grids in tables(make_report(models, names=names(models)), list(TABLES.values())):
        for table in grids:
            check_latex(to_latex(table))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
@pytest.mark.parametrize("models", [2, 50])
def test_latex_compiles(make_report, models: int, tmp_path: Path) -> None:
    data = make_report(models, names=names(models), photographs=True)
    data = dataclasses.replace(
        data, tasks=tuple({**task, "title": f"{task['title']} {AWKWARD}"} for task in data.tasks)
    )
    body = "".join(to_latex(table) for _, grids in tables(data, list(TABLES.values())) for table in grids)
    clear = body.replace(r"\end{table}", "\\end{table}\n\\clearpage")
    text = f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{clear}\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").is_file()
    # With long names, too, nothing is much wider than a column of text, nor longer than a page.
    wide = [
        float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\) in paragraph", done.stdout)
    ]
    assert max(wide, default=0.0) < 40  # of the 345 pt of this class; most papers are wider
    assert "Float too large" not in done.stdout


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("models", [2, 9])
def test_html_and_markdown_keep_names_from_becoming_markup(make_report, models: int) -> None:
    evil = tuple(f"<script>|{number}&</td>" for number in range(models))
    table = one(make_report(models, names=evil))
    tags = _Tags()
    tags.feed(WRITERS["html"](table))
    assert tags.open == []
    assert "script" not in tags.seen
    lines = [line for line in WRITERS["markdown"](table).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "<script>" not in "".join(lines)
