"""Run a model on more images than fit into one batch."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

_SIGNS = ("out of memory", "can't allocate memory", "defaultcpuallocator", "alloc_failed")
"""Phrases in the out-of-memory errors of torch's allocators, of CUDA and of its libraries."""


class Classifier(Protocol):
    """The part of `Model` that is used here."""

    device: torch.device

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """float32 logits (N, K) of uint8 images (N, 3, H, W)."""
        ...


def answer(model: Classifier, images: np.ndarray, batch: int) -> tuple[torch.Tensor, int]:
    """Compute logits in batches; a batch that does not fit into memory is halved and tried again.

    Earlier results are kept, and the smaller batch size is used from then on. This works on GPUs, and on CPUs if the
    process has a memory limit (``ulimit -v``). Otherwise, the kernel may kill a process that runs out of memory without
    an error to catch.

    Args:
        model: A model.
        images: uint8 (N, H, W, 3), N >= 1, RGB.
        batch: Images per call, >= 1.

    Returns:
        float32 logits (N, K) on the CPU, and the batch size to continue with: ``batch`` unless it had to be halved.

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
            parts.append(model.logits(pixels).float().cpu())
        except (RuntimeError, MemoryError) as error:
            if len(pixels) == 1 or not is_out_of_memory(error):
                raise
        else:
            start += len(pixels)
            continue
        # After the handler rather than in it: until it ends, the error's traceback keeps the activations alive.
        batch = len(pixels) // 2
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
    return torch.cat(parts), batch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the machine or a device is out of memory."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)
