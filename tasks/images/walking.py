"""List folders: the one walk that every reader uses, with a count of what it leaves out.

The rules:

* Links to files and folders are followed, since class folders are often on another disk. Every real folder is listed
  once: first real folders, then links, both sorted by path. A link to a folder that is already listed, or to a parent
  of the link, is left out and counted.
* If folders are classes, a folder that is reached from two classes is an error: its images would have two labels.
* Links to files count as files, even broken ones: these are members of the set that cannot be read. Two links to one
  file count as two files, like two copies; it is common to make folders of links into content-addressed storage.
* Hidden files, and files that operating systems, archivers and office programs leave behind, are never data. They are
  counted in JSON files, but not mentioned in messages.
* Everything else that is not listed is counted by kind, with an example, so that no data set shrinks silently.
* A folder that cannot be read is an error, since there is no way to know how many images it contains.

Extensions are compared case-insensitively. Paths are plain strings, because some sets have millions of files. Besides
``os.scandir``, a walk takes one ``stat`` per folder and one per link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...results.schema import LeftOutRecord

SYSTEM = "hidden files and files of the system"
REPEATED = "links to folders that are listed already"
NOWHERE = "links that lead nowhere"
SPECIAL = "neither files nor folders"
OUTSIDE = "files outside of the folders that are read"
EMPTY = "folders with nothing to list"
FOLDERS = "folders inside"
NO_EXTENSION = "files without an extension"
OTHERS = "files with other extensions"

_SYSTEM_NAMES = frozenset(
    {
        # macOS writes these into zip archives and onto network disks; all its other files start with a dot.
        "__macosx",
        "icon\r",
        "network trash folder",
        "temporary items",
        # Windows
        "$recycle.bin",
        "system volume information",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        # Linux
        "lost+found",
        # Synology, QNAP and NetApp
        "@eadir",
        "@tmp",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "@__thumb",
        "~snapshot",
    }
)
"""Names in lower case. No class, video or published data set has such a name."""

_SYSTEM_ENDS = ("@synoeastream", "@synoresource")
_CHECKED = re.compile(r"found\.\d{3}")  # folders that Windows creates when it repairs a disk
_EXTENSION = re.compile(r"\.[a-z][a-z0-9_+-]{0,11}")
_MOST_KINDS = 12  # number of extensions to count separately

Seen = dict[Any, tuple[str, str]]
"""For each listed folder, by identity: the top folder it is listed for, and its path."""


def is_system(name: str) -> bool:
    """Whether the name of a file or folder is that of a hidden, operating system, archiver or office program's file."""
    if name[0] in ".~":  # "~$" starts the lock file of an open document
        return name[0] == "." or name.startswith("~$") or name.lower() in _SYSTEM_NAMES
    lower = name.lower()
    if lower in _SYSTEM_NAMES or lower.endswith(_SYSTEM_ENDS):
        return True
    return lower.startswith("found.") and _CHECKED.fullmatch(lower) is not None


@dataclass(frozen=True)
class LeftOut:
    """What a listing left out.

    Attributes:
        kinds: The number of each kind (``".txt files"``, `REPEATED`, ...) and the first example.
    """

    kinds: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def __add__(self, other: LeftOut) -> LeftOut:
        merged = dict(self.kinds)
        for kind, (count, example) in other.kinds.items():
            before = merged.get(kind)
            merged[kind] = (count, example) if before is None else (before[0] + count, before[1])
        return LeftOut(merged)

    def below(self, folder: str) -> LeftOut:
        """The same, with a folder put before the paths of the examples."""
        return LeftOut({kind: (count, f"{folder}/{example}") for kind, (count, example) in self.kinds.items()})

    def without(self, *kinds: str) -> LeftOut:
        """The same without some kinds."""
        return LeftOut({kind: entry for kind, entry in self.kinds.items() if kind not in kinds})

    def line(self, name: str) -> str:
        """A line for a message about the set `name`; empty if nothing but `SYSTEM` was left out."""
        parts = [
            f"{kind}: {count:,} ({'such as ' if count > 1 else ''}{_printable(example)})"
            for kind, (count, example) in sorted(self.kinds.items())
            if kind != SYSTEM
        ]
        return f"Left out of {name}: {'; '.join(parts)}." if parts else ""

    def record(self, name: str) -> LeftOutRecord:
        """All of it as plain data, with `SYSTEM` and the `line` for the set `name`; empty if nothing was left out."""
        if not self.kinds:
            return {}
        kinds: dict[str, dict[str, object]] = {
            kind: {"count": n, "example": _printable(example)} for kind, (n, example) in self.kinds.items()
        }
        return {"line": self.line(name), "kinds": dict(sorted(kinds.items()))}


