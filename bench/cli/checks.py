"""``bench doctor`` and ``bench mock-run``."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import click

from ...files import home_path, json_text
from ...terminal import echo, output_to_errors
from .options import complete_models, data_option, device_option, precision_option, store_option

# ``bench doctor``.


FAILED = 1
"""Exit code where a check fails."""


@click.command("doctor")
@store_option
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    show_default="the configured data_root, or data",
    help="Folder that you gave to `bench data get --to`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor_command(store: str, data_root: Path | None, as_json: bool) -> None:
    """Check this machine, the installation, the store and the data, and say how to fix each problem.

    Changes nothing. ok: works, or is optional; warn: works, but not well; fail: does not work. Exit codes: 0 no check
    failed, 1 a check failed, 2 wrong usage.

    \b
    bench doctor
    bench doctor --store /data/results --data-root /data --json
    """
    from ...errors import VitobenchError
    from ..configuration import data_root as configured_root
    from ..doctor.check import failed, show
    from ..doctor.examine import examine

    if data_root is None:
        data_root = Path("data")
        with suppress(VitobenchError):  # a configuration that is not valid is a row of its own
            data_root = configured_root(data_root)
    checks = examine(store, home_path(data_root))
    if as_json:
        echo(json_text(checks))
    else:
        show(checks)
    if failed(checks):
        sys.exit(FAILED)


# ``bench mock-run``.


@click.command("mock-run")
@click.option(
    "--model", required=True, shell_complete=complete_models, help="Model to check, named as for `bench run`."
)
@data_option("Folder of a data set; its tasks and the label order are then checked too. Repeatable.")
@device_option
@precision_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def mock_run_command(model: str, data: dict[str, Path], device: str, precision: str, as_json: bool) -> None:
    """Check a new model in seconds, before you spend hours on a run; nothing is stored.

    Checks the shape, type and repeatability of its outputs, its preprocessing and the order of classes and channels,
    and runs four images of every task whose data are available.

    Exit codes: 0 no check failed (there may be warnings), 2 wrong usage, 3 a check failed.

    \b
    bench mock-run --model file:mine.safetensors
    bench mock-run --model timm:resnet50 --data imagenet=DIR
    """
    from dataclasses import asdict

    from ..mock_run import FAIL, WARN, mock_run
    from .listings import print_rows

    with output_to_errors() if as_json else nullcontext():  # whatever a model prints would spoil the JSON
        checks = list(mock_run(model, data, device, precision))
    rows = [asdict(check) for check in checks]
    failed, warned = (sum(check.status == status for check in checks) for status in (FAIL, WARN))
    table_rows = [{"check": row["name"], **row} for row in rows]
    footer = [f"{len(rows)} checks: {failed} failed, {warned} with a warning"]
    if as_json:
        echo(json_text(rows))
    else:
        print_rows(table_rows, ("check", "status", "found", "mend"), False, footer)
    if failed:
        sys.exit(3)
