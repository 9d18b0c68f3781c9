"""Download one published file, with resume, retries, and a check of its size and checksum while it streams."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from ...errors import DataError
from .partial import Partial
from .publication import CHUNK, Checksum, Progress, RemoteFile, difference, readable_size

if TYPE_CHECKING:
    from requests import Response, Session

ATTEMPTS = 6
"""A download fails after this many failures in a row without a new byte."""
TIMEOUT = (20.0, 120.0)
"""Seconds to wait for a connection, and for the next bytes."""
_SPARE = 50_000_000  # bytes of disk space to leave free


def fetch(
    file: RemoteFile,
    target: Path,
    progress: Progress | None = None,
    backoff: float = 1.0,
    room_to_unpack: bool = False,
) -> Path:
    """Download a file, or resume an interrupted download.

    Bytes are collected in ``TARGET.part``, which is renamed to the target only once its size and checksum are right.
    A file that already exists is checked and kept.

    Args:
        file: What to download.
        target: Where to put it.
        progress: Called with the bytes downloaded and their total (0 if the server does not send it).
        backoff: Seconds before the second attempt; doubled before each further one.
        room_to_unpack: Require twice the free disk space, for unpacking.

    Returns:
        The target.

    Raises:
        DataError: No network, no such file, no space, or not the published bytes.
    """
    if target.exists():
        wrong = difference(file, target, progress)
        if wrong is not None:
            raise DataError(f"{target} is not {file.name} as published: {wrong}. Remove it and repeat the command.")
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with Partial(file, target) as partial:
            _download(file, partial, progress, backoff, room_to_unpack)
            partial.finish()
    except OSError as error:
        _raise_disk(error, target)
    return target


def _download(file: RemoteFile, partial: Partial, progress: Progress | None, backoff: float, unpack: bool) -> None:
    # Imported here, so that listings and `bench --help` do not wait for it.
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError, MaxRetryError
    from urllib3.util import Retry

    # The adapter retries failed connections and busy servers, and heeds Retry-After.
    adapter = HTTPAdapter(
        max_retries=Retry(
            total=ATTEMPTS,
            connect=2,
            backoff_factor=backoff,
            status_forcelist=(408, 429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            raise_on_status=False,
        )
    )
    # The adapter does not retry a connection that breaks in the middle of a body: the loop below does, from the byte
    # where it broke.
    fresh = Retry(total=ATTEMPTS, backoff_factor=backoff, allowed_methods=("GET",))
    patience, gained, restarts = fresh, False, 0
    checksum = Checksum(file)
    checksum.read(partial.path)
    with requests.Session() as session:
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        while partial.size == 0 or partial.size != file.size:
            before = partial.size
            try:
                with _ask(session, file, partial) as response:
                    _refuse(response, file, partial)
                    complete = response.status_code == 416 and partial.total_in(response) == partial.size
                    if complete and file.checksum is not None:
                        break
                    if not partial.continues(response):
                        partial.restart()
                        checksum = Checksum(file)
                        restarts += 1
                        if restarts > ATTEMPTS:
                            raise DataError(
                                f"{file.url} keeps changing, or keeps breaking off and cannot be resumed. "
                                f"{_by_hand(partial.target)}"
                            )
                        if response.status_code != 200:  # the body is not the beginning of the file: ask again
                            continue
                    partial.remember(response)
                    _check_space(file, partial, partial.total_in(response), unpack)
                    _stream(response, file, partial, checksum, progress)
                    if not _lacks(response, file, partial):
                        break
            except (requests.ConnectionError, requests.Timeout, HTTPError) as error:
                gained = gained or partial.size > before
                patience = fresh if partial.size > before else patience
                if not gained:
                    _raise_offline(file, partial.target, error)
                try:
                    patience = patience.increment("GET", file.url, error=error)
                except MaxRetryError:
                    _raise_offline(file, partial.target, error)
                patience.sleep()
            except requests.RequestException as error:
                raise DataError(f"{file.url} cannot be downloaded: {error}. {_by_hand(partial.target)}") from None
    _check(file, partial, checksum)


def _ask(session: Session, file: RemoteFile, partial: Partial) -> Response:
    # Compressed transfer would change the bytes that are counted, resumed and checked.
    headers = {"Accept-Encoding": "identity", "User-Agent": "vitobench (data download)", **partial.range_headers()}
    return session.get(file.url, headers=headers, stream=True, timeout=TIMEOUT)


def _refuse(response: Response, file: RemoteFile, partial: Partial) -> None:
    """Raise if a response cannot be the file."""
    if urlsplit(file.url).scheme == "https" and urlsplit(response.url).scheme != "https":
        raise DataError(f"{file.url} redirects to {response.url}, which is not encrypted; nothing was downloaded.")
    if response.status_code == 416 and partial.size:
        return  # all bytes are already here, or the file has become shorter
    if response.status_code not in (200, 206):
        reason = f"the server answers {response.status_code} {response.reason or ''}".rstrip()
        raise DataError(f"{file.url} cannot be downloaded: {reason}. {_by_hand(partial.target)}")
    if response.headers.get("Content-Type", "").startswith("text/html") and not file.name.endswith(".html"):
        raise DataError(f"{file.url} gives a web page, not {file.name}. {_by_hand(partial.target)}")
    _refuse_unsure(response, file, partial.target)
    total = partial.total_in(response)
    if file.size is not None and total is not None and total != file.size:
        raise DataError(
            f"{file.url} has {total:,} bytes, but the published file has {file.size:,}: it is now a different file. "
            f"{_by_hand(partial.target)}"
        )


def _refuse_unsure(response: Response, file: RemoteFile, target: Path) -> None:
    """Raise for a response whose body may be another file or a truncated one, if no checksum would reveal that."""
    if file.checksum is not None:
        return
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    declared = encoding in ("gzip", "x-gzip") and file.name.lower().endswith((".gz", ".tgz"))  # a label, no packing
    if encoding not in ("", "identity") and not declared:
        raise DataError(
            f"{file.url} is sent compressed ({encoding}), although no compression was requested. {_by_hand(target)}"
        )
    headers = response.headers
    ends = "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
    # A truncated archive is noticed when it is unpacked.
    if response.status_code == 200 and not ends and file.size is None and not file.is_archive:
        raise DataError(
            f"The server does not give the size of {file.url}, so a partial download could not be detected. "
            f"{_by_hand(target)}"
        )


def _lacks(response: Response, file: RemoteFile, partial: Partial) -> bool:
    """Whether bytes are still missing after a response that ended without a connection error.

    Raises:
        requests.ConnectionError: The body was shorter or longer than its headers announced; excess bytes were dropped.
    """
    import requests

    total = partial.total
    if total is None or partial.size == total or (file.size is not None and partial.size > file.size):
        return False
    if partial.size > total:
        partial.restart()
        raise requests.ConnectionError(f"more than the {total:,} bytes announced were sent")
    if response.status_code == 206:
        return True  # a server may send less than the requested range
    raise requests.ConnectionError(f"{partial.size:,} of {total:,} bytes were sent")


def _stream(
    response: Response, file: RemoteFile, partial: Partial, checksum: Checksum, progress: Progress | None
) -> None:
    total = file.size or partial.total_in(response) or 0
    # Read the raw stream: some servers declare a .tar.gz as "compressed transfer", and it must not be unpacked here.
    for data in response.raw.stream(CHUNK, decode_content=False):
        partial.write(data)
        checksum.update(data)
        if file.size is not None and partial.size > file.size:
            break  # more than was published; `_check` reports it
        if progress is not None:
            progress(partial.size, total)


def _check(file: RemoteFile, partial: Partial, checksum: Checksum) -> None:
    wrong = checksum.difference()
    if file.size is not None and partial.size != file.size:
        wrong = f"it has {partial.size:,} bytes, but the published one has {file.size:,}"
    if wrong is not None:
        partial.restart()
        raise DataError(
            f"The download of {file.url} is not {file.name} as published: {wrong}. It was removed; repeat the "
            f"command. If it happens again, something on the network changes the file. {_by_hand(partial.target)}"
        )


def _check_space(file: RemoteFile, partial: Partial, total: int | None, unpack: bool) -> None:
    size = file.size or total
    if size is None:
        return
    needed = size - partial.size + (size if unpack else 0) + _SPARE
    free = shutil.disk_usage(partial.path.parent).free
    if free < needed:
        purpose = "to download and unpack" if unpack else "to download"
        raise DataError(
            f"There are {readable_size(free)} free in {partial.path.parent}, but {readable_size(needed)} are needed "
            f"{purpose} {file.name}. Make room, or name another folder with --to."
        )


def _by_hand(target: Path) -> str:
    return f"You can also download it yourself, put it at {target} and repeat the command, which then checks it."


def _raise_offline(file: RemoteFile, target: Path, error: Exception) -> NoReturn:
    host = urlsplit(file.url).hostname
    raise DataError(
        f"{host} cannot be reached or keeps breaking off ({_innermost(error)}). Repeat the command when the network "
        f"is back: it resumes the download. Without a network here, download {file.url} elsewhere, put it at "
        f"{target} and repeat the command, which then checks it."
    ) from None


def _innermost(error: BaseException) -> str:
    """The short reason inside an error that requests and urllib3 have wrapped."""
    for _ in range(8):
        inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return str(error).rpartition(": ")[2] or type(error).__name__


def _raise_disk(error: OSError, target: Path) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DataError(
            f"The disk is full at {target.parent}. What was downloaded is kept: make room and repeat the command, or "
            "name another folder with --to."
        ) from None
    where = error.filename or target
    raise DataError(f"{os.fsdecode(where)} cannot be written: {error.strerror or error}.") from None
