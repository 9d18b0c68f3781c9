"""The file in which a download collects: what is there, and whether the server's file is still the same one."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from ....errors import DataError
from .publication import RemoteFile

if TYPE_CHECKING:
    from requests import Response


class Partial:
    """``TARGET.part`` and beside it ``TARGET.part.json``, which says of which state of the server's file it is.

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
                self._version = {name: str(facts[name]) for name in ("etag", "modified", "total") if name in facts}
        if self._size and not self._version:
            self.restart()  # of what state of the file these bytes are, nobody knows
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

    def range_headers(self) -> dict[str, str]:
        """What to ask for: the rest, if the file is still the same, else all of it."""
        if not self._size:
            return {}
        headers = {"Range": f"bytes={self._size}-"}
        etag = self._version.get("etag", "")
        if etag and not etag.startswith("W/"):
            headers["If-Range"] = etag
        elif "modified" in self._version:
            headers["If-Range"] = self._version["modified"]
        return headers

    def continues(self, response: Response) -> bool:
        """Whether the body of an answer goes on from here, of the same state of the file."""
        if response.status_code != 206:
            return self._size == 0
        start = response.headers.get("Content-Range", "").partition("bytes ")[2].partition("-")[0]
        now = _version(response)
        same = all(now[key] == value for key, value in self._version.items() if key in now)
        return start == str(self._size) and (same or not self._size)

    def total_in(self, response: Response) -> int | None:
        """How many bytes the whole file has by an answer's headers; None if they do not say."""
        if response.status_code in (206, 416):
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
        else:
            total = response.headers.get("Content-Length", "")
        return int(total) if total.isdecimal() else None

    def remember(self, response: Response) -> None:
        """Keep of which state of the file the bytes are."""
        self._version = _version(response)
        total = self.total_in(response)
        if total is not None:
            self._version["total"] = str(total)
        if not self._version:
            self._version = {"total": "unknown"}
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
    names = {"etag": "ETag", "modified": "Last-Modified"}
    found = {key: response.headers[header] for key, header in names.items() if header in response.headers}
    if response.status_code == 206:
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        found |= {"total": total} if total.isdecimal() else {}
    return found


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
