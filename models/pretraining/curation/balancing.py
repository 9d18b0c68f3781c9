"""The same number of clips for every class, as far as there are clips."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from ....tasks.data.files import shuffling_key


@dataclass(frozen=True)
class Balance:
    """What balancing decided.

    Attributes:
        kept: Positions of the clips that stay, ascending.
        cap: Most clips of a class.
        short: Classes with fewer clips than the cap, and how many they have; those without any are not known here.
    """

    kept: tuple[int, ...]
    cap: int
    short: dict[int, int]


def balance(classes: Sequence[int], clip_ids: Sequence[str], per_class: int | None) -> Balance:
    """Cap every class.

    Which clips of a class stay depends on their ids alone: those whose hash comes first, so that a larger cap keeps
    what a smaller one kept.

    Args:
        classes: Class of each clip.
        clip_ids: Ids of the same clips.
        per_class: The cap; None takes the (lower) median of the counts of classes that have clips.
    """
    counts = Counter(classes)
    cap = per_class if per_class is not None else (median_low(counts.values()) if counts else 0)
    members: dict[int, list[int]] = defaultdict(list)
    for position, label in enumerate(classes):
        members[label].append(position)
    kept = [
        position
        for positions in members.values()
        for position in sorted(positions, key=lambda p: shuffling_key(clip_ids[p]))[:cap]
    ]
    short = {label: count for label, count in sorted(counts.items()) if count < cap}
    return Balance(tuple(sorted(kept)), cap, short)


def sample(clip_ids: Sequence[str], number: int, seed: int) -> tuple[int, ...]:
    """Draw clips at random, in the proportions of the source: the uncurated ablation.

    Args:
        clip_ids: All that could be drawn.
        number: How many, at most all.
        seed: Another seed draws other clips.

    Returns:
        Positions, ascending. They depend on the ids and the seed alone.
    """
    order = sorted(range(len(clip_ids)), key=lambda p: shuffling_key(f"{seed}/{clip_ids[p]}"))
    return tuple(sorted(order[:number]))
