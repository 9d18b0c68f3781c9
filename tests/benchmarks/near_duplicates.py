"""How long finding near-duplicates takes, beside comparing every pair in numpy.

    python tests/benchmarks/near_duplicates.py [CLIPS]

A tenth of the clips are copies with up to six bits of each hash flipped.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from vitobench.models.pretraining.curation.duplicates import duplicates_among

RADIUS = 6


def pairs(hashes: np.ndarray) -> int:
    """Clips that have an earlier one within the radius, by brute force."""
    found = 0
    for i in range(1, len(hashes)):
        found += bool((np.bitwise_count(hashes[:i] ^ hashes[i]) <= RADIUS).any())
    return found


def main(clips: int) -> None:
    """Print both times and their ratio."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, clips, dtype=np.uint64)
    for place in range(9 * clips // 10, clips):
        flips = sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, RADIUS + 1), replace=False))
        hashes[place] = hashes[rng.integers(9 * clips // 10)] ^ np.uint64(flips)
    started = time.perf_counter()
    mine = len(duplicates_among([(int(value),) for value in hashes], RADIUS))
    index_seconds = time.perf_counter() - started
    started = time.perf_counter()
    theirs = pairs(hashes)
    pair_seconds = time.perf_counter() - started
    print(f"{clips} clips: index {index_seconds:.2f} s ({mine} duplicates), pairs {pair_seconds:.2f} s ({theirs});")
    print(f"ratio {pair_seconds / index_seconds:.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
