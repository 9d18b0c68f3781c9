"""Which clips the page shows, and a small picture of each."""

from __future__ import annotations

import io
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from ....identity import digest
from ....tasks.data.files import shuffling_key
from .decisions import ClipRow
from .frames import UnreadableVideoError
from .sources import Source

_SIDE = 112


def choose_shown(rows: Sequence[ClipRow], each: int) -> list[ClipRow]:
    """Some clips of every verdict, chosen by their ids alone, in the order of the verdicts and then of the manifest.

    Args:
        rows: All clips.
        each: Most clips of a verdict.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        groups[row.reason].append(position)
    found = []
    for reason in type(rows[0].reason) if rows else ():
        chosen = sorted(groups[reason], key=lambda p: shuffling_key(rows[p].clip_id))[:each]
        found += [rows[p] for p in sorted(chosen)]
    return found


def thumbnail(source: Source, row: ClipRow, folder: Path, content: str = "") -> bytes | None:
    """The middle frame of a clip as a small JPEG, kept in a folder from run to run.

    Args:
        source: Where frames come from.
        row: The clip.
        folder: Keeps the pictures.
        content: Digest of the video: another one of the same name and length has pictures of its own.

    Returns:
        The file's bytes; None where the frame cannot be decoded.
    """
    kept = folder / f"{digest([content, row.clip_id, row.end, row.seen.evidence.seconds, _SIDE])[:32]}.jpg"
    with suppress(OSError):
        return kept.read_bytes()
    if row.seen.evidence.problem:
        return None
    try:
        frame = source.frames(row.seen.video.path, [(row.start + row.end) / 2], _SIDE)[0]
    except UnreadableVideoError:
        return None
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=80)
    with suppress(OSError):  # a picture that is not kept is made again
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".writing", delete=False) as aside:
            aside.write(buffer.getvalue())
        Path(aside.name).replace(kept)
    return buffer.getvalue()
