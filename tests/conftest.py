"""What all tests share."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Answer Ctrl-C even where the tests were started with it ignored, as a shell starts what it puts aside."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
