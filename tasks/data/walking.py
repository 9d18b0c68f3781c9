"""Listing folders: the one walk that every reader uses, what it passes over, and how it says so.

The rules:

* Links are followed, to files and to folders: class folders on another disk are usual. Every real folder is listed
  once. Real places come first, then links, sorted by path; a link to a folder that is listed already, or to one that
  the link itself is in, is left out and counted.
* A folder that is listed for one class and reached again from another is an error where folders are classes: its
  images would have two labels.
* Links to files are files, those that lead nowhere too: they are members of the set that cannot be read. Two links to
  one file are two files, as two copies are; folders made of links into a store of contents are usual.
* Hidden files, and what systems, archivers and office programs leave in folders, are never data. They are counted in
  JSON files, and no line mentions them.
* All else that is not listed is counted by kind with an example, for a number that shrinks must not do so in silence.
* A folder that cannot be read is an error: how many images are in it is not known.

Extensions are compared without regard to case. Paths are plain strings, since some sets have millions of files. The
cost is one ``stat`` a folder beyond ``os.scandir``, and one a link.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DataError

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
        # macOS writes its own into zip archives and onto network disks; all else of it starts with a dot.
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
"""In lower case. No class, video or data set that is published has such a name."""

_SYSTEM_ENDS = ("@synoeastream", "@synoresource")
_CHECKED = re.compile(r"found\.\d{3}")  # what Windows makes when it mends a disk
_EXTENSION = re.compile(r"\.[a-z][a-z0-9_+-]{0,11}")
_MOST_KINDS = 12  # extensions that are counted one by one

Seen = dict[Any, tuple[str, str]]
"""Identity of a folder to the top folder that it is listed for and to the place where it is listed."""


def is_system(name: str) -> bool:
    """Whether a file or folder is hidden, or left by a system, an archiver or an office program.

    Args:
        name: Without folders.
    """
    if name[0] in ".~":  # "~$" is put before a document that is open
        return name[0] == "." or name.startswith("~$") or name.lower() in _SYSTEM_NAMES
    lower = name.lower()
    if lower in _SYSTEM_NAMES or lower.endswith(_SYSTEM_ENDS):
        return True
    return lower.startswith("found.") and _CHECKED.fullmatch(lower) is not None


@dataclass(frozen=True)
class LeftOut:
    """What a listing left out.

    Attributes:
        kinds: What it is (``".txt files"``, `REPEATED`, ...) to how often, and the first of them.
    """

    kinds: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def __add__(self, other: LeftOut) -> LeftOut:
        merged = dict(self.kinds)
        for kind, (count, example) in other.kinds.items():
            before = merged.get(kind)
            merged[kind] = (count, example) if before is None else (before[0] + count, before[1])
        return LeftOut(merged)

    def below(self, folder: str) -> LeftOut:
        """The same with examples as paths from further up."""
        return LeftOut({kind: (count, f"{folder}/{example}") for kind, (count, example) in self.kinds.items()})

    def without(self, *kinds: str) -> LeftOut:
        """The same without some kinds."""
        return LeftOut({kind: found for kind, found in self.kinds.items() if kind not in kinds})

    def line(self, name: str) -> str:
        """A line for people; empty where nothing was left out but `SYSTEM`.

        Args:
            name: What the set is called.
        """
        parts = [
            f"{kind}: {count:,} ({'such as ' if count > 1 else ''}{_printable(example)})"
            for kind, (count, example) in sorted(self.kinds.items())
            if kind != SYSTEM
        ]
        return f"Left out of {name}: {'; '.join(parts)}." if parts else ""

    def record(self, name: str) -> dict[str, Any]:
        """All of it as plain data, `SYSTEM` included; empty where nothing was left out.

        Args:
            name: What the set is called.
        """
        if not self.kinds:
            return {}
        kinds = {kind: {"count": n, "example": _printable(example)} for kind, (n, example) in self.kinds.items()}
        return {"line": self.line(name), "kinds": dict(sorted(kinds.items()))}


NOTHING = LeftOut()
"""Left out where nothing was."""


def left_out_of(source: object) -> LeftOut:
    """What a set's listing left out; nothing for sets that are not read from folders."""
    found = getattr(source, "left_out", None)
    return found if isinstance(found, LeftOut) else NOTHING


