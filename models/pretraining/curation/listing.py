"""Which videos there are and what people wrote about them: a folder with sidecars as yt-dlp writes them, or a table."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....errors import DataError
from ....tasks.data.clips.container import EXTENSIONS
from ....tasks.data.walking import NOTHING, LeftOut, walk
from .settings import FIELDS

_SIDECAR = ".info.json"
_FORM = """Expected a folder of videos, each with its sidecar as `yt-dlp --write-info-json` writes it (dog.mp4 and
dog.info.json), or a CSV file with the columns path,title,tags (and description, categories), tags parted by ';'."""


@dataclass(frozen=True)
class Video:
    """A video and its metadata.

    Attributes:
        path: Below the source's folder, with forward slashes; its id in the manifest.
        metadata: Texts by field of `FIELDS`: one for title and description, several for tags and categories.
        problem: Why it cannot be read although it is listed; empty if nothing is known against it.
        note: What is wrong with its metadata; empty if nothing is.
    """

    path: str
    metadata: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    problem: str = ""
    note: str = ""


def list_videos(where: Path) -> tuple[Path, tuple[Video, ...], LeftOut]:
    """List a source.

    Args:
        where: Folder (searched at any depth; see `walk`), or CSV file.

    Returns:
        The folder that paths are relative to, the videos sorted by path, and what was left out of a folder; sidecars
        and other JSON files do not count as that.

    Raises:
        DataError: There is nothing there, or nothing of the expected form.
    """
    if where.is_dir():
        return where, *_folder(where)
    if where.is_file() and where.suffix.lower() in {".csv", ".tsv"}:
        return where.parent, _table(where), NOTHING
    problem = "is a file, but not a .csv file" if where.exists() else "does not exist"
    raise DataError(f"{where} {problem}.\n{_FORM}")


def _folder(root: Path) -> tuple[tuple[Video, ...], LeftOut]:
    videos = []
    listing = walk(root, EXTENSIONS)
    for name in listing.files:
        sidecar = (root / name).with_suffix(_SIDECAR)
        metadata, note = _sidecar(sidecar)
        videos.append(Video(name, metadata, note=note))
    if not videos:
        raise DataError(f"{root} holds no videos ({' '.join(sorted(EXTENSIONS))}).\n{_FORM}")
    return tuple(videos), listing.left_out.without(".json files")


def _sidecar(path: Path) -> tuple[dict[str, str | tuple[str, ...]], str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, "no .info.json beside it"
    except (OSError, ValueError, RecursionError) as error:
        return {}, f"its .info.json cannot be read ({type(error).__name__})"
    if not isinstance(found, dict):
        return {}, "its .info.json is not a JSON object"
    return {name: _text(found[name]) for name in FIELDS if name in found}, ""


def _text(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, str):
        return value
    # A number or null in place of words says nothing.
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, list) else ()


def _table(path: Path) -> tuple[Video, ...]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            rows = list(reader)
            columns: Sequence[str] = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table ({error}).\n{_FORM}") from None
    if "path" not in columns or not rows:
        raise DataError(f"{path} has no rows under a column 'path'.\n{_FORM}")
    videos: dict[str, Video] = {}
    for number, row in enumerate(rows):
        name = (row["path"] or "").strip()
        if not name or name in videos:
            raise DataError(f"{path}, row {number + 2}: the path {name!r} is empty or stands there twice.\n{_FORM}")
        metadata: dict[str, str | tuple[str, ...]] = {}
        for column in FIELDS:
            text = row.get(column) or ""
            metadata[column] = tuple(re.split(r"[;|]", text)) if column in ("tags", "categories") else text
        problem = "" if (path.parent / name).is_file() else "there is no such file"
        videos[name] = Video(name, metadata, problem)
    return tuple(videos[name] for name in sorted(videos))
