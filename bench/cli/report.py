"""``bench report``."""

from __future__ import annotations

from typing import Any

import click

from .options import selection


@click.command("report")
@selection
def report_command(**values: Any) -> None:
    """Score what a store holds and write the page again, without running a model.

    Takes the arguments of `bench run`. What the store lacks is listed, and the exit code is 3.
    """
    from .show import run_and_show

    run_and_show(values, compute=False)
