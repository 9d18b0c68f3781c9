"""Which models a figure shows in colour, so that fifty stay as legible as two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import unknown_name
from .data import ReportData

MANY = 8
"""With more models than this, curves would hide each other: only so many are in colour."""


@dataclass(frozen=True)
class Focus:
    """Two groups of models.

    Attributes:
        shown: Drawn with a pen of their own and named in the legend.
        rest: Drawn in grey behind them, without names.
    """

    shown: tuple[str, ...]
    rest: tuple[str, ...] = ()


def focus(data: ReportData, highlight: Sequence[str] = ()) -> Focus:
    """Choose the models to draw in colour.

    Args:
        data: The figures' input.
        highlight: Names that the user chose; none takes all models up to `MANY`, and of more those with a declared
            baseline, their baselines, then the first ones.

    Raises:
        UnknownNameError: A name that the data lack.
    """
    names = data.model_names
    for name in highlight:
        if name not in names:
            raise unknown_name("model in the scores", name, names)
    chosen = set(highlight) or set(drawn_models(data))
    return Focus(
        tuple(name for name in names if name in chosen),
        tuple(name for name in names if name not in chosen),
    )


def drawn_models(data: ReportData) -> tuple[str, ...]:
    """Up to `MANY` models; of more, those with a declared baseline and these baselines go first."""
    names = data.model_names
    if len(names) <= MANY:
        return names
    compared = [name for name in names if data.baseline(name)]
    paired = [name for pair in ((name, data.baseline(name)) for name in compared) for name in pair if name]
    chosen = set(list(dict.fromkeys([*paired, *names]))[:MANY])
    return tuple(name for name in names if name in chosen)
