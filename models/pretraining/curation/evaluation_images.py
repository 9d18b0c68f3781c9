"""Hashes of the images that a pretrained model will be evaluated on, so that none of them is trained on."""

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
"""Raised when files come to be read in another way, so that hashes are made again. 1 cut 16 bits off at 255."""


@dataclass(frozen=True)
class EvaluationImages:
    """A folder of evaluation images.

    Attributes:
        hashes: Perceptual hash by path below the folder.
        unreadable: How many could not be decoded.
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
        folder: At any depth; the extensions of `vitobench.tasks.data.files`.
        cache: JSON-lines file to which hashes are added; an image whose place or `stamp_of` is another is hashed again.
        progress: Told (done, total).

    Raises:
        DataError: No such folder, no images in it, or the cache cannot be written.
    """
    if not folder.is_dir():
        raise DataError(f"The folder of evaluation images {folder} does not exist.")
    listing = images_below(folder)
    names = listing.files
    if not names:
        raise DataError(f"{folder} holds no images to compare with.")
    known = _read(cache)
    found: dict[str, int] = {}
    unreadable = 0
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with cache.open("a", encoding="utf-8") as kept, ThreadPoolExecutor(min(8, usable_cores())) as pool:
            for start in range(0, len(names), _WINDOW):
                window = names[start : start + _WINDOW]
                stamps = [_stamp(folder / name) for name in window]
                fresh = [i for i, stamp in enumerate(stamps) if stamp not in known]
                values = {i: known.get(stamp) for i, stamp in enumerate(stamps)}
                for i, hashed in zip(fresh, pool.map(_hash, [folder / window[i] for i in fresh]), strict=True):
                    value, lasting = hashed
                    values[i] = value
                    # A line each: what was hashed before an interruption stays.
                    if lasting and stamps[i]:
                        kept.write(_line(stamps[i], value))
                for i, name in enumerate(window):
                    value = values[i]
                    if value is None:
                        unreadable += 1
                    else:
                        found[name] = value
                if progress is not None:
                    progress(min(start + _WINDOW, len(names)), len(names))
    except OSError as error:
        raise DataError(f"{cache} cannot be written: {error.strerror or error}.") from None
    return EvaluationImages(found, unreadable, listing.left_out)


def _line(stamp: str, value: int | None) -> str:
    """A line of the cache: what the hash is of, the hash, and a digest of both."""
    row = [stamp, None if value is None else to_text(value)]
    return json.dumps([*row, digest(row)[:16]]) + "\n"


def _stamp(path: Path) -> str:
    """Under what the hash of an image is kept; empty where nothing tells a later change. Older forms were shorter."""
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
    found: dict[str, int | None] = {}
    for line in lines:
        try:
            stamp, text, _ = json.loads(line)
            value = None if text is None else int(text, 16)
            if line == _line(stamp, value).rstrip("\n"):  # else a bit has flipped, and another hash would match
                found[str(stamp)] = value
        except (ValueError, TypeError):
            continue  # the half line of an interruption
    return found


def _hash(path: Path) -> tuple[int | None, bool]:
    """The hash, None where there is none, and whether that will be so the next time."""
    try:
        with open_image(path.read_bytes()) as image:
            return perceptual_hash(eight_bits(image)), True
    except Exception as error:  # Pillow's plugins meet damaged files with errors of many kinds
        # Only the system's errors have a number, and they are of the moment.
        of_the_moment = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)
        return None, not of_the_moment
