"""``bench results``: list, export, import, verify and clean up a store."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...files import home_path, json_text
from ...terminal import echo, open_console
from .importing import import_command, merge_command
from .listings import print_rows, tell_problems
from .options import data_option, layer_option, quiet_option, store_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...results.inventory import Holding
    from ...results.store import Store

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_ONLY_MODEL = click.option("--model", "models", multiple=True, help="Only this model (name or identity). Repeatable.")
_ONLY_TASK = click.option("--task", "tasks", multiple=True, help="Only this task (name or identity). Repeatable.")


@click.group("results")
def results_command() -> None:
    """List, show, import, export, verify, prune and migrate the contents of a store. None of these load a model.

    \b
    bench results list
    bench results show vito
    bench results export predictions.parquet --task micro-c
    bench results import resnet.csv --model resnet --task imagenet-val --labels labels.csv
    bench results responses raw-data
    bench results verify
    bench results prune --leftovers --yes
    """


results_command.add_command(import_command)
results_command.add_command(merge_command)


def _open(location: str, also: tuple[str, ...] = (), package: bool = False, may_be_absent: bool = False) -> Store:
    """The store with its layers; with ``package``, above the predictions that the package brings."""
    from ...errors import StoreError
    from ...results.store import Store
    from ..settings import Settings

    store = Store(location, Settings((), also=also).layers if package else also)
    tell_problems(store.layer_problems)
    if not store.exists() and not (may_be_absent and store.below):
        raise StoreError(
            f"There is no store at {location}; start with `bench run`, or name another folder with --store."
        )
    return store


def _used(store: Store) -> Iterator[tuple[Store, Holding]]:
    """What the store and each of its layers hold, of the package's only what was asked for here."""
    from ...results.inventory import holdings, in_use

    used = in_use(store)
    for layer in (store.own, *store.below):
        yield from ((layer, held) for held in holdings(layer) if used(layer, held.task, held.model))


def _bar(quiet: bool, title: str) -> Any:
    from ..progress import counting

    if quiet:
        return counting(None, title)

    return counting(open_console(err=True), title)


@results_command.command("list")
@store_option
@layer_option
@_ONLY_MODEL
@_ONLY_TASK
@_JSON
def list_command(
    store: str, also: tuple[str, ...], models: tuple[str, ...], tasks: tuple[str, ...], as_json: bool
) -> None:
    """List the predictions in a store, one line per task and model.

    With --also, those of the layers too. Of the predictions that the package brings, those of the tasks and models that
    were run here. Where there are several stores, each line says where its predictions were computed: version, date and
    machine (with --json, always).
    """
    from ...results import records
    from ...results.inventory import fits, kept_values
    from ...results.layers import place_name

    rows = []
    origins: dict[str, int] = {}
    opened = _open(store, also, package=True)
    runs = {layer.location: records.runs(layer) for layer in (opened.own, *opened.below)}
    for layer, holding in _used(opened):
        if fits(holding.task, tasks) and fits(holding.model, models):
            stamp = datetime.fromtimestamp(holding.modified).isoformat(" ", "minutes") if holding.modified else ""
            origin = records.origin(layer, runs[layer.location], holding.task, holding.model)
            number = origins.setdefault(_origin_line(**origin), len(origins) + 1)
            rows.append(asdict(holding) | {"modified": stamp} | dict(origin) | {"from": number})
    several = bool(also) or len(origins) > 1
    columns = ["task", "model", "units", "partial", "images", "bytes", "modified", *(["from"] if several else [])]
    table_rows = [row | {"bytes": f"{row['bytes'] / 1e6:.2f} MB", "modified": row["modified"][:10]} for row in rows]
    if as_json:
        table_rows = [{key: value for key, value in row.items() if key != "from"} for row in rows]
    total = sum(int(row["bytes"]) for row in rows)
    where = " and ".join(dict.fromkeys(place_name(str(row["store"])) for row in rows) or [store])
    footer = [f"{len(rows)} pairs of task and model, {total / 1e6:.1f} MB in {where}"]
    footer += [f"{number}: {line}" for line, number in origins.items()] if several else []
    count, size = kept_values(opened.own)
    if count:
        footer.append(f"Scores and figures kept for the next time: {count} files, {size / 1e6:.1f} MB in cache/")
    print_rows(table_rows, columns, as_json, footer)


def _origin_line(store: str, version: str, date: str, machine: str) -> str:
    from ...results.layers import place_name

    facts = [f"vitobench {version}" if version else "", date[:10], machine]
    return ", ".join([place_name(store), *filter(None, facts)])


