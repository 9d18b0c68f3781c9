"""``bench figures``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...files import check_output_folder
from ...terminal import echo
from .options import pictured

_FORMATS = ("pdf", "svg", "png")


@click.command("figures")
@click.argument("names", nargs=-1, metavar="[NAME …]")
@pictured
@click.option(
    "--highlight",
    multiple=True,
    metavar="MODEL",
    help="Draw this model in colour and the others in grey. Repeatable. By default, with more than eight models, "
    "those with a baseline and their baselines are in colour.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    default="figures",
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    default=_FORMATS,
    show_default=True,
    help="File format. Repeatable.",
)
@click.option("--list", "listing", is_flag=True, help="List the figures and the data they need.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON instead of a table.")
def figures_command(
    names: tuple[str, ...],
    highlight: tuple[str, ...],
    folder: Path,
    formats: tuple[str, ...],
    listing: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Draw the named figures, or all, from a store; write a CSV file with the numbers of each.

    No model is loaded and no image is read. Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing.

    \b
    bench figures --suite robustness --to paper/figures
    bench figures clean-shifted corruptions --highlight vito --format pdf
    bench figures ablation --model a --model b --baseline reference
    bench figures --list
    """
    from ...plugins import FIGURES as PLUGGED
    from ...plugins import PluginError, unreadable
    from ...reports.figure_registry import all_figures, figure_spec, plugged
    from .listings import print_rows, tell_problems

    problems = [*(problem for _, _, problem in plugged()), *unreadable(PLUGGED)]
    if listing:
        rows = [{"name": s.name, "needs": s.needs, "shows": s.title} for s in all_figures().values()]
        print_rows(rows, ("name", "needs", "shows"), as_json=as_json)
        tell_problems(problems)
        return
    specs = [figure_spec(name) for name in dict.fromkeys(names)] or list(all_figures().values())
    tell_problems([] if names else problems)

    from ...reports.figure_files import write_figures
    from ...reports.focus import focus
    from .show import rescored, written

    check_output_folder(folder)
    outcome = rescored(values)
    models = focus(outcome.data, highlight)
    lines, absent = [], []
    for spec in specs:
        try:
            pairs = write_figures(outcome.data, [spec], models, folder, tuple(dict.fromkeys(formats)))
            paths = [path for _, written_paths in pairs for path in written_paths]
        except PluginError as error:
            absent.append(str(error))
            continue
        if paths:
            lines.append(f"{spec.name}: {', '.join(str(path) for path in paths)}")
        elif names:
            absent.append(f"{spec.name} was not drawn: it needs {spec.needs}.")
    if models.rest and not values["quiet"]:
        echo(f"In colour: {', '.join(models.shown)}; {len(models.rest)} more in grey (--highlight chooses).")
    written(outcome, lines, absent, values["quiet"])