NOTHING = LeftOut()
"""A listing that left nothing out."""


def left_out_of(source: object) -> LeftOut:
    """What the listing of a data set left out; `NOTHING` for sets that are not read from folders."""
    left_out = getattr(source, "left_out", None)
    return left_out if isinstance(left_out, LeftOut) else NOTHING


@dataclass(frozen=True)
class Listing:
    """The result of a walk.

    Attributes:
        files: Sorted paths below the root, with forward slashes.
        left_out: What was left out.
        shared: Folders that were reached from two top folders: the full path of the second and of the first place.
    """

    files: list[str]
    left_out: LeftOut
    shared: tuple[tuple[str, str], ...] = ()

    def refuse_two_labels(self) -> None:
        """Reject a folder that is reached from two top folders, if these are classes, sessions or the like.

        Raises:
            DataError: There is such a folder.
        """
        if self.shared:
            again, first = self.shared[0]
            raise DataError(
                f"{_printable(again)} and {_printable(first)} are the same folder, through a link: its files would "
                "count twice. Replace the link by the files that belong there, or remove it."
            )


def walk(
    root: Path, extensions: Iterable[str], below: Sequence[str] | None = None, seen: Seen | None = None
) -> Listing:
    """List the files below a folder; see the top of this module for the rules.

    Args:
        root: The folder.
        extensions: Extensions in lower case, with the dot.
        below: Names of the folders in the root to list; None lists everything.
        seen: Folders that other walks of the same set have listed; this walk adds its own.

    Raises:
        DataError: A folder cannot be read.
    """
    walker = _Walker(root, frozenset(extensions), {} if seen is None else seen)
    if below is None:
        walker.enter(*walker.list_one(""))
    else:
        walker.look_beside(frozenset(below))
        links = [name for name in below if os.path.islink(walker.place(name))]  # noqa: PTH114 - see `_Walker`
        walker.enter(*(set(below) - set(links)))
        walker.links += links
    walker.follow()
    files = sorted(walker.files)
    if below is not None:
        filled = {name.split("/", 1)[0] for name in files}
        for name in below:
            if name not in filled:
                walker.leave(EMPTY, name)
    return Listing(files, LeftOut(walker.left), tuple(walker.shared))


def names_in(folder: Path) -> tuple[list[str], LeftOut]:
    """Sorted names of the folders directly in a folder, and what was left out.

    A broken link whose name has no dot counts as a folder: its disk is probably not mounted.

    Raises:
        OSError: The folder cannot be listed.
    """
    names, left_out = [], LeftOut()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if is_system(entry.name):
                left_out += LeftOut({SYSTEM: (1, entry.name)})
            elif is_folder(entry) or ("." not in entry.name and not _exists(entry)):
                names.append(entry.name)
    return names, left_out


def files_in(folder: Path, extensions: Iterable[str]) -> Listing:
    """List the files directly in a folder; its subfolders are counted as left out.

    Args:
        folder: The folder.
        extensions: Extensions in lower case, with the dot.

    Raises:
        DataError: The folder cannot be read.
    """
    walker = _Walker(folder, frozenset(extensions), {})
    for name in [*walker.list_one(""), *walker.links]:
        walker.leave(FOLDERS, name)
    return Listing(sorted(walker.files), LeftOut(walker.left))


