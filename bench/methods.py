"""Methods: names for several training runs that differ in the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from ..errors import VitobenchError

_FORM = "--seeds takes NAME=RUN,RUN,… or NAME=PATTERN, such as vito=vito-s0,vito-s1 or vito='vito-s*'"


def methods_from(texts: Sequence[str], sides: Sequence[str], known: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The runs of each method.

    Args:
        texts: ``"vito=vito-s0,vito-s1"`` or ``"vito=vito-s*"``.
        sides: What is compared; a method must be one of them.
        known: Names of models that patterns are matched against.

    Raises:
        VitobenchError: A text of another form, a method that is not compared, a pattern that fits nothing, a run of two
            methods.
    """
    methods: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for text in texts:
        name, equals, listed = (part.strip() for part in text.partition("="))
        entries = [entry.strip() for entry in listed.split(",") if entry.strip()]
        if not (name and equals and entries):
            raise VitobenchError(f"Invalid --seeds {text!r}: it names no runs. {_FORM}.")
        if name not in sides:
            raise VitobenchError(
                f"--seeds {name!r} is not one of the compared models: {', '.join(sides)}. Add it to them."
            )
        if name in methods:
            raise VitobenchError(f"--seeds {name!r} is given twice; list all its runs in one --seeds.")
        runs = list(dict.fromkeys(run for entry in entries for run in _matching(entry, known)))
        for run in runs:
            if run in owners:
                raise VitobenchError(
                    f"--seeds lists {run} as a run of both {owners[run]!r} and {name!r}; list it only once."
                )
            owners[run] = name
        methods[name] = tuple(runs)
    for side in sides:
        if side in owners and side not in methods:
            raise VitobenchError(
                f"{side} is both a compared model and a run of {owners[side]!r}; drop it from one of them."
            )
    return methods


def _matching(entry: str, known: Sequence[str]) -> Sequence[str]:
    if not any(mark in entry for mark in "*?["):
        return [entry]
    found = sorted(name for name in known if fnmatchcase(name, entry))
    if not found:
        raise VitobenchError(
            f"No model in the store matches {entry!r}. The store has: {', '.join(sorted(known)) or 'none'}."
        )
    return found


def members(sides: Sequence[str], methods: Mapping[str, Sequence[str]]) -> list[str]:
    """Every model behind what is compared, once."""
    return list(dict.fromkeys(run for side in sides for run in methods.get(side, (side,))))
