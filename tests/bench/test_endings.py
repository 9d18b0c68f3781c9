"""How commands end: a sentence and an exit code, with files written, whatever happens to the output."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitobench.bench.cli import ending, main
from vitobench.interruption import Stopped
from vitobench.results import records
from vitobench.results.store import Store
from vitobench.tests.processes import BENCH, Running

pytestmark = pytest.mark.usefixtures("zoo")

ONE = ("--model", "supervised", "--baseline", "none", "--task", "micro-val", "--limit", "2", "--device", "cpu")


@pytest.fixture(scope="module")
def one(zoo_folder: Path) -> list[str]:
    """The same for processes of their own, which know no other zoo."""
    return [f"file:{zoo_folder / f'{part}.safetensors'}" if part == "supervised" else part for part in ONE]


@pytest.fixture(scope="module")
def filled(one: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has what is asked, so that no process has to load a network for it."""
    store = tmp_path_factory.mktemp("filled") / "store"
    main(["run", *one, "--no-gallery", "--quiet", "--store", str(store)])
    return store


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run shell code in which ``bench`` is the command."""

    def run(code: str) -> subprocess.CompletedProcess[str]:
        lines = f'bench() {{ "{sys.executable}" -c "{BENCH}" "$@"; }}\n{code}'
        variables = os.environ | {"OMP_NUM_THREADS": "1"}
        command = ["bash", "-c", lines]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=variables, check=False, timeout=100
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done

    return run


def test_a_reader_that_leaves_ends_a_command_quietly(shell: Any) -> None:
    done = shell("bench models --json | true; echo ${PIPESTATUS[0]} >&2")
    assert done.stderr.splitlines() == ["141"]


@pytest.mark.parametrize(
    ("output", "code", "line"),
    [
        ("> /dev/full", 1, "Error: standard output cannot be written: No space left on device."),
        (">&-", 0, ""),
        ("| true; exit ${PIPESTATUS[0]}", 141, ""),
    ],
)
def test_files_are_written_whatever_happens_to_the_output(
    output: str, code: int, line: str, shell: Any, one: list[str], filled: Path, tmp_path: Path
) -> None:
    shutil.copytree(filled, tmp_path / "bench-results")
    command = " ".join(["bench run", *one, "--no-gallery", "--json scores.json --report page.html"])
    done = shell(f"{command} {output}")
    assert (done.returncode, done.stderr.strip()) == (code, line)
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert {row["n"] for row in scores if row["metric"] == "top1"} == {2}
    assert "micro-val" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_errors_that_cannot_be_shown_keep_their_exit_code(shell: Any) -> None:
    assert shell("bench run --model nope --task micro-val 2> /dev/full").returncode == 2
    assert shell("bench run --model nope --task micro-val 2>&- >&- <&-").returncode == 2


def test_scores_can_be_sent_to_standard_output(shell: Any, one: list[str], filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "bench-results")
    done = shell(" ".join(["bench run", *one, "--no-gallery --quiet --json /dev/stdout | cat"]))
    assert {row["n"] for row in json.loads(done.stdout)["scores"] if row["metric"] == "top1"} == {2}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_is_stopped_says_so_and_keeps_its_units(workers: str, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    process = Running(BENCH, "run", "--model", "supervised", "--baseline", "none", "--task", "micro-c", "--limit", 400,
                      "--device", "cpu", "--no-gallery", "--workers", workers, "--recompute",
                      cwd=tmp_path / "work", strict=False)  # fmt: skip
    try:
        until = time.monotonic() + 90
        while not list(tmp_path.rglob("runs/*.json")):  # it is at work
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        done = process.ended(60)
    finally:
        process.clear()
    assert done.code == 143
    assert done.err.strip() == "Stopped by SIGTERM: Finished work is stored; repeat the command to continue."
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]  # nothing half written


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(36, "File name too long", "n" * 2000), 2, "cannot be used: File name too long"),
        (PermissionError(13, "Permission denied", "a\x1b[2J\nb"), 2, r"a\x1b[2J\nb cannot be used: Permission denied"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (OSError(5, "Input/output error", "disk"), 1, "Input/output error (disk)"),
        (MemoryError(), 1, "out of memory"),
        (KeyError("k\x1b[31m"), 1, "failed unexpectedly: KeyError"),
        (RecursionError("too deep"), 1, "failed unexpectedly: RecursionError: too deep"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (Stopped(signal.SIGTERM), 143, "Stopped by SIGTERM"),
        (SystemExit("words"), 1, "words"),
        (SystemExit(3), 3, ""),
    ],
)
def test_every_error_is_a_sentence(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(ending.tempfile, "tempdir", str(tmp_path))

    def fail() -> int:
        raise error

    assert ending.guarded(fail) == code
    told = capsys.readouterr().err
    assert words in told
    assert "\x1b" not in told
    assert len(told) < 600
    kept = list(tmp_path.iterdir())
    assert bool(kept) == ("Please report it and attach" in told)
    for path in kept:
        assert str(path) in told
        assert "Traceback" in path.read_text()
        assert "in fail" in path.read_text()


def test_lines_of_a_name_cannot_pose_as_messages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--model", "file:x\nError: all is well", "--task", "micro-val"])
    assert not [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: all")]


@pytest.mark.parametrize("argument", ["nul\0", "half \ud800"])
def test_arguments_that_none_can_have_are_refused(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["run", "--model", "supervised", "--task", "micro-val", "--json", argument])
    assert done.value.code == 2
    assert "contains an invalid character" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", *ONE, "--store", "zip://a.zip"], "The store zip://a.zip cannot be opened"),
        (["run", *ONE, "--store", "gs://b/x"], "gcsfs"),
        (["run", *ONE, "--data", "imagenet=~nobody-here/x"], "home folder is unknown"),
        (["run", *ONE, "--json", "n" * 300], "File name too long"),
        (["run", *ONE, "--json", "a/" * 2500 + "b"], "File name too long"),
        (["run", "--model", "file:~nobody-here/x", "--task", "micro-val"], "home folder is unknown"),
        (["pretrain", "micro/vito", "--set", "size=1"], "size = 1 must be a whole number of 8 or more"),
        (["pretrain", "micro/vito", "--set", "seed=-1"], "seed = -1 must be a whole number from 0 to"),
        (["pretrain", "micro/vito", "--set", "learning_rate=inf"], "learning_rate = inf must be a finite number"),
        (["probe", "--model", "supervised", "--seed", "-1"], "--seed"),
    ],
)
def test_command_lines_that_used_to_fail_with_a_traceback(
    args: list[str], words: str, tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(args)
    assert done.value.code == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_records_of_runs_with_other_types_hide_nothing(bench_here: Any, tmp_path: Path) -> None:
    assert bench_here("run", *ONE, "--no-gallery").code == 0
    (path,) = tmp_path.glob("bench-results/runs/*.json")
    store = Store(str(tmp_path / "bench-results"))
    (sound,) = records.runs(store)
    for number, odd in enumerate([None, 3, "text", [1], {"a": [1]}, {"supervised": {"identity": 5, "images": "x"}}]):
        record = sound | {key: odd for key in ("models", "tasks", "data", "seed", "settings", "versions", "failures")}
        records.write_run(store, f"2999-{number}", record)
    assert records.runs(store)[-1]["models"] == sound["models"]
    for command in (["score", "--json", "s.json"], ["report"], ["results", "list"], ["results", "show", "last"]):
        ended = bench_here(*command)
        assert ended.code == 0, ended.err
    assert {row["n"] for row in json.loads((tmp_path / "s.json").read_text())["scores"] if row["metric"] == "top1"} == {
        2
    }
    (path.parent / "2999-list.json").write_text("[1]")
    ended = bench_here("score")
    assert ended.code == 3
    assert "2999-list.json" in ended.out


def test_random_command_lines_end_as_documented(tmp_path: Path, monkeypatch: Any) -> None:
    path = Path(__file__).parents[1] / "benchmarks/command_lines.py"
    spec = importlib.util.spec_from_file_location("command_lines", path)
    assert spec is not None
    assert spec.loader is not None
    trial = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "command_lines", trial)
    spec.loader.exec_module(trial)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    light = frozenset({"score", "compare", "results", "export", "tables", "data", "models", "tasks", "suites"})
    with trial.cut_off():
        ends = trial.fuzz(number=60, seed=1, seconds=1, limit=4, only=light)
    assert set(ends) <= {"0", "2", "3", "4", "141", "143"}, ends
    assert ends["0"]
    assert ends["2"]
