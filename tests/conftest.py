"""What all tests share."""

from __future__ import annotations

import os
import signal


def pytest_configure() -> None:
    """Read no configuration of whoever runs the tests.

    Answer Ctrl-C even where the tests were started with it ignored, as a shell starts what it puts aside.
    """
    os.environ["VITOBENCH_CONFIG"] = os.devnull
    os.environ.pop("VITOBENCH_DATA", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
