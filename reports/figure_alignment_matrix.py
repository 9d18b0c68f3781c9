"""Error consistency of every observer with every other one, as a heat map for each data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

from .alignment_data import AlignmentData
from .alignment_style import names_of
from .focus import Focus
from .style import FAINT, INK, styled
from .wording import MINUS

_STEPS = [step / 10 for step in range(-2, 11)]
"""Few steps: a reader can find each in the scale, and the picture stays vectors."""

_WRITTEN = 14  # observers up to which the numbers have room


def agreement_of(data: AlignmentData, data_set: str) -> tuple[list[str], list[list[float]]]:
    """Names and matrix of a data set, models first in their order, then single people.

    Raises:
        KeyError: If there is no matrix of this data set.
    """
    for record in data.agreement:
        if record["data_set"] == data_set:
            names, values = list(map(str, record["observers"])), record["values"]
            models = sorted((name for name in names if name in data.models), key=data.models.index)
            order = [names.index(name) for name in (*models, *(name for name in names if name not in data.models))]
            return [names[row] for row in order], [[float(values[a][b]) for b in order] for a in order]
    raise KeyError(data_set)


def agreement_rows(data: AlignmentData, data_set: str) -> list[dict[str, Any]]:
    """The numbers of a matrix, a row for each pair of observers."""
    names, values = agreement_of(data, data_set)
    return [
        {"data_set": data_set, "a": names[a], "b": names[b], "error_consistency": values[a][b]}
        for a in range(len(names))
        for b in range(a)
    ]


def agreement_matrix(data: AlignmentData, data_set: str, models: Focus | None = None) -> Figure:
    """Draw one data set.

    Args:
        data: The figures' input.
        data_set: Name of one that has a matrix.
        models: Ignored; every observer has a row.

    Returns:
        The figure, with a gap between models and the observers that they are compared with.

    Raises:
        KeyError: If there is no matrix of this data set.
    """
    names, values = agreement_of(data, data_set)
    first = sum(name in data.models for name in names)
    # A gap where people begin, both ways.
    places = [row + (0.35 if row >= first and first else 0.0) for row in range(len(names))]
    size = 2.2 + max(2.0, (0.36 if len(names) <= _WRITTEN else 0.155) * len(names))
    colours = mpl.colormaps["YlGnBu"]
    norm = BoundaryNorm(_STEPS, colours.N)
    with styled():
        figure = Figure(figsize=(size + 0.7, size), layout="constrained")
        axes = figure.add_subplot()
        for a, y in enumerate(places):
            for b, x in enumerate(places):
                kappa = values[a][b]
                face = colours(norm(kappa)) if math.isfinite(kappa) else "#eeeeee"
                axes.add_patch(mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, linewidth=0))
                if len(names) <= _WRITTEN and math.isfinite(kappa):
                    axes.text(x, y, _short(kappa), ha="center", va="center", fontsize=6.5,
                              color="white" if kappa >= 0.5 else INK)  # fmt: skip
        edges = (-0.55, (places[-1] if places else 0) + 0.55)
        axes.set_xlim(*edges)
        axes.set_ylim(*reversed(edges))
        axes.set_aspect("equal")
        axes.grid(False)
        _name(data, axes, names, places)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_title(str(data.data_set(data_set)["title"]))
        bar = figure.colorbar(mpl.cm.ScalarMappable(norm, colours), ax=axes, ticks=_STEPS[::2], shrink=0.75, pad=0.02)
        bar.set_label("Error consistency (κ)")
        bar.outline.set_visible(False)
    return figure


def _short(kappa: float) -> str:
    """Two digits without the 0 before them; adding 0 avoids −.00."""
    return f"{round(kappa, 2) + 0.0:.2f}".replace("0.", ".", 1).replace("-", MINUS)


def _name(data: AlignmentData, axes: Any, names: Sequence[str], places: Sequence[float]) -> None:
    short = names_of(data, names, 24)
    texts = [short[name] for name in names]
    small = 8 if len(names) <= _WRITTEN else 6
    axes.set_xticks(places, texts, rotation=90, fontsize=small)
    axes.set_yticks(places, texts, fontsize=small)
    axes.tick_params(length=0)
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        for name, text in zip(names, labels, strict=True):
            text.set_color(INK if name in data.models else FAINT)
