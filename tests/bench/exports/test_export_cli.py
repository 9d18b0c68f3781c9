"""``bench export`` on a small store, and the list of formats."""

from __future__ import annotations

import csv
import importlib
import io
import json
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from vitobench.bench.exports.exporter import EXPORTS, ExportSpec
from vitobench.errors import VitobenchError
from vitobench.results.schema import Failure
from vitobench.tests.bench.exports.conftest import MODELS, made_up

ROOT = Path(__file__).parents[3]


def test_list_and_docs_are_those_of_the_registry(bench_here) -> None:
    shown = bench_here("export", "--list")
    listed = json.loads(bench_here("export", "--list", "--json").out)
    page = (ROOT / "docs" / "leaving.md").read_text(encoding="utf-8")
    assert [row["format"] for row in listed] == list(EXPORTS)
    rows = [line for line in page.splitlines() if line.startswith("| `") and "`--to`" not in line]
    assert rows == [
        f"| `{s.name}` | {s.writes} | {s.target} | {f'`{s.default}`' if s.default else ''} | "
        f"{f'`vitobench[{s.extra}]`' if s.extra else ''} |"
        for s in EXPORTS.values()
    ]  # fmt: skip
    assert all(name in shown.out for name in EXPORTS)


def test_every_extra_exists_and_every_address_is_an_exporter() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for spec in EXPORTS.values():
        assert not spec.extra or spec.extra in extras
        # Packages are imported when it is used, not with the module, or the message about the extra would not come.
        if spec.name != "hugging-face":
            module, _, function = spec.address.partition(":")
            assert callable(getattr(importlib.import_module(f"vitobench.bench.exports.{module}"), function))


def test_an_absent_package_names_the_extra() -> None:
    spec = ExportSpec("x", "files:export_csv", "", "text", "", "", "some-extra", ("no_such_package_at_all",))
    with pytest.raises(VitobenchError, match=r"--format x needs a package.*pip install 'vitobench\[some-extra\]'"):
        spec.load()


@pytest.mark.usefixtures("small_tasks")
def test_exports_of_a_store(bench_here, tmp_path: Path) -> None:
    run = ("run", "--model", "vito", "--task", "micro-val", "--task", "micro-light", "--quiet", "--device", "cpu")
    assert bench_here(*run).code == 0
    assert bench_here("score", "--model", "vito", "--json", "s.json").code == 0
    scored = json.loads((tmp_path / "s.json").read_text())

    printed = bench_here("export", "--format", "csv", "--model", "vito", "--to", "-")
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert [(r["model"], r["task"], float(r["value"])) for r in rows if r["metric"] == "top1"] == [
        (s["model"], s["task"], s["value"]) for s in scored["scores"] if s["metric"] == "top1"
    ]
    done = bench_here("export", "--format", "json", "--model", "vito", "--to", "v.json")
    assert (done.code, json.loads((tmp_path / "v.json").read_text())["scores"]) == (0, scored["scores"])

    done = bench_here("export", "--format", "hugging-face", "--model", "vito", "--to", "README.md")
    assert "2 headline numbers of vito, a new card: README.md" in done.out
    assert "moclr" not in (tmp_path / "README.md").read_text()

    call = ("export", "--format", "eval-results", "--model", "vito")
    done = bench_here(*call)
    assert done.code == 2
    assert "on no data set of the Hub: Micro-world, clean; New light. --benchmark OWNER/NAME" in done.err
    assert not (tmp_path / ".eval_results").exists()
    done = bench_here(*call, "--benchmark", "lab/bench")
    assert (done.code, done.out) == (0, "2 results of vito: .eval_results/vitobench.yaml\n")
    (clean, _) = yaml.safe_load((tmp_path / ".eval_results" / "vitobench.yaml").read_text())
    assert clean["dataset"] == {"id": "lab/bench", "task_id": "micro-val"}
    run = next(json.loads(path.read_text()) for path in (tmp_path / "bench-results" / "runs").iterdir())
    assert datetime.fromisoformat(clean["date"]) == datetime.fromisoformat(run["date"])

    done = bench_here("export", "--format", "tensorboard", "--model", "vito")
    assert [path.name for path in (tmp_path / "tensorboard").iterdir()] == ["vito"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "Choose a format: --format csv"),
        (("--format", "cvs"), "is not one of"),
        (("--format", "csv", "--to", "."), "is a folder; name a file"),
        (("--format", "parquet", "--to", "-"), "cannot be printed; set --to to a file"),
        (("--format", "tensorboard", "--to", "file"), "is a file; name a folder"),
        (("--format", "csv"), "There is no store at"),
        (
            ("--format", "csv", "--benchmark", "a/b"),
            "--benchmark does nothing for --format csv; it is for eval-results",
        ),
    ],
)
def test_wrong_usage_is_said(bench_here, tmp_path: Path, args: tuple[str, ...], message: str) -> None:
    (tmp_path / "file").write_text("")
    done = bench_here("export", *args)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("name", EXPORTS)
def test_text_that_is_not_utf8_spoils_no_export(handed, tmp_path: Path, name: str, monkeypatch) -> None:
    """A command may name any file, and the cards of models hold what others wrote."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    spec = EXPORTS[name]
    for package in spec.packages:
        pytest.importorskip(package)
    data = made_up()
    odd = "caf\udce9 \ud83d"
    models = tuple({**record, "licence": odd, "description": odd, "source": odd} for record in data.models)
    tasks = tuple({**record, "title": f"{record['title']} {odd}"} for record in data.tasks)
    failures = (Failure("*", "c", "fog/1", odd, odd),)
    run = {**data.run, "command": f"bench export --store {odd}", "store": odd}
    data = replace(data, models=models, tasks=tasks, failures=failures, run=run)
    target = {"mlflow": f"file://{tmp_path / 'mlruns'}", "tensorboard": str(tmp_path)}.get(
        name, str(tmp_path / "x.yaml")
    )
    asked = MODELS[:1] if name in ("hugging-face", "eval-results") else ()
    handover = handed(target, *asked, data=data)
    if "benchmark" in spec.options:
        handover = replace(handover, options={"benchmark": "lab/bench"})
    assert spec.load()(handover)
    assert [path for path in tmp_path.rglob("*") if path.is_file()]
    assert data.failures[0].image_id == r"caf\udce9 \ud83d"
