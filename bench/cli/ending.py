"""How a command ends: every error becomes a message and an exit code, even if its output cannot be written."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import click

from ...errors import VitobenchError
from ...interruption import ending
from ...terminal import drop_output, echo, lost_output, shown

FAILED = 1
"""Exit code if the output cannot be written, memory runs out, or vitobench has a bug."""

USAGE = 2
"""Exit code of a mistake that the user can fix."""

UNREAD = 141
"""Exit code if the reader of a pipe is gone: 128 + SIGPIPE, as for any program that this signal ends."""

_PATHS = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.ENXIO,
        errno.ENOTEMPTY,
    }
)
"""Operating system errors about a path that the user gave: a usage error, not a bug."""


class _Unread(Exception):  # noqa: N818
    """The reader of standard output is gone. Not an `OSError`, because click handles those itself and exits with 1."""


@contextmanager
def pipes() -> Iterator[None]:
    """Let `guarded`, rather than click, end a command whose output pipe is closed."""
    try:
        yield
    except BrokenPipeError as error:
        raise _Unread from error


def check_arguments(args: Sequence[str]) -> None:
    """Reject arguments that cannot be a file name and that no terminal can type.

    Raises:
        click.UsageError: An argument contains a NUL, or half of a Unicode character.
    """
    for arg in args:
        try:
            bad = b"\0" in os.fsencode(arg)
        except UnicodeEncodeError:
            bad = True
        if bad:
            raise click.UsageError(
                f"The argument {arg!r} contains an invalid character (NUL, or half of a Unicode character); remove it."
            )


def guarded(command: Callable[[], int]) -> int:
    """Run a command, print its error if it fails, and flush its output.

    Args:
        command: Returns its exit code, or raises.

    Returns:
        The exit code.
    """
    try:
        code = _code_of(command)
    except BaseException as error:
        code = _explain(error)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        code = _unwritten(error)
    lost = lost_output()
    if lost is not None:
        code = _unwritten(lost)
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    return code


def _code_of(command: Callable[[], int]) -> int:
    try:
        return command()
    except SystemExit as done:
        if done.code is None or isinstance(done.code, int):
            return done.code or 0
        _complain(str(done.code))
        return FAILED


def _explain(error: BaseException) -> int:
    """Print what happened and return the exit code for it."""
    if isinstance(error, _Unread):
        return _unwritten(error.__cause__)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, (KeyboardInterrupt, click.Abort, EOFError)):
        _end_workers()
        message, code = ending(error)
        if message:
            _complain(f"\n{message}")
        return code
    if isinstance(error, click.ClickException):
        words = io.StringIO()
        error.show(words)
        _complain(words.getvalue().rstrip("\n"), indent="")
        return USAGE
    if isinstance(error, VitobenchError):
        _complain(f"Error: {error}")
        return USAGE
    if isinstance(error, OSError) and error.errno in _PATHS and error.filename is not None:
        path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
        _complain(f"Error: {_short(shown(path))} cannot be used: {error.strerror}.")
        return USAGE
    if isinstance(error, MemoryError):
        _complain("Error: out of memory. Use a smaller --batch, fewer --workers or a --limit.")
        return FAILED
    if isinstance(error, OSError):
        of = f" ({_short(shown(error.filename))})" if error.filename is not None else ""
        _complain(f"Error: {error.strerror or one_line(error)}{of}. {_report(error)}")
        return FAILED
    _complain(f"Error: vitobench failed unexpectedly: {one_line(error)}. {_report(error)}")
    return FAILED


def one_line(error: BaseException) -> str:
    """``"TypeError: its message"``, on one line."""
    lines = str(error).strip().splitlines()
    return _short(shown(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__))


def _short(text: str, most: int = 300) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _unwritten(error: BaseException | None) -> int:
    drop_output(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return UNREAD
    reason = error.strerror if isinstance(error, OSError) else str(error)
    _complain(f"Error: standard output cannot be written: {reason}.")
    return FAILED


def _complain(text: str, indent: str = "  ") -> None:
    """Print an error, with all lines but the first indented: a file name with a newline must not fake a message."""
    start = "\n" if text.startswith("\n") else ""
    echo(start + text.removeprefix("\n").replace("\n", f"\n{indent}"), err=True)


def _report(error: BaseException) -> str:
    """Write the traceback to a file; returns the sentence that asks the user to report it."""
    words = ["Command: " + " ".join(["bench", *sys.argv[1:]]), f"Python {sys.version}, {sys.platform}", ""]
    words += traceback.format_exception(error)
    try:
        number, path = tempfile.mkstemp(prefix="vitobench-error-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("\n".join(words))
    except OSError:
        return "The traceback was not saved, because no folder for temporary files is writable."
    return f"Please report it and attach {path}, which holds the traceback."


def _end_workers() -> None:
    """Terminate worker processes: Python would otherwise wait at exit until each has finished its current unit."""
    processes = sys.modules.get("multiprocessing")
    for child in processes.active_children() if processes is not None else ():
        child.terminate()
