"""One look for every figure: colours, sizes, how models and observers are drawn, and figures as text in a page."""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..alignment_data import AlignmentData, Estimate
from ..focus import Focus
from ..wording import labels as labels_of

# Fonts, colours and pens, and a figure as text inside a page.


# Positions in seaborn's colour-blind palette; its pink and yellow vanish on white and its tan is taken for the orange,
# so black takes their place.
_PALETTE_ORDER = (0, 3, 2, 4, 1, 9, None, 7)
# Marker and size: a triangle or a star of the nominal size of a disc looks much smaller.
MARKERS = (("o", 5.2), ("s", 4.8), ("^", 6.2), ("D", 4.6), ("v", 6.2), ("P", 6.2), ("X", 6.2), ("*", 8.0))
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
INK = "#222222"
FAINT = "#6b6b6b"
GRID = "#e3e3e3"
BAND = "#f4f4f4"
REST = "#c4c4c4"
"""Models in the background of a figure of many."""
_TAG = re.compile(r"<[^>]*>")
_POINTER = re.compile(r'(?:url\(#|href="#)([^")]+)')


@dataclass(frozen=True)
class Pen:
    """How one model is drawn, the same in every figure: colour, marker and dashes, so that no reader needs colour."""

    colour: str
    marker: str
    size: float
    dashes: Any

    @property
    def point(self) -> dict[str, Any]:
        """What `Axes.plot` needs for this model's marker; the white rim keeps overlapping ones apart."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markersize": self.size,
            "markeredgecolor": "white",
            "markeredgewidth": 0.5,
        }


@cache
def _style() -> Any:
    # Any: the names that matplotlib accepts are a type of their own in some versions and plain text in others.
    import seaborn as sns

    style: dict[str, Any] = sns.axes_style("ticks")
    return style | {
        # Shipped with matplotlib, so a layout does not depend on the machine; the page puts its own font over it.
        "font.family": ["DejaVu Sans"],
        "font.size": 8.5,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.labelsize": 8.5,
        "axes.labelcolor": INK,
        "axes.edgecolor": "#8a8a8a",
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        # A dollar sign in a model's name does not start an equation.
        "text.parse_math": False,
        "svg.fonttype": "none",
        # Fonts that a journal accepts and a reader can search, instead of drawn letters.
        "pdf.fonttype": 42,
        "svg.hashsalt": "vitobench",
    }


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in the house style, and leave matplotlib's global settings as they were."""
    with mpl.rc_context(_style()), warnings.catch_warnings():
        # Names in other scripts have no glyph in the layout font; the browser, which has one, draws the text.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def pens(models: Sequence[str]) -> dict[str, Pen]:
    """One pen per model, by its position; colours repeat after eight, with other dashes."""
    import seaborn as sns

    palette = sns.color_palette("colorblind").as_hex()
    by_model = {}
    for index, model in enumerate(models):
        position = _PALETTE_ORDER[index % len(_PALETTE_ORDER)]
        colour = INK if position is None else palette[position]
        dashes = DASHES[(index + index // len(_PALETTE_ORDER)) % len(DASHES)]
        by_model[model] = Pen(colour, *MARKERS[index % len(MARKERS)], dashes)
    return by_model


def add_legend(
    figure: Figure,
    models: Sequence[str],
    *,
    line: bool,
    ink: Mapping[str, Pen] | None = None,
    labels: Mapping[str, str] | None = None,
    rest: int = 0,
    rest_marker: str = "",
) -> None:
    """Put the models above the panels, in as many columns as their names leave room for.

    Args:
        figure: The figure that gets the legend.
        models: Names.
        line: Whether they are drawn as lines.
        ink: Their pens, if not by position.
        labels: Texts, if not their names.
        rest: How many more models are drawn in grey.
        rest_marker: Their marker; without one they are lines.
    """
    ink = pens(models) if ink is None else ink
    labels = labels or labels_of(models)
    texts = [labels[model] for model in models]
    handles = [
        Line2D([], [], linestyle=ink[model].dashes if line else "none", label=text, **ink[model].point)
        for model, text in zip(models, texts, strict=True)
    ]
    if rest:
        texts = [*texts, f"{rest} other{'s' if rest > 1 else ''}"]
        grey: dict[str, Any] = {"marker": rest_marker, "linestyle": "none"} if rest_marker else {"linewidth": 0.8}
        handles.append(Line2D([], [], label=texts[-1], color=REST, **grey))
    # About 0.072 inch a letter at this size, and 0.75 inch for the sample and the gaps.
    widths = [0.75 + 0.072 * len(text) for text in texts]
    columns = len(handles) or 1
    if sum(widths) > figure.get_figwidth():
        columns = max(1, int(figure.get_figwidth() / max(widths)))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=columns, handlelength=2.6 if line else 1.0, columnspacing=1.6
    )


def grid_along(axes: Axes, axis: str) -> None:
    """Keep the grid lines of one axis only: the ones along which values are read."""
    axes.grid(False, axis="y" if axis == "x" else "x")


def to_svg(figure: Figure, prefix: str, label: str) -> str:
    """Turn a figure into an ``<svg>`` element that can be placed with others in one HTML page.

    Args:
        figure: The figure.
        prefix: Put before every id, so that ids stay unique in the page.
        label: Text for screen readers in place of the picture.

    Returns:
        The element alone: no prolog, no metadata, no namespace addresses, the same bytes for the same figure.
    """
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    # A rule for "*" would reach the whole page once the picture is inside it; the page's own style sheet holds it.
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    opening, rest = text.split(">", 1)
    view = re.search(r'viewBox="([^"]+)"', opening)
    box = view[1] if view else f"0 0 {figure.get_figwidth() * 72:g} {figure.get_figheight() * 72:g}"
    # Nearly every id names a group that nothing points at.
    used = {name for tag in _TAG.findall(rest) for name in _POINTER.findall(tag)}
    rest = _TAG.sub(lambda tag: _slim(tag[0], prefix, used), rest)
    rest = re.sub(r">\s+<", "><", rest).strip()
    width = f"--inches: {figure.get_figwidth():g}"
    return f'<svg viewBox="{box}" style="{width}" role="img" aria-label="{html.escape(label)}">{rest}'


def _slim(tag: str, prefix: str, used: set[str]) -> str:
    """Shorten one tag to visible precision (hundredths of a point, no rotation by 0) and prefix its ids."""
    tag = re.sub(r"\s*\n", " ", tag).replace(' "', '"').replace("font-family: 'DejaVu Sans'; ", "")
    tag = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", tag)
    tag = re.sub(r'\bid="([^"]+)"', lambda match: f'id="{prefix}-{match[1]}"' if match[1] in used else "", tag)
    tag = tag.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-')
    tag = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), tag)
    return tag.replace(" >", ">")


