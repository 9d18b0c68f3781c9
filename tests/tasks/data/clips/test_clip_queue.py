"""Work ahead of its use: in order, bounded, and given up when nobody listens."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from vitobench.tasks.data.clips.loading import in_threads


def test_results_come_in_order() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(in_threads(work, range(40), 4)) == [k * k for k in range(40)]


def test_no_more_is_begun_than_may_wait() -> None:
    begun: list[int] = []
    endless = in_threads(lambda k: begun.append(k) or k, itertools.count(), 2, ahead=5)
    assert next(endless) == 0
    time.sleep(0.05)
    assert len(begun) <= 6
    assert [next(endless) for _ in range(10)] == list(range(1, 11))
    time.sleep(0.05)
    assert len(begun) <= 16
    endless.close()


def test_an_error_reaches_the_caller_and_ends_the_threads() -> None:
    before = threading.active_count()

    def work(number: int) -> int:
        if number == 3:
            raise KeyError(number)
        return number

    found = []
    with pytest.raises(KeyError):
        found.extend(in_threads(work, range(1000), 2))
    assert threading.active_count() == before


@pytest.mark.parametrize(("threads", "ahead"), [(0, 2), (2, 0)])
def test_refuses_numbers_under_one(threads: int, ahead: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        next(in_threads(str, [1], threads, ahead))
