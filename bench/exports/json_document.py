"""Everything that was found, as JSON."""

from __future__ import annotations

from ...files import json_text
from ..export import as_json
from .exporter import Handover
from .text_file import put


def export(handover: Handover) -> list[str]:
    """See `Exporter`."""
    found = as_json(handover.outcome)
    text = f"{json_text(found)}\n"
    return put(handover, text, f"{len(found['scores']):,} scores, {len(found['comparisons']):,} comparisons")
