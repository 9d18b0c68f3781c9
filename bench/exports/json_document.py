"""Everything that was found, as JSON."""

from __future__ import annotations

import json

from ..export import as_json
from .exporter import Handover
from .text_file import put


def export(handover: Handover) -> list[str]:
    """See `Exporter`."""
    found = as_json(handover.outcome)
    text = json.dumps(found, indent=1) + "\n"
    return put(handover, text, f"{len(found['scores']):,} scores, {len(found['comparisons']):,} comparisons")
