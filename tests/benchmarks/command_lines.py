"""Random command lines: no traceback, no unknown exit code, no silence.

    python tests/benchmarks/command_lines.py --number 800 --seed 1

Every command gets some of its options, with values that fit and values that nobody means, in a fresh folder. A command
that works for longer than a moment is stopped, which is one of the documented endings. Prints what went wrong, and
exits with 1 if anything did.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vitobench.bench.cli import group, main
from vitobench.interruption import Stopped

CODES = {0, 2, 3, 4, 141, 143}
HEAVY = frozenset(
    {"run", "plan", "mock-run", "saliency", "pretrain", "curate", "probe", "finetune", "curve", "reproduce"}
)

STRANGE = (
    "", " ", "-", "--", "-1", "0", "1", "2", "7.5", "1e999", "nan", "inf", "-inf", "99999999999999999999", "None",
    "true", "é😀", "a\udcff", "a\0b", "a" * 255, "a" * 300, "a/" * 2000 + "b", "..", ".", "~", "~nobody/x", "zip://",
    "zip://a.zip", "s3://b/x", "gs://", "http://", "http://127.0.0.1:1/x", "file://", "file:", "file:file.txt",
    "memory://x", "ftp://", "::", "://", "[bold]x[/red]", "\x1b[31mred", "line\nbreak", "\u202eright", "NAME=", "=x",
    "imagenet=folder", "imagenet=", "imagenet=~nobody", "clickme=file.txt", "folder", "file.txt", "file.txt/x", "loop",
    "missing/x", "odd.json", "/dev/full", "/proc/x/y", "'", '"', "*", "%s", "{}", "$HOME", "vito", "micro-val",
)  # fmt: skip

FITTING = {
    "model": ("supervised", "moclr") * 4
    + ("vito", "nope", "file:file.txt", "file:missing", "file:folder", "timm:nope"),
    "baseline": ("none", "none", "none", "moclr", "nope"),
    "suite": ("robustness", "robustness", "human-alignment", "nope"),
    "task": ("micro-val",) * 6 + ("micro-c", "imagenet-val", "nope"),
    "store": ("good", "odd", "good", "odd", "good", "odd", "empty", "missing"),
    "recipe": ("micro/vito", "micro/vito", "micro/supervised", "nope", "odd.toml", "file.txt"),
    "what": ("last", "supervised", "micro-val", "nope"),
    "file": ("made.csv", "made.parquet", "made.txt"),
    "folder": ("folder", "runs", "made"),
    "name": ("imagenet-a", "imagenet-c", "nope"),
    "names": ("imagenet-a", "cifar-10-c", "nope"),
    "figure": ("overview", "corruptions", "nope"),
    "table": ("headline", "corruptions", "nope"),
    "source": ("folder", "odd.csv", "microworld"),
    "report": ("made.html",),
    "figure-file": ("made.png",),
    "smooth": ("1",),
    "frames": ("2",),
    "limit": ("1", "2"),
    "seed": ("0", "5"),
    "workers": ("1",),
    "devices": ("1",),
    "batch": ("2",),
    "executor": ("local",),
    "device": ("cpu", "auto", "cuda:99", "tpu"),
    "format": ("csv", "json", "latex", "png"),
    "set": ("size=1", "seed=-1", "window=x", "steps=0", "nope=1", "augmentation.grey=2", "batch=-3", "clips=0", "=",
            "size", "seed=1e9", "size=8"),
    "to": ("-", "made", "made.csv"),
    "json": ("made.json",),
    "output": ("made",),
    "fail-if": ("micro-val.top1 < 80", "micro-val.top1 <", "x < y"),
    "seeds": ("vito=a,b", "vito=*"),
    "data": ("microworld", "imagefolder=folder", "imagenet=folder", "clips.tar", "missing.jsonl"),
    "claim": ("a", "z"),
    "classes": ("imagenet-1k", "odd.csv"),
    "human": ("folder",),
    "responses": ("folder",),
}  # fmt: skip

FIRST = (
    "run", "--model", "supervised", "--model", "moclr", "--baseline", "none", "--task", "micro-val", "--limit", "2",
    "--device", "cpu", "--no-gallery",
)  # fmt: skip
"""Makes the store that the others read."""

NEEDED = {
    "run": ("--task", "--store"),
    "plan": ("--task", "--store", "--no-measure"),
    "curve": ("--task", "--store"),
    "score": ("--store",),
    "report": ("--store",),
    "compare": ("--store",),
    "figures": ("--store",),
    "tables": ("--store",),
    "export": ("--store", "--format"),
    "results": ("--store",),
}
"""Options without which a command seldom comes to work."""

ALWAYS = {
    ("run",): ["--limit", "1", "--quiet"],
    ("data", "get"): [],
    ("pretrain",): ["--steps", "1", "--clips", "2"],
    ("reproduce",): ["--list"],
}


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


def commands(here: click.Group = group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path."""
    context = click.Context(here)
    for name in here.list_commands(context):
        command = here.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


