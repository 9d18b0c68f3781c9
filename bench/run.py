"""A run from beginning to end: plan, run what is missing, score, record."""

from __future__ import annotations

import importlib.metadata
import platform
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from ..reports.data import ReportData
from ..results.schema import SCHEMA_VERSION, Failure
from ..results.store import Store
from .outcome import gather
from .plan import Plan, make_plan
from .progress import bar
from .settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

_PACKAGES = ("vitobench", "torch", "torchvision", "timm", "numpy", "numba", "scipy", "pillow", "pandas", "pyarrow")


@dataclass(frozen=True)
class Outcome:
    """What a run gives back.

    Attributes:
        data: Scores, comparisons, failures and provenance.
        computed: Units computed by this run; 0 when everything was in the store.
        total: Units asked for, counted per model.
        seconds: Wall-clock time of this run.
    """

    data: ReportData
    computed: int
    total: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether nothing that was asked is missing."""
        return not self.data.failures


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _asked(plan: Plan) -> int:
    return sum(len(planned.ranges()) for planned, _ in plan.cells())


def execute(settings: Settings, console: Console | None = None, command: str = "", compute: bool = True) -> Outcome:
    """Run a suite or tasks, and score them.

    Args:
        settings: What to do.
        console: Where to show notes and progress; None is silent.
        command: The command line, for the record.
        compute: Run what is missing; else only score what the store holds.

    Raises:
        VitobenchError: Wrong usage, or a store that cannot be written.
    """
    started = time.monotonic()
    store = Store(settings.store)
    if not compute and not store.root.is_dir():
        raise StoreError(f"There is no store at {store.root}; run first, or name its folder with --store.")
    plan = make_plan(settings, store)
    if console is not None:
        for note in plan.notes:
            console.print(note, style="yellow", markup=False)
    missing = plan.missing(store) if compute else []
    todo, asked = sum(len(unit.models) for unit in missing), _asked(plan)
    failures: list[Failure] = []
    images = 0
    if missing:
        # Only now torch loads: a finished run is scored without it.
        from .engine import Engine

        work = sum((unit.stop - unit.start) * len(unit.models) * len(unit.planned.task.conditions) for unit in missing)
        if console is not None:
            names = ", ".join(spec.name for spec in plan.models)
            console.print(f"{names}: {todo} of {asked} units to run, {asked - todo} in the store", markup=False)
        with bar(console, "Running", work) as advance:
            engine = Engine(settings, store, advance)
            failures = engine.run(missing)
            images = engine.images
    elif console is not None and compute:
        console.print(f"Nothing to run: all {asked} units are in {store.root}.", markup=False)
    ran = time.monotonic() - started
    facts: dict[str, Any] = {
        "versions": _versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "command": command,
        "store": str(settings.store),
        "schema": SCHEMA_VERSION,
    }
    data = gather(plan, store, failures, facts)
    left = sum(len(unit.models) for unit in plan.missing(store)) if missing else 0
    if missing:
        record = {
            **facts,
            "platform": platform.platform(),
            "models": {spec.name: asdict(spec) | {"identity": spec.identity} for spec in plan.models},
            "tasks": {
                p.task.name: {"identity": p.identity, "images": p.images, "data": p.source.digest} for p in plan.tasks
            },
            "units": {"asked": asked, "computed": todo - left, "missing": left},
            "seconds": round(ran, 2),
            "forward_images": images,
            "failures": [asdict(failure) for failure in data.failures],
        }
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        store.write_run(f"{stamp}-{uuid.uuid4().hex[:8]}", record)
    return Outcome(data, todo - left, asked, time.monotonic() - started)
