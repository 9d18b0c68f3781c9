"""Writing files, a regular one all at once and a device or a pipe as it is, and plain data in them as JSON.

At the root, like errors, because all parts of the package write files.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import IO, Any

from .errors import DataError, StoreError, VitobenchError
from .identity import digest
from .text_files import read_text

_TRIES = 5
_LONGEST = 200  # bytes of a name that its temporary file repeats; file systems allow 255 in all
_DESCRIPTORS = re.compile(r"/proc/(\d+)(?:/task/\d+)?/fd|/dev/fd")
_NO_NEW_FILE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV})
"""Why a new file cannot take the place of one that can be written itself, such as one file mounted in a container."""


def home_path(text: str | Path) -> Path:
    """A path whose leading ``~`` or ``~NAME`` stands for a home folder.

    Raises:
        VitobenchError: There is no such user, or no home folder.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise VitobenchError(f"{text} cannot be used: that home folder is unknown. Write the full path.") from None


def check_output(path: str | Path | None) -> None:
    """Refuse a path that no file can be written to, before hours of work; nothing is written or made.

    Args:
        path: What the user named; None is no file.

    Raises:
        StoreError: It is a folder, a disk, below a file, read-only, or no path at all.
    """
    if path is None:
        return
    try:
        status = _status(path)
        if _is_special(path, status):
            _refuse_disk(path, status)
        elif status is not None:
            _refuse_folder(path, status)
            if not os.access(path, os.W_OK):
                raise StoreError(f"{path} cannot be written: it is read-only. Name another file.")
        else:
            _check_new(Path(os.path.realpath(path)), path)
    except OSError as error:
        raise unwritable(path, error) from None


def check_output_folder(folder: str | Path, option: str = "--to") -> None:
    """Refuse a folder that no file can be written to, before hours of work; nothing is made.

    Args:
        folder: What the user named; it need not be there.
        option: The option that names another.

    Raises:
        StoreError: It is a file, below a file, read-only, or no path at all.
    """
    try:
        status = _status(folder)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            raise StoreError(f"{folder} is a file; name a folder with {option}.")
        _check_new(Path(os.path.realpath(folder)) / "file", folder)
    except OSError as error:
        raise unwritable(folder, error) from None


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file that a user named.

    A regular or new file appears as a whole or not at all, with the permissions of the one it replaces. Links are
    followed. A device, a named pipe or a descriptor such as ``/dev/stdout`` is written to, and stays what it is.

    Raises:
        StoreError: It cannot be written.
        BrokenPipeError: Standard output was named, and its reader has closed it.
    """
    try:
        status = _status(path)
        if _is_special(path, status):
            _write_through(path, status, io.BytesIO(content))
            return
        _refuse_folder(path, status)
        target = Path(os.path.realpath(path))
        try:
            replace_file(target, content, status)
        except OSError as error:
            if status is None or error.errno not in _NO_NEW_FILE:
                raise
            _write_in_place(target, io.BytesIO(content))
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def output_file(path: str | Path) -> Iterator[Path]:
    """As `write_file`, for content that comes piece by piece: the block writes it to the path that it gets.

    Raises:
        StoreError: It cannot be written.
        BrokenPipeError: Standard output was named, and its reader has closed it.
    """
    try:
        status = _status(path)
        special = _is_special(path, status)
        if not special:
            _refuse_folder(path, status)
        target = Path(os.path.realpath(path))
        if not special:
            target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target, where it can be renamed; where nothing can be made there, its bytes are copied.
        beside = not special and os.access(target.parent, os.W_OK)
        with tempfile.TemporaryDirectory(prefix=".vitobench-", dir=target.parent if beside else None) as folder:
            aside = Path(folder) / "output"
            yield aside
            try:
                if not beside:
                    raise OSError(errno.EXDEV, "")
                _take_place(aside, target, status)
            except OSError as error:
                if not special and (status is None or error.errno not in _NO_NEW_FILE):
                    raise
                with aside.open("rb") as source:
                    if special:
                        _write_through(path, status, source)
                    else:
                        _write_in_place(target, source)
    except OSError as error:
        raise unwritable(path, error) from None


def write_aside(path: Path, content: bytes) -> None:
    """As `replace_file`, for a file of a folder that a user named.

    Raises:
        StoreError: The folder cannot be written or the disk is full; nothing is left behind.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise unwritable(path, error, "folder") from None


