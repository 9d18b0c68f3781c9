"""``bench doctor``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ...files import home_path, json_text
from ...terminal import echo
from .options import store_option

FAILED = 1
"""Exit code where a check fails."""


@click.command("doctor")
@store_option
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    default="data",
    show_default=True,
    help="Folder that you gave to `bench data get --to`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor_command(store: str, data_root: Path, as_json: bool) -> None:
    """Check this machine, the installation, the store and the data, and say how to fix each problem.

    Changes nothing. ok: works, or is optional; warn: works, but not well; fail: does not work. Exit codes: 0 no check
    failed, 1 a check failed, 2 wrong usage.

    \b
    bench doctor
    bench doctor --store /data/results --data-root /data --json
    """
    from ..doctor.check import failed
    from ..doctor.examine import examine
    from ..doctor.show import show

    checks = examine(store, home_path(data_root))
    if as_json:
        echo(json_text(checks))
    else:
        show(checks)
    if failed(checks):
        sys.exit(FAILED)
