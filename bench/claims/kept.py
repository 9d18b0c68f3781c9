"""What was found of a run, kept beside its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ...results.folder import write_aside
from .training import Run


def known(run: Run, what: str, names: Collection[str]) -> dict[str, float]:
    """What is kept, or nothing where it is of another checkpoint, incomplete or damaged.

    Args:
        run: A finished run.
        what: Name of the file.
        names: What has to be in it.
    """
    try:
        found = json.loads((run.folder / f"{what}.json").read_text(encoding="utf-8"))
        return {name: float(found[name]) for name in names} if found["checkpoint"] == _checkpoint(run) else {}
    except (OSError, ValueError, KeyError):
        return {}


def keep(run: Run, what: str, found: Mapping[str, float]) -> None:
    """Keep what was found.

    Args:
        run: A finished run.
        what: Name of the file.
        found: Numbers by name.
    """
    words = json.dumps({**found, "checkpoint": _checkpoint(run)})
    write_aside(run.folder / f"{what}.json", words.encode())


def _checkpoint(run: Run) -> str:
    return str(json.loads(run.checkpoint.with_suffix(".json").read_text(encoding="utf-8"))["sha256"])
