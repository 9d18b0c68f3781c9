"""Text for a terminal: names from files cannot steer it, and no encoding stops it.

At the root because every part of vitobench shows names that come from files, cards, archives and plugins. A name may
hold escape sequences that recolour, hide or rewrite what is on the screen, or a newline that fakes a line of its own.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 120
"""Columns where output is piped; rich would assume 80 and cut names."""

# C0 and DEL, C1, marks that turn the direction of writing, separators of lines and paragraphs, and halves of
# characters, which are bytes of a file name that is no UTF-8.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LAYOUT = "\n\t"
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_PLAIN = {
    "▲": "^",
    "▼": "v",
    "↑": "^",
    "↓": "v",
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "’": "'",
    "×": "x",
    "·": ".",
    "±": "+/-",
    "≤": "<=",
    "≥": ">=",
    "∞": "inf",
    "†": "+",
    "‡": "++",
    "°": " degrees",
    "κ": "k",
    "α": "a",
    "₂": "2",
}
"""What our own signs become where the encoding lacks them. A question mark would make a minus and a plus alike."""

_ERRORS = "vitobench"


def shown(name: object) -> str:
    r"""A name from outside, on one line: ``"a\x1b[2J"`` with its escape written out, as are newlines and tabs."""
    return _CONTROL.sub(_written_out, str(name))


def printable(text: str) -> str:
    """Text of several lines with everything written out that could steer a terminal; newlines and tabs stay."""
    return _CONTROL.sub(lambda found: found[0] if found[0] in _LAYOUT else _written_out(found), text)


def echo(text: object = "", err: bool = False) -> None:
    """Print `printable` text and a newline.

    Args:
        text: What to print.
        err: On standard error.
    """
    _echo(printable(str(text)), sys.stderr if err else sys.stdout)


def _echo(text: str, stream: TextIO) -> None:
    import click

    try:
        click.echo(text, file=stream)
    except OSError as error:
        _lose(stream, error)


def lost_output() -> OSError | None:
    """Why standard output could not be written since this was last asked; None if it could.

    Work goes on without it, since files and predictions are what it is done for.
    """
    found = _LOST[:]
    _LOST.clear()
    return found[0] if found else None


_LOST: list[OSError] = []


def _lose(stream: Any, error: OSError) -> None:
    if stream is not sys.stderr:
        _LOST.append(error)
    drop_output(stream)


class _Lasting:
    """A stream that takes what is printed whether or not anybody can read it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            _lose(self._stream, error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            _lose(self._stream, error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def open_console(err: bool = False, width: int = PIPED_WIDTH, markup: bool = True) -> Console:
    """A console of rich on which text cannot steer the terminal.

    Args:
        err: On standard error.
        width: Columns where its stream is no terminal.
        markup: Whether ``[bold]`` in a text is rich's markup.
    """
    stream = sys.stderr if err else sys.stdout
    piped = None if stream.isatty() else width
    made: Console = _console_class()(file=_Lasting(stream), stderr=err, width=piped, markup=markup, highlight=False)
    return made


@cache
def _console_class() -> Any:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment
    from rich.text import Span, Text

    class SafeConsole(Console):
        """Writes out control characters before anything is laid out."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Any:
            if isinstance(renderable, Text) and printable(renderable.plain) != renderable.plain:
                signs = [printable(sign) for sign in renderable.plain]
                at = [0, *accumulate(map(len, signs))]  # where each sign begins now
                spans = [Span(at[span.start], at[span.end], span.style) for span in renderable.spans]
                renderable = renderable.blank_copy("".join(signs))
                renderable.spans = spans
            found: Any = super().render(renderable, options)
            return (Segment(printable(s.text), s.style) if not s.control else s for s in found)

    return SafeConsole


def prepare_streams() -> None:
    """Set up the standard streams of this process so that printing cannot fail over a missing stream or character.

    A stream that was closed becomes one that goes nowhere; otherwise the next file that is opened would get its number,
    and with it whatever a library prints.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_RDWR)
                if nowhere != number:
                    os.dup2(nowhere, number)
                    os.close(nowhere)
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors=_ERRORS)  # type: ignore[union-attr]


def drop_output(stream: TextIO) -> None:
    """Let go of what a stream could not write, so that the interpreter does not try again when it ends."""
    with suppress(AttributeError, ValueError, OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def output_to_errors() -> Iterator[None]:
    """While the block runs, what Python or a library prints to standard output goes to standard error.

    For code of others where standard output is JSON. Their closing a stream closes nothing of ours.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        with suppress(ValueError, OSError):
            stream.flush()
    held = [(number, _duplicate(number)) for number in (1, 2)]
    if held[1][1] is not None:
        os.dup2(held[1][1], 1)
    sys.stdout = sys.stderr = aside = _aside(before[1])
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            aside.flush()
        sys.stdout, sys.stderr = before
        for number, copy in held:
            if copy is not None:
                os.dup2(copy, number)
                os.close(copy)
        if isinstance(aside, io.StringIO) and not aside.closed:
            before[1].write(aside.getvalue())


def _duplicate(number: int) -> int | None:
    try:
        return os.dup(number)
    except OSError:
        return None


_ASIDE: list[TextIO] = []


def _aside(errors: TextIO) -> TextIO:
    """A stream to where standard error goes. It stays open: what logs keep a hold of it."""
    try:
        number = errors.fileno()
    except (OSError, ValueError):  # no file: a notebook, a test
        return io.StringIO()
    if not _ASIDE or _ASIDE[-1].closed:
        _ASIDE.append(os.fdopen(os.dup(number), "w", buffering=1, encoding="utf-8", errors=_ERRORS))
    return _ASIDE[-1]


def _written_out(found: re.Match[str]) -> str:
    sign = found[0]
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # the byte itself
    return _NAMED.get(sign) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    text = "".join(_PLAIN.get(sign) or _CONTROL.sub(_written_out, sign) for sign in signs)
    return "".join(sign if ord(sign) < 0x80 else _escape(sign) for sign in text), error.end


def _escape(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode()


codecs.register_error(_ERRORS, _replaced)


def _nowhere(mode: str) -> Any:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123
