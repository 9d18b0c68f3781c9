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
    help="Folder of runs, store, tables and figures.",
)
@click.option(
    "--claim", "claims", multiple=True, shell_complete=_claims, help="Which claim: 0, a, b, c, d, e or f. Repeatable."
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each method.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps of each run; 400 by default.")
@click.option("--workers", type=click.IntRange(min=1), help="Runs at a time; as many as there are cores by default.")
@click.option("--limit", type=click.IntRange(min=1), help="At most this many images for each task, for a quick look.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="What measuring computes in.",
)
@click.option("--list", "listed", is_flag=True, help="Only tell what would be trained, and what is there already.")
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
    """Try the claims of VITO's paper in the micro-world: train every method with several seeds, measure, judge.

    Takes some two and a half hours on two cores. An interrupted command goes on when it is given again, and one more
    seed costs that seed only. docs/claims.md tells what it finds.

    Exit codes: 0 all is there, 3 something is missing, 2 wrong usage.

    \b
    bench reproduce
    bench reproduce --claim d --seeds 5
    bench reproduce --list
    """
    from ..claims.declared import STEPS
    from ..claims.reproduction import Reproduction, reproduce

    console = None if quiet else open_console()
    asked = Reproduction(folder, claims, seeds, steps or STEPS, workers or usable_cores(), limit, precision=precision)
    if listed:
        for run in asked.runs():
            echo(f"{'there  ' if run.finished() else 'missing'}  {run.folder}")
        return
    data, files = reproduce(asked, console, " ".join(["bench", *sys.argv[1:]]))
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
