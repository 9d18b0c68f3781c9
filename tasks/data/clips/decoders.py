"""The choice of library that decodes videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ....errors import unknown_name
from .container import Content, Span


class Decoder(Protocol):
    """Returns frames of a video at given times; see `decoding.PyAV.frames`."""

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """uint8 (n, H, W, 3), RGB."""


def _pyav(threads: int) -> Decoder:
    from .decoding import PyAV

    return PyAV(threads)


def _torchcodec(threads: int) -> Decoder:
    from .torchcodec_decoder import TorchCodec

    return TorchCodec(threads)


DECODERS: dict[str, Callable[[int], Decoder]] = {"pyav": _pyav, "torchcodec": _torchcodec}
"""Decoders by name. Their pixels differ by rounding and by the filter for resizing."""


def make_decoder(name: str, threads: int = 1) -> Decoder:
    """A decoder by name.

    Args:
        name: A key of `DECODERS`.
        threads: Threads to decode one clip with.

    Raises:
        UnknownNameError: There is no such decoder.
        DataError: It is not installed.
    """
    if name not in DECODERS:
        raise unknown_name("video decoder", name, DECODERS)
    return DECODERS[name](threads)
