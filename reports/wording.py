"""How numbers, conditions and verdicts are written: in the terminal, in Markdown, on the page and in CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from ..results.layers import place_name
from ..results.metrics import metric
from ..results.schema import Comparison, LayerFacts

# Numbers, conditions, verdicts and labels as text.


_NAMES = 6  # models that a line names; more are counted

WORLDS = {"microworld": "the micro-world", "photographs": "photographs"}
"""Where images come from, in a sentence."""

HOLE = "—"
MINUS = "−"


class Verdict(StrEnum):
    """The result of a paired comparison."""

    BETTER = "better"
    WORSE = "worse"
    OPEN = "open"


MARKS = {Verdict.BETTER: "▲", Verdict.WORSE: "▼", Verdict.OPEN: ""}


_SPELLED = {
    "jpeg": "JPEG",
    "3d": "3D",
    "iso": "ISO",
    "h265": "H.265",
    "abr": "ABR",
    "crf": "CRF",
    "quant": "quantisation",
    "xy": "XY",
}


def condition_label(condition: str) -> str:
    """``gaussian_noise/3`` as ``Gaussian noise, severity 3``."""
    name, _, severity = condition.partition("/")
    text = " ".join(_SPELLED.get(word, word) for word in name.split("_"))
    text = text[:1].upper() + text[1:]
    return f"{text}, severity {severity}" if severity else text


def layer_line(layer: LayerFacts) -> str:
    """``vito: read from https://…, computed with vitobench 0.2.0 on 2026-11-29 on HOST``, as a sentence."""
    facts = [f"with vitobench {layer['version']}"] if layer["version"] else []
    facts += [f"on {layer['date'][:10]}"] if layer["date"] else []
    facts += [f"on {layer['machine']}"] if layer["machine"] else []
    computed = f", computed {' '.join(facts)}" if facts else ""
    return f"{named(layer['models'])}: read from {place_name(layer['store'])}{computed}."


def named(names: Sequence[str]) -> str:
    """A few names in a line; of many the first, and how many more there are."""
    few = ", ".join(names[:_NAMES])
    return few if len(names) <= _NAMES else f"{few} and {len(names) - _NAMES} more"


def value_text(value: float | None, name: str, sign: bool = False) -> str:
    """A value of a metric, or a difference between two, as every table shows it.

    Args:
        value: As in `Score`: a fraction where the metric is shown in percent.
        name: Of the metric, which says in which unit and with how many decimals.
        sign: Whether a plus is written.

    Returns:
        A dash where there is no number.
    """
    if value is None or not math.isfinite(value):
        return HOLE
    reading = metric(name)
    # Adding zero turns a rounded -0.0 into 0.0, which would otherwise print a minus sign.
    rounded = round(reading.scale * value, reading.decimals) + 0.0
    form = f"{'+' if sign and rounded else ''}{'' if reading.percent else ','}.{reading.decimals}f"
    return f"{rounded:{form}}".replace("-", MINUS)