@results_command.command("show")
@click.argument("what", metavar="MODEL|TASK|RUN")
@store_option
@layer_option
def show_command(what: str, store: str, also: tuple[str, ...]) -> None:
    """Print the record of a model, a task or a run as JSON. Give a name, an identity, or 'last' for the newest run."""
    from ...errors import unknown_name
    from ...results import records
    from ...results.inventory import fits

    place = _open(store, also, package=True)
    runs = [run for layer in (place.own, *place.below) for run in records.runs(layer)]
    if what == "last" and runs:
        echo(json_text(runs[0]))
        return
    for run in runs:
        if run["name"] == what:
            echo(json_text(run))
            return
    matches = []
    for kind in (records.MODELS, records.TASKS):
        for identity, record in records.kept(place, kind).items():
            if fits(identity, (what,)):
                predictions = [asdict(h) for _, h in _used(place) if identity in (h.model, h.task)]
                matches.append(record | {"predictions": predictions})
    if not matches:
        names = {str(r["name"]) for kind in (records.MODELS, records.TASKS) for r in records.kept(place, kind).values()}
        raise unknown_name("model, task or run", what, [*names, *(run["name"] for run in runs[:5]), "last"])
    echo(json_text(matches[0] if len(matches) == 1 else matches))


@results_command.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@store_option
@layer_option
@_ONLY_MODEL
@_ONLY_TASK
@quiet_option
def export_command(
    file: Path, store: str, also: tuple[str, ...], models: tuple[str, ...], tasks: tuple[str, ...], quiet: bool
) -> None:
    """Write predictions to one FILE (.parquet or .csv)."""
    from ...errors import StoreError
    from ...results.inventory import export

    place = _open(store, also, package=True)
    names = _units(place, models, tasks)
    if not names:
        raise StoreError(f"The store {store} has no such predictions; `bench results list` shows what it has.")
    with _bar(quiet, "Exporting") as progress:
        rows = export(place, names, file, progress)
    if not quiet:
        echo(f"{rows:,} predictions in {file}")


def _units(store: Store, models: tuple[str, ...], tasks: tuple[str, ...]) -> list[str]:
    """Names of complete units; of units with the same start, only the longest, which contains the others."""
    from ...results import records
    from ...results.inventory import fits, identities, in_use
    from ...results.layout import PREDICTIONS

    known_models, known_tasks = identities(store, records.MODELS), identities(store, records.TASKS)
    used = in_use(store)
    longest: dict[tuple[str, str, int], tuple[int, str]] = {}
    for layer in (store.own, *store.below):
        for unit, entry in layer.unit_entries():
            model, task = known_models.get(unit.model, unit.model), known_tasks.get(unit.task, unit.task)
            selected = fits(model, models) and fits(task, tasks) and used(layer, task, model)
            if selected and entry.name.startswith(PREDICTIONS):
                key = (unit.task, unit.model, unit.start)
                longest[key] = max(longest.get(key, (0, "")), (unit.stop, entry.name))
    return [name for _, name in longest.values()]


@results_command.command("responses")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@store_option
@layer_option
@_ONLY_MODEL
@_ONLY_TASK
@quiet_option
def responses_command(
    folder: Path, store: str, also: tuple[str, ...], models: tuple[str, ...], tasks: tuple[str, ...], quiet: bool
) -> None:
    """Write predictions on the human alignment stimuli as CSV files that model-vs-human can read.

    Writes a folder per data set into DIR, with a file per model; `bench score --responses DIR` reads them too. Missing
    predictions are listed, and the exit code is then 3.
    """
    from ..scoring.trials import SUITE, write_responses
    from ..settings import Settings

    settings = Settings(models=models, suite=None if tasks else SUITE, tasks=tasks, store=store, also=also)
    files, problems = write_responses(settings, home_path(folder))
    if not quiet:
        echo(f"{len(files)} files in {folder}")
    for problem in problems:
        echo(f"Missing: {problem}", err=True)
    if problems:
        sys.exit(3)


@results_command.command("index")
@store_option
@quiet_option
def index_command(store: str, quiet: bool) -> None:
    """Write index.json, the list of a store's files, so that --also can read the store from a plain web server.

    Web servers do not list files. Later runs into the store keep the index up to date.
    """
    from ...results.layers import INDEX
    from ...results.records import write_index

    place = _open(store)
    count = write_index(place)
    if not quiet:
        echo(f"{count} files in {place.folder.path(INDEX)}")


