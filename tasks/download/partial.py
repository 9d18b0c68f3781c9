"""A partial download: its bytes so far, and whether the server's file is still the same one."""

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

from ...errors import DataError
from .publication import RemoteFile

if TYPE_CHECKING:
    from requests import Response

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_FACTS = ("etag", "modified", "total", "path")


class Partial:
    """``TARGET.part`` and ``TARGET.part.json``, which records the version of the server's file that the bytes are from.

    Bytes of two responses are only joined if the result is certain to be one file: if a checksum is published, which is
    compared at the end, or if both responses carry the same strong validator (RFC 9110, section 8.8.1), that is, an
    ETag or a Last-Modified that was at least a minute old. Otherwise the download starts again.

    As a context manager it keeps other processes from writing to the same file.

    Args:
        file: The file to download.
        target: Its final path.

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
            self.restart()  # there is no way to tell which version of the file these bytes belong to
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
        """Size of the complete file; None if no response has announced it."""
        total = self._version.get("total", "")
        return int(total) if total.isdecimal() else None

    @property
    def _resumable(self) -> bool:
        return bool(self._version) and (self._checked or bool(_strong(self._version)))

    def range_headers(self) -> dict[str, str]:
        """Headers that request the rest if the file has not changed, and all of it otherwise."""
        if not self._size or not self._resumable:
            return {}
        headers = {"Range": f"bytes={self._size}-"}
        strong = _strong(self._version)
        if strong:
            headers["If-Range"] = next(iter(strong.values()))
        return headers

    def continues(self, response: Response) -> bool:
        """Whether the body of a response continues these bytes, from the same version of the file."""
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
        version = _version(response)
        comparable = [key for key in ("etag", "modified", "total") if key in version and key in self._version]
        if not self._size:
            return True
        if any(version[key] != self._version[key] for key in comparable):
            return False
        shared = _strong(version).items() & _strong(self._version).items()
        # A server may ignore If-Range, or redirect to another file this time, so check the response itself.
        return self._checked or (bool(shared) and version["path"] == self._version.get("path", version["path"]))

    def total_in(self, response: Response) -> int | None:
        """Size of the complete file according to a response's headers; None if they do not give it."""
        if response.status_code in (206, 416):
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
        else:
            total = response.headers.get("Content-Length", "")
        return int(total) if total.isdecimal() else None

    def remember(self, response: Response) -> None:
        """Record which version of the file the bytes are from."""
        self._version = {**(self._version if self._size else {}), **_version(response)}
        total = self.total_in(response)
        if total is not None:
            self._version["total"] = str(total)
        self._facts.write_text(json.dumps({"url": self._url, **self._version}), encoding="utf-8")

    def write(self, data: bytes) -> None:
        """Append bytes."""
        assert self._opened is not None
        count = self._opened.write(data)
        self._size += count

    def restart(self) -> None:
        """Drop the bytes so far."""
        assert self._opened is not None
        self._opened.truncate(0)
        self._size = 0
        self._version = {}

    def finish(self) -> None:
        """Rename the partial file to its target."""
        assert self._opened is not None
        self._opened.close()
        self.path.replace(self.target)
        self._facts.unlink(missing_ok=True)


def _version(response: Response) -> dict[str, str]:
    """What a response says about the version of the file, and the path after redirects."""
    headers = response.headers
    version = {"path": urlsplit(response.url).path}
    if "ETag" in headers:
        version["etag"] = headers["ETag"]
    if _is_old(headers.get("Last-Modified", ""), headers.get("Date", "")):
        version["modified"] = headers["Last-Modified"]
    if response.status_code == 206:
        total = headers.get("Content-Range", "").rpartition("/")[2]
        version |= {"total": total} if total.isdecimal() else {}
    return version


def _strong(version: dict[str, str]) -> dict[str, str]:
    """The strong validator of a version: one that changes whenever a byte of the file does."""
    etag = version.get("etag", "")
    if etag and not etag.startswith("W/"):
        return {"etag": etag}
    return {"modified": version["modified"]} if "modified" in version else {}


def _is_old(modified: str, now: str) -> bool:
    """Whether Last-Modified is at least a minute old; if it is newer, a second change could have the same time."""
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
        DataError: Another process has locked it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no flock: there the user must not download a file twice at the same time
        return
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"{problem}; wait for it, or end it.") from None
    except OSError:
        return  # some network file systems cannot lock
