"""Plugins that end the program, print, move or close things: each is named, and nothing else suffers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitobench.tests.processes import BENCH, Ended, run

GOOD = """
from vitobench.models.spec import ModelSpec, Preprocessing
def describe():
    return ModelSpec("x", "x", "toy", Preprocessing(), "microworld-16", "hash-of-weights")
def build(spec):
    raise NotImplementedError
"""

BAD = {
    "leaves": ("import sys\nsys.exit(0)", "SystemExit: it tried to exit the program with 0"),
    "leaves-with-words": ("raise SystemExit('bye')", "SystemExit: it tried to exit the program with 'bye'"),
    "raises": ("class Odd(BaseException): pass\nraise Odd('odd\\x1b[31m\\nmore')", r"Odd: odd\x1b[31m"),
    "breaks": ("def f(:", "SyntaxError"),
    "absent": (None, "ModuleNotFoundError"),
    "exits-later": (
        "import sys\ndef describe(): sys.exit(0)\ndef build(spec): pass",
        "describing the model: SystemExit",
    ),
    "recurses": ("def f(): f()\nf()", "RecursionError"),
}

LOUD = {
    "prints": "print('[[[')",
    "prints-errors": "import sys; print('{{{', file=sys.stderr)",
    "prints-below-python": "import os; os.write(1, b'[[[\\n')",
    "starts-a-program": "import subprocess; subprocess.run(['echo', '[[['])",
    "closes": "import sys; sys.stdout.close(); sys.stderr.close()",
    "closes-descriptors": "import os; os.close(1); os.close(2)",
    "warns": "import warnings; warnings.warn('careful'); warnings.simplefilter('error')",
    "moves": "import os; os.chdir('/')",
    "takes-signals": "from signal import *\nfor number in (SIGINT, SIGTERM): signal(number, SIG_IGN)\n",
}  # fmt: skip


def install(site: Path, models: dict[str, str | None], group: str = "vitobench.models", package: str = "odd") -> None:
    """Lay an installed package with one module an entry point; None is one whose module is missing."""
    folder = site / f"{package}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"[{group}]"]
    for number, (name, code) in enumerate(models.items()):
        module = f"{package}_{number}"
        lines.append(f"{name} = {module}")
        if code is not None:
            (site / f"{module}.py").write_text(code)
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


def bench(site: Path, cwd: Path, *args: str, script: str = BENCH) -> Ended:
    """Run a command with the packages of a folder installed; they may warn."""
    return run(script, *args, cwd=cwd, variables={"PYTHONPATH": str(site)}, strict=False)


def test_plugins_that_fail_are_named_on_one_line_each_and_the_rest_works(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, {name: code for name, (code, _) in BAD.items()})
    install(site, {"good": GOOD}, package="fine")
    done = bench(site, tmp_path, "models", "--json")
    assert done.code == 0
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert rows["vito"]["problem"] == rows["good"]["problem"] == ""
    lines = done.err.splitlines()
    assert len(lines) == len(BAD)
    for name, (_, reason) in BAD.items():
        (line,) = [line for line in lines if f"The plugin {name} of odd 1.0 failed" in line]
        assert reason in line
        assert rows[name]["problem"]
    assert "\x1b" not in done.err


def test_plugins_that_disturb_leave_standard_output_alone(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, {name: f"{code}\n{GOOD}" for name, code in LOUD.items()})
    script = (
        "import os, signal, sys, warnings\nfrom vitobench.bench.cli import main\n"
        "before = os.getcwd(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), warnings.filters[:]\n"
        "main(sys.argv[1:])\n"
        "assert before == (os.getcwd(), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM),"
        " warnings.filters[:])\nprint('at its end', file=sys.stderr)"
    )
    done = bench(site, tmp_path, "models", "--json", script=script)
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert {name: rows[name]["problem"] for name in LOUD} == dict.fromkeys(LOUD, "")
    assert done.err.count("[[[") == 3
    assert "at its end" in done.err


def test_an_interruption_while_a_plugin_loads_is_one(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, {"waits": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(5)"})
    done = bench(site, tmp_path, "models")
    assert done.code == 130
    assert "Interrupted" in done.err


@pytest.mark.parametrize("command", ["models", "tasks"])
def test_entry_points_that_cannot_be_read_hide_no_others(command: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site, {"bad name \x1b[31m": GOOD, "twice": GOOD}, f"vitobench.{command}")
    install(site, {"twice": GOOD}, f"vitobench.{command}", package="other")
    install(site, {"broken": GOOD}, f"vitobench.{command}", package="spoilt")
    (site / "spoilt-1.0.dist-info/entry_points.txt").write_bytes(b"[vitobench.models]\n\xff\xfe = x\n=\n")
    done = bench(site, tmp_path, command, "--json")
    assert done.code == 0, done.err
    problems = [row["problem"] for row in json.loads(done.out) if row["problem"]]
    assert sum("another package has a plugin of the same name" in problem for problem in problems) == 2
    assert sum("a name may only have letters, digits" in problem for problem in problems) == 1
    assert "spoilt" in done.err
    assert "\x1b" not in done.err


def test_a_task_that_ends_the_program_while_it_opens_costs_itself_only(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom vitobench.tasks.task import Condition\nfrom vitobench.tasks.registry import TASKS\n"
        "from dataclasses import replace\ntask = replace(TASKS['micro-val'], name='x', dataset='x')\n"
        "def open(limit, seed): sys.exit(0)"
    )
    site = tmp_path / "site"
    install(site, {"ends": code}, "vitobench.tasks")
    done = bench(site, tmp_path, "run", "--model", "supervised", "--baseline", "none", "--task", "ends", "--task",
                 "micro-val", "--limit", "1", "--json", "scores.json", "--quiet", "--no-gallery")  # fmt: skip
    assert done.code == 3, done.err
    found = json.loads((tmp_path / "scores.json").read_text())
    assert any("it tried to exit the program" in row["reason"] for row in found["failures"])
    assert {row["task"] for row in found["scores"] if row["value"] is not None} == {"micro-val"}


def test_images_whose_load_takes_no_condition_are_refused(tmp_path: Path) -> None:
    code = (
        "from vitobench.tasks.registry import TASKS\nfrom vitobench.tasks.microworld.sets import MicroSet\n"
        "from dataclasses import replace\ntask = replace(TASKS['micro-val'], name='x', dataset='x')\n"
        "class Old(MicroSet):\n    def load(self, indices, geometry): return super().load(indices, geometry)\n"
        "def open(limit, seed): return Old('val', limit, seed)"
    )
    site = tmp_path / "site"
    install(site, {"old": code}, "vitobench.tasks")
    done = bench(site, tmp_path, "run", "--model", "supervised", "--baseline", "none", "--task", "old", "--task",
                 "micro-val", "--limit", "1", "--json", "scores.json", "--quiet", "--no-gallery")  # fmt: skip
    assert done.code == 3, done.err
    (row,) = json.loads((tmp_path / "scores.json").read_text())["failures"]
    assert row["task"] == "old"
    assert "The plugin old of odd 1.0 cannot be used: its load(indices, geometry) takes no condition" in row["reason"]
    assert "write load(indices, geometry, condition=None)" in row["reason"]
