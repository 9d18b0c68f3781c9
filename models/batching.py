"""More images than fit into memory at once: in batches, of which one that does not fit is halved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

_SIGNS = ("out of memory", "can't allocate memory", "defaultcpuallocator", "alloc_failed")
"""Phrases in the out-of-memory errors of torch's allocators, of CUDA and of its libraries."""


class Classifier(Protocol):
    """The part of `models.model.Model` that `answer` uses."""

    device: torch.device

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 logits (N, K) of uint8 images (N, 3, H, W)."""
        ...


def answer(model: Classifier, images: np.ndarray, batch: int) -> tuple[torch.Tensor, int]:
    """Compute logits in batches; see `in_batches`.

    Args:
        model: A model.
        images: uint8 (N, H, W, 3), N >= 1, RGB.
        batch: Images per call, >= 1.

    Returns:
        float32 logits (N, K) on the CPU, and the batch size to continue with: ``batch`` unless it had to be halved.
    """
    logits, batch = in_batches(lambda pixels: model.logits(pixels).float(), images, batch, model.device)
    # Copied at the end, because a copy waits until the device has computed everything before it.
    return logits.cpu(), batch


def in_batches(
    compute: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray, batch: int, device: torch.device
) -> tuple[torch.Tensor, int]:
    """Compute something of each image in batches; a batch that does not fit into memory is halved and tried again.

    Earlier results are kept, and the smaller batch size is used from then on. This works on GPUs, and on CPUs if the
    process has a memory limit (``ulimit -v``). Otherwise, the kernel may kill a process that runs out of memory without
    an error to catch.

    Args:
        compute: Gives (N, ...) on the device for uint8 images (N, 3, H, W).
        images: uint8 (N, H, W, 3), N >= 1, RGB.
        batch: Images per call, >= 1.
        device: Where they are computed.

    Returns:
        The results of all images, on the device, and the batch size to continue with.

    Raises:
        ValueError: There are no images, or the batch is less than 1.
        RuntimeError | MemoryError: Not even one image fits. Other errors of the model are not caught.
    """
    if batch < 1 or len(images) == 0:
        raise ValueError(f"a batch of {batch} for {len(images)} images: both must be 1 or more")
    parts: list[torch.Tensor] = []
    start = 0
    while start < len(images):
        # (N, H, W, 3) seen as (N, 3, H, W) is the channels-last layout, which CPUs prefer.
        pixels = torch.from_numpy(images[start : start + batch]).permute(0, 3, 1, 2)
        try:
            parts.append(compute(pixels))
        except (RuntimeError, MemoryError) as error:
            if len(pixels) == 1 or not is_out_of_memory(error):
                raise
        else:
            start += len(pixels)
            continue
        # After the handler rather than in it: until it ends, the error's traceback keeps the activations alive.
        batch = len(pixels) // 2
        return_memory(device)
    return torch.cat(parts), batch


def return_memory(device: torch.device) -> None:
    """Give the memory that torch keeps for later back to an accelerator, so that the next batch finds one large piece.

    A CPU has nothing to give back.
    """
    empty_cache = getattr(getattr(torch, device.type, None), "empty_cache", None)  # of torch.cuda, torch.mps, torch.xpu
    if empty_cache is not None:
        empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the machine or a device is out of memory."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)
