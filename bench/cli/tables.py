"""``bench tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...files import check_output_folder
from ...terminal import echo
from .options import pictured


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
    from ...reports.table_registry import TABLES, table_spec, tables

    if listing:
        from .listings import print_rows

        rows = [{"name": s.name, "needs": s.needs, "shows": s.title} for s in TABLES.values()]
        print_rows(rows, ("name", "needs", "shows"), as_json=as_json)
        return
    specs = [table_spec(name) for name in dict.fromkeys(names)] or list(TABLES.values())

    from ...files import write_file
    from ...reports.table_text import ENDINGS, WRITERS
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
