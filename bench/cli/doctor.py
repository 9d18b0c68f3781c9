"""``bench doctor``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ...files import home_path
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
    help="Folder into which `bench data get` put data sets.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor_command(store: str, data_root: Path, as_json: bool) -> None:
    """Check this machine, the installation, the store and the data, and say what to do about what is wrong.

    Changes nothing and leaves nothing behind. ok: as it should be, or optional; warn: it works, but worse than it
    could; fail: it cannot work. Exit codes: 0 no check fails, 1 one does, 2 wrong usage.

    \b
    bench doctor
    bench doctor --store /data/results --data-root /data --json
    """
    from ..doctor.check import failed
    from ..doctor.examine import examine
    from ..doctor.show import show

    checks = examine(store, home_path(data_root))
    if as_json:
        echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        show(checks)
    if failed(checks):
        sys.exit(FAILED)
