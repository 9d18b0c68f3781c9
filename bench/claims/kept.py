"""What was found of a run, kept beside its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import numpy as np

from ...files import read_sealed_json, write_sealed_json
from .training import Run


def known(run: Run, what: str, names: Collection[str]) -> dict[str, np.ndarray]:
    """What is kept, or nothing where it is of another checkpoint, incomplete or damaged.

    Args:
        run: A finished run.
        what: Name of the file.
        names: What has to be in it.
    """
    facts = read_sealed_json(run.folder / f"{what}.json")
    try:
        if facts is None or facts["checkpoint"] != _checkpoint(run):
            return {}
        return {name: np.array(facts[name], np.float64) for name in names}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def keep(run: Run, what: str, found: Mapping[str, np.ndarray]) -> None:
    """Keep what was found.

    Args:
        run: A finished run.
        what: Name of the file.
        found: By name, float64 (n,): a number for each image or clip.
    """
    lists = {name: values.tolist() for name, values in found.items()}
    write_sealed_json(run.folder / f"{what}.json", {**lists, "checkpoint": _checkpoint(run)})


def _checkpoint(run: Run) -> str:
    return str(json.loads(run.checkpoint.with_suffix(".json").read_text(encoding="utf-8"))["sha256"])
