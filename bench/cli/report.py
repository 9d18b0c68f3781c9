"""``bench report``."""

from __future__ import annotations

from typing import Any

import click

from .options import data_option, gallery_option, stored


@click.command("report")
@stored
@data_option("Folder of photographs to show examples from, such as imagenet=DIR. Repeatable.")
@gallery_option
@click.option(
    "--report", "report_file", type=click.Path(), help="File for the HTML page; STORE/report.html by default."
)
def report_command(**values: Any) -> None:
    """Score the predictions in a store and rewrite the HTML page, without running a model.

    Works like `bench score`: missing predictions are listed, and the exit code is then 3.
    """
    from .show import score_and_show

    score_and_show(values, page=True)