def value(draw: random.Random, name: str, param: click.Parameter, strange: float) -> str:
    """A value of a parameter, mostly one that fits."""
    pool = FITTING.get(name, ())
    if isinstance(param.type, click.Choice):
        pool = pool or tuple(str(choice) for choice in param.type.choices)
    elif not pool and isinstance(param.type, (click.types.IntParamType, click.types.FloatParamType)):
        pool = ("1", "2", "3")
    return draw.choice(pool) if pool and draw.random() > strange else draw.choice(STRANGE)


def command_line(draw: random.Random, path: tuple[str, ...], command: click.Command) -> list[str]:
    """A random command line of one command. In most, one value in ten is strange, so that it comes to work."""
    words = list(path)
    options: list[str] = []
    strange = draw.choice([0.02, 0.1, 0.1, 0.5])
    for param in command.params:
        if isinstance(param, click.Option):
            wanted = param.required or param.opts[0] in NEEDED.get(path[0], ())
            if param.name == "help" or draw.random() > (0.95 if wanted else 0.25):
                continue
            flag = draw.choice([*param.opts, *param.secondary_opts])
            for _ in range(draw.randint(1, 2) if param.multiple else 1):
                options += [flag] if param.is_flag else [flag, value(draw, param.opts[0].lstrip("-"), param, strange)]
        elif draw.random() < 0.95:
            known = {"compare": "model", "figures": "figure", "tables": "table"}.get(path[0], str(param.name))
            words += [value(draw, known, param, strange) for _ in range(draw.randint(1, 2) if param.nargs == -1 else 1)]
    if draw.random() < 0.03:
        options.append(draw.choice(["--nope", "--help", "-h", "--quie"]))
    return [*words, *options, *ALWAYS.get(path, [])]


def odd_value(draw: random.Random) -> Any:
    return draw.choice([None, True, -1, 1.5, "text", "\x1b[31m", [], [1, "a"], {}, {"a": [None]}, "9" * 400])


