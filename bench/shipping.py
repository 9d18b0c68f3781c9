"""Make the package's own layer: predictions of the models whose weights are part of it, on the micro-world.

``python -m vitobench.bench.shipping`` writes ``results/shipped`` anew; repeated, it computes only what is missing.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError, VitobenchError
from ..models.sources.zoo import names as zoo_names
from ..results import records
from ..results.layers import SHIPPED
from ..results.store import Store
from ..tasks.registry import SUITES, all_tasks
from ..terminal import echo, open_console
from .pruning import Wish, choose
from .run import execute
from .settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

LARGEST = 12_000_000
"""Bytes that the package spends on predictions."""

_RUN = "shipped"


def micro_tasks() -> tuple[str, ...]:
    """Tasks of the micro-world that are in a suite."""
    suites = {name for suite in SUITES.values() for name in suite.tasks}
    return tuple(name for name, task in all_tasks().items() if name in suites and task.world == "microworld")


def ship(
    folder: Path,
    models: Sequence[str],
    tasks: Sequence[str],
    console: Console | None = None,
    device: str = "auto",
    limit: int | None = None,
) -> int:
    """Compute what the package's layer lacks, drop what it no longer needs, and describe it.

    Args:
        folder: The layer.
        models: Names of models.
        tasks: Names of tasks.
        console: Where to show progress.
        device: See `Settings`.
        limit: See `Settings`.

    Returns:
        Its size in bytes.

    Raises:
        VitobenchError: Something could not be computed.
        StoreError: It is larger than `LARGEST`.
    """
    settings = Settings(tuple(models), (), None, tuple(tasks), store=folder, device=device, limit=limit, recompute=True)
    outcome = execute(settings, console, "python -m vitobench.bench.shipping")
    if outcome.data.failures or outcome.plan is None:
        raise VitobenchError("\n".join(failure.reason for failure in outcome.data.failures))
    store = Store(folder)
    for name in choose(store, Wish(superseded=True, leftovers=True)):
        store.folder.remove(name)
    _describe(store)
    size = sum(entry.size for entry in store.folder.files())
    if size > LARGEST:
        raise StoreError(f"{folder} has {size / 1e6:.1f} MB; the package spends {LARGEST / 1e6:.0f} MB at most.")
    return size


def _describe(store: Store) -> None:
    """Leave one run that says what computed the predictions, without names and paths of this machine."""
    # By date, not by name as elsewhere: the one that an earlier time left has no time in its name. Of two in the same
    # second that one is the older.
    runs = sorted(records.runs(store), key=lambda run: (run["date"], run["name"] != _RUN), reverse=True)
    computed = next(run for run in runs if run["units"].get("computed"))
    newest = runs[0]
    processor = " ".join(filter(None, (platform.system(), platform.machine())))
    names = ("versions", "date", "seed", "schema", "units")
    record: dict[str, Any] = {name: value for name, value in computed.items() if name in names}
    if computed["name"] == _RUN:
        processor = computed["host"]
    record |= {"status": "finished", "host": processor, "models": newest["models"], "tasks": newest["tasks"]}
    for run in runs:
        store.folder.remove(f"{records.RUNS}/{run['name']}.json")
    records.write_run(store, _RUN, record)
    # No page is drawn from them: whoever runs a task writes its data's manifest.
    for kind in (records.MANIFESTS, records.CACHE):
        for entry in store.folder.files(kind):
            store.folder.remove(entry.name)


def main() -> None:
    """Write the layer of this package, and say how large it is."""
    try:
        size = ship(SHIPPED, zoo_names(), micro_tasks(), open_console(err=True))
    except VitobenchError as error:
        echo(str(error), err=True)
        sys.exit(1)
    echo(f"{size / 1e6:.1f} MB in {SHIPPED}")


if __name__ == "__main__":
    main()
