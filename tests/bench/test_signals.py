"""Real signals to real commands: what is done is kept, one line says so, and the code tells that it was a signal."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

from vitobench.bench.cli import main
from vitobench.tests.processes import BENCH, Ended, Running

RECIPE = """
name = "tiny"
description = "d"
objective = "contrastive"
architecture = "micro-resnet8"
clips = 32
frames_per_clip = 2
size = 32
batch = 8
steps = 40
warmup = 2
precision = "float32"
monitor_every = 0

[contrastive]
hidden = 16
projection = 8
"""


def stopped(folder: Path, begun: Callable[[], bool], *command: object) -> Ended:
    """How a command ends that gets SIGTERM once something is there."""
    process = Running(BENCH, *command, cwd=folder)
    try:
        until = time.monotonic() + 120
        while not begun() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        done = process.ended(120)
    finally:
        process.clear()
    assert done.code == 143
    assert "Traceback" not in done.err
    return done


def test_sigterm_ends_a_pretraining_with_its_step_saved_and_the_same_command_goes_on(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    command = ["pretrain", str(recipe), "--quiet", "--output"]
    # The log has its first row at step 10.
    done = stopped(tmp_path, (tmp_path / "cut" / "log.jsonl").exists, *command, "cut")
    assert re.search(r"Stopped by SIGTERM: saved at step [123]\d of 40; run the same command to continue\.", done.err)
    main([*command, str(tmp_path / "cut")])  # that it ends as an undisturbed run is held where the trainer is tested
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert steps == [10, 20, 30, 40]
    assert (tmp_path / "cut" / "tiny.safetensors").is_file()


def test_sigterm_ends_a_run_and_its_units_are_kept(tmp_path: Path) -> None:
    command = ("run", "--model", "vito", "--task", "micro-c", "--limit", 480, "--quiet", "--store", "store")
    done = stopped(tmp_path, lambda: any((tmp_path / "store").rglob("*.parquet")), *command, "--recompute")
    assert done.err.strip() == "Stopped by SIGTERM: Finished work is stored; repeat the command to continue."
    assert any((tmp_path / "store").rglob("*.parquet"))
