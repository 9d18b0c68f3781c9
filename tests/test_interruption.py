"""What signals do to this process: real ones, which it sends to itself."""

from __future__ import annotations

import pickle
import signal
import threading
import time

import click
import pytest

from vitobench import interruption
from vitobench.interruption import KEPT, Stopped, answer_signals, ending, finish_first

# Codes as bash counts them: 128 + 15, 128 + 10, 128 + 2.
CODES = {signal.SIGTERM: 143, signal.SIGUSR1: 138, signal.SIGINT: 130}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_a_command_with_its_code(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, answer_signals():
        signal.raise_signal(number)
    assert ending(stopped.value) == (f"Stopped by {number.name}: {KEPT}", CODES[number])
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", CODES)
def test_work_that_saves_is_finished_first(number: signal.Signals) -> None:
    done = []
    with pytest.raises(Stopped) as stopped, answer_signals(), finish_first() as asked:  # noqa: PT012
        for step in range(10):
            if step == 3:
                signal.raise_signal(number)
                signal.raise_signal(number)  # the same by another way: to the group and to the process
            done.append(step)
            if asked():
                raise Stopped(asked(), "saved.")
    assert done == [0, 1, 2, 3]
    what = "Interrupted" if number == signal.SIGINT else f"Stopped by {number.name}"
    assert (stopped.value.message, stopped.value.exit_code) == (f"{what}: saved.", CODES[number])


def test_a_signal_that_came_too_late_stops_at_the_end_and_not_inside() -> None:
    with pytest.raises(Stopped), finish_first():  # noqa: PT012
        with finish_first() as asked:
            signal.raise_signal(signal.SIGTERM)
            assert asked() == signal.SIGTERM
        reached = True
    assert reached


def test_a_second_interrupt_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_INSISTING", 0.0)
    with pytest.raises(KeyboardInterrupt) as at_once, finish_first():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")
    assert not isinstance(at_once.value, Stopped)


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with answer_signals(), finish_first() as asked:
            signal.raise_signal(signal.SIGUSR1)
            assert not asked()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_thread_notes_nothing_and_breaks_nothing() -> None:
    found = []

    def work() -> None:
        with answer_signals(), finish_first() as asked:
            found.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0]


def test_what_click_makes_of_it_still_tells_the_signal() -> None:
    with pytest.raises(click.Abort) as aborted:  # noqa: PT012
        try:
            raise Stopped(signal.SIGTERM, "saved at step 3.")
        except KeyboardInterrupt as error:
            raise click.Abort from error
    assert ending(aborted.value) == ("Stopped by SIGTERM: saved at step 3.", 143)
    assert ending(KeyboardInterrupt()) == (f"Interrupted: {KEPT}", 130)
    assert ending(Stopped(signal.SIGTERM, "")) == ("", 143)
    again = pickle.loads(pickle.dumps(Stopped(signal.SIGTERM, "saved.")))
    assert (again.message, again.exit_code) == ("Stopped by SIGTERM: saved.", 143)
