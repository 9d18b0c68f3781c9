"""``bench reproduce``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ...cores import usable_cores
from ...models.spec import PRECISIONS
from ...terminal import echo, open_console
from .options import quiet_option


def _claims(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from ..claims.declared import CLAIMS

    return [claim.key for claim in CLAIMS if claim.key.startswith(incomplete)]


@click.command("reproduce")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("reproduction"),
    show_default=True,
    help="Folder for the runs, the store, tables and figures.",
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    shell_complete=_claims,
    help="Claim to test: 0, a, b, c, d, e or f; all by default. Repeatable.",
)
@click.option(
    "--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Number of training runs per method."
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps per run; 400 by default.")
@click.option("--workers", type=click.IntRange(min=1), help="Number of parallel runs; the number of cores by default.")
@click.option("--limit", type=click.IntRange(min=1), help="Maximum number of images per task, for a quick look.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Floating-point type for measuring.",
)
@click.option("--list", "listed", is_flag=True, help="Only list the runs and whether each is finished.")
@quiet_option
def reproduce_command(
    folder: Path,
    claims: tuple[str, ...],
    seeds: int,
    steps: int | None,
    workers: int | None,
    limit: int | None,
    precision: str,
    listed: bool,
    quiet: bool,
) -> None:
    """Test the claims of VITO's paper in the micro-world: train every method with several seeds, measure, judge.

    Takes about two and a half hours on two cores. Repeat the command to resume an interrupted run; a further seed
    trains only that seed. docs/claims.md describes the results.

    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing.

    \b
    bench reproduce
    bench reproduce --claim d --seeds 5
    bench reproduce --list
    """
    from ..claims.declared import STEPS
    from ..claims.reproduction import Reproduction, reproduce

    console = None if quiet else open_console()
    request = Reproduction(folder, claims, seeds, steps or STEPS, workers or usable_cores(), limit, precision=precision)
    if listed:
        for run in request.runs():
            echo(f"{'there  ' if run.finished() else 'missing'}  {run.folder}")
        return
    data, files = reproduce(request, console, " ".join(["bench", *sys.argv[1:]]))
    if console is not None:
        from ...reports.claims import tally

        for claim in data.claims:
            if claim.effects:
                console.print(f"({claim.key}) {claim.title}: {tally(claim)}", soft_wrap=True)
        for path in files:
            console.print(str(path), soft_wrap=True, markup=False)
    if data.failures:
        for line in data.failures:
            echo(line, err=True)
        sys.exit(3)
