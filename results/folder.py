"""Where a store keeps its files: a folder on this machine, or any URL that fsspec opens."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import StoreError
from ..files import write_aside

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

_PUT_IS_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "r2", "memory"})
"""Object stores show a file when it is whole; elsewhere a file is written aside and moved."""


FILE_ENDINGS = (".parquet", ".json", ".json.gz")
"""Endings of the files of a store; a folder of such a name is in the place of a file."""


@dataclass(frozen=True)
class Entry:
    """A file of a folder.

    Attributes:
        name: Path below the folder, with forward slashes.
        size: Bytes.
        modified: Seconds since 1970; 0 where the file system does not say.
    """

    name: str
    size: int
    modified: float


class Folder(Protocol):
    """The few things that a store asks of a place. Names are paths below it, with forward slashes."""

    location: str
    local: Path | None

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be read.
        """

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that readers see all of it or nothing.

        Raises:
            StoreError: It cannot be written; nothing is left behind.
        """

    def names(self, below: str = "") -> list[str]:
        """Names of files and folders directly below a folder, sorted; empty where it is not there.

        Raises:
            StoreError: It cannot be listed.
        """

    def files(self, below: str = "") -> list[Entry]:
        """Every file at any depth below a folder, sorted by name.

        Whatever else is in the place of a file is among them: a folder of such a name (`FILE_ENDINGS`), a link that
        leads nowhere, a pipe.

        Raises:
            StoreError: They cannot be listed.
        """

    def exists(self, name: str) -> bool:
        """Whether there is a file or a folder of this name."""

    def is_there(self, name: str) -> bool:
        """Whether there is anything of this name, a link that leads nowhere included."""

    def remove(self, name: str) -> None:
        """Remove a file, or what is in its place; one that is gone already is no error.

        Of a link only the link is removed.

        Raises:
            StoreError: It cannot be removed.
        """

    def path(self, name: str) -> str:
        """How to name a file to a person."""


class LocalFolder:
    """A folder on this machine.

    Args:
        root: The folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.local: Path | None = root
        self._root = root
        self.location = str(root)

    def read(self, name: str) -> bytes:
        """See `Folder`."""
        path = self._root / name
        # Reading a pipe would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        return path.read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """See `Folder`."""
        write_aside(self._root / name, content)

    def names(self, below: str = "") -> list[str]:
        """See `Folder`."""
        try:
            with os.scandir(self._root / below) as entries:
                return sorted(entry.name for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"{self.path(below)} cannot be listed: {error.strerror or error}.") from None

    def files(self, below: str = "") -> list[Entry]:
        """See `Folder`."""
        entries: list[Entry] = []
        # Links to folders are followed, as `read` and `names` follow them, but never round in a circle.
        todo: list[tuple[str, frozenset[Path]]] = [(below, frozenset())]
        while todo:
            here, above = todo.pop()
            real = (self._root / here).resolve()
            if real in above:
                continue
            for name in self.names(here):
                path = f"{here}/{name}" if here else name
                with suppress(FileNotFoundError):  # another run may finish a file meanwhile
                    full = self._root / path
                    if full.is_dir() and not name.endswith(FILE_ENDINGS):
                        todo.append((path, above | {real}))
                    else:
                        status = full.lstat() if not full.exists() else full.stat()
                        entries.append(Entry(path, status.st_size, status.st_mtime))
        return sorted(entries, key=lambda entry: entry.name)

    def exists(self, name: str) -> bool:
        """See `Folder`."""
        return (self._root / name).exists()

    def is_there(self, name: str) -> bool:
        """See `Folder`."""
        return os.path.lexists(self._root / name)

    def remove(self, name: str) -> None:
        """See `Folder`."""
        path = self._root / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{self.path(name)} cannot be removed: {error.strerror or error}.") from None
        # Folders that have become empty are no longer of use.
        for parent in path.parents:
            if parent == self._root:
                break
            try:
                parent.rmdir()
            except OSError:
                break

    def path(self, name: str) -> str:
        """See `Folder`."""
        return str(self._root / name)


