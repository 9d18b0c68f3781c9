"""Read the header of a safetensors file, without torch and without reading the tensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import CheckpointError

CARD_KEY = "vitobench"
"""Key of the card in a checkpoint's metadata."""

_MAX_HEADER = 100_000_000  # the format's own limit


def looks_like_safetensors(path: Path) -> bool:
    """Whether the file begins like safetensors: an eight-byte length, then a JSON object."""
    with path.open("rb") as handle:
        start = handle.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") <= _MAX_HEADER


def read_header(path: Path) -> dict[str, Any]:
    """Read the header, and check that the file is as long as the header says.

    Args:
        path: A safetensors file.

    Returns:
        ``{tensor name: {"dtype", "shape", "data_offsets"}}``, and optionally ``"__metadata__"``.

    Raises:
        CheckpointError: It is not a safetensors file, or is truncated.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        if length > min(size, _MAX_HEADER):
            raise CheckpointError(f"{path} is truncated or is not a safetensors file (its header does not fit in it).")
        text = handle.read(length)
    try:
        header = json.loads(text, object_pairs_hook=unique_keys)
        ends = [_end_of(entry) for key, entry in header.items() if key != "__metadata__"]
    except RecursionError:
        raise CheckpointError(f"{path} is not a safetensors file: its header is nested too deeply.") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path} is not a safetensors file: its header cannot be read ({error}).") from error
    end = max(ends, default=0)
    if size < 8 + length + end:
        raise CheckpointError(
            f"{path} is truncated: {size} bytes of {8 + length + end}. Copy or download it once more."
        )
    return header


def unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The ``object_pairs_hook`` of JSON that must not repeat a key, because readers differ in which value they use.

    Raises:
        ValueError: A key is repeated.
    """
    unique: dict[str, Any] = {}
    for name, value in pairs:
        if name in unique:
            raise ValueError(f"the key {name[:80]!r} appears twice")
        unique[name] = value
    return unique


def _end_of(entry: dict[str, Any]) -> int:
    start, end = entry["data_offsets"]
    if type(start) is not int or type(end) is not int or not 0 <= start <= end:
        raise ValueError(f"data_offsets {str([start, end])[:80]} are not a range of bytes")
    return end


def embedded_card(path: Path) -> str | None:
    """The text of the card in the file's metadata, or None.

    Raises:
        CheckpointError: See `read_header`; or the card is not text.
    """
    metadata = read_header(path).get("__metadata__")
    card = metadata.get(CARD_KEY) if isinstance(metadata, dict) else None
    if card is not None and not isinstance(card, str):
        raise CheckpointError(
            f"The card of {path} is a JSON {type(card).__name__} in the header's metadata; valid: its JSON as text, "
            "since metadata of safetensors are strings."
        )
    return card