def replace_file(path: Path, content: bytes, status: os.stat_result | None = None) -> None:
    """Write a regular file so that readers see all of it or nothing; whatever has its name is replaced.

    Args:
        path: Where to; its folder is made.
        content: Its bytes.
        status: Of the file it replaces, whose permissions it gets; None gives those of any new file.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    with replacing(path, status) as aside:
        for left in reversed(range(_TRIES)):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                aside.write_bytes(content)
                break
            except FileNotFoundError:  # another writer found the folder empty and removed it
                if not left:
                    raise


@contextmanager
def replacing(path: Path, status: os.stat_result | None = None) -> Iterator[Path]:
    """As `replace_file`, for a file that other code writes: the block writes it to the path that it gets.

    The folder has to exist. The file takes the name of ``path`` when the block ends, and is removed if the block fails.
    """
    # Not by `tempfile`, whose files are private: a store is shared as any new file is.
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
    aside = path.parent / f".{name}.{uuid.uuid4().hex}"
    try:
        yield aside
        _take_place(aside, path, status)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise


def unwritable(path: str | Path, error: OSError, what: str = "file") -> StoreError:
    """The error of a file that cannot be written.

    Args:
        path: What the user reads.
        error: Why.
        what: What the user can name another of, ``"file"`` or ``"folder"``.

    Raises:
        BrokenPipeError: It was one on standard output, which is no fault of the file.
    """
    if isinstance(error, BrokenPipeError) and _descriptor(path) in (1, 2):
        raise error
    reason = error.strerror or str(error) or type(error).__name__
    in_the_way = error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY)
    advice = "Something else has that name; remove it" if in_the_way else "Free some space"
    return StoreError(f"{path} cannot be written: {reason}. {advice}, or name another {what}.")


def plain(value: Any) -> Any:
    """Data as JSON has it: records become objects, and NaN and infinity, which it lacks, become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def json_text(value: Any) -> str:
    """Data as the JSON that every command prints and writes, one space a level and no end of line; see `plain`."""
    return json.dumps(plain(value), indent=1)


def write_json(path: str | Path, value: Any) -> None:
    """Write data to a file that a user named; see `json_text` and `write_file`.

    Raises:
        StoreError: It cannot be written.
    """
    write_file(path, f"{json_text(value)}\n".encode())


def read_json(path: Path, form: str = "") -> Any:
    """Read a JSON file that another program wrote, in any Unicode encoding.

    Args:
        path: The file.
        form: What it should be, for the error.

    Raises:
        DataError: It cannot be read or is not JSON.
    """
    expected = f" Expected {form}." if form else ""
    try:
        return json.loads(read_text(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.{expected}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON.{expected}") from error


def write_sealed_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write plain data with its digest, for `read_sealed_json`.

    Raises:
        StoreError: It cannot be written.
    """
    sealed = {**facts, "digest": digest(json.dumps(facts))}
    write_aside(path, json.dumps(sealed, separators=(",", ":")).encode())


def read_sealed_json(path: Path) -> dict[str, Any] | None:
    """What `write_sealed_json` wrote; None where the file is absent, unreadable or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return facts if facts.pop("digest") == digest(json.dumps(facts)) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return None
    except ValueError as error:  # it holds a NUL, or a character that no file name can have
        raise OSError(errno.EINVAL, str(error)) from None


def _is_special(path: str | Path, status: os.stat_result | None) -> bool:
    """Whether bytes have to go through it: to replace it would take it from whoever else uses it."""
    if _descriptor(path) is not None:
        return True
    return status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode)


def _descriptor(path: str | Path) -> int | None:
    """The open file of this process that a path such as ``/dev/stdout`` names, over any number of links."""
    here = os.path.abspath(path)  # noqa: PTH100
    for _ in range(40):
        folder, name = os.path.split(here)
        folder = os.path.realpath(folder)
        found = _DESCRIPTORS.fullmatch(folder)
        if found is not None and name.isdecimal():
            return int(name) if found[1] in (None, str(os.getpid())) else None
        here = os.path.join(folder, name)  # noqa: PTH118
        try:
            here = os.path.join(folder, os.readlink(here))  # noqa: PTH115, PTH118
        except (OSError, ValueError):  # no link
            return None
    return None


def _refuse_folder(path: str | Path, status: os.stat_result | None) -> None:
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{path} is a folder; name a file.")


def _refuse_disk(path: str | Path, status: os.stat_result | None) -> None:
    if status is not None and stat.S_ISBLK(status.st_mode):
        raise StoreError(f"{path} is a disk device; name a file.")


def _check_new(target: Path, path: str | Path) -> None:
    """Refuse a new file whose folder neither is there nor can be made."""
    here = target.parent
    while _status(here) is None:
        here = here.parent
    if not here.is_dir():
        raise StoreError(f"{path} cannot be written: {here} is not a folder.")
    if not os.access(here, os.W_OK | os.X_OK):
        raise StoreError(f"{path} cannot be written: the folder {here} is read-only. Name another folder.")


def _take_place(aside: Path, target: Path, status: os.stat_result | None) -> None:
    if status is not None:
        if not os.access(target, os.W_OK):  # a rename would not ask
            raise PermissionError(errno.EACCES, "it is read-only")
        aside.chmod(stat.S_IMODE(status.st_mode))
    aside.replace(target)


def _write_in_place(target: Path, source: IO[bytes]) -> None:
    with target.open("r+b") as sink:
        shutil.copyfileobj(source, sink)
        sink.truncate()


def _write_through(path: str | Path, status: os.stat_result | None, source: IO[bytes]) -> None:
    _refuse_disk(path, status)
    own = _descriptor(path)
    if own in (1, 2):
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError):
                stream.flush()
    # Opening a descriptor by its path would begin at the front of the file that it stands for.
    opened = os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0)) if own is None else os.dup(own)
    with os.fdopen(opened, "wb") as sink:
        shutil.copyfileobj(source, sink)
