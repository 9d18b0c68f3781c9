"""Evaluation results of the Hub: what huggingface_hub's own parser reads of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import yaml

from vitobench.bench.exports.eval_results import entries_of, export_eval_results, merged
from vitobench.bench.exports.exporter import EXPORTS, Handover
from vitobench.errors import DataError, VitobenchError
from vitobench.results.schema import Score

Handed = Callable[..., Handover]

parse = getattr(huggingface_hub, "parse_eval_result_entries", None)
needs_parser = pytest.mark.skipif(parse is None, reason="this huggingface_hub has no parser of .eval_results")


def given(handover: Handover, **options: str) -> Handover:
    return replace(handover, options=options)


@needs_parser
def test_the_hub_reads_every_field(handed: Handed, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.yaml"
    layer = {"store": "s", "version": "9", "date": "2026-05-06T07:08:09.123+00:00", "machine": "m",
             "models": ["vito@500"], "tasks": ["val"]}  # fmt: skip
    data = handed("").outcome.data
    data = replace(data, run={**data.run, "layers": [layer]})
    handover = given(handed(path, "vito@500", data=data), benchmark="lab/bench", source="https://lab.org/report.html")
    assert export_eval_results(handover) == [f"2 results of vito@500: {path}"]
    first, second = parse(yaml.safe_load(path.read_text()))
    assert (first.dataset_id, first.task_id, first.value) == ("lab/bench", "val", 0.9)
    assert first.dataset_revision is None
    assert first.date == "2026-05-06T07:08:09Z"
    assert (first.source_url, first.source_name) == ("https://lab.org/report.html", "vitobench 9.9")
    assert first.notes == (
        "Top-1 accuracy, a fraction; 95 % interval 0.8000 to 0.9500; n = 200; seed 4; task val@11; images d1; "
        "vitobench 9.9"
    )
    assert (second.task_id, second.value, second.date) == ("c", 0.51, None)  # of another run, of which nothing is known
    assert yaml.safe_load(path.read_text()) == huggingface_hub.eval_result_entries_to_yaml([first, second])
    val, c = data.tasks
    entries, _ = entries_of(replace(data, tasks=(val, {**c, "made_of": "val"})), "vito@500", "lab/bench")
    assert [entry["date"] for entry in entries] == ["2026-05-06T07:08:09Z"] * 2  # of the predictions it is made of


def test_a_task_goes_to_the_data_set_of_its_images_or_is_said(handed: Handed, tmp_path: Path) -> None:
    data = handed("").outcome.data
    val, c = data.tasks
    data = replace(data, tasks=({**val, "hub": "owner/set"}, {**c, "metric": "mce"}))
    path = tmp_path / "x.yaml"
    lines = export_eval_results(handed(path, "vito@500", data=data))
    assert lines == [f"1 result of vito@500: {path}", "Left out, without a value: Corrupted"]
    (entry,) = yaml.safe_load(path.read_text())
    assert entry["dataset"] == {"id": "owner/set", "task_id": "val"}
    assert set(entry) == {"dataset", "value", "notes"}
    errors = tuple(replace(s, value=0.7) if s.metric == "mce" else s for s in data.scores)
    entries, lines = entries_of(replace(data, scores=errors), "vito@500", "lab/bench")
    assert [entry["dataset"]["id"] for entry in entries] == ["lab/bench", "lab/bench"]
    assert entries[1]["notes"].startswith("mCE, lower is better, a fraction; n = 200;")
    assert lines == []


def test_results_of_others_stay_and_ours_are_replaced_in_place(handed: Handed, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    theirs = {"dataset": {"id": "cais/hle", "task_id": "default"}, "value": 20.9, "verifyToken": "t"}
    old = {"dataset": {"id": "lab/bench", "task_id": "c"}, "value": 0.1}
    path.write_text(yaml.safe_dump([old, theirs, old]))
    (line,) = export_eval_results(given(handed(path, "vito@500"), benchmark="lab/bench"))
    assert "2 results of vito@500, merged into a file of 3" in line
    entries = yaml.safe_load(path.read_text())
    assert [(e["dataset"]["task_id"], e["value"]) for e in entries] == [("c", 0.51), ("default", 20.9), ("val", 0.9)]
    assert entries[1] == theirs
    before = path.read_bytes()
    export_eval_results(given(handed(path, "vito@500"), benchmark="lab/bench"))
    assert path.read_bytes() == before
    assert merged(None, entries, "x") == entries


@pytest.mark.parametrize("text", ["a: 1", "- 5", "- {value: 1}", "- {dataset: d, value: 1}", "[", "\xff"])
def test_a_file_of_another_form_is_refused_and_stays(handed: Handed, tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"x\.yaml (is not|cannot be read)"):
        export_eval_results(given(handed(path, "vito@500"), benchmark="lab/bench"))
    assert path.read_bytes() == text.encode("latin-1")


@pytest.mark.parametrize(
    ("to", "models", "options", "message"),
    [
        ("x.yaml", (), {}, "belong to one model; name it with --model"),
        ("x.md", ("vito@500",), {}, "must end in .yaml"),
        ("x.yaml", ("vito@500",), {"benchmark": "bench"}, "--benchmark bench: .* OWNER/NAME"),
        ("x.yaml", ("vito@500",), {"benchmark": "a/b/c"}, "OWNER/NAME"),
        ("x.yaml", ("vito@500",), {"source": "report.html"}, "--source report.html: .* https://"),
        ("x.yaml", ("vito@500",), {}, "(?s)no result that the Hub has a place for.*--benchmark OWNER/NAME names one"),
    ],
)
def test_wrong_usage_is_said(handed: Handed, tmp_path: Path, to, models, options, message: str) -> None:
    with pytest.raises(VitobenchError, match=message):
        export_eval_results(given(handed(tmp_path / to, *models), **options))
    assert list(tmp_path.iterdir()) == []


def test_options_of_another_format_are_refused() -> None:
    with pytest.raises(VitobenchError, match="--source does nothing for --format csv; it is for eval-results"):
        EXPORTS["csv"].check_options({"source": "https://x"})
    EXPORTS["eval-results"].check_options({"source": "https://x", "benchmark": "a/b"})


def test_a_score_that_nobody_has_is_left_out(handed: Handed) -> None:
    data = handed("").outcome.data
    data = replace(data, scores=tuple(s for s in data.scores if isinstance(s, Score) and s.task == "val"))
    entries, lines = entries_of(data, "vito@500", "lab/bench")
    assert ([entry["dataset"]["task_id"] for entry in entries], lines) == (["val"], [])
