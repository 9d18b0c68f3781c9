"""``bench compare``."""

from __future__ import annotations

import sys
from typing import Any

import click

from ...files import check_output, write_json
from ...terminal import echo, open_console
from .options import compared as options

FAILED = 4
"""Exit code if a ``--fail-if`` condition is met."""


@click.command("compare")
@options
@click.option(
    "--seeds",
    multiple=True,
    metavar="NAME=RUNS",
    help="Treat NAME, one of the compared models, as several training runs: NAME=RUN,RUN or NAME=PATTERN, such as "
    "vito='vito-s*'. Repeatable.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "none"]),
    default="holm",
    show_default=True,
    help="Correction for the number of comparisons.",
)
@click.option(
    "--fail-if",
    multiple=True,
    metavar="EXPR",
    help="Exit with code 4 if this is true of model A: 'TASK[.CONDITION].METRIC < MODEL|NUMBER [+|- NUMBER]', in "
    "percent. Repeatable.",
)
@click.option("--conditions", is_flag=True, help="Show every metric, group and condition, not just the worst.")
def compare_command(
    seeds: tuple[str, ...], correction: str, fail_if: tuple[str, ...], conditions: bool, **values: Any
) -> None:
    """Compare models in a store: A with B, or all pairs if there are more. No model is loaded and no image is read.

    Paired tests on the same images, corrected for their number (Holm), with confidence intervals, the smallest
    detectable difference, and ranks for more than two models. --seeds separates the variance between training runs
    from the variance between images.

    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing, 4 a --fail-if condition is met.

    \b
    bench compare vito moclr --suite robustness
    bench compare vito moclr supervised --task micro-c --json comparison.json
    bench compare mine vito --suite robustness --fail-if "micro-c.mce > vito + 0.5" --fail-if "micro-val.top1 < 80"
    bench compare vito moclr --suite robustness --seeds "vito=vito-s*" --seeds moclr=moclr-s0,moclr-s1
    """
    from ...reports.comparison_table import render_comparison
    from ...reports.rows import failure_lines
    from ..comparison import Request, as_json, compare_stored
    from .options import settings_from

    json_file = values["json_file"]
    check_output(json_file)
    settings = settings_from(values | {"baselines": ()})
    request = Request(settings, seeds, correction, fail_if, values["seed"])
    comparison = compare_stored(request, " ".join(["bench", *sys.argv[1:]]))
    if json_file is not None:
        write_json(json_file, as_json(comparison))
    if values["quiet"]:
        for line in [*comparison.unpaired(), *failure_lines(comparison.data)]:
            echo(line, err=True)
        for check in comparison.checked:
            if check.holds is not False:
                echo(f"{'fails' if check.holds else 'cannot be told'}: {check.expression} ({check.detail})", err=True)
    else:
        # If output is piped, rich falls back to 80 columns and would cut the table.
        console = open_console()
        for note in comparison.notes:
            console.print(note, style="yellow", markup=False)
        render_comparison(comparison, console, conditions)
        console.print()
        if json_file is not None:
            console.print(f"Comparison: {json_file}", soft_wrap=True, markup=False)
        console.print(f"{len(comparison.data.comparisons):,} comparisons, {comparison.seconds:.1f} s")
    if any(check.holds for check in comparison.checked):
        sys.exit(FAILED)
    if comparison.data.failures or any(check.holds is None for check in comparison.checked):
        sys.exit(3)
