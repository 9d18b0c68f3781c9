"""Which device a worker computes on."""

from __future__ import annotations

from ...errors import VitobenchError


def choose_device(name: str) -> str:
    """The device to use.

    Args:
        name: ``"auto"`` takes CUDA or MPS where there is one; anything else is taken as it is.

    Raises:
        VitobenchError: A device that torch does not know or that this machine lacks.
    """
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise VitobenchError(f"The device {name!r} cannot be used ({reason}). Try --device cpu.") from None
    return name


def spread(device: str, worker: int) -> str:
    """The device of one of several workers: CUDA devices are taken in turn unless one was named.

    Args:
        device: From `choose_device`.
        worker: Number of the worker, from 0.
    """
    if device != "cuda":
        return device
    import torch

    return f"cuda:{worker % max(1, torch.cuda.device_count())}"
