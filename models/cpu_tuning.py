"""Make inference on a CPU faster without changing its results."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER_TRIM = 2**31 - 1
# Older versions of glibc reject thresholds above half the size of a heap; they accept the second value.
_MMAP_THRESHOLDS = (2**30, 2**25)


@cache
def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next batch instead of returning it to the kernel.

    Activations of a batch take tens of megabytes each. By default glibc maps such blocks anew every time, and the
    kernel clears every page again: for EfficientNet-Lite0 at batch 32 on two cores, this is 300,000 page faults per
    batch; without them, twice as many images per second are classified. In return, the process keeps its peak memory.
    Only the allocator changes, so results are the same to the last bit.

    In the main thread this works for any size. In other threads glibc limits heaps to 64 MB, so larger tensors do not
    benefit; this is one reason why `Model` computes a large batch in parts.

    The setting applies to the whole process. ``VITOBENCH_KEEP_MEMORY=0`` in the environment disables it; outside Linux
    with glibc it does nothing.

    Returns:
        Whether the setting is active.
    """
    if os.environ.get("VITOBENCH_KEEP_MEMORY") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 - raises if the C library is not glibc
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    return any(mallopt(_M_MMAP_THRESHOLD, t) for t in _MMAP_THRESHOLDS) and bool(
        mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
    )
