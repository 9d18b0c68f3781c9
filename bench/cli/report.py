"""``bench report``."""

from __future__ import annotations

from typing import Any

import click

from .options import data_option, gallery_option, stored


@click.command("report")
@stored
@data_option("Folder of photographs to show images of, such as imagenet=DIR. Repeatable.")
@gallery_option
@click.option(
    "--report", "report_file", type=click.Path(), help="Where to write the page; STORE/report.html by default."
)
def report_command(**values: Any) -> None:
    """Score what a store holds and write the page again, without running a model.

    As `bench score`; what the store lacks is listed, and the exit code is 3.
    """
    from .show import score_and_show

    score_and_show(values, page=True)
