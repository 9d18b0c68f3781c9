"""Balance classes: at most the same number of clips for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from ....tasks.data.files import shuffling_key


@dataclass(frozen=True)
class Balance:
    """The result of balancing.

    Attributes:
        kept: Positions of the clips to keep, ascending.
        cap: Maximum number of clips per class.
        short: Classes with fewer clips than the cap, and how many they have; classes without clips are not included.
    """

    kept: tuple[int, ...]
    cap: int
    short: dict[int, int]


def balance(classes: Sequence[int], clip_ids: Sequence[str], per_class: int | None) -> Balance:
    """Cap every class.

    Clips of a class are kept in the order of their ids' hashes, so that a larger cap also keeps every clip that a
    smaller one keeps.

    Args:
        classes: Class of each clip.
        clip_ids: Ids of the same clips.
        per_class: The cap; by default the (lower) median count over classes that have clips.
    """
    counts = Counter(classes)
    cap = per_class if per_class is not None else (median_low(counts.values()) if counts else 0)
    members: dict[int, list[int]] = defaultdict(list)
    for position, label in enumerate(classes):
        members[label].append(position)
    positions_kept = [
        position
        for positions in members.values()
        for position in sorted(positions, key=lambda p: shuffling_key(clip_ids[p]))[:cap]
    ]
    short = {label: count for label, count in sorted(counts.items()) if count < cap}
    return Balance(tuple(sorted(positions_kept)), cap, short)


def sample(clip_ids: Sequence[str], number: int, seed: int) -> tuple[int, ...]:
    """Draw clips at random, with the class proportions of the source: the uncurated ablation.

    Args:
        clip_ids: Ids of all clips to draw from.
        number: Number of clips to draw.
        seed: Seed of the draw.

    Returns:
        Positions, ascending. They only depend on the ids and the seed.
    """
    order = sorted(range(len(clip_ids)), key=lambda p: shuffling_key(f"{seed}/{clip_ids[p]}"))
    return tuple(sorted(order[:number]))
