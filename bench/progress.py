"""Progress bars with the remaining time; without a console they show nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Advance(Protocol):
    """Called with the amount of work done since the last call, and what is being worked on."""

    def __call__(self, amount: int, what: str = "") -> None:
        """Move the bar."""


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
    """Show a bar while the block runs.

    Args:
        console: Where to show it; None shows nothing.
        title: Text left of the bar.
        total: Total amount of work.
    """
    if console is None or total <= 0:
        yield silent
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
