"""What a page of claims shows: claims with their effects, and the methods behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..results.schema import Effect, RunFacts


class ClaimFacts(RunFacts, total=False):
    """What the pages say of all runs together."""

    seeds: int
    """Runs of each method."""
    steps: int
    precision: str


@dataclass(frozen=True)
class Number:
    """A column of the tables.

    Attributes:
        task: Task name.
        metric: Of the whole task.
        title: Short heading.
        fraction: Whether it is shown in percent; kappa is not.
    """

    task: str
    metric: str
    title: str
    fraction: bool = True


@dataclass(frozen=True)
class ClaimView:
    """A claim with its effects.

    Attributes:
        key: Letter.
        title: A few words.
        statement: What the paper claims.
        effects: Every effect in every number, with its p-value corrected among them; where the claim holds they are
            more than 0.
    """

    key: str
    title: str
    statement: str
    effects: tuple[Effect, ...]

    @property
    def names(self) -> list[str]:
        """The effects' names, in order."""
        return list(dict.fromkeys(effect.name for effect in self.effects))

    def effect(self, name: str, number: Number) -> Effect | None:
        """An effect in one number."""
        asked = (name, number.task, number.metric)
        return next((e for e in self.effects if (e.name, e.task, e.metric) == asked), None)


@dataclass(frozen=True)
class ClaimsData:
    """All claims with their effects, and the methods behind them.

    Attributes:
        claims: In order.
        numbers: What was measured.
        methods: By method and number (task, metric): the value of each run, by seed.
        windows: T in seconds by method, for methods that differ in nothing else.
        facts: Seeds, steps, versions, date.
        failures: What is missing, a line each.
    """

    claims: tuple[ClaimView, ...]
    numbers: tuple[Number, ...]
    methods: Mapping[str, Mapping[tuple[str, str], Sequence[float]]]
    windows: Mapping[str, float] = field(default_factory=dict)
    facts: ClaimFacts = field(default_factory=ClaimFacts)
    failures: tuple[str, ...] = ()
