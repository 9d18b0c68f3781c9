"""Pictures that look the same: perceptual hashes, near duplicates, and images of evaluation sets to exclude."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dct

from ....cores import usable_cores
from ....errors import DataError
from ....identity import digest
from ....tasks.images.folders import images_below
from ....tasks.images.hashing import stamp_of, tells_changes
from ....tasks.images.reading import eight_bits, open_image
from ....tasks.images.walking import NOTHING, LeftOut

# A 64-bit perceptual hash of a picture, computed from its lowest spatial frequencies.


_SIDE = 32
_LOW = 8


def perceptual_hash(picture: np.ndarray | Image.Image) -> int:
    """The pHash of Zauner (2010): 32 x 32 luminance, DCT, and the 8 x 8 lowest frequencies compared with their median.

    Bits and rounding are those of ``imagehash.phash``.

    Args:
        picture: uint8 (H, W, 3) in RGB, or a Pillow image. The whole picture counts, whatever its aspect ratio.

    Returns:
        64 bits, row by row of frequencies; the highest bit is that of the picture's mean.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    small = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    low = dct(dct(small, axis=0), axis=1)[:_LOW, :_LOW]
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def distance(a: int, b: int) -> int:
    """Number of bits in which two hashes differ, 0 to 64."""
    return (a ^ b).bit_count()


def to_text(value: int) -> str:
    """16 hexadecimal digits."""
    return f"{value:016x}"


# Find pictures that look the same, without comparing every pair.


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


# Hash the images that a pretrained model will be evaluated on, so that it is not trained on any of them.


_WINDOW = 256

_READ_AS = 2
"""Increase this when files are read in another way, to compute hashes again. Version 1 clipped 16 bits at 255."""


@dataclass(frozen=True)
class EvaluationImages:
    """A folder of evaluation images.

    Attributes:
        hashes: Perceptual hashes by path below the folder.
        unreadable: Number of images that cannot be decoded.
        left_out: What the listing of the folder left out.
    """

    hashes: dict[str, int]
    unreadable: int
    left_out: LeftOut = NOTHING


def hash_evaluation_images(
    folder: Path, cache: Path, progress: Callable[[int, int], None] | None = None
) -> EvaluationImages:
    """Hash every image below a folder.

    Args:
        folder: Folder of images, at any depth, with the extensions of `vitobench.tasks.images.folders`.
        cache: JSON-lines file to which hashes are appended; an image with another path or `stamp_of` is hashed again.
        progress: Called with (done, total).

    Raises:
        DataError: The folder does not exist or has no images, or the cache cannot be written.
    """
    if not folder.is_dir():
        raise DataError(f"The folder of evaluation images {folder} does not exist.")
    listing = images_below(folder)
    names = listing.files
    if not names:
        raise DataError(f"{folder} holds no images to compare with.")
    cached = _read(cache)
    hashes: dict[str, int] = {}
    unreadable = 0
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a", encoding="utf-8") as cache_file, ThreadPoolExecutor(min(8, usable_cores())) as pool:
            for start in range(0, len(names), _WINDOW):
                window = names[start : start + _WINDOW]
                stamps = [_stamp(folder / name) for name in window]
                fresh = [i for i, stamp in enumerate(stamps) if stamp not in cached]
                values = {i: cached.get(stamp) for i, stamp in enumerate(stamps)}
                for i, hashed in zip(fresh, pool.map(_hash, [folder / window[i] for i in fresh]), strict=True):
                    value, lasting = hashed
                    values[i] = value
                    # Write line by line, so that an interruption does not lose earlier hashes.
                    if lasting and stamps[i]:
                        cache_file.write(_line(stamps[i], value))
                for i, name in enumerate(window):
                    value = values[i]
                    if value is None:
                        unreadable += 1
                    else:
                        hashes[name] = value
                if progress is not None:
                    progress(min(start + _WINDOW, len(names)), len(names))
    except OSError as error:
        raise DataError(f"{cache} cannot be written: {error.strerror or error}.") from None
    return EvaluationImages(hashes, unreadable, listing.left_out)


def _line(stamp: str, value: int | None) -> str:
    """A line of the cache: stamp, hash, and a digest of both."""
    row = [stamp, None if value is None else to_text(value)]
    return json.dumps([*row, digest(row)[:16]]) + "\n"


def _stamp(path: Path) -> str:
    """Key of an image in the cache; empty if a later change could not be detected. Older versions had shorter keys."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{path.resolve()}|{_READ_AS}|{stamp_of(status):016x}" if tells_changes(status) else ""


def _read(cache: Path) -> dict[str, int | None]:
    try:
        lines = cache.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    entries: dict[str, int | None] = {}
    for line in lines:
        try:
            stamp, text, _ = json.loads(line)
            value = None if text is None else int(text, 16)
            if line == _line(stamp, value).rstrip("\n"):  # otherwise the line is damaged, and its hash may be wrong
                entries[str(stamp)] = value
        except (ValueError, TypeError):
            continue  # a line cut off by an interruption
    return entries


def _hash(path: Path) -> tuple[int | None, bool]:
    """The hash, or None if the image cannot be read; and whether another attempt would give the same."""
    try:
        with open_image(path.read_bytes()) as image:
            return perceptual_hash(eight_bits(image)), True
    except Exception as error:  # Pillow's plugins raise many kinds of errors for damaged files
        # Only errors of the operating system have a number; they may go away, unlike a damaged file.
        of_the_moment = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)
        return None, not of_the_moment
