"""Frames of a video at given times by TorchCodec, where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....errors import DataError
from .container import Content, Span, opened
from .decoding import PyAV, display_matrix
from .source import UnreadableClipError, resized


def _library() -> Any:
    try:
        from torchcodec import decoders
    except (ImportError, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"TorchCodec cannot be used ({reason}). It needs `pip install 'vitobench[torchcodec]'` and the shared "
            'libraries of FFmpeg; decoder="pyav" needs neither.'
        ) from None
    return decoders


@dataclass(frozen=True)
class TorchCodec:
    """Decodes by TorchCodec; see `decoding.PyAV` for the arguments of `frames`.

    Attributes:
        threads: Threads of one decoder.

    Raises:
        DataError: It cannot be used here.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        _library()

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """uint8 (n, H, W, 3); of all frames shown at or before a time the last one.

        Videos that are to be turned or mirrored are left to PyAV: of TorchCodec some versions leave them as they are
        stored, and others turn them and do not mirror them.
        """
        if _is_turned(content, name):
            return PyAV(self.threads).frames(content, name, span, times, size)
        import torch

        decoders = _library()
        place = str(content.absolute()) if hasattr(content, "absolute") else content
        try:
            decoder = decoders.VideoDecoder(place, dimension_order="NCHW", num_ffmpeg_threads=self.threads)
            facts = decoder.metadata
            # A part of a tick makes up for times that went through floating point.
            wanted = [facts.begin_stream_seconds + time + 1e-3 * span.tick for time in times]
            early = [time for time in wanted if time < facts.end_stream_seconds]
            shown = iter(decoder.get_frames_played_at(early).data) if early else iter(())
            # It knows of no frame after the end of its count, where a last frame without a duration still stands.
            last: Any = decoder.get_frame_at(len(decoder) - 1).data if len(early) < len(wanted) else None
            found = torch.stack([next(shown) if time < facts.end_stream_seconds else last for time in wanted])
        except (RuntimeError, ValueError, IndexError) as error:
            raise UnreadableClipError(name, f"cannot be decoded ({str(error).splitlines()[0]})") from None
        width, height = resized(found.shape[3], found.shape[2], size)
        if (height, width) != tuple(found.shape[2:]):
            from torch.nn.functional import interpolate

            found = interpolate(found, (height, width), mode="bilinear", antialias=True)
        return np.ascontiguousarray(found.permute(0, 2, 3, 1).numpy())


def _is_turned(content: Content, name: str) -> bool:
    with opened(content, name) as (container, stream):
        first = next(container.decode(stream), None)
        return first is not None and display_matrix(first) is not None
