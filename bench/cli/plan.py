"""``bench plan``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ...terminal import echo, open_console
from .options import running, selection, settings_from

if TYPE_CHECKING:
    from ..estimate import Budget


@click.command("plan")
@selection
@running
@click.option("--no-measure", is_flag=True, help="Do not load the models and do not estimate the time.")
def plan_command(no_measure: bool, **values: Any) -> None:
    """Show what `bench run` with the same arguments would do: units, images, minutes, disk space, missing data.

    The time is estimated by running the models on a few of the images on this machine; nothing is stored.
    """
    from ...files import write_json
    from ...results.store import Store
    from ..estimate import budget
    from ..executors.choosing import check_executor
    from ..progress import counting
    from ..run import planned
    from .show import check_files

    check_files(values)
    settings = settings_from(values)
    check_executor(settings)
    console = None if values["quiet"] else open_console(width=100)
    store = Store(settings.store)
    plan = planned(settings, store, console)
    with counting(console, "Measuring") as progress:
        cost = budget(plan, store, not no_measure, progress)
    if values["json_file"] is not None:
        write_json(values["json_file"], cost)
    if console is not None:
        _show(cost, store.location, console)
    if cost.failures:
        for failure in cost.failures:
            echo(f"{failure.model}: {failure.reason}", err=True)
        sys.exit(3)


def _show(cost: Budget, location: str, console: Any) -> None:
    from rich import box
    from rich.table import Table

    from ...tasks.datasets.registry import publication_of

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("task")
    for name in ("images", "conditions", "units done", "units missing", "predictions to compute"):
        table.add_column(name, justify="right")
    for row in cost.tasks:
        table.add_row(row.task, *(f"{n:,}" for n in (row.images, row.conditions, row.done, row.missing, row.answers)))
    console.print(table)
    console.print(f"Models: {', '.join(cost.models)}", markup=False)
    console.print(f"Images to read: {cost.images:,}; predictions to compute: {cost.answers:,}")
    console.print(f"Disk: about {_size(cost.bytes)} more in {location}", soft_wrap=True, markup=False)
    if cost.seconds is not None:
        console.print(f"Time: about {_duration(cost.seconds)} on {cost.device}")
    for name, how in cost.absent.items():
        published = publication_of(name)
        where = f" (`bench data get {published[0]}`)" if published else ""
        console.print(f"Missing: {name}; it needs {how}{where}", style="yellow", markup=False, soft_wrap=True)


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
