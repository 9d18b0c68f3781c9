"""Saliency: a few images with the maps laid over them, and every map's agreement with the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ...results.schema import Score
from ..wording import labels
from .style import FAINT, INK, Pen, grid_along, pens, styled

_CELL = 1.05
_LINE = 0.24


@dataclass(frozen=True)
class Example:
    """An image with its maps.

    Attributes:
        title: What it shows.
        image: uint8 (H, W, 3).
        reference: (h, w), the map that others are compared with.
        maps: (h, w) each, by observer and map.
        values: Spearman correlation of a map with the reference, by the same keys.
    """

    title: str
    image: np.ndarray
    reference: np.ndarray
    maps: Mapping[tuple[str, str], np.ndarray]
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class SaliencyView:
    """What the figure shows.

    Attributes:
        title: Of the task.
        reference: What the reference map is: ``"object mask"``, ``"people's map"``.
        examples: Rows of the grid; all with the same maps.
        scores: Of models and baselines.
        baselines: Which observers are baselines.
        ceiling: Of the Spearman correlation.
    """

    title: str
    reference: str
    examples: Sequence[Example]
    scores: Sequence[Score]
    baselines: Sequence[str]
    ceiling: float


def saliency_figure(view: SaliencyView) -> Figure:
    """Draw the view.

    Returns:
        The figure: a row for each example (image, reference, maps with their Spearman correlation), and below a line
        for each map of each model with its interval, against the baselines and the ceiling.
    """
    keys = list(dict.fromkeys(key for example in view.examples for key in example.maps))
    scores = [row for row in view.scores if row.metric == "spearman"]
    order = list(dict.fromkeys(row.model for row in scores))
    own = sorted(
        (row for row in scores if row.model not in view.baselines),
        key=lambda row: (order.index(row.model), row.condition),
    )
    # The same under every map of the models.
    baselines = list({row.model: row for row in scores if row.model in view.baselines}.values())
    columns = 2 + len(keys)
    grid_height = _CELL * 1.12 * len(view.examples) + 0.55
    bars_height = 0.95 + _LINE * len(own)
    width = max(6.4, _CELL * columns + 0.3)
    with styled():
        figure = Figure(figsize=(width, (grid_height if view.examples else 0) + bars_height), layout="constrained")
        if view.examples:
            (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[grid_height, bars_height])
            _grid(upper, view, keys)
        else:
            ((lower,),) = figure.subfigures(1, 1, squeeze=False)
        _bars(lower.subplots(), view, own, baselines)
    return figure


def _grid(figure: SubFigure, view: SaliencyView, keys: Sequence[tuple[str, str]]) -> None:
    axes = figure.subplots(len(view.examples), 2 + len(keys), squeeze=False)
    short = labels(observer for observer, _ in keys)
    heads = ["image", view.reference, *(f"{short[observer]}\n{name}" for observer, name in keys)]
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=7.5, fontweight="normal", loc="center")
    for line, example in zip(axes, view.examples, strict=True):
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.grid(False)
            for spine in axis.spines.values():
                spine.set_visible(False)
        line[0].imshow(example.image, interpolation="nearest")
        line[0].set_ylabel(example.title, fontsize=7.5)
        _overlay(line[1], example, example.reference)
        for axis, key in zip(line[2:], keys, strict=True):
            if key in example.maps:
                _overlay(axis, example, example.maps[key])
                value = example.values.get(key, math.nan)
                if math.isfinite(value):
                    axis.set_xlabel(f"{value:.2f}".replace("-", "−"), fontsize=7, color=FAINT, labelpad=1.5)


def _overlay(axis: Axes, example: Example, map_: np.ndarray) -> None:
    """Draw the map in colour over the grey image, by rank: the correlation uses ranks, and no pixel dominates."""
    height, width = example.image.shape[:2]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axis.imshow(example.image.mean(axis=2), cmap="gray", vmin=-60, vmax=255, extent=extent, interpolation="nearest")
    flat = np.asarray(map_, np.float64).ravel()
    _, inverse, counts = np.unique(flat, return_inverse=True, return_counts=True)
    ranks = ((np.cumsum(counts) - 0.5 * counts)[inverse] / flat.size).reshape(map_.shape)
    axis.imshow(ranks, cmap="magma", vmin=0, vmax=1, alpha=0.25 + 0.55 * ranks, extent=extent, interpolation="bilinear")


def _bars(axes: Axes, view: SaliencyView, own: Sequence[Score], baselines: Sequence[Score]) -> None:
    ink = pens(list(dict.fromkeys(row.model for row in own)))
    for y, row in enumerate(own):
        pen: Pen = ink[row.model]
        axes.plot([row.ci_low, row.ci_high], [y, y], color=pen.colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot([row.value], [y], linestyle="none", **pen.point)
    for row, dashes in zip(baselines, ("--", ":"), strict=False):
        axes.axvline(row.value, color=FAINT, linestyle=dashes, linewidth=1.1, label=f"{row.model} {row.value:.3f}")
    axes.axvline(view.ceiling, color=INK, linewidth=1.1, label=f"ceiling {view.ceiling:g}")
    axes.axvline(0, color=FAINT, linewidth=0.6)
    short = labels(row.model for row in own)
    axes.set_yticks(range(len(own)), [f"{short[row.model]}, {row.condition}" for row in own])
    axes.set_ylim(len(own) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(
        f"Spearman correlation with the {view.reference}, {max(row.n for row in own):,} images" if own else ""
    )
    axes.set_title(view.title)
    grid_along(axes, "x")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
