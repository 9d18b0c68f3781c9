"""Headline numbers as evaluation results of a Hugging Face model card."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError, VitobenchError
from ...reports.rows import headline_rows, hole_lines
from .exporter import SCREEN, Handover
from .front_matter import dump, read_front, with_key
from .model_index import entry_of, merged
from .text_file import put

KEY = "model-index"


def export(handover: Handover) -> list[str]:
    """See `Exporter`."""
    if len(handover.models) != 1:
        raise VitobenchError(
            f"A model card describes one model; name it with --model. The store has: {', '.join(handover.models)}."
        )
    (model,) = handover.models
    entry = entry_of(handover.outcome.data, model)
    count = sum(len(result["metrics"]) for result in entry["results"])
    if not count:
        raise VitobenchError(f"{model} has no headline number with a value, so there is nothing to put on a card.")
    data = handover.outcome.data.of([model])
    absent = [f"Left out: {line}" for line in hole_lines(headline_rows(data), data.undefined)]
    what = f"{count} headline numbers of {model}"
    path = Path(handover.to)
    if handover.to == SCREEN or path.suffix in (".yaml", ".yml"):
        return [*put(handover, dump({KEY: [entry]}), what), *absent]
    if path.suffix.lower() != ".md":
        raise VitobenchError(
            f"--to {path}: the name must end in .md for a card, or in .yaml for the metadata block alone."
        )
    try:
        # By bytes: reading as text would make one kind of line ending of all.
        text = path.read_bytes().decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    index = merged(read_front(text, str(path)).get(KEY), entry, str(path))
    card = with_key(text, KEY, index, str(path))
    return [*put(handover, card, f"{what}, {'merged into' if text else 'a new card'}"), *absent]