def lay_out(folder: Path, good: Path, draw: random.Random) -> None:
    """Files that the values name: a store, the same with records of other types, folders and files."""
    shutil.copytree(good, folder / "good")
    shutil.copytree(good, folder / "odd")
    for path in sorted((folder / "odd").rglob("*.json")):
        if path.name == "vitobench-store.json" and draw.random() < 0.9:
            continue
        record = json.loads(path.read_text())
        for key in draw.sample(sorted(record), max(1, len(record) // 3)):
            record[key] = odd_value(draw)
        path.write_text(json.dumps(record if draw.random() < 0.8 else odd_value(draw)))
    (folder / "empty").mkdir()
    (folder / "folder").mkdir()
    (folder / "file.txt").write_text("text\n")
    (folder / "odd.csv").write_text("name,synonyms\n\x1b,\n")
    (folder / "odd.json").write_text("[1]")
    (folder / "odd.toml").write_text("name = 1\nsteps = 'x'\n")
    (folder / "loop").symlink_to("loop")


@contextlib.contextmanager
def for_a_moment(seconds: float) -> Iterator[None]:
    """Stop the block after some seconds, as SIGTERM would."""

    def stop(number: int, frame: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)  # once more, should somebody have swallowed it
        raise Stopped(signal.SIGTERM)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_here(args: list[str], seconds: float) -> Ended:
    """Run a command line within this process, through the entry point of the command."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with for_a_moment(seconds):
                main(args)
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 1
        except Stopped:
            code = 143
    shown = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]  # type: ignore[attr-defined]
    return Ended(code, *shown)


def run_apart(args: list[str], seconds: float) -> Ended:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "vitobench.bench", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        try:
            out, err = process.communicate(timeout=20 + seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
    return Ended(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def fault(args: list[str], ended: Ended) -> str:
    """What is wrong with how a command line ended; empty if nothing is."""
    text = ended.out + ended.err
    # Stopping may meet Python in a callback, which can only tell of it; the second signal then stops the command.
    if "Traceback" in text and not (ended.code == 143 and "Exception ignored in" in text):
        return "a traceback"
    if ended.code == 1 and args[0] == "doctor":
        return ""
    if ended.code not in CODES:
        return f"exit code {ended.code}"
    if "\x1b" in text or "\u202e" in text:
        return "an escape sequence"
    quiet = {"--quiet", "-h", "--help"} & set(args)
    return "silence" if ended.code == 0 and not text.strip() and not quiet else ""


def fuzz(number: int, seed: int, seconds: float, limit: float, only: frozenset[str], apart: int = 0) -> Counter[str]:
    """Run random command lines and print those that end badly.

    Args:
        number: How many.
        seed: Of the choice.
        seconds: How long a command may work before it is stopped.
        limit: Seconds after which no further one is started.
        only: First words of the commands; empty for all.
        apart: Every so many runs in a process of its own; 0 for none.

    Returns:
        How often each ending came.
    """
    draw = random.Random(seed)
    known = [entry for entry in commands() if not only or entry[0][0] in only]
    ends: Counter[str] = Counter()
    started, before = time.monotonic(), Path.cwd()
    root = Path(tempfile.mkdtemp(prefix="command-lines-"))
    try:
        os.chdir(root)
        made = run_here([*FIRST, "--store", "made"], 120)
        assert made.code == 0, made
        for count in range(number):
            if time.monotonic() - started > limit:
                break
            path, command = draw.choice(known)
            args = command_line(draw, path, command)
            folder = root / f"{count}"
            folder.mkdir()
            lay_out(folder, root / "made", draw)
            os.chdir(folder)
            in_process = not apart or count % apart or any("\0" in arg for arg in args)
            ended = run_here(args, seconds) if in_process else run_apart(args, seconds)
            wrong = fault(args, ended)
            ends[wrong or str(ended.code)] += 1
            if wrong:
                print(f"{wrong}: bench {shlex.join(args)!r}\n    {(ended.err or ended.out)[-600:]!r}", flush=True)
            os.chdir(root)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.chdir(before)
        shutil.rmtree(root, ignore_errors=True)
    return ends


@contextlib.contextmanager
def cut_off() -> Iterator[None]:
    """No network and a home folder of its own."""
    kept = socket.socket.connect

    def refused(self: socket.socket, address: Any) -> None:
        raise ConnectionRefusedError(111, "no network in this trial")

    socket.socket.connect = refused  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        socket.socket.connect = kept  # type: ignore[method-assign]


def entry() -> int:
    """Read the command line of the trial and run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--number", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1.5, help="a command is stopped after so many")
    parser.add_argument("--limit", type=float, default=1800, help="seconds after which no further one is started")
    parser.add_argument("--only", action="append", default=[], help="first word of a command; repeatable")
    parser.add_argument("--apart", type=int, default=50, help="every so many in a process of its own; 0 for none")
    asked = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with cut_off():
        ends = fuzz(asked.number, asked.seed, asked.seconds, asked.limit, frozenset(asked.only), asked.apart)
    print(", ".join(f"{ending}: {count}" for ending, count in sorted(ends.items())), f"({sum(ends.values())} in all)")
    return 1 if set(ends) - {str(code) for code in CODES | {1}} else 0


if __name__ == "__main__":
    sys.exit(entry())
