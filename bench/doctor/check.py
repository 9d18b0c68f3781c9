"""The result of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """A row of `bench doctor`.

    Attributes:
        group: Section of the table: ``machine``, ``packages``, ...
        name: What was checked.
        status: `OK`; `WARN` if something works, but worse than it could; `FAIL` if it cannot work.
        found: What the check saw.
        advice: How to fix it; empty if there is nothing to fix.
    """

    group: str
    name: str
    status: str
    found: str
    advice: str = ""


def failed(checks: Iterable[Check]) -> bool:
    """Whether any check failed."""
    return any(check.status == FAIL for check in checks)