class RemoteFolder:
    """A folder behind an fsspec URL, such as ``s3://bucket/results``.

    Args:
        url: Any URL of an installed fsspec file system.

    Raises:
        StoreError: No installed file system knows the URL.
    """

    def __init__(self, url: str) -> None:
        self.location = url.rstrip("/")
        self.local: Path | None = None
        self._fs, self._root = _file_system(self.location)

    def __reduce__(self) -> tuple[type[RemoteFolder], tuple[str]]:
        return RemoteFolder, (self.location,)

    def _full(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def read(self, name: str) -> bytes:
        """See `Folder`."""
        try:
            content: bytes = self._fs.cat_file(self._full(name))
        except OSError:
            raise
        except Exception as error:  # every file system has exceptions of its own
            raise OSError(str(error) or type(error).__name__) from error
        return content

    def write(self, name: str, content: bytes) -> None:
        """See `Folder`."""
        protocols = self._fs.protocol if isinstance(self._fs.protocol, (tuple, list)) else (self._fs.protocol,)
        target = self._full(name)
        folder, _, last = target.rpartition("/")
        try:
            if _PUT_IS_ATOMIC.intersection(protocols):
                self._fs.pipe_file(target, content)
                return
            self._fs.makedirs(folder, exist_ok=True)
            aside = f"{folder}/.{last}.{uuid.uuid4().hex}"
            try:
                self._fs.pipe_file(aside, content)
                self._fs.mv(aside, target)
            except BaseException:
                with suppress(Exception):
                    self._fs.rm_file(aside)
                raise
        except Exception as error:  # every file system has exceptions of its own
            reason = str(error) or type(error).__name__
            raise StoreError(f"{self.path(name)} cannot be written: {reason}.") from None

    def names(self, below: str = "") -> list[str]:
        """See `Folder`."""
        entries = self._asked(below, lambda full: self._fs.ls(full, detail=False), [])
        return sorted({str(name).rstrip("/").rpartition("/")[2] for name in entries} - {""})

    def files(self, below: str = "") -> list[Entry]:
        """See `Folder`."""
        listing = self._asked(below, lambda full: self._fs.find(full, detail=True), {})
        skip = len(self._root) + 1
        return sorted(
            (Entry(str(path)[skip:], int(info.get("size") or 0), _modified(info)) for path, info in listing.items()),
            key=lambda entry: entry.name,
        )

    def is_there(self, name: str) -> bool:
        """See `Folder`."""
        return self.exists(name)

    def exists(self, name: str) -> bool:
        """See `Folder`."""
        self._fs.invalidate_cache(self._full(name).rpartition("/")[0])
        return bool(self._asked(name, self._fs.exists, False))

    def _asked(self, name: str, ask: Callable[[str], Any], absent: Any) -> Any:
        """What a file system says of a path now, or ``absent`` where there is nothing."""
        full = self._full(name)
        self._fs.invalidate_cache(full)
        try:
            return ask(full)
        except (FileNotFoundError, NotADirectoryError):
            return absent
        except Exception as error:  # every file system has exceptions of its own
            raise StoreError(f"{self.path(name)} cannot be listed: {str(error) or type(error).__name__}.") from None

    def remove(self, name: str) -> None:
        """See `Folder`."""
        try:
            self._fs.rm_file(self._full(name))
        except FileNotFoundError:
            return
        except Exception as error:
            raise StoreError(f"{self.path(name)} cannot be removed: {error}.") from None

    def path(self, name: str) -> str:
        """See `Folder`."""
        return f"{self.location}/{name}"


def _modified(info: dict[str, object]) -> float:
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, (int, float)):
            return float(value)
        stamp = getattr(value, "timestamp", None)
        if stamp is not None:
            return float(stamp())
    return 0.0


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(url, **_waiting(url))
    except Exception as error:  # every file system has exceptions of its own
        reason = str(error).rstrip(".") or type(error).__name__
        raise StoreError(
            f"The store {url} cannot be opened: {reason}. A store is a folder, or a URL of fsspec such "
            "as s3://bucket/results (pip install s3fs, gcsfs, adlfs, ...)."
        ) from None
    return fs, str(root).rstrip("/")


def _waiting(url: str) -> dict[str, Any]:
    """Options by which a web server that does not answer costs seconds, not the five minutes of aiohttp."""
    if not url.startswith(("http://", "https://")):
        return {}
    try:
        from aiohttp import ClientTimeout
    except ImportError:  # fsspec says so
        return {}
    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=10, sock_read=60)}}


def open_folder(location: str | Path) -> Folder:
    """Open a folder by its path or URL; nothing is made or read."""
    text = str(location)
    if "://" in text and not text.startswith("file://"):
        return RemoteFolder(text)
    return LocalFolder(Path(text.removeprefix("file://")))
