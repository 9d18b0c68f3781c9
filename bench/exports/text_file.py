"""Text to a file, or to the screen."""

from __future__ import annotations

from pathlib import Path

from ...files import write_file
from ...text import utf8
from .exporter import SCREEN, Handover


def put(handover: Handover, text: str, what: str) -> list[str]:
    """Write text where the handover says, all of it or nothing.

    Args:
        handover: Whose ``to`` is a file, or `SCREEN`.
        text: Ends with a newline.
        what: What it is, for the line that says so.

    Raises:
        StoreError: It cannot be written.
    """
    if handover.to == SCREEN:
        handover.show(text.removesuffix("\n"))
        return [what]
    write_file(Path(handover.to), utf8(text))
    return [f"{what}: {handover.to}"]
