"""``bench doctor`` from end to end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from vitobench.bench.doctor.check import FAIL, OK, WARN, Check, show, summary
from vitobench.bench.doctor.examine import guarded
from vitobench.bench.doctor.packages import PURPOSES

ROOT = Path(__file__).parents[3]


def test_a_table_and_no_failure_here(bench_here, tmp_path: Path) -> None:
    done = bench_here("doctor")
    assert done.code == 0, done.out
    for words in ("machine", "torch", "OMP_NUM_THREADS", "store, writing", "published sets", "0 failed"):
        assert words in done.out
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_json_and_the_exit_code_of_a_failure(bench_here, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = bench_here("doctor", "--store", "file", "--json")
    rows = json.loads(done.out)
    assert done.code == 1
    assert all(list(row) == ["group", "name", "status", "found", "advice"] for row in rows)
    assert [row["name"] for row in rows if row["status"] == "fail"] == ["store"]


def test_a_check_that_breaks_is_a_row() -> None:
    def broken() -> list[Check]:
        raise ModuleNotFoundError("No module named 'packaging'")

    (row,) = guarded("packages", broken)
    assert (row.status, row.group) == (FAIL, "packages")
    assert "No module named 'packaging'" in row.found


ROWS = [Check("g", "a", OK, "[red]x"), Check("g", "b", WARN, "y", "do [1]"), Check("h", "c", FAIL, "z", "mend")]


def test_what_is_found_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS)
    shown = capsys.readouterr().out
    assert "[red]x" in shown
    assert "do [1]" in shown
    assert "3 checks: 1 failed, 1 warning\n" in shown


def test_plain_lines_without_rich(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    show(ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "ok: a: [red]x", "warn: b: y: do [1]", "fail: c: z: mend", summary(ROWS),
    ]  # fmt: skip


def test_the_page_lists_the_extras() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `vitobench[")]
    assert rows == [f"| `vitobench[{extra}]` | {purpose} |" for extra, purpose in PURPOSES.items()]
