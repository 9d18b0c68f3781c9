"""The file in which a download collects: what is there, and whether the server's file is still the same one."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from ....errors import DataError
from .publication import RemoteFile

if TYPE_CHECKING:
    from requests import Response

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_FACTS = ("etag", "modified", "total", "path")


class Partial:
    """``TARGET.part`` and beside it ``TARGET.part.json``, which says of which state of the server's file it is.

    Bytes of two answers are put together only where the result is sure to be one file: where a checksum is published,
    which is compared in the end, or where both answers carry the same strong validator (RFC 9110, section 8.8.1): an
    ETag, or a Last-Modified that was a minute old. Otherwise the download starts again.

    Used as a context, which keeps other processes from writing to the same file.

    Args:
        file: What is downloaded.
        target: Where it goes in the end.

    Attributes:
        target: As given.
        path: The partial file.
    """

    def __init__(self, file: RemoteFile, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._url = file.url
        self._checked = file.checksum is not None
        self._facts = target.with_name(target.name + ".part.json")
        self._opened: BinaryIO | None = None
        self._size = 0
        self._version: dict[str, str] = {}

    def __enter__(self) -> Partial:
        self._opened = self.path.open("ab")
        try:
            lock(self._opened, f"{self.path} is being written by another process")
        except DataError:
            self._opened.close()
            raise
        self._size = self.path.stat().st_size
        with suppress(OSError, ValueError):
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
            if isinstance(facts, dict) and facts.get("url") == self._url:
                self._version = {name: str(facts[name]) for name in _FACTS if name in facts}
        if self._size and not self._resumable:
            self.restart()  # nobody knows which state of the file these bytes belong to
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            self._opened.close()
        if not self._size:
            self.path.unlink(missing_ok=True)
            self._facts.unlink(missing_ok=True)

    @property
    def size(self) -> int:
        """Bytes collected."""
        return self._size

    @property
    def total(self) -> int | None:
        """How many bytes the file has that is being collected; None if no answer has said it."""
        total = self._version.get("total", "")
        return int(total) if total.isdecimal() else None

    @property
    def _resumable(self) -> bool:
        return bool(self._version) and (self._checked or bool(_strong(self._version)))

    def range_headers(self) -> dict[str, str]:
        """What to ask for: the rest, if the file is still the same, else all of it."""
        if not self._size or not self._resumable:
            return {}
        headers = {"Range": f"bytes={self._size}-"}
        strong = _strong(self._version)
        if strong:
            headers["If-Range"] = next(iter(strong.values()))
        return headers

    def continues(self, response: Response) -> bool:
        """Whether the body of an answer goes on from here, of the same state of the file."""
        if response.status_code != 206:
            return self._size == 0
        place = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if place is None or int(place[1]) != self._size or int(place[2]) < int(place[1]):
            return False
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != int(place[2]) - int(place[1]) + 1:
            return False
        if place[3].isdecimal() and int(place[2]) >= int(place[3]):
            return False
        now = _version(response)
        both = [key for key in ("etag", "modified", "total") if key in now and key in self._version]
        if not self._size:
            return True
        if any(now[key] != self._version[key] for key in both):
            return False
        same = _strong(now).items() & _strong(self._version).items()
        # A server may ignore If-Range, or lead to another file this time: only what it says of this answer counts.
        return self._checked or (bool(same) and now["path"] == self._version.get("path", now["path"]))

    def total_in(self, response: Response) -> int | None:
        """How many bytes the whole file has by an answer's headers; None if they do not say."""
        if response.status_code in (206, 416):
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
        else:
            total = response.headers.get("Content-Length", "")
        return int(total) if total.isdecimal() else None

    def remember(self, response: Response) -> None:
        """Keep of which state of the file the bytes are."""
        self._version = {**(self._version if self._size else {}), **_version(response)}
        total = self.total_in(response)
        if total is not None:
            self._version["total"] = str(total)
        self._facts.write_text(json.dumps({"url": self._url, **self._version}), encoding="utf-8")

    def write(self, data: bytes) -> None:
        """Append."""
        assert self._opened is not None
        written = self._opened.write(data)
        self._size += written

    def restart(self) -> None:
        """Drop what was collected."""
        assert self._opened is not None
        self._opened.truncate(0)
        self._size = 0
        self._version = {}

    def finish(self) -> None:
        """Give the file its name."""
        assert self._opened is not None
        self._opened.close()
        self.path.replace(self.target)
        self._facts.unlink(missing_ok=True)


def _version(response: Response) -> dict[str, str]:
    """What an answer says of the state of the file, and the path that redirects have led to."""
    headers = response.headers
    found = {"path": urlsplit(response.url).path}
    if "ETag" in headers:
        found["etag"] = headers["ETag"]
    if _is_old(headers.get("Last-Modified", ""), headers.get("Date", "")):
        found["modified"] = headers["Last-Modified"]
    if response.status_code == 206:
        total = headers.get("Content-Range", "").rpartition("/")[2]
        found |= {"total": total} if total.isdecimal() else {}
    return found


def _strong(version: dict[str, str]) -> dict[str, str]:
    """Of what is known of a state of the file, what changes with every byte."""
    etag = version.get("etag", "")
    if etag and not etag.startswith("W/"):
        return {"etag": etag}
    return {"modified": version["modified"]} if "modified" in version else {}


def _is_old(modified: str, now: str) -> bool:
    """Whether a file was changed so long ago that a second change would have had another time."""
    try:
        return parsedate_to_datetime(now) - parsedate_to_datetime(modified) >= timedelta(seconds=60)
    except (ValueError, TypeError):
        return False


def lock(opened: BinaryIO, problem: str) -> None:
    """Keep other processes from locking the same file until it is closed.

    Args:
        opened: The file.
        problem: What the error says if another process has locked it.

    Raises:
        DataError: Another process has.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such lock; two downloads of one file at a time are then the user's affair
        return
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"{problem}; wait for it, or end it.") from None
    except OSError:
        return  # some network file systems cannot lock