def interval(low: float, high: float, name: str, sign: bool = False) -> str:
    """``[69.1, 73.3]``, or nothing where an end is missing; see `value_text`."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{value_text(low, name, sign)}, {value_text(high, name, sign)}]"


def unit_words(names: Iterable[str]) -> str:
    """``In percent``, with the metrics that are not, for the legend of what is shown together.

    Args:
        names: Of the metrics.
    """
    plain = dict.fromkeys(metric(name).label for name in names if not metric(name).percent)
    return f"In percent, except {'; '.join(plain)}" if plain else "In percent"


_VERDICTS = {"win": Verdict.BETTER, "loss": Verdict.WORSE, "tie": Verdict.OPEN}


def verdict(comparison: Comparison) -> Verdict:
    """What the corrected test says; in rows that were never judged, whether the interval excludes zero.

    An interval is about one comparison alone, the test about all that were made together: an interval may exclude zero
    although the verdict is open.
    """
    if comparison.verdict in _VERDICTS:
        return _VERDICTS[comparison.verdict]
    if comparison.ci_low > 0:
        side = 1
    elif comparison.ci_high < 0:
        side = -1
    else:
        return Verdict.OPEN
    return Verdict.BETTER if side == metric(comparison.metric).better else Verdict.WORSE


def verdict_words(comparison: Comparison) -> str:
    """The verdict as a phrase: ``better``, ``more by texture``, ``no clear difference``."""
    better, worse = metric(comparison.metric).words
    return {Verdict.BETTER: better, Verdict.WORSE: worse, Verdict.OPEN: "no clear difference"}[verdict(comparison)]


def change(comparison: Comparison | None) -> str:
    """``▲ +3.1``: there is a mark only if the difference is clear, see `verdict`."""
    if comparison is None or not math.isfinite(comparison.difference):
        return HOLE
    return f"{MARKS[verdict(comparison)]} {value_text(comparison.difference, comparison.metric, sign=True)}".strip()


def change_interval(comparison: Comparison | None) -> str:
    """``[+1.2, +5.0]``, or nothing where there is no difference."""
    if comparison is None:
        return ""
    return interval(comparison.ci_low, comparison.ci_high, comparison.metric, sign=True)


_FILE = re.compile(r"(?:[a-z][a-z0-9-]*:)([^?]+)\.(?:safetensors|onnx|tflite|ckpt|pth?|bin)(?:\?.*)?")
"""A model in a file, of any source, by its name without prefix, ending and options."""


def shorten(name: str, width: int = 28) -> str:
    """Shorten one text by cutting out its middle. Names of models that are shown together need `labels`.

    The name of a file first loses its prefix, ending and options, and then folders from the front:
    ``file:runs/vito-seed0/vito.safetensors`` is ``runs/vito-seed0/vito``, or ``…/vito``.
    """
    of_file = _FILE.fullmatch(name) if len(name) > width else None
    name = of_file[1] if of_file else name
    if len(name) <= width:
        return name
    if of_file and "/" in name:
        fits = name.find("/", max(0, len(name) - (width - 1)))
        if fits >= 0:
            return f"…{name[fits:]}"
        if len(last := name.rpartition("/")[2]) < width:
            return f"…{last}"
    head = (width - 1) // 2
    return f"{name[:head]}…{name[-(width - 1 - head) :]}"


def visible(text: str) -> str:
    """A text as readers see it: without invisible characters, and with any white space as one space."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def labels(names: Iterable[str], width: int | None = 28, written: Callable[[str], str] = visible) -> dict[str, str]:
    """Short labels for things that are shown together, by name; no two are equal.

    A name that fits stays as it is, and a longer one loses its middle as in `shorten`. Where that leaves some names
    equal (seeds of one recipe, say), these show the part in which they differ instead, in more letters than ``width``
    if needed. Names that look the same even in full, as they are written, are numbered. The order of the names does not
    matter.

    Args:
        names: All that are shown together.
        width: Letters that fit; None for no limit.
        written: How a label is written where it is shown, for instance as LaTeX.
    """
    every = sorted(set(names))
    longest = max(map(len, every), default=0)
    room = longest if width is None else width
    label_of = {name: shorten(name, room) for name in every}
    together: list[set[str]] = []
    # Names that look the same even in full get numbers below; more room would not help them.
    while (
        alike := [group for group in _alike(label_of, written) if len(set(map(written, group))) > 1]
    ) and room < longest:
        # Names whose labels were equal once stay in one group, so that its labels show everything in which they differ.
        for group in alike:
            joined = [other for other in together if other & set(group)]
            together = [other for other in together if other not in joined] + [set(group).union(*joined)]
        before = label_of
        label_of = label_of | {name: _apart(name, sorted(group), room) for group in together for name in group}
        room += max(4, room // 2) if label_of == before else 0
    while short := [name for group in _alike(label_of, written) for name in group if label_of[name] != name]:
        label_of |= {name: name for name in short}
    for group in _alike(label_of, written):
        for number, name in enumerate(group, 1):
            label_of[name] = _numbered(
                name, number, {written(label_of[other]) for other in every if other != name}, written
            )
    return label_of


def _alike(label_of: Mapping[str, str], written: Callable[[str], str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name, label in label_of.items():
        groups.setdefault(written(label), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _apart(name: str, group: Sequence[str], room: int) -> str:
    """A window of ``room`` letters on the part of a name in which it differs from the others of its group."""
    if len(name) <= room:
        return name
    start = _shared(group)
    end = len(name) - min(_shared([other[::-1] for other in group]), min(map(len, group)) - start)
    middle, letters = name[start:end], room - 2
    if len(middle) > letters:
        # They differ at both ends: the middle is cut out.
        return f"…{shorten(middle, letters)}…"
    # The word before the difference says what it is about, so it gets most of the room.
    first = max(0, min(start - 2 * (letters - len(middle)) // 3, len(name) - letters))
    first = 0 if first == 1 and end <= letters else first
    last = min(len(name), first + letters)
    return ("…" if first else "") + name[first:last] + ("…" if last < len(name) else "")


def _shared(texts: Sequence[str]) -> int:
    """How many letters all texts have in common at their beginning."""
    first, last = min(texts), max(texts)
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _numbered(name: str, number: int, taken: Collection[str], written: Callable[[str], str]) -> str:
    while written(f"{name} ({number})") in taken:
        number += 1
    return f"{name} ({number})"


# The numbers of a figure as text for a spreadsheet.


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Records as CSV with a header.

    Args:
        rows: Records with the same keys.

    Returns:
        Floats with all their digits, missing values as empty cells; the empty string without rows.
    """
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and not math.isfinite(value) else value
