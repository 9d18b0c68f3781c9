"""Layers: stores that are only read, below the one that is written. What any of them holds is not computed again."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import StoreError
from .folder import Entry, Folder, open_folder
from .layout import MARK, SALIENCY, first_line, marked_version, read_document, write_document
from .schema import SCHEMA_VERSION

SHIPPED = Path(__file__).parent / "shipped"
"""The package's own layer: predictions of the models whose weights are part of it."""

INDEX = "index.json"
"""Names and sizes of a store's files, for places that cannot be listed."""

_WITHOUT_LISTING = ("http://", "https://")
_FAILURES = 3  # reads in a row that fail before a place counts as gone: each may wait for a timeout
_MEMORY = 256_000_000  # bytes of remote files that stay in memory, since planning and scoring both read them


def place_name(location: str) -> str:
    """What messages call a store: its folder or URL, and the package's own layer \"the package\"."""
    return "the package" if location == str(SHIPPED) else location


# A layer: a folder that is only read, without the files that turn out to be damaged.


class ReadOnlyFolder:
    """A `Folder` that refuses to be written to, and that forgets files that cannot be trusted.

    Args:
        folder: What is read.
        entries: Its files, where they were listed already; None lists them when asked.
    """

    def __init__(self, folder: Folder, entries: Iterable[Entry] | None = None) -> None:
        self.location = folder.location
        self.local = folder.local
        self.hidden: dict[str, str] = {}
        """By name, why a file is left out."""
        self.gone = ""
        """Why nothing can be read any more; empty while it can."""
        self._folder = folder
        self._failures = 0
        self._content: dict[str, bytes] = {}
        self._room = _MEMORY
        self._entries = None if entries is None else {entry.name: entry for entry in entries}
        self._children: dict[str, set[str]] = defaultdict(set)
        for name in self._entries or ():
            while name:
                name, _, last = name.rpartition("/")
                self._children[name].add(last)

    def hide(self, name: str, reason: str) -> None:
        """Leave a file out from now on."""
        self.hidden[name] = reason
        self._content.pop(name, None)

    def read(self, name: str) -> bytes:
        """See `Folder`."""
        if self.gone:
            raise OSError(errno.EIO, self.gone)
        if name in self.hidden:
            raise FileNotFoundError(errno.ENOENT, self.hidden[name], name)
        if name in self._content:
            return self._content[name]
        try:
            content = self._folder.read(name)
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            self._failures += 1
            if self.local is None and self._failures >= _FAILURES:
                self.gone = error.strerror or first_line(error)
            raise
        self._failures = 0
        if self.local is None and len(content) <= self._room:
            self._room -= len(content)
            self._content[name] = content
        return content

    def names(self, below: str = "") -> list[str]:
        """See `Folder`."""
        if self.gone:
            return []
        names = self._folder.names(below) if self._entries is None else sorted(self._children.get(below, ()))
        return [name for name in names if (f"{below}/{name}" if below else name) not in self.hidden]

    def files(self, below: str = "") -> list[Entry]:
        """See `Folder`."""
        if self.gone:
            return []
        if self._entries is None:
            entries = self._folder.files(below)
        else:
            inside = f"{below}/" if below else ""
            entries = [entry for name, entry in sorted(self._entries.items()) if name.startswith(inside)]
        return [entry for entry in entries if entry.name not in self.hidden]

    def exists(self, name: str) -> bool:
        """See `Folder`."""
        if self.gone or name in self.hidden:
            return False
        return self._folder.exists(name) if self._entries is None else name in self._entries or name in self._children

    def is_there(self, name: str) -> bool:
        """See `Folder`."""
        return self.exists(name)

    def write(self, name: str, content: bytes) -> None:
        """See `Folder`.

        Raises:
            StoreError: Always.
        """
        raise StoreError(f"{self.path(name)} cannot be written: {self.location} is a layer, which is only read.")

    def remove(self, name: str) -> None:
        """See `Folder`.

        Raises:
            StoreError: Always.
        """
        raise StoreError(f"{self.path(name)} cannot be removed: {self.location} is a layer, which is only read.")

    def path(self, name: str) -> str:
        """See `Folder`."""
        return self._folder.path(name)


