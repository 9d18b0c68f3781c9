"""Plain data as a file of JSON, the one way in which every command writes it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from ..files import write_file


def plain(value: Any) -> Any:
    """JSON has no NaN: a missing value becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def write_plain(path: Path, facts: dict[str, Any]) -> None:
    """Write facts, all of them or nothing.

    Args:
        path: Where to.
        facts: What `plain` has made.

    Raises:
        StoreError: It cannot be written.
    """
    write_file(path, (json.dumps(facts, indent=1) + "\n").encode())
