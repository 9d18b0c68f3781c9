"""What a command prints and writes after it has run or scored."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ...errors import StoreError, VitobenchError
from ...files import check_output, write_json
from ...terminal import echo, open_console
from ..exports.files import as_json
from ..run import Outcome, execute, rescore
from .options import settings_from

PAGE = "report.html"


def run_and_show(values: dict[str, Any]) -> None:
    """Run, print the table, write the page and the JSON file, and exit with 3 if something is missing."""
    console = _console(values)
    check_files(values)
    settings = settings_from(values)
    outcome = execute(settings, console, _command(), values.get("gallery", True), masks=values.get("masks", False))
    work = f"{outcome.computed} units computed" if outcome.computed else "nothing computed"
    _show(outcome, values, console, True, work)


def score_and_show(values: dict[str, Any], page: bool) -> None:
    """Score the store, print the table, write JSON and perhaps the page, and exit with 3 if something is missing.

    Args:
        values: The command's options.
        page: Also write the page.
    """
    console = _console(values)
    check_files(values)
    pictures = page and values.get("gallery", True)
    masks = page and values.get("masks", False)
    outcome = rescore(settings_from(values), console, _command(), values["seed"], pictures, masks=masks)
    _show(outcome, values, console, page, f"{outcome.total} units scored")


def _command() -> str:
    return " ".join(["bench", *sys.argv[1:]])


def _console(values: dict[str, Any]) -> Any:
    # If output is piped, rich falls back to 80 columns and would cut the table.
    return None if values["quiet"] else open_console(width=100)


def check_files(values: dict[str, Any]) -> None:
    """Reject output files that cannot be written, before hours of work."""
    for name in ("report_file", "json_file"):
        check_output(values.get(name))


def _show(outcome: Outcome, values: dict[str, Any], console: Any, page: bool, work: str) -> None:
    if not outcome.data.scores:
        from ...reports.headline import failure_lines

        reasons = "".join(f"\n{line}" for line in failure_lines(outcome.data))
        raise VitobenchError(f"Nothing to show: no task has a score.{reasons}")
    # Write files before printing, so that a closed terminal or a broken pipe does not lose them.
    files = {}
    if page:
        files["Page"] = _write_page(outcome, values)
    if values["json_file"] is not None:
        write_json(values["json_file"], as_json(outcome))
        files["Scores"] = str(values["json_file"])
    if console is not None:
        from ...reports.headline import render_terminal

        render_terminal(outcome.data, console)
        console.print()
        for label, path in files.items():
            console.print(f"{label}: {path}", soft_wrap=True, markup=False)
        console.print(f"{work}, {outcome.seconds:.1f} s")
    else:
        for problem in outcome.data.run.get("layer_problems", []):
            echo(problem, err=True)
    if not outcome.complete:
        if console is None:
            from ...reports.headline import failure_lines

            for line in failure_lines(outcome.data):
                echo(line, err=True)
        sys.exit(3)


def _write_page(outcome: Outcome, values: dict[str, Any]) -> str:
    from ...files import write_file
    from ...reports.page.html import render_html
    from ...results.store import Store
    from ...text import utf8

    content = utf8(render_html(outcome.data))
    report_file = values.get("report_file")
    try:
        if report_file is not None:
            write_file(Path(report_file), content)
            return str(report_file)
        folder = Store(values["store"]).folder
        folder.write(PAGE, content)
        return folder.path(PAGE)
    except StoreError as error:
        raise StoreError(f"{error} --report names another file for the page.") from None


def rescored(values: dict[str, Any], best: bool = False) -> Outcome:
    """Score the store for figures or tables; notes about what was skipped go to standard error.

    Args:
        values: The command's options.
        best: Compare every model with the best one on each metric, instead of with its baseline.
    """
    console = None if values["quiet"] else open_console(err=True)
    return rescore(settings_from(values), console, _command(), values["seed"], best=best)


def written(outcome: Outcome, lines: list[str], absent: list[str], quiet: bool) -> None:
    """Print what was written and what could not be, and exit with 3 if something is missing.

    Args:
        outcome: The scores; its failures are listed as missing.
        lines: What was written.
        absent: What could not be written, and why.
        quiet: Print only what is missing.

    Raises:
        VitobenchError: Nothing was written.
    """
    from ...reports.headline import failure_lines

    if not lines:
        reasons = "".join(f"\n{line}" for line in absent)
        raise VitobenchError(f"Nothing was written: no figure or table has enough data.{reasons}")
    for line in () if quiet else lines:
        echo(line)
    for line in absent:
        echo(line, err=True)
    missing = failure_lines(outcome.data)
    for line in missing:
        echo(f"Missing: {line}", err=True)
    if absent or missing:
        sys.exit(3)
