"""The header of a safetensors file, read without torch and without touching the tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import CheckpointError

CARD_KEY = "vitobench"
"""Key of the metadata under which a checkpoint carries its card."""

_MAX_HEADER = 100_000_000  # the format's own limit


def looks_like_safetensors(path: Path) -> bool:
    """Whether the file begins like safetensors: a length of eight bytes, then a JSON object."""
    with path.open("rb") as handle:
        start = handle.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_HEADER


def read_header(path: Path) -> dict[str, Any]:
    """Read the header and check that all the bytes it promises are there.

    Args:
        path: A safetensors file.

    Returns:
        ``{tensor name: {"dtype", "shape", "data_offsets"}}`` and perhaps ``"__metadata__"``.

    Raises:
        CheckpointError: Not a safetensors file, or a truncated one.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if length > min(size, _MAX_HEADER):
            raise CheckpointError(f"{path} is truncated or is not a safetensors file (its header does not fit in it).")
        text = handle.read(length)
    try:
        header = json.loads(text)
        end = max((entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: its header cannot be read ({error}).") from error
    if size < 8 + length + end:
        raise CheckpointError(
            f"{path} is truncated: {size} bytes of {8 + length + end}. Copy or download it once more."
        )
    return header


def embedded_card(path: Path) -> str | None:
    """The text of the card that the file carries in its metadata, or None.

    Raises:
        CheckpointError: See `read_header`.
    """
    metadata = read_header(path).get("__metadata__")
    return metadata.get(CARD_KEY) if isinstance(metadata, dict) else None