@dataclass(frozen=True)
class Listing:
    """What a walk found.

    Attributes:
        files: Paths below the root with forward slashes, sorted.
        left_out: What it left out.
        shared: Folders that were reached from two top folders: the second place and the first, as whole paths.
    """

    files: list[str]
    left_out: LeftOut
    shared: tuple[tuple[str, str], ...] = ()

    def refuse_two_labels(self) -> None:
        """Refuse a folder that is reached from two top folders, where these are classes, sessions or the like.

        Raises:
            DataError: There is one.
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
    """List the files below a folder; see the top of this module for what counts.

    Args:
        root: The folder.
        extensions: In lower case, with the dot.
        below: Names of folders in the root: only what is in them is listed. None lists all.
        seen: Folders that other walks of the same set have listed; those of this one are added.

    Raises:
        DataError: A folder that cannot be read.
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
    """Names of the folders in a folder, sorted, and what else is in it.

    A link that leads nowhere and has a name without a dot counts as a folder: it is one whose disk is absent.

    Args:
        folder: Is not looked into further.

    Raises:
        OSError: It cannot be listed.
    """
    names, left = [], LeftOut()
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if is_system(entry.name):
                left += LeftOut({SYSTEM: (1, entry.name)})
            elif _is_folder(entry) or ("." not in entry.name and not _exists(entry)):
                names.append(entry.name)
    return names, left


def files_in(folder: Path, extensions: Iterable[str]) -> Listing:
    """List the files in a folder, but not those in its folders, which are counted as left out.

    Args:
        folder: The folder.
        extensions: In lower case, with the dot.

    Raises:
        DataError: It cannot be read.
    """
    walker = _Walker(folder, frozenset(extensions), {})
    for name in [*walker.list_one(""), *walker.links]:
        walker.leave(FOLDERS, name)
    return Listing(sorted(walker.files), LeftOut(walker.left))


class _Walker:
    """The state of one walk. It works on strings with `os`: paths as objects take ten times the time and memory."""

    def __init__(self, root: Path, extensions: frozenset[str], seen: Seen) -> None:
        self.files: list[str] = []
        self.left: dict[str, tuple[int, str]] = {}
        self.links: list[str] = []  # to folders, not yet followed
        self.shared: list[tuple[str, str]] = []
        self._root, self._extensions, self._seen = str(root), extensions, seen
        try:
            whole = root.resolve(strict=True)
            # A link to one of these leads back here.
            self._above = {_identity(str(folder)) for folder in (whole, *whole.parents)}
        except OSError as error:
            raise _unreadable(self._root, error) from error

    def place(self, path: str) -> str:
        """A path below the root as a whole one."""
        return f"{self._root}/{path}" if path else self._root

    def leave(self, kind: str, path: str) -> None:
        """Count what is left out; the example is the first by name."""
        count, example = self.left.get(kind, (0, path))
        self.left[kind] = count + 1, min(example, path)

    def look_beside(self, below: frozenset[str]) -> None:
        """Count what lies beside the folders that are read and looks as if it were meant to be read."""
        with self._scan("") as entries:
            for entry in entries:
                if is_system(entry.name):
                    self.leave(SYSTEM, entry.name)
                elif entry.name not in below and not _is_folder(entry) and self._wanted(entry.name):
                    self.leave(OUTSIDE, entry.name)

    def follow(self) -> None:
        """Follow the links that were met, and those that are met on the way."""
        while self.links:
            links, self.links = self.links, []
            self.enter(*links)

    def enter(self, *paths: str) -> None:
        """List folders and the real folders below them, but none that is listed already."""
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
        """Note the files and links in a folder; returns the real folders in it."""
        prefix = f"{path}/" if path else ""
        folders: list[str] = []
        with self._scan(path) as entries:
            for entry in entries:
                name = prefix + entry.name
                if is_system(entry.name):
                    self.leave(SYSTEM, name)
                elif _is_folder(entry):
                    (self.links if entry.is_symlink() else folders).append(name)
                elif not self._wanted(entry.name):
                    self.leave(self._kind(entry), name)
                elif entry.is_file(follow_symlinks=False) or (
                    entry.is_symlink() and (_is_file(entry) or not _exists(entry))
                ):
                    self.files.append(name)
                else:
                    self.leave(SPECIAL, name)  # a pipe, say, at which a reader would wait for ever
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
    # Some network file systems number nothing.
    return (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(place)


def _unreadable(place: str, error: OSError) -> DataError:
    return DataError(
        f"The folder {_printable(place)} cannot be listed: {error.strerror or error}. Its files would silently be "
        "missing from the set: make it readable, or remove it from the set."
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
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
    """A name as text that any page and any terminal can show; names may be bytes, or hold control characters."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