def open_layer(location: str | Path) -> ReadOnlyFolder | str:
    """Open a store as a layer.

    Args:
        location: A folder, or a URL that fsspec opens. Behind ``http(s)://`` it has to have an `INDEX`.

    Returns:
        The layer; or a line that says why it is skipped.

    Raises:
        StoreError: No installed file system opens the URL; the message names the package.
    """
    folder = open_folder(location)
    try:
        version = marked_version(folder)
        if version is not None and version != SCHEMA_VERSION:
            newer = version > SCHEMA_VERSION
            way_out = (
                "a newer vitobench reads it" if newer else f"`bench results migrate --store {location}` converts it"
            )
            return _skipped(location, f"it has schema {version}, this version reads {SCHEMA_VERSION}; {way_out}")
        layer = ReadOnlyFolder(folder, _listed(folder))
        if version is None:
            return _skipped(location, f"there is no store; {folder.path(MARK)} does not exist")
        if layer.names(SALIENCY):
            return _skipped(
                location, f"it is of an earlier form; `bench results migrate --store {location}` converts it"
            )
    except StoreError as error:
        return _skipped(location, str(error).rstrip("."))
    except OSError as error:
        return _skipped(location, f"it cannot be reached ({error.strerror or first_line(error)})")
    return layer


def _skipped(location: str | Path, reason: str) -> str:
    return f"The layer {location} is skipped: {reason}."


def _listed(folder: Folder) -> list[Entry] | None:
    """The files of a place on the network, in as few requests as possible; None where a folder is listed in no time."""
    if folder.local is not None:
        return None
    if folder.location.startswith(_WITHOUT_LISTING):
        return read_index(folder)
    return folder.files()


def same_place(one: str | Path, other: str | Path) -> bool:
    """Whether two locations are one store."""
    a, b = open_folder(one), open_folder(other)
    if a.local is not None and b.local is not None:
        return a.local.resolve() == b.local.resolve()
    return a.location == b.location


# The index of a store, by which it can be read from a plain web server.


def write_index(folder: Folder, kinds: Sequence[str]) -> int:
    """Write the index of a store.

    Args:
        folder: The store's.
        kinds: Its folders of which the files are listed.

    Returns:
        Number of files.

    Raises:
        StoreError: It cannot be written.
    """
    entries = [entry for kind in kinds for entry in folder.files(kind) if "/." not in entry.name]
    write_document(folder, INDEX, {"files": {entry.name: [entry.size, entry.modified] for entry in entries}})
    return len(entries)


def read_index(folder: Folder) -> list[Entry]:
    """Files of a store by its index.

    Raises:
        StoreError: There is none, or it is damaged.
    """
    try:
        document = read_document(folder, INDEX)
    except StoreError as error:
        reason = f"{folder.path(INDEX)} is damaged ({error})"
        raise StoreError(f"{reason}; `bench results index --store DIR` writes it again") from None
    if document is None:
        reason = f"{folder.path(INDEX)} does not exist, and a web server cannot list files"
        raise StoreError(f"{reason}; `bench results index --store DIR` writes it where the store is")
    try:
        return [Entry(str(name), int(size), float(modified)) for name, (size, modified) in document["files"].items()]
    except (KeyError, ValueError, TypeError, AttributeError):
        raise StoreError(
            f"{folder.path(INDEX)} is no index; `bench results index --store DIR` writes it again"
        ) from None


# The written folder and its layers as one folder.


class LayeredFolder:
    """A folder that is written, over layers that are read where it lacks a file.

    Args:
        own: Where everything is written.
        layers: Read in this order.
    """

    def __init__(self, own: Folder, layers: Sequence[ReadOnlyFolder]) -> None:
        self.location = own.location
        self.local = own.local
        self._own = own
        self._layers = tuple(layers)
        self._all: tuple[Folder, ...] = (own, *layers)

    def layer_of(self, name: str) -> ReadOnlyFolder | None:
        """The layer that a file is read from; None where it is in the folder that is written, or nowhere."""
        return None if self._own.exists(name) else next((layer for layer in self._layers if layer.exists(name)), None)

    def read(self, name: str) -> bytes:
        """See `Folder`."""
        try:
            return self._own.read(name)
        except (FileNotFoundError, NotADirectoryError):
            for layer in self._layers:
                if layer.exists(name):
                    return layer.read(name)
            raise

    def write(self, name: str, content: bytes) -> None:
        """See `Folder`."""
        self._own.write(name, content)

    def names(self, below: str = "") -> list[str]:
        """See `Folder`."""
        return sorted({name for folder in self._all for name in folder.names(below)})

    def files(self, below: str = "") -> list[Entry]:
        """See `Folder`; of a file that several have, the one that is read."""
        entries: dict[str, Entry] = {}
        for folder in self._all:
            for entry in folder.files(below):
                entries.setdefault(entry.name, entry)
        return [entries[name] for name in sorted(entries)]

    def exists(self, name: str) -> bool:
        """See `Folder`."""
        return any(folder.exists(name) for folder in self._all)

    def is_there(self, name: str) -> bool:
        """See `Folder`."""
        return any(folder.is_there(name) for folder in self._all)

    def remove(self, name: str) -> None:
        """See `Folder`; what a layer has stays."""
        self._own.remove(name)

    def path(self, name: str) -> str:
        """See `Folder`."""
        layer = self.layer_of(name)
        return self._own.path(name) if layer is None else layer.path(name)
