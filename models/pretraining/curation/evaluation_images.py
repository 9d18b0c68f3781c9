"""Hash the images that a pretrained model will be evaluated on, so that it is not trained on any of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ....cores import usable_cores
from ....errors import DataError
from ....identity import digest
from ....tasks.data.files import images_below
from ....tasks.data.hashing import stamp_of, tells_changes
from ....tasks.data.images import eight_bits, open_image
from ....tasks.data.walking import NOTHING, LeftOut
from .perceptual_hash import perceptual_hash, to_text

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
        folder: Folder of images, at any depth, with the extensions of `vitobench.tasks.data.files`.
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
