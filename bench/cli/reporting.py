"""``bench compare``, ``figures``, ``tables`` and ``export``: what is made from stored scores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...files import check_output, check_output_folder, write_json
from ...terminal import echo, open_console
from ..exports.exporter import EXPORTS, export_spec
from .options import compared as options
from .options import pictured

# ``bench compare``.


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
@click.option(
    "--conditions",
    is_flag=True,
    help="Show every metric, group and condition of every pair. Without it, two or three models show their worst "
    "conditions, and more than eight are compared by the main number of each task alone.",
)
def compare_command(
    seeds: tuple[str, ...], correction: str, fail_if: tuple[str, ...], conditions: bool, **values: Any
) -> None:
    """Compare models in a store: A with B, or all pairs if there are more. No model is loaded and no image is read.

    Paired tests on the same images, corrected for their number (Holm), with confidence intervals, the smallest
    detectable difference, and ranks for more than two models: with more than three, those over the whole suite come
    first. --seeds separates the variance between training runs from the variance between images.

    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing, 4 a --fail-if condition is met.

    \b
    bench compare vito moclr --suite robustness
    bench compare vito moclr supervised --task micro-c --json comparison.json
    bench compare mine vito --suite robustness --fail-if "micro-c.mce > vito + 0.5" --fail-if "micro-val.top1 < 80"
    bench compare vito moclr --suite robustness --seeds "vito=vito-s*" --seeds moclr=moclr-s0,moclr-s1
    """
    from ...reports.comparison import render_comparison
    from ...reports.headline import failure_lines
    from ..scoring.comparison import Request, as_json, compare_stored
    from .options import settings_from

    json_file = values["json_file"]
    check_output(json_file)
    settings = settings_from(values | {"baselines": ()})
    request = Request(settings, seeds, correction, fail_if, values["seed"], conditions)
    comparison = compare_stored(request, " ".join(["bench", *sys.argv[1:]]))
    if json_file is not None:
        write_json(json_file, as_json(comparison))
    if values["quiet"]:
        for line in [*comparison.unpaired(), *failure_lines(comparison.data)]:
            echo(line, err=True)
        for check in comparison.checked:
            if check.holds is not False:
                echo(f"{'fails' if check.holds else 'is undecided'}: {check.expression} ({check.detail})", err=True)
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


# ``bench figures``.


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
    from ...reports.figures.registry import all_figures, figure_spec, plugged
    from .listings import print_rows, tell_problems

    problems = [*(problem for _, _, problem in plugged()), *unreadable(PLUGGED)]
    if listing:
        rows = [{"name": s.name, "needs": s.needs, "shows": s.title} for s in all_figures().values()]
        print_rows(rows, ("name", "needs", "shows"), as_json=as_json)
        tell_problems(problems)
        return
    specs = [figure_spec(name) for name in dict.fromkeys(names)] or list(all_figures().values())
    tell_problems([] if names else problems)

    from ...reports.figures.registry import write_figures
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


# ``bench tables``.


@click.command("tables")
@click.argument("names", nargs=-1, metavar="[NAME …]")
@pictured
@click.option(
    "--format",
    "formats",
    type=click.Choice(["latex", "markdown", "csv", "html"]),
    multiple=True,
    default=("latex",),
    show_default=True,
    help="File format. Repeatable.",
)
@click.option("--to", "target", default="tables", show_default=True, help="Folder for the files, or - to print them.")
@click.option("--list", "listing", is_flag=True, help="List the tables and the data they need.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON instead of a table.")
def tables_command(
    names: tuple[str, ...], formats: tuple[str, ...], target: str, listing: bool, as_json: bool, **values: Any
) -> None:
    """Write the named tables, or all, from a store.

    The best number is bold; a dagger marks numbers that do not differ from it significantly in paired tests,
    corrected within the row (Holm). No model is loaded and no image is read.

    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing.

    \b
    bench tables --suite robustness --to paper/tables
    bench tables headline corruptions --model vito --model moclr --format markdown --to -
    bench tables --list
    """
    from ...reports.tables.registry import TABLES, table_spec, tables

    if listing:
        from .listings import print_rows

        rows = [{"name": s.name, "needs": s.needs, "shows": s.title} for s in TABLES.values()]
        print_rows(rows, ("name", "needs", "shows"), as_json=as_json)
        return
    specs = [table_spec(name) for name in dict.fromkeys(names)] or list(TABLES.values())

    from ...files import write_file
    from ...reports.tables.writing import ENDINGS, WRITERS
    from ...text import utf8
    from .show import rescored, written

    printed = target == "-"
    folder = Path(target)
    if not printed:
        check_output_folder(folder)
    outcome = rescored(values, best=True)
    lines, absent = [], []
    for spec, grids in tables(outcome.data, specs):
        for table in grids:
            for form in dict.fromkeys(formats):
                text = WRITERS[form](table)
                if printed:
                    echo(text)
                    lines.append(table.name)
                else:
                    path = folder / f"{table.name}.{ENDINGS[form]}"
                    write_file(path, utf8(text))
                    lines.append(f"{table.name}: {path}")
        if names and not grids:
            absent.append(f"{spec.name} was not written: it needs {spec.needs}.")
    written(outcome, lines, absent, values["quiet"] or printed)


# ``bench export``.


@click.command("export")
@click.option("--format", "form", type=click.Choice(list(EXPORTS)), help="A format from `bench export --list`.")
@pictured
@click.option("--to", "target", help="Target; its meaning and its default depend on the format, see --list.")
@click.option(
    "--benchmark",
    metavar="OWNER/NAME",
    help="With eval-results: the data set on the Hugging Face Hub that lists these tasks. By default, the one that "
    "publishes each task's images.",
)
@click.option("--source", metavar="URL", help="With eval-results: address of what the results were made from.")
@click.option("--list", "listing", is_flag=True, help="List the formats with what they write and what they need.")
@click.option("--json", "as_json", is_flag=True, help="With --list: print JSON instead of a table.")
def export_command(
    form: str | None,
    target: str | None,
    benchmark: str | None,
    source: str | None,
    listing: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Export the scores of a store: a table, a model card, MLflow or TensorBoard.

    No model is loaded and no image is read. (To export predictions, use `bench results export`.)
    Exit codes: 0 everything is there, 2 wrong usage, 3 something is missing.

    \b
    bench export --format csv --to scores.csv
    bench export --format hugging-face --model vito --to README.md
    bench export --format eval-results --model vito --benchmark OWNER/NAME
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

    options = {name: text for name, text in (("benchmark", benchmark), ("source", source)) if text is not None}
    spec.check_options(options)
    spec.check_target(to)
    exporter = spec.load()  # first, so that a missing package is reported before minutes of scoring
    outcome = rescored(values)
    # Baselines are scored too, for the comparisons, but only the requested models get a card or a run of their own.
    models = tuple(str(m["name"]) for m in outcome.data.models if fits(str(m["identity"]), values["models"]))
    lines = exporter(Handover(outcome, models, to, click.echo, options))
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
