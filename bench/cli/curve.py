"""``bench curve``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...terminal import echo, open_console
from .options import along, running, settings_from

_SIDE_BY_SIDE = 3


@click.command("curve")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@along
@running
def curve_command(folder: Path, **values: Any) -> None:
    """Run a suite or tasks on all checkpoints in DIR and show every metric by training step.

    The step is read from the checkpoint's card, or from a name such as step-000500.safetensors. Predictions that the
    store already holds are not computed again: while training continues, only new checkpoints are run.

    \b
    bench curve runs/vito --suite robustness
    bench curve runs/finetune-vito --task micro-val --json curve.json
    """
    from ...files import write_json
    from ..curve import curve_json, find_checkpoints
    from ..run import execute
    from .show import check_files

    check_files(values)
    console = None if values["quiet"] else open_console()
    checkpoints = find_checkpoints(folder)
    settings = settings_from(values | {"models": tuple(checkpoints.steps.values()), "baselines": ("none",)})
    outcome = execute(settings, console, " ".join(["bench", *sys.argv[1:]]))
    if values["json_file"] is not None:
        write_json(values["json_file"], curve_json(outcome, checkpoints))
    if console is not None:
        _render(outcome, checkpoints, console)
        if values["json_file"] is not None:
            console.print(f"Curve: {values['json_file']}", soft_wrap=True, markup=False)
        work = f"{outcome.computed} units computed" if outcome.computed else "nothing computed"
        console.print(f"{work}, {outcome.seconds:.1f} s")
    if not outcome.complete:
        from ...reports.rows import failure_lines

        for line in failure_lines(outcome.data):
            echo(line, err=True)
        sys.exit(3)


def _render(outcome: Any, checkpoints: Any, console: Any) -> None:
    """Print metrics by step, a few metrics side by side in each table."""
    from rich import box
    from rich.table import Table

    from ..curve import columns, points

    all_columns = columns(outcome)
    for at in range(0, len(all_columns), _SIDE_BY_SIDE):
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("step", justify="right")
        side_by_side = all_columns[at : at + _SIDE_BY_SIDE]
        for column in side_by_side:
            table.add_column(f"{column.title}\n{column.label}", justify="right")
        curves = [points(outcome, checkpoints, column) for column in side_by_side]
        for step in checkpoints.steps:
            table.add_row(f"{step:,}", *(_cell(curve[step]) for curve in curves))
        console.print(table)
    console.print("In percent, with 95 % intervals.")
    for line in checkpoints.passed_over:
        console.print(f"Skipped: {line}", soft_wrap=True, markup=False)


def _cell(score: Any) -> str:
    from ...reports.wording import interval, percent

    return "—" if score is None else f"{percent(score.value)} {interval(score.ci_low, score.ci_high)}".strip()
