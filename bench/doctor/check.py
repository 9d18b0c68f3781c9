"""The result of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Check:
    """A row of `bench doctor`.

    Attributes:
        group: What it belongs to: ``machine``, ``packages``, ...
        name: What was looked at.
        status: `OK`; `WARN` where something works worse than it could; `FAIL` where something cannot work.
        found: What is there.
        advice: What to do; empty where there is nothing to do.
    """

    group: str
    name: str
    status: str
    found: str
    advice: str = ""


def failed(checks: Iterable[Check]) -> bool:
    """Whether any check failed."""
    return any(check.status == FAIL for check in checks)
