"""Progress as plain lines, where nothing can be drawn over."""

from __future__ import annotations

import io
from itertools import pairwise

from rich.console import Console

from vitobench.bench.progress import Lines, bar, in_words


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(seconds: int, steps: int, what: str = "") -> list[tuple[float, str]]:
    """What is written over some time, in even steps: seconds and lines."""
    clock, written = Clock(), []
    advance = Lines("Running", steps, lambda line: written.append((clock.now, line)), clock)
    for step in range(1, steps + 1):
        clock.now = seconds * step / steps
        advance(1, what)
    return written


def test_what_takes_a_moment_writes_nothing() -> None:
    assert lines(1, 100) == []


def test_half_a_minute_writes_a_line_at_every_tenth() -> None:
    written = lines(30, 1000)
    assert [line.split()[1] for _, line in written] == [str(percent) for percent in range(10, 101, 10)]


def test_minutes_write_a_line_every_ten_seconds_at_first() -> None:
    times = [at for at, _ in lines(420, 42_000)]
    assert times[:3] == [10.0, 20.0, 30.0]
    assert max(b - a for a, b in pairwise(times)) <= 21.1


def test_a_day_does_not_fill_a_disk() -> None:
    assert 50 < len(lines(86_400, 86_400)) < 200


def test_a_line_tells_what_is_done_and_what_is_left() -> None:
    written = [line for _, line in lines(400, 100, "micro-c fog/3")]
    assert written[0] == "Running: 3 %, 0:12, about 6:28 left (micro-c fog/3)"
    assert written[-1] == "Running: 100 %, 6:40 (micro-c fog/3)"
    assert any(line.startswith("Running: 50 %, 3:20, about 3:20 left") for line in written)
    assert "1:05:00" in lines(7800, 2)[0][1]


def test_a_console_that_is_no_terminal_gets_lines() -> None:
    file = io.StringIO()
    with bar(Console(file=file, width=40), "Running", 10) as advance:
        assert isinstance(advance, Lines)
        advance._last -= 60
        advance._start -= 60
        advance(5, "[bold]a name that is longer than the line is wide")
    assert (
        file.getvalue() == "Running: 50 %, 1:00, about 1:00 left ([bold]a name that is longer than the line is wide)\n"
    )


def test_a_terminal_gets_a_bar() -> None:
    with bar(Console(file=io.StringIO(), force_terminal=True), "Running", 10) as advance:
        assert not isinstance(advance, Lines)
        advance(10)


def test_loading_is_told_in_words_with_the_time_that_is_left() -> None:
    said: list[tuple[int, str]] = []
    times = iter([0.0, 30.0, 60.0])
    tell = in_words(lambda amount, what="": said.append((amount, what)), "a", lambda: next(times))
    for done in (400, 500, 1000):
        tell("Embedding class names", done, 1000)
    assert said == [
        (0, "a: embedding class names, 400 of 1000"),
        (0, "a: embedding class names, 500 of 1000, about 2:30 left"),
        (0, "a: embedding class names, 1000 of 1000"),
    ]
