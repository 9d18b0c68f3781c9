"""``bench score``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from ...files import check_output, write_json
from ...terminal import echo, open_console
from .options import NO_BASELINE, stored

_FOLDER = click.Path(path_type=Path)


@click.command("score")
@stored
@click.option(
    "--human",
    type=_FOLDER,
    help="Score human alignment from folders instead of a store: people's trials as CSV in model-vs-human's format, "
    "one folder per data set. Without --responses, scores only the people: the ceilings.",
)
@click.option("--responses", type=_FOLDER, help="Predictions of models in the same format, to compare with --human.")
@click.option(
    "--compat",
    type=click.Choice(["model-vs-human"]),
    help="With --human: error consistency is 1 instead of undefined if two observers are never wrong.",
)
def score_command(human: Path | None, responses: Path | None, compat: str | None, **values: Any) -> None:
    """Compute scores, intervals and comparisons from a store. No model is loaded and no image is read.

    Scores all models in the store unless you give --model, and all tasks unless you give --suite or --task. Missing
    predictions are listed, and the exit code is then 3. With --human, --task names data sets and --model observers.

    \b
    bench score
    bench score --store /data/results --model vito --baseline moclr --suite robustness --json scores.json
    bench score --suite human-alignment --human raw-data --responses my-responses --json alignment.json
    """
    if human is not None:
        _score_folders(human, responses, compat, values)
        return
    for name, value in (("--responses", responses), ("--compat", compat)):
        if value is not None:
            raise click.UsageError(f"{name} needs --human DIR, the folder of people's trials.")
    from ...results.store import Store
    from .show import score_and_show

    if values["suite"] == "human-alignment" and not Store(values["store"]).exists():
        raise click.UsageError(
            "--suite human-alignment needs --human DIR, the folder of people's trials, or a --store with "
            "predictions of a run."
        )

    score_and_show(values, page=False)


def _score_folders(human: Path, responses: Path | None, compat: Any, values: dict[str, Any]) -> None:
    from ..human_alignment import SUITE, Request, as_json, problem_lines, render, score_folders

    if values["suite"] not in (None, SUITE):
        raise click.UsageError(f"--human works only with --suite {SUITE}, not with {values['suite']}.")
    if values["limit"] is not None:
        raise click.UsageError("--limit cannot be used with --human: people and models must see the same stimuli.")
    if responses is None and (values["models"] or values["baselines"]):
        raise click.UsageError("--model and --baseline need --responses DIR, the folder of the models' predictions.")
    json_file = values["json_file"]
    check_output(json_file)
    baselines = values["baselines"]
    request = Request(
        human,
        responses,
        models=values["models"],
        baselines=tuple(name for name in baselines if name != NO_BASELINE) if baselines else None,
        data_sets=values["tasks"],
        seed=values["seed"] or 0,
        compat=compat,
    )
    started = time.monotonic()
    scored = score_folders(request)
    if json_file is not None:
        write_json(json_file, as_json(scored, request))
    if values["quiet"]:
        for line in problem_lines(scored):
            echo(line, err=True)
    else:
        # If output is piped, rich falls back to 80 columns and would cut the table.
        console = open_console()
        render(scored, request, console)
        if json_file is not None:
            console.print(f"Scores: {json_file}", soft_wrap=True, markup=False)
        console.print(f"{len(scored.scores):,} scores, {time.monotonic() - started:.1f} s")
    if scored.problems:
        sys.exit(3)
