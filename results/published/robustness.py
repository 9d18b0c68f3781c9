"""Published numbers of robustness on photographs, each with its source and what was done otherwise than here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import _rows

_SAME_IMAGES = {"imagenet-c-folders": "imagenet-c", "imagenet-3dcc-folders": "imagenet-3dcc"}


@dataclass(frozen=True)
class PublishedScore:
    """One published number.

    Attributes:
        model: Architecture and training.
        data_set: ``"imagenet-c"``, ``"imagenet-a"``, ...
        metric: ``"top1"``, ``"mce"``, ``"pm0"`` or ``"pm10"``.
        value: A fraction, to a tenth of a percent.
        source: Where it stands, with its licence.
        protocol: What its authors did otherwise than this package, as far as it is known.
    """

    model: str
    data_set: str
    metric: str
    value: float
    source: str
    protocol: str


@cache
def published_robustness() -> tuple[PublishedScore, ...]:
    """All of them; every one was measured on photographs."""
    sources = {row["key"]: row for row in _rows("robustness-sources.csv")}
    return tuple(
        PublishedScore(
            row["model"], row["data_set"], row["metric"], float(row["value"]),
            sources[row["source"]]["source"], sources[row["source"]]["protocol"],
        )
        for row in _rows("robustness.csv")
    )  # fmt: skip


def published_for(task: str) -> tuple[PublishedScore, ...]:
    """Those that may stand beside a task of this name; none where the images are others."""
    data_set = _SAME_IMAGES.get(task, task)
    return tuple(row for row in published_robustness() if row.data_set == data_set)
