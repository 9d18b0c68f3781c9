"""Choose the clips for the page, and make a thumbnail of each."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from ....files import replace_file
from ....identity import digest
from ....tasks.data.files import shuffling_key
from .decisions import ClipRow
from .frames import UnreadableVideoError
from .sources import Source

_SIDE = 112


def choose_shown(rows: Sequence[ClipRow], per_verdict: int) -> list[ClipRow]:
    """Some clips of every verdict, chosen by their ids alone, sorted by verdict and then as in the manifest.

    Args:
        rows: All clips.
        per_verdict: Maximum number of clips per verdict.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[row.reason].append(position)
    selection = []
    for reason in type(rows[0].reason) if rows else ():
        sampled = sorted(groups[reason], key=lambda p: shuffling_key(rows[p].clip_id))[:per_verdict]
        selection += [rows[p] for p in sorted(sampled)]
    return selection


def thumbnail(source: Source, row: ClipRow, folder: Path, content: str = "") -> bytes | None:
    """The middle frame of a clip as a small JPEG, cached in a folder.

    Args:
        source: The videos.
        row: The clip.
        folder: Cache of thumbnails.
        content: Digest of the video, so that another video of the same name and length gets its own thumbnails.

    Returns:
        Bytes of the JPEG; None if the frame cannot be decoded.
    """
    cached = folder / f"{digest([content, row.clip_id, row.end, row.seen.evidence.seconds, _SIDE])[:32]}.jpg"
    with suppress(OSError):
        return cached.read_bytes()
    if row.seen.evidence.problem:
        return None
    try:
        frame = source.frames(row.seen.video.path, [(row.start + row.end) / 2], _SIDE)[0]
    except UnreadableVideoError:
        return None
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=80)
    with suppress(OSError):  # without the cache, the next run makes the thumbnail again
        replace_file(cached, buffer.getvalue())
    return buffer.getvalue()
