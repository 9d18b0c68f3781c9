"""All checks, in the order of the table. A check that crashes becomes a row that says so; the others still run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

from ...cores import usable_cores
from ...errors import VitobenchError
from . import machine, places
from .check import FAIL, Check

PACKAGE = Path(__file__).parents[2]


def examine(store: str, data_root: Path) -> list[Check]:
    """Run every check.

    Args:
        store: As ``--store``.
        data_root: Folder that `bench data get` downloads to.
    """
    steps: list[tuple[str, Callable[[], list[Check]]]] = [
        (machine.MACHINE, lambda: machine.check_machine(machine.measure_machine())),
        ("packages", _packages),
        (machine.DEVICES, lambda: machine.check_devices(machine.measure_devices())),
        (machine.THREADS, lambda: machine.check_threads(os.environ, usable_cores())),
        ("optional packages", _optional),
        ("plugins", _plugins),
        (places.CONFIGURATION, places.check_configuration),
        (places.PLACES, lambda: places.check_store(store)),
        (places.PLACES, lambda: [places.check_cache(*cache) for cache in places.caches()]),
        (places.PLACES, lambda: [places.check_room("data, room", places.free_at(data_root), needed=False)]),
        (places.DATA_SETS, lambda: places.check_data(places.measure_data(data_root))),
        (places.DATA_SETS, lambda: _named(store)),
    ]
    return [check for group, step in steps for check in guarded(group, step)]


def guarded(group: str, step: Callable[[], list[Check]]) -> Iterator[Check]:
    """The rows of a step, or one failed row if it crashes: the doctor must survive the very faults it looks for."""
    try:
        yield from step()
    except Exception as error:
        words = f"could not be examined: {type(error).__name__}: {' '.join(str(error).split())}"
        yield Check(group, group, FAIL, words, "pip install --force-reinstall vitobench")


def _packages() -> list[Check]:
    from .packages import check_python, check_required, installed, wants

    requirements = wants(PACKAGE)
    if requirements is None:
        return [Check("packages", "vitobench", FAIL, f"{PACKAGE} is not installed", "pip install vitobench")]
    python = check_python(requirements.python, platform.python_version(), platform.python_implementation())
    return [python, *check_required(installed(requirements.required), requirements.version, PACKAGE)]


def _optional() -> list[Check]:
    from .packages import check_optional, check_torchcodec, installed, torchcodec_problem, wants

    requirements = wants(PACKAGE)
    extras = {} if requirements is None else {name: installed(needs) for name, needs in requirements.extras.items()}
    has_torchcodec = any(need.installed for need in extras.get("torchcodec", ()))
    return [*check_optional(extras), *check_torchcodec(torchcodec_problem() if has_torchcodec else "")]


def _plugins() -> list[Check]:
    from ...plugins import GROUPS, unreadable
    from .packages import check_plugins, measure_plugins

    return check_plugins(measure_plugins(), dict.fromkeys(line for group in GROUPS for line in unreadable(group)))


def _named(store: str) -> list[Check]:
    from ...results import records
    from ...results.store import Store

    try:
        return places.check_named(places.named_in_runs(records.runs(Store(store))))
    except VitobenchError:
        return []  # `check_store` already reports what is wrong with the store