@results_command.command("verify")
@store_option
@layer_option
@click.option(
    "--recompute",
    "recomputed",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instead, draw N units at random, from the layers too, compute them here and compare.",
)
@click.option("--model", "models", multiple=True, help="With --recompute: only this model. Repeatable.")
@click.option("--task", "tasks", multiple=True, help="With --recompute: only this task. Repeatable.")
@data_option("With --recompute: folder of a data set, such as imagenet=DIR. Repeatable.")
@click.option("--seed", type=int, default=0, show_default=True, help="With --recompute: seed of the draw.")
@click.option("--device", default="auto", show_default=True, help="With --recompute: device to compute on.")
@_JSON
@quiet_option
def verify_command(
    store: str, also: tuple[str, ...], recomputed: int | None, as_json: bool, quiet: bool, **values: Any
) -> None:
    """Read every file of a store and list damaged, foreign and leftover files; exit code 3 if there are any.

    With --recompute N, computes N units again and says how far they agree; exit code 3 if they differ by more than
    rounding on another machine explains. docs/store.md says what that is.
    """
    from ...results.inventory import verify

    if recomputed is not None:
        _recompute(_open(store, also, package=True, may_be_absent=True), recomputed, as_json, quiet, values)
        return
    named = [name for name in ("models", "tasks", "data") if values[name]]
    if named:
        option = named[0].removesuffix("s") if named[0] in ("models", "tasks") else named[0]
        raise click.UsageError(f"--{option} needs --recompute N; without it, every file of --store is read.")
    place = _open(store)
    with _bar(quiet or as_json, "Verifying") as progress:
        problems = verify(place, progress)
    rows = [asdict(problem) for problem in problems]
    if rows or as_json:
        print_rows(rows, ("kind", "file", "reason"), as_json)
    elif not quiet:
        echo(f"No problems in {store}: {len(place.unit_entries())} units read.")
    if rows:
        if not as_json:
            echo(f"`bench results prune --damaged --leftovers --store {store}` shows what can be removed.", err=True)
        sys.exit(3)


def _recompute(store: Store, count: int, as_json: bool, quiet: bool, values: dict[str, Any]) -> None:
    from ...results.layers import place_name
    from ..recomputing import recompute
    from ..settings import Settings

    with _bar(quiet or as_json, "Computing") as progress:
        report = recompute(store, count, Settings(**values), progress)
    wrong = [unit for unit in report.units if unit.problem]
    if as_json:
        echo(json_text(asdict(report)))
    elif not quiet:
        rows = [
            {
                "task": unit.task,
                "model": unit.model,
                "images": f"{unit.start} to {unit.stop - 1}",
                "same top-1": f"{unit.agreeing} of {unit.predictions}",
                "largest difference": f"{unit.largest:.5f}",
                "store": place_name(unit.store),
                "verdict": "differs" if unit.problem else "agrees",
            }
            for unit in report.units
        ]
        predictions, agreeing = (sum(getattr(u, name) for u in report.units) for name in ("predictions", "agreeing"))
        largest = max((unit.largest for unit in report.units), default=0.0)
        footer = [
            f"{len(report.units)} units: the same top-1 in {agreeing:,} of {predictions:,} predictions, largest "
            f"difference {largest:.5f}",
            *report.expected,
            *(f"Not computed, {number} units: {reason}" for reason, number in report.skipped.items()),
        ]
        print_rows(rows, tuple(rows[0]), False, footer)
    if not as_json:
        tell_problems(f"{u.model} on {u.task}, images {u.start} to {u.stop - 1}: {u.problem}" for u in wrong)
    if wrong:
        sys.exit(3)


@results_command.command("prune")
@store_option
@click.option("--damaged", is_flag=True, help="Remove files that fail verification; the next run writes them again.")
@click.option(
    "--leftovers", is_flag=True, help="Remove files of interrupted runs, and units that a larger unit contains."
)
@click.option("--superseded", is_flag=True, help="Remove predictions of earlier versions of a model or task.")
@click.option("--cache", is_flag=True, help="Remove kept scores and figures; they are computed again when needed.")
@_ONLY_MODEL
@_ONLY_TASK
@click.option("--yes", is_flag=True, help="Remove the files; without it, they are only listed.")
@quiet_option
def prune_command(
    store: str,
    damaged: bool,
    leftovers: bool,
    superseded: bool,
    cache: bool,
    models: tuple[str, ...],
    tasks: tuple[str, ...],
    yes: bool,
    quiet: bool,
) -> None:
    """Remove damaged, leftover or unwanted files. Without --yes nothing is removed.

    On their own, --model and --task remove all predictions of a model or a task; together with --damaged, --leftovers
    or --superseded they restrict these to a model or a task.
    """
    from ..pruning import Wish, choose

    wish = Wish(damaged, leftovers, superseded, models, tasks, cache)
    if wish.empty:
        raise click.UsageError(
            "Say what to remove: --damaged, --leftovers, --superseded, --cache, --model NAME or --task NAME."
        )
    opened = _open(store)
    with _bar(quiet or not (damaged or leftovers), "Reading") as progress:
        reasons = choose(opened, wish, progress)
    _remove(opened, reasons, yes, quiet)


def _remove(store: Store, reasons: dict[str, str], yes: bool, quiet: bool) -> None:
    if not quiet:
        print_rows([{"file": name, "why": why} for name, why in reasons.items()], ("file", "why"), False)
    if yes:
        for name in reasons:
            store.folder.remove(name)
    if not quiet:
        verb = "removed" if yes else "would be removed; add --yes"
        echo(f"{len(reasons)} files {verb}")


@results_command.command("migrate")
@store_option
@quiet_option
def migrate_command(store: str, quiet: bool) -> None:
    """Convert a store of an older version in place. If interrupted, repeat the command."""
    from ..migration import migrate

    with _bar(quiet, "Migrating") as progress:
        count = migrate(store, progress)
    if not quiet:
        echo(f"{count} files rewritten" if count else "The store is up to date.")
