"""Which pictures look the same, without comparing every pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from .perceptual_hash import distance

_BANDS = 4
_BITS = 16


class HashIndex:
    """64-bit hashes, to be asked for all within a Hamming distance.

    Multi-index hashing (Norouzi, Punjani and Fleet 2012): of four bands of 16 bits at least one differs in a quarter of
    the distance or less, so looking up the few neighbours of each band misses nothing. Distances up to 7 take 68
    look-ups however many hashes there are, and each finds one in 65,536 unrelated hashes to compare.
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
        """Put a hash in.

        Args:
            value: The hash.
            key: What to be told when it is found.
        """
        for band, part in zip(self._bands, _parts(value), strict=True):
            band[part].append(len(self._values))
        self._values.append(value)
        self._keys.append(key)

    def near(self, value: int) -> list[int]:
        """Keys of all hashes within the radius, in ascending order, each once."""
        # Written out, without helper functions: the inner loop of the only stage that compares clips.
        values, radius = self._values, self.radius
        found: set[int] = set()
        for band, part in zip(self._bands, _parts(value), strict=True):
            for flip in self._flips:
                for entry in band.get(part ^ flip, ()):
                    if (values[entry] ^ value).bit_count() <= radius:
                        found.add(self._keys[entry])
        return sorted(found)


def _parts(value: int) -> Iterator[int]:
    for band in range(_BANDS):
        yield (value >> (band * _BITS)) & ((1 << _BITS) - 1)


def duplicates_among(clips: Sequence[Sequence[int]], radius: int) -> dict[int, int]:
    """Clips that look like an earlier one: every probed frame within the distance of the frame in the same place.

    Args:
        clips: Hashes of the frames of each clip, in the order in which clips survive: the first of its like stays.
        radius: Distance in bits.

    Returns:
        Position of each duplicate, and the position of the earliest surviving clip that it looks like.
    """
    index = HashIndex(radius)
    found: dict[int, int] = {}
    for position, hashes in enumerate(clips):
        middle = hashes[len(hashes) // 2]
        for other in index.near(middle):
            theirs = clips[other]
            if len(theirs) == len(hashes) and all(
                distance(a, b) <= radius for a, b in zip(hashes, theirs, strict=True)
            ):
                found[position] = other
                break
        else:
            index.add(middle, position)
    return found


def duplicates_of(clips: Sequence[Sequence[int]], images: Mapping[str, int], radius: int) -> dict[int, str]:
    """Clips of which any probed frame looks like an evaluation image.

    Args:
        clips: Hashes of the frames of each clip.
        images: Hash of each evaluation image by its name.
        radius: Distance in bits.

    Returns:
        Position of each such clip, and the image: the first by name, of the first frame that has one.
    """
    names = sorted(images)
    index = HashIndex(radius)
    for key, name in enumerate(names):
        index.add(images[name], key)
    found: dict[int, str] = {}
    for position, hashes in enumerate(clips):
        near = next((keys for value in hashes if (keys := index.near(value))), None)
        if near:
            found[position] = names[near[0]]
    return found
