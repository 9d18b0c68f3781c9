"""Stopping on a signal: Ctrl-C, SIGTERM as SLURM and containers send it before they kill, and SIGUSR1.

At the root, like errors, because every sub-package has work that should not be lost.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

KEPT = "Finished work is stored; repeat the command to continue."

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Signals that end a command, beside Ctrl-C. Windows has no SIGUSR1."""

_INSISTING = 1.0
"""Seconds after which another Ctrl-C is a second one, and not the first that came by two ways."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end. Like its parent it passes every ``except Exception``.

    Attributes:
        signal: Number of the signal.
        message: What was saved and how to go on, for a person; empty where another process says it.
        exit_code: 128 and the number of the signal, as shells count: 143 for SIGTERM, 130 for Ctrl-C.
    """

    def __init__(self, number: int, message: str = KEPT) -> None:
        super().__init__(number, message)
        self.signal = number
        what = "Interrupted" if number == signal.SIGINT else f"Stopped by {signal.Signals(number).name}"
        self.message = f"{what}: {message}" if message else ""
        self._said = message

    def __reduce__(self) -> tuple[type[Stopped], tuple[int, str]]:
        return type(self), (self.signal, self._said)

    @property
    def exit_code(self) -> int:
        """See above."""
        return 128 + self.signal


def ending(error: BaseException) -> tuple[str, int]:
    """What to say and with which code to exit when a command was interrupted.

    Args:
        error: `Stopped`, `KeyboardInterrupt`, or an exception made from them.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Stopped):
        cause = cause.__cause__ or cause.__context__
    found = cause if isinstance(cause, Stopped) else Stopped(signal.SIGINT)
    return found.message, found.exit_code


@contextmanager
def answer_signals() -> Iterator[None]:
    """Raise `Stopped` at SIGTERM and SIGUSR1 while the block runs, as Python raises `KeyboardInterrupt` at Ctrl-C.

    A block of `finish_first` inside goes first. Signals that this process was started to ignore stay ignored.
    """
    own = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own:  # a fork, which inherits the handler
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        raise Stopped(number)

    with _handling(_ENDING, stop):
        yield


class _Arrivals:
    """The first signal that came, and when."""

    def __init__(self) -> None:
        self.number, self.time = 0, 0.0

    def note(self, number: int, frame: FrameType | None) -> None:
        """A handler of signals."""
        if not self.number:
            self.number, self.time = int(number), time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self.time > _INSISTING:
            raise KeyboardInterrupt


_open: list[_Arrivals] = []


@contextmanager
def finish_first() -> Iterator[Callable[[], int]]:
    """Note signals while the block runs instead of stopping at them, so that it can end at a good place.

    The block calls what it is given, which returns the number of the first signal, 0 before, and raises `Stopped` once
    it has saved. If it does not, `Stopped` is raised at its end, unless it is inside another such block. A second
    Ctrl-C stops at once. Outside the main thread no signal is noted.
    """
    if _open:
        arrivals = _open[-1]
        yield lambda: arrivals.number
        return
    arrivals = _Arrivals()
    with _handling((signal.SIGINT, *_ENDING), arrivals.note):
        _open.append(arrivals)
        try:
            yield lambda: arrivals.number
        finally:
            _open.remove(arrivals)
    if arrivals.number:
        raise Stopped(arrivals.number)


def leave_to_parent(*_: object) -> None:
    """Have this process, a worker that reads for another, end with its parent instead of at signals to all processes.

    A second SIGTERM ends it all the same: it comes from a parent that has waited for long enough.
    """
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if number == signal.SIGTERM and seen.count(number) > 1:
            os._exit(1)

    for number in (signal.SIGINT, *_ENDING):
        signal.signal(number, note)


@contextmanager
def _handling(numbers: tuple[int, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    taken = {number: old for number, old in before.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in taken:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in taken.items():
            signal.signal(number, old)
