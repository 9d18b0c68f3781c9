"""The arithmetic that a network uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from ..errors import VitobenchError
from .spec import PRECISIONS


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
    """
    with ExitStack() as stack:
        if precision != "float32":
            stack.enter_context(torch.autocast(device.type, getattr(torch, precision)))
        elif device.type == "cuda":
            stack.enter_context(without_tf32())
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