class _Walker:
    """The state of one walk. It uses strings and `os`, because `Path` objects take ten times the time and memory."""

    def __init__(self, root: Path, extensions: frozenset[str], seen: Seen) -> None:
        self.files: list[str] = []
        self.left: dict[str, tuple[int, str]] = {}
        self.links: list[str] = []  # to folders, not yet followed
        self.shared: list[tuple[str, str]] = []
        self._root, self._extensions, self._seen = str(root), extensions, seen
        try:
            resolved = root.resolve(strict=True)
            # A link to one of these would lead back here, in an endless loop.
            self._above = {_identity(str(folder)) for folder in (resolved, *resolved.parents)}
        except OSError as error:
            raise _unreadable(self._root, error) from error

    def place(self, path: str) -> str:
        """The full path of a path below the root."""
        return f"{self._root}/{path}" if path else self._root

    def leave(self, kind: str, path: str) -> None:
        """Count a path that is left out; the example is the first one by name."""
        count, example = self.left.get(kind, (0, path))
        self.left[kind] = count + 1, min(example, path)

    def look_beside(self, below: frozenset[str]) -> None:
        """Count files next to the listed folders that look as if they should have been inside one."""
        with self._scan("") as entries:
            for entry in entries:
                if is_system(entry.name):
                    self.leave(SYSTEM, entry.name)
                elif entry.name not in below and not is_folder(entry) and self._wanted(entry.name):
                    self.leave(OUTSIDE, entry.name)

    def follow(self) -> None:
        """Follow the links found so far, and those found on the way."""
        while self.links:
            links, self.links = self.links, []
            self.enter(*links)

    def enter(self, *paths: str) -> None:
        """List folders and the real folders below them, except those that are already listed."""
        stack = sorted(paths, reverse=True)
        while stack:
            path = stack.pop()
            if self._new(path):
                stack += sorted(self.list_one(path), reverse=True)

    def _new(self, path: str) -> bool:
        place = self.place(path)
        try:
            key = _identity(place)
        except OSError as error:
            raise _unreadable(place, error) from error
        top = self.place(path.split("/", 1)[0])
        first = self._seen.setdefault(key, (top, place)) if key not in self._above else (top, "")
        if first[1] == place:
            return True
        self.leave(REPEATED, path)
        if first[0] != top:
            self.shared.append((place, first[1]))
        return False

    def list_one(self, path: str) -> list[str]:
        """Record the files and links in a folder, and return the real folders in it."""
        prefix = f"{path}/" if path else ""
        folders: list[str] = []
        with self._scan(path) as entries:
            for entry in entries:
                name = prefix + entry.name
                if is_system(entry.name):
                    self.leave(SYSTEM, name)
                elif is_folder(entry):
                    (self.links if entry.is_symlink() else folders).append(name)
                elif not self._wanted(entry.name):
                    self.leave(self._kind(entry), name)
                elif entry.is_file(follow_symlinks=False) or (
                    entry.is_symlink() and (_is_file(entry) or not _exists(entry))
                ):
                    self.files.append(name)
                else:
                    self.leave(SPECIAL, name)  # a named pipe, for example, would block its reader for ever
        return folders

    def _scan(self, path: str) -> Any:
        try:
            return os.scandir(self.place(path))
        except OSError as error:
            raise _unreadable(self.place(path), error) from error

    def _wanted(self, name: str) -> bool:
        return os.path.splitext(name)[1].lower() in self._extensions  # noqa: PTH122 - see the class

    def _kind(self, entry: os.DirEntry[str]) -> str:
        if entry.is_symlink() and not _exists(entry):
            return NOWHERE
        if not _is_file(entry):
            return SPECIAL
        extension = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - see the class
        kind = f"{extension} files" if _EXTENSION.fullmatch(extension) else NO_EXTENSION
        return kind if kind in self.left or len(self.left) < _MOST_KINDS else OTHERS


def _identity(place: str) -> Any:
    status = os.stat(place)  # noqa: PTH116 - see `_Walker`
    # Some network file systems have no inode numbers.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(place)


def _unreadable(place: str, error: OSError) -> DataError:
    return DataError(
        f"The folder {_printable(place)} cannot be listed: {error.strerror or error}. Its files would silently be "
        "missing from the set: make it readable, or remove it from the set."
    )


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that may not be entered
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _exists(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except OSError:
        return False
    return True


def _printable(name: str) -> str:
    """A name as text that every page and terminal can show; names may contain arbitrary bytes or control characters."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
