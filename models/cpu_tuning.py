"""What makes inference on a CPU fast without changing its results."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER_TRIM = 2**31 - 1
# Older versions of glibc refuse thresholds above half the size of a heap, hence the second value.
_MMAP_THRESHOLDS = (2**30, 2**25)


@cache
def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next batch instead of handing it back to the kernel.

    Activations of a batch are tens of megabytes each. By default glibc maps such blocks afresh every time, and the
    kernel clears every page again: for EfficientNet-Lite0 at batch 32 on two cores that is 300,000 page faults a batch,
    and without them twice as many images are classified per second. The price is that the process keeps its peak
    memory. Only the allocator is concerned; results are the same to the last bit.

    The gain is whole in the main thread. In others it stops at tensors of 64 MB, to which glibc limits their heaps;
    that is one reason why `Model` computes a large batch in parts.

    The setting holds for the whole process and is made once. ``VITOBENCH_KEEP_MEMORY=0`` in the environment prevents
    it; outside Linux with glibc it does nothing.

    Returns:
        Whether the setting was made.
    """
    if os.environ.get("VITOBENCH_KEEP_MEMORY") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018 - the attribute is absent where the C library is another one
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    return any(mallopt(_M_MMAP_THRESHOLD, t) for t in _MMAP_THRESHOLDS) and bool(
        mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM)
    )
