"""Kill a run again and again at random moments, and show that it ends like one that nobody disturbed.

    python tests/benchmarks/interruptions.py run --rounds 25
    python tests/benchmarks/interruptions.py workers --rounds 10
    python tests/benchmarks/interruptions.py ray --rounds 10

``run`` kills the whole command with SIGKILL and gives it again; ``workers`` and ``ray`` kill worker processes while the
command goes on. In the end the scores are compared with those of an undisturbed run, digit by digit, and the store is
searched for rows that are lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

KEYS = ["model", "task", "condition", "severity", "image_id"]
WORK = ("--model", "vito", "--suite", "robustness", "--limit", "300", "--quiet", "--device", "cpu", "--recompute")


def command(store: Path, *more: str) -> list[str]:
    """The command that is disturbed."""
    scores = store.parent / f"{store.name}.json"
    return [sys.executable, "-m", "vitobench.bench", "run", *WORK, "--store", str(store), "--json", str(scores), *more]


def start(store: Path, *more: str) -> subprocess.Popen[bytes]:
    """Begin it."""
    return subprocess.Popen(command(store, *more), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def rows(store: Path) -> pd.DataFrame:
    """Every stored row, in a fixed order."""
    frame = pd.read_parquet(store / "predictions")
    frame = frame.astype({name: str for name in ("model", "task", "condition", "image_id")})
    return frame.sort_values(KEYS, ignore_index=True)


def units(store: Path) -> int:
    """Finished units."""
    return sum(1 for _ in (store / "predictions").rglob("0*.parquet"))


def descendants(pid: int, name: bytes) -> list[int]:
    """Processes below a process whose command line holds a name."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                names[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue

    def below(child: int) -> bool:
        while child in parents:
            child = parents[child]
            if child == pid:
                return True
        return False

    return [child for child, line in names.items() if name in line and below(child)]


def kill_runs(store: Path, rounds: int, rng: random.Random) -> int:
    """Kill the whole run, and begin it again."""
    killed = 0
    for number in range(1, rounds + 1):
        running = start(store)
        wait = rng.uniform(0.5, 12.0)
        try:
            running.wait(timeout=wait)
            print(f"  {number}: finished before {wait:.1f} s", flush=True)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
            running.wait()
            killed += 1
            print(f"  {number}: killed after {wait:.1f} s, {units(store)} units stored", flush=True)
    last = start(store)
    assert last.wait() == 0, last.stderr.read().decode() if last.stderr else ""
    return killed


def kill_workers(store: Path, rounds: int, rng: random.Random, name: bytes, *more: str) -> int:
    """Kill workers of one run, which goes on."""
    running = start(store, *more)
    killed = 0
    while running.poll() is None and killed < rounds:
        time.sleep(rng.uniform(1.0, 4.0))
        workers = descendants(running.pid, name)
        if workers:
            victim = rng.choice(workers)
            os.kill(victim, signal.SIGKILL)
            killed += 1
            print(f"  {killed}: killed worker {victim}, {units(store)} units stored", flush=True)
    code = running.wait()
    assert code in (0, 3), running.stderr.read().decode() if running.stderr else ""
    if code == 3:
        print("  some passes were given up; the same command again:", flush=True)
        last = start(store, *more)
        assert last.wait() == 0, last.stderr.read().decode() if last.stderr else ""
    return killed


def main() -> None:
    """Run it and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "workers", "ray"))
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the stores are kept; a temporary folder by default")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="interruptions"))
    whole, disturbed = folder / "whole", folder / "disturbed"
    shutil.rmtree(disturbed, ignore_errors=True)
    started = time.monotonic()
    assert start(whole).wait() == 0
    print(
        f"undisturbed: {time.monotonic() - started:.0f} s, {units(whole)} units, {len(rows(whole)):,} rows", flush=True
    )
    rng = random.Random(arguments.seed)
    started = time.monotonic()
    if arguments.what == "run":
        killed = kill_runs(disturbed, arguments.rounds, rng)
    elif arguments.what == "workers":
        killed = kill_workers(disturbed, arguments.rounds, rng, b"spawn_main", "--workers", "2")
    else:
        killed = kill_workers(disturbed, arguments.rounds, rng, b"ray::_run", "--executor", "ray", "--workers", "2")
    expected, found = rows(whole), rows(disturbed)
    a, b = (json.loads((folder / f"{s.name}.json").read_text()) for s in (whole, disturbed))
    merged = expected.merge(found, on=KEYS, how="outer", indicator=True)
    print(f"killed {killed} times in {time.monotonic() - started:.0f} s")
    print(
        f"rows lost: {(merged['_merge'] == 'left_only').sum()}, foreign: {(merged['_merge'] == 'right_only').sum()}, "
    )
    print(f"rows doubled: {found.duplicated(KEYS).sum()}, decisions that differ: {(expected.top1 != found.top1).sum()}")
    print(
        f"scores identical: {a['scores'] == b['scores']}; comparisons identical: {a['comparisons'] == b['comparisons']}"
    )
    left = [p for p in disturbed.rglob(".*") if p.is_file()]
    print(f"files left over: {len(left)} (`bench results prune --leftovers` removes them after an hour)")
    assert a["scores"] == b["scores"]
    assert not found.duplicated(KEYS).any()


if __name__ == "__main__":
    main()
