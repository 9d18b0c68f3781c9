"""Pass existing scores to an export by its name."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import unknown_name
from ..run import Outcome
from .exporter import Handover
from .registry import export_spec


def hand_over(outcome: Outcome, form: str, to: str | None = None, models: Sequence[str] = ()) -> list[str]:
    """Export scores.

    Args:
        outcome: The scores.
        form: Name of the export.
        to: Where to; its default if None.
        models: Models that get a place of their own; all if empty.

    Returns:
        Lines for a person that say what was written.

    Raises:
        UnknownNameError: No such export or model.
        VitobenchError: A package is missing, or the target cannot be written.
    """
    spec = export_spec(form)
    target = spec.default if to is None else to
    spec.check_target(target)
    exporter = spec.load()
    known = [str(model["name"]) for model in outcome.data.models]
    for name in models:
        if name not in known:
            raise unknown_name("model of this result", name, known)
    return exporter.export(Handover(outcome, tuple(models) or tuple(known), target))
