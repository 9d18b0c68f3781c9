"""The exceptions that every part of vitobench raises for a user's mistake.

They live at the root because every sub-package needs them and none may import another just for an exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VitobenchError(Exception):
    """Something the user can mend. The command line prints the message without a traceback and exits with 2."""


class UnknownNameError(VitobenchError):
    """A name that no registry knows. The message holds the nearest valid names."""


class DataError(VitobenchError):
    """A data folder, image or table that is missing or not of the expected form."""


class CheckpointError(VitobenchError):
    """A checkpoint that is absent, truncated, unsafe to open, or does not fit its architecture."""


class StoreError(VitobenchError):
    """A result store that cannot be read or written."""


def unknown_name(kind: str, name: str, valid: Iterable[str], hint: str = "") -> UnknownNameError:
    """Build the error for an unknown name: the nearest valid names first, then all of them.

    Args:
        kind: What was looked up, in the singular: ``"model"``, ``"suite"``.
        name: What the user wrote.
        valid: Every name that would have been accepted.
        hint: One more sentence, for instance where other names may come from.

    Returns:
        The exception, to be raised by the caller.
    """
    return UnknownNameError(f"There is no {kind} named {name!r}.{suggestion(name, valid)} {hint}".strip())


def suggestion(name: str, valid: Iterable[str], also_all: bool = True) -> str:
    """The nearest valid names, as a sentence that begins with a space; with ``also_all`` then all of them."""
    names = sorted(valid)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    message = " Did you mean " + " or ".join(repr(n) for n in near) + "?" if near else ""
    return f"{message} Valid names: {', '.join(names)}." if also_all else message
