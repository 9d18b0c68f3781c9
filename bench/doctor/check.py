"""The result of a check, and how the results are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ...terminal import echo, open_console

# The result of a check.


OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """A row of `bench doctor`.

    Attributes:
        group: Section of the table: ``machine``, ``packages``, ...
        name: What was checked.
        status: `OK`; `WARN` if something works, but worse than it could; `FAIL` if it cannot work.
        found: What the check saw.
        advice: How to fix it; empty if there is nothing to fix.
    """

    group: str
    name: str
    status: str
    found: str
    advice: str = ""


def failed(checks: Iterable[Check]) -> bool:
    """Whether any check failed."""
    return any(check.status == FAIL for check in checks)


# Print the rows of `bench doctor`.


_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}


def summary(checks: Sequence[Check]) -> str:
    """``"23 checks: 1 failed, 2 warnings"``."""
    count = Counter(check.status for check in checks)
    warnings = f"{count[WARN]} warning{'' if count[WARN] == 1 else 's'}"
    return f"{len(checks)} checks: {count[FAIL]} failed, {warnings}"


def show(checks: Sequence[Check]) -> None:
    """Print a table, or plain lines if rich itself cannot be imported."""
    try:
        from rich import box
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        for check in checks:
            echo(": ".join(filter(None, (check.status, check.name, check.found, check.advice))))
        echo(summary(checks))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column, no_wrap in (("", True), ("check", True), ("found", False), ("how to fix", False)):
        table.add_column(column, no_wrap=no_wrap, overflow="fold")
    for group, members in groupby(checks, key=lambda check: check.group):
        table.add_row("", Text(group, "bold"), "", "")
        for check in members:
            colour = _COLOURS[check.status]
            name = Text(f"  {check.name}")
            table.add_row(Text(check.status, colour), name, Text(check.found), Text(check.advice))
        table.add_section()
    # Where output is piped, rich would assume 80 columns and cut names.
    console = open_console(markup=False)
    console.print(table)
    console.print(summary(checks))
