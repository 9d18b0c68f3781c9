"""Find pictures that look the same, without comparing every pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from .perceptual_hash import distance

_BANDS = 4
_BITS = 16


class HashIndex:
    """An index of 64-bit hashes that finds all hashes within a Hamming distance.

    Multi-index hashing (Norouzi, Punjani and Fleet 2012): of four bands of 16 bits, at least one differs in at most a
    quarter of the distance, so looking up the few neighbours of each band misses nothing. Distances up to 7 take 68
    look-ups, however many hashes there are, and each look-up returns one in 65,536 unrelated hashes to compare.
    """

    def __init__(self, radius: int) -> None:
        """An empty index for one distance.

        Args:
            radius: Largest distance in bits, 0 or more.
        """
        self.radius = radius
        flips = [0]
        for bits in range(1, radius // _BANDS + 1):
            flips += [sum(1 << place for place in places) for places in combinations(range(_BITS), bits)]
        self._flips = tuple(flips)
        self._bands: tuple[dict[int, list[int]], ...] = tuple(defaultdict(list) for _ in range(_BANDS))
        self._values: list[int] = []
        self._keys: list[int] = []

    def add(self, value: int, key: int) -> None:
        """Add a hash; `near` returns its key."""
        for band, part in zip(self._bands, _parts(value), strict=True):
            band[part].append(len(self._values))
        self._values.append(value)
        self._keys.append(key)

    def near(self, value: int) -> list[int]:
        """Keys of all hashes within the radius, ascending and without repetition."""
        # Without helper functions, because this is the inner loop of the only stage that compares clips.
        values, radius = self._values, self.radius
        keys: set[int] = set()
        for band, part in zip(self._bands, _parts(value), strict=True):
            for flip in self._flips:
                for entry in band.get(part ^ flip, ()):
                    if (values[entry] ^ value).bit_count() <= radius:
                        keys.add(self._keys[entry])
        return sorted(keys)


def _parts(value: int) -> Iterator[int]:
    for band in range(_BANDS):
        yield (value >> (band * _BITS)) & ((1 << _BITS) - 1)


def duplicates_among(clips: Sequence[Sequence[int]], radius: int) -> dict[int, int]:
    """Clips that look like an earlier one: each probed frame is within the distance of the corresponding frame.

    Args:
        clips: Hashes of the frames of each clip; of similar clips, the first one is kept.
        radius: Distance in bits.

    Returns:
        Position of each duplicate, and the position of the first kept clip that it looks like.
    """
    index = HashIndex(radius)
    duplicates: dict[int, int] = {}
    for position, hashes in enumerate(clips):
        middle = hashes[len(hashes) // 2]
        for earlier in index.near(middle):
            earlier_hashes = clips[earlier]
            if len(earlier_hashes) == len(hashes) and all(
                distance(a, b) <= radius for a, b in zip(hashes, earlier_hashes, strict=True)
            ):
                duplicates[position] = earlier
                break
        else:
            index.add(middle, position)
    return duplicates


def duplicates_of(clips: Sequence[Sequence[int]], images: Mapping[str, int], radius: int) -> dict[int, str]:
    """Clips with a probed frame that looks like an evaluation image.

    Args:
        clips: Hashes of the frames of each clip.
        images: Hash of each evaluation image by its name.
        radius: Distance in bits.

    Returns:
        Position of each such clip, and the image: the first one by name, for the first such frame.
    """
    names = sorted(images)
    index = HashIndex(radius)
    for key, name in enumerate(names):
        index.add(images[name], key)
    duplicates: dict[int, str] = {}
    for position, hashes in enumerate(clips):
        near = next((keys for value in hashes if (keys := index.near(value))), None)
        if near:
            duplicates[position] = names[near[0]]
    return duplicates
