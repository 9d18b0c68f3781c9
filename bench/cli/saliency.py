"""``bench saliency``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ...files import check_output, write_json
from ...terminal import echo, open_console
from .options import mapped

_FORMATS = (".png", ".svg", ".pdf")


@click.command("saliency")
@mapped
def saliency_command(json_file: Path | None, figure_file: Path | None, quiet: bool, **values: Any) -> None:
    """Compare saliency maps of models with people's maps, or with the object masks of the micro-world.

    A map is the gradient of the true class's logit; models with attention pooling also give their attention mask. Maps
    that the store already holds are not computed again: repeat the command to resume an interrupted run.

    \b
    bench saliency --model vito --model moclr
    bench saliency --model vito --model moclr --smooth 16 --figure saliency.png
    bench data get clickme --to DIR
    bench saliency --model timm:resnet50 --data clickme=DIR --json saliency.json
    """
    _check_files(json_file, figure_file)

    from ...reports.rows import failure_lines
    from ..export import as_json
    from ..saliency import render, run, settings_for

    # Where output is piped, rich would fall back to 80 columns and cut the table.
    console = None if quiet else open_console()
    outcome = run(settings_for(**values), console, " ".join(["bench", *sys.argv[1:]]))
    missing = [f"Missing: {line}" for line in failure_lines(outcome.data)]
    # Files first: what is shown may meet a screen that cannot take it.
    if json_file is not None:
        write_json(json_file, as_json(outcome))
    if figure_file is not None:
        from ..saliency_figure import write_figure

        write_figure(outcome, figure_file)
    if console is not None:
        render(outcome, console)
        for line in missing:
            console.print(line, markup=False, soft_wrap=True)
        for what, path in (("Scores", json_file), ("Figure", figure_file)):
            if path is not None:
                console.print(f"{what}: {path}", soft_wrap=True, markup=False)
        images = outcome.effort.images
        done = f"{images:,} maps computed" if outcome.computed else "nothing computed"
        console.print(f"{done}, {outcome.seconds:.1f} s")
    else:
        for line in missing:
            echo(line, err=True)
    if missing:
        sys.exit(3)


def _check_files(json_file: Path | None, figure_file: Path | None) -> None:
    from ...errors import VitobenchError

    for path in (json_file, figure_file):
        check_output(path)
    if figure_file is not None and figure_file.suffix.lower() not in _FORMATS:
        raise VitobenchError(f"--figure {figure_file}: the name must end in {', '.join(_FORMATS)}.")
