"""``bench export``."""

from __future__ import annotations

from typing import Any

import click

from ..exports.registry import EXPORTS, export_spec
from .options import pictured


@click.command("export")
@click.option("--format", "form", type=click.Choice(list(EXPORTS)), help="A format from `bench export --list`.")
@pictured
@click.option("--to", "target", help="Target; its meaning and its default depend on the format, see --list.")
@click.option("--list", "listing", is_flag=True, help="List the formats with what they write and what they need.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON instead of a table.")
def export_command(form: str | None, target: str | None, listing: bool, as_json: bool, **values: Any) -> None:
    """Export the scores of a store: a table, a model card, MLflow or TensorBoard.

    No model is loaded and no image is read. (To export predictions, use `bench results export`.)
    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing.

    \b
    bench export --format csv --to scores.csv
    bench export --format hugging-face --model vito --to README.md
    bench export --format tensorboard --suite robustness --to runs
    bench export --list
    """
    if listing:
        _list(as_json)
        return
    if form is None:
        raise click.UsageError(f"Choose a format: --format {', '.join(EXPORTS)}.")
    spec = export_spec(form)
    to = spec.default if target is None else target
    from ...results.inventory import fits
    from ..exports.exporter import SCREEN, Handover
    from .show import rescored, written

    spec.check_target(to)
    exporter = spec.load()  # first, so that a missing package is reported before minutes of scoring
    outcome = rescored(values)
    # Baselines are scored too, for the comparisons, but only the requested models get a card or a run of their own.
    models = tuple(str(m["name"]) for m in outcome.data.models if fits(str(m["identity"]), values["models"]))
    lines = exporter.export(Handover(outcome, models, to, click.echo))
    written(outcome, lines, [], values["quiet"] or to == SCREEN)


def _list(as_json: bool) -> None:
    from .listings import print_rows

    rows = [
        {
            "format": spec.name,
            "writes": spec.writes,
            "to": spec.target,
            "default": spec.default,
            "needs": f"pip install 'vitobench[{spec.extra}]'" if spec.extra else "",
        }
        for spec in EXPORTS.values()
    ]
    print_rows(rows, ("format", "writes", "to", "default", "needs"), as_json)
