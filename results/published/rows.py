"""Single numbers from papers and public result files, each with its source and what was done otherwise than here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from .tables import _rows


@dataclass(frozen=True)
class PublishedScore:
    """One published number.

    Attributes:
        model: As the source calls it; where only that tells two apart, with its training or the size of its data.
        data_set: ``"imagenet-c"``, a data set of human alignment, or ``"all"`` for the mean of these.
        metric: As in `results.schema.Score`.
        value: As printed; accuracies as fractions.
        source: Where it was published.
        protocol: What its authors did otherwise than this package, as far as it is known.
    """

    model: str
    data_set: str
    metric: str
    value: float
    source: str
    protocol: str


@cache
def published_rows(name: str) -> tuple[PublishedScore, ...]:
    """The numbers of ``NAME.csv`` with their sources from ``NAME-sources.csv``."""
    sources = {row["key"]: row for row in _rows(f"{name}-sources.csv")}
    return tuple(
        PublishedScore(
            row["model"], row["data_set"], row["metric"], float(row["value"]),
            sources[row["source"]]["source"], sources[row["source"]]["protocol"],
        )
        for row in _rows(f"{name}.csv")
    )  # fmt: skip
