"""``bench results import`` and ``merge``: bring predictions into a store that were not computed in it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import click

from ...files import home_path, json_text
from ...terminal import echo, open_console
from .options import complete_tasks, data_option, quiet_option, store_option

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("import")
@click.argument("file", type=_FILE)
@click.option("--model", required=True, metavar="NAME", help="What to call the model; not a name of `bench models`.")
@click.option("--task", required=True, metavar="TASK", shell_complete=complete_tasks, help="The task that is answered.")
@click.option(
    "--labels",
    type=_FILE,
    help="Names and labels of the task's images, if you have no images: CSV or Parquet with file_name and label, or "
    "JSON such as ReaL's real.json.",
)
@data_option("Folder with the task's images, such as imagenet=DIR. Repeatable.")
@click.option("--names", type=_FILE, help="Names of the rows of an .npy file of logits or features, one a line.")
@click.option(
    "--partial",
    is_flag=True,
    help="Leave out what does not fit, and count it as missing, instead of refusing the file.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the micro-world and the corruptions.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print what was stored as JSON.")
@quiet_option
def import_command(
    file: Path,
    model: str,
    task: str,
    labels: Path | None,
    data: dict[str, Path],
    names: Path | None,
    partial: bool,
    seed: int,
    store: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Store predictions that were made elsewhere, so that their model can be compared, tabulated and drawn.

    For judgements of similarity, FILE has features and names in place of logits.

    FILE is CSV or Parquet with the columns file_name, predicted_class (an index, a WordNet id or a name) and
    predicted_probability, and condition and severity where the task has several; or an .npz file with the arrays logits
    and names. Rows that do not fit the task are counted, with examples, and nothing is written then unless --partial is
    given; the exit code is 3 if something is missing.

    \b
    bench results import resnet.csv --model resnet --task imagenet-val --data imagenet=DIR
    bench results import resnet.csv --model resnet --task imagenet-val --labels labels.csv
    """
    from ..importing.predictions import Request, import_file
    from ..progress import stages
    from ..settings import Settings

    settings = Settings(models=(model,), tasks=(task,), store=store, data=data, seed=seed)
    own = [home_path(path) if path is not None else None for path in (names, labels)]
    request = Request(home_path(file), model, task, own[0], own[1], partial, settings, shlex.join(sys.argv))
    with stages(None if quiet or as_json else open_console(err=True)) as stage:
        done = import_file(request, stage)
    if as_json:
        echo(json_text(asdict(done)))
    elif not quiet:
        echo(f"{done.predictions:,} predictions on {done.images:,} images of {done.task} as {done.model} in {store}")
        if done.passed_over:
            echo(f"{done.passed_over:,} rows are about images that {task} does not ask about.")
        if done.replaced:
            echo(
                f"{model} now has predictions from several files, so its identity is another one than {done.replaced}. "
                f"`bench results prune --superseded --yes --store {store}` removes the copies under that one."
            )
    for problem in done.problems:
        echo(f"Left out: {problem}", err=True)
    if done.problems:
        sys.exit(3)


@click.command("merge")
@click.argument("stores", nargs=-1, required=True, metavar="STORE…")
@click.option(
    "--to", "target", required=True, metavar="STORE", help="Store that gets everything; made if it is absent."
)
@click.option("--keep-first", is_flag=True, help="Where stores contradict one another, take what the first one says.")
@click.option("--json", "as_json", is_flag=True, help="Print what was copied as JSON.")
@quiet_option
def merge_command(stores: tuple[str, ...], target: str, keep_first: bool, as_json: bool, quiet: bool) -> None:
    """Copy what several stores hold into one; the stores themselves are only read.

    They must have the same schema. Predictions or image lists that contradict one another are listed, and nothing is
    written then. A merge that was interrupted is completed by the same command.

    \b
    bench results merge bench-results colleague --to both
    """
    from ...results.merging import merge
    from ...results.store import Store
    from ..progress import counting

    with counting(None if quiet or as_json else open_console(err=True), "Merging") as progress:
        done = merge([Store(store) for store in stores], Store(target), keep_first, progress)
    if as_json:
        echo(json_text(asdict(done)))
    elif not quiet:
        echo(f"{done.units:,} units and {done.documents:,} records copied to {target}; {done.present:,} were there")
    for line in done.disagreements:
        echo(f"Contradiction: {line}; the first store's was taken", err=True)
    for line in done.damaged:
        echo(f"Damaged, taken from another store: {line}", err=True)
