"""What a run shows and writes at its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...errors import StoreError, VitobenchError
from ..export import write_json
from ..run import Outcome, execute
from .options import settings_from


def run_and_show(values: dict[str, Any], compute: bool) -> None:
    """Run or score, print the table, write page and JSON, and exit with the code that tells.

    Args:
        values: The command's options.
        compute: Run what is missing; else score what is there.
    """
    from rich.console import Console

    settings = settings_from(values)
    # Where output is piped, rich would fall back to 80 columns and cut the table.
    width = None if sys.stdout.isatty() else 100
    console = None if values["quiet"] else Console(width=width, highlight=False)
    report = values["report_file"] or settings.store / "report.html"
    for path in (report, values["json_file"]):
        if path is not None and path.is_dir():
            raise VitobenchError(f"{path} is a folder; name a file.")
    command = " ".join(["bench", *sys.argv[1:]])
    outcome = execute(settings, console, command, compute)
    if not outcome.data.scores:
        raise VitobenchError("There is nothing to show: no task gave a score.")
    if console is not None:
        from ...reports.table import render_terminal

        render_terminal(outcome.data, console)
    from ...reports.html import write_html

    try:
        write_html(outcome.data, report)
    except OSError as error:
        raise StoreError(
            f"{report} cannot be written: {error.strerror or error}. Name another file with --report."
        ) from None
    if values["json_file"] is not None:
        write_json(outcome, values["json_file"])
    _close(outcome, report, values["json_file"], console)


def _close(outcome: Outcome, report: Path, json_file: Path | None, console: Any) -> None:
    if console is not None:
        console.print(f"\nPage: {report}", soft_wrap=True, markup=False)
        if json_file is not None:
            console.print(f"Scores: {json_file}", soft_wrap=True, markup=False)
        done = f"{outcome.computed} units computed" if outcome.computed else "nothing computed"
        console.print(f"{done}, {outcome.seconds:.1f} s")
    if not outcome.complete:
        if console is None:
            from ...reports.rows import failure_lines

            for line in failure_lines(outcome.data):
                click.echo(line, err=True)
        sys.exit(3)
