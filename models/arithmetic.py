"""The arithmetic a network computes in, and what makes inference on a CPU fast without changing its results."""

from __future__ import annotations

import ctypes
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

import torch
from torch import nn

from ..errors import VitobenchError
from .spec import PRECISIONS

# The arithmetic that a network uses.


def check_precision(precision: str, device: torch.device) -> None:
    """Check that a device supports a precision well enough.

    Args:
        precision: One of `PRECISIONS`.
        device: Device of the network.

    Raises:
        VitobenchError: float16 on a CPU, where convolutions are slow and overflow at 65504.
    """
    if device.type == "cpu" and precision == "float16":
        valid = ", ".join(p for p in PRECISIONS if p != "float16")
        raise VitobenchError(f"float16 does not work on a CPU. Use {valid}, or a GPU.")


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Compute in a precision inside this context.

    ``"float32"`` really is float32: on a CUDA device, TensorFloat-32, which torch allows in convolutions by default and
    which keeps only 10 of 23 bits of every factor, is switched off in the meantime. Other precisions use torch's
    autocast: matrix products and convolutions in that type, sensitive operations in float32.

    Args:
        precision: One of `PRECISIONS`.
        device: Device of the network.

    Raises:
        VitobenchError: The device cannot compute in this precision.
    """
    with ExitStack() as stack:
        if precision != "float32":
            stack.enter_context(_autocast(precision, device.type))
        elif device.type == "cuda":
            stack.enter_context(without_tf32())
        yield


@contextmanager
def _autocast(precision: str, kind: str) -> Iterator[None]:
    with torch.autocast(kind, getattr(torch, precision)):
        # Where it does not support a type, as bfloat16 on an older macOS, torch only warns, and computes in float32.
        if not torch.is_autocast_enabled(kind):
            raise VitobenchError(f"This version of torch cannot compute in {precision} on {kind}. Use float32.")
        yield


@contextmanager
def without_tf32() -> Iterator[None]:
    """Disable TensorFloat-32 in cuDNN's convolutions and cuBLAS's matrix products inside this context."""
    cudnn: Any = torch.backends.cudnn
    matmul: Any = torch.backends.cuda.matmul
    # Newer versions of torch have a setting per operation, and raise if the old one is read while the two disagree.
    if hasattr(cudnn, "conv"):
        places, name, exact = (cudnn.conv, matmul), "fp32_precision", "ieee"
    else:
        places, name, exact = (cudnn, matmul), "allow_tf32", False  # type: ignore[assignment]
    before = [getattr(place, name) for place in places]
    try:
        for place in places:
            setattr(place, name, exact)
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            setattr(place, name, value)


# The precision that pays on this machine.


GAIN = 1.1
"""How many times as fast bfloat16 must be to be chosen: it rounds to 8 bits, and that has to be worth something."""

_ROUNDS = 5


@cache
def quick_precision(kind: str) -> str:
    """The faster precision for training on a device: ``"bfloat16"`` where it has units for it, else ``"float32"``.

    On a CPU this is measured, because a processor without such units computes bfloat16 many times more slowly, and some
    with them gain nothing: forward and backward passes of two convolutions, in turn in either precision. It takes a
    tenth of a second. Elsewhere torch knows.

    Args:
        kind: Kind of the device, as in `torch.device`.
    """
    if kind == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if kind != "cpu":
        return "float32"
    seconds = _passes_in_turn()
    return "bfloat16" if seconds["bfloat16"] * GAIN < seconds["float32"] else "float32"


def _passes_in_turn() -> dict[str, float]:
    """Least seconds of the passes by precision. Layers and maps are those of the micro-world's network."""
    with torch.random.fork_rng(devices=[]):
        images = torch.rand(32, 24, 16, 16)
        layers = nn.Sequential(
            nn.Conv2d(24, 64, 3, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 128, 3, 2, 1)
        )
    images = images.contiguous(memory_format=torch.channels_last)
    layers = layers.to(memory_format=torch.channels_last)
    least = {"float32": math.inf, "bfloat16": math.inf}
    for _ in range(_ROUNDS):
        for precision in least:
            began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                total = layers(images).float().sum()
            total.backward()
            least[precision] = min(least[precision], time.perf_counter() - began)
    return least


# Make inference on a CPU faster without changing its results.


_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER_TRIM = 2**31 - 1
# Older versions of glibc reject thresholds above half the size of a heap; they accept the second value.
_MMAP_THRESHOLDS = (2**30, 2**25)


@cache
def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for the next batch instead of returning it to the kernel.

    Activations of a batch take tens of megabytes each. By default glibc maps such blocks again every time, and the
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
