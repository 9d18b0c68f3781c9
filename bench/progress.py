"""Progress with the remaining time: a bar on a terminal, plain lines in a file; without a console nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Advance(Protocol):
    """Called with the amount of work done since the last call, and what is being worked on."""

    def __call__(self, amount: int, what: str = "") -> None:
        """Move the bar."""


def in_words(
    advance: Advance, name: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[str, int, int], None]:
    """Say on a bar how far a model's loading is, which is no part of the bar's amount.

    Args:
        advance: The bar.
        name: The model.
        clock: Seconds that only increase.

    Returns:
        To be called with (stage, done, total), first with what was done before.
    """
    began: list[tuple[float, int]] = []

    def tell(stage: str, done: int, total: int) -> None:
        now = clock()
        began.append((now, done))
        start, before = began[0]
        new = done - before
        left = f", about {_clock((now - start) * (total - done) / new)} left" if new > 0 and done < total else ""
        advance(0, f"{name}: {stage[:1].lower()}{stage[1:]}, {done} of {total}{left}")

    return tell


def silent(amount: int, what: str = "") -> None:
    """An `Advance` that shows nothing."""


@contextmanager
def counting(console: Console | None, title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar for work whose amount is only known once it has started: the block calls it with (done, total).

    Args:
        console: Where to show it; None shows nothing.
        title: Text left of the bar.
    """
    if console is None:
        yield None
        return
    with ExitStack() as opened:
        state: dict[str, Any] = {"done": 0}

        def count(done: int, total: int) -> None:
            if "advance" not in state:
                state["advance"] = opened.enter_context(bar(console, title, total))
            state["advance"](done - state["done"])
            state["done"] = done

        yield count


@contextmanager
def stages(console: Console | None) -> Iterator[Callable[..., None]]:
    """Show a bar for each of several stages in turn: the block calls it with (stage, done, total).

    Args:
        console: Where to show them; None shows nothing.
    """
    with ExitStack() as opened:
        state: dict[str, Any] = {"title": None}

        def stage(title: str, done: int, total: int, what: str = "") -> None:
            if state["title"] != title:
                opened.pop_all().close()
                state.update(title=title, done=0, advance=opened.enter_context(bar(console, title, total)))
            state["advance"](done - state["done"], what)
            state["done"] = done

        yield stage


@contextmanager
def bar(console: Console | None, title: str, total: int) -> Iterator[Advance]:
    """Show a bar while the block runs, or `Lines` where nothing can be drawn over.

    Args:
        console: Where to show it; None shows nothing.
        title: Text left of the bar.
        total: Total amount of work.
    """
    if console is None or total <= 0:
        yield silent
        return
    if not console.is_terminal:
        yield Lines(title, total, lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[what]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total, what="")

        def advance(amount: int, what: str = "") -> None:
            progress.update(task, advance=amount, what=what)

        yield advance


# Plain lines, for a log.


_SECONDS = 10.0  # between two lines at first
_SHARE = 0.05  # of the time so far, between two lines of something that takes long
_SOONEST = 2.0  # seconds before a line on another tenth


class Lines:
    """An `Advance` that writes a line every ten seconds, and at every tenth; nothing within the first two seconds.

    Over hours the lines become fewer: there are about a hundred in a day.

    Args:
        title: What is going on.
        total: Total amount of work.
        write: Gets each line.
        clock: Seconds that only increase.
    """

    def __init__(
        self, title: str, total: int, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.title = title
        self.total = total
        self.write = write
        self.clock = clock
        self.done = 0
        self._tenth = 0
        self._start = self._last = clock()

    def __call__(self, amount: int, what: str = "") -> None:
        """See `Advance`."""
        self.done += amount
        now = self.clock()
        tenth = int(10 * min(self.done, self.total) / self.total)
        since = now - self._last
        if since < _SOONEST or (tenth == self._tenth and since < max(_SECONDS, _SHARE * (now - self._start))):
            return
        self._tenth, self._last = tenth, now
        elapsed = now - self._start
        line = f"{self.title}: {int(100 * min(self.done, self.total) / self.total)} %, {_clock(elapsed)}"
        if 0 < self.done < self.total:
            line += f", about {_clock(elapsed * (self.total - self.done) / self.done)} left"
        self.write(line + (f" ({what})" if what else ""))


def _clock(seconds: float) -> str:
    """``"1:05"``, ``"2:00:07"``."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