# How observers are drawn: models in colours, the group compared with in ink, published numbers hollow.


FEW = 6
"""Most models whose intervals are drawn along curves; those of more would hide each other."""

PUBLISHED = " (published)"
_PERSON = Pen(FAINT, "o", 3.0, "-")
_REFERENCE = Pen(INK, "D", 6.0, "-")
_BEHIND = Pen(REST, "o", 4.0, "-")


def behind(models: Focus | None) -> frozenset[str]:
    """Observers drawn in grey; none unless models were chosen."""
    return frozenset(models.rest if models else ())


def observer_pens(data: AlignmentData, models: Focus | None = None) -> dict[str, Pen]:
    """A pen for every observer.

    Ink is for the group compared with, grey for models in the background; no two others share colour and marker.
    """
    colours = [pen.colour for pen in pens([str(index) for index in range(len(MARKERS))]).values() if pen.colour != INK]
    grey = behind(models)
    by_observer = {data.reference: _REFERENCE} | {model: _BEHIND for model in data.models if model in grey}
    for index, model in enumerate(model for model in data.models if model not in grey):
        # Seven colours and eight markers have no factor in common: 56 pairs before one comes again.
        marker = MARKERS[index % len(MARKERS)]
        by_observer[model] = Pen(colours[index % len(colours)], *marker, DASHES[index % len(DASHES)])
    for record in data.observers:
        by_observer.setdefault(str(record["name"]), _PERSON)
    return by_observer


def legend(
    figure: Figure, data: AlignmentData, names: Sequence[str], models: Focus | None = None, *, line: bool, marker: str
) -> None:
    """Add the legend above the panels; observers in grey are only counted.

    Args:
        figure: The figure that gets the legend.
        data: The figures' input.
        names: Observers that are drawn.
        models: Which models are in colour.
        line: Whether those are drawn as lines.
        marker: Of those in grey; none where they are lines.
    """
    grey = behind(models)
    coloured = [name for name in names if name not in grey]
    texts = names_of(data, coloured)
    ink, rest = observer_pens(data, models), len(names) - len(coloured)
    add_legend(figure, coloured, line=line, ink=ink, labels=texts, rest=rest, rest_marker=marker)


def names_of(data: AlignmentData, observers: Sequence[str], width: int = 28) -> dict[str, str]:
    """Observers' labels, shortened except for the remark that one is simulated; no two in a figure are equal."""
    parts = {name: data.label(name).partition(" (simulated)") for name in (*data.everyone, *observers)}
    short = labels_of((label for label, _, _ in parts.values()), width)
    return {name: short[parts[name][0]] + "".join(parts[name][1:]) for name in observers}


def hollow(size: float = 5.0) -> dict[str, Any]:
    """What `Axes.plot` needs for a published value."""
    return {
        "marker": "o",
        "markersize": size,
        "markerfacecolor": "white",
        "markeredgecolor": FAINT,
        "markeredgewidth": 0.9,
        "linestyle": "none",
    }


def whisker(axes: Axes, x: float, y: float, span: tuple[float, float], pen: Pen, *, along: str) -> None:
    """The interval of a value, along an axis."""
    fixed = [y, y] if along == "x" else [x, x]
    ends = (list(span), fixed) if along == "x" else (fixed, list(span))
    axes.plot(*ends, color=pen.colour, linewidth=1.1, solid_capstyle="butt")


def interval_cells(estimate: Estimate) -> dict[str, float | int | None]:
    """The columns that every figure's rows end with."""
    return {
        "value": estimate.value,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "people_ci_low": estimate.people_low,
        "people_ci_high": estimate.people_high,
        "n": estimate.n or None,
    }
