"""Read frames of a video at given times with TorchCodec, if it is installed."""

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
    """Decodes with TorchCodec; see `decoding.PyAV` for the arguments of `frames`.

    Attributes:
        threads: Threads of one decoder.

    Raises:
        DataError: TorchCodec cannot be used on this machine.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        _library()

    def frames(self, content: Content, name: str, span: Span, times: Sequence[float], size: int | None) -> np.ndarray:
        """uint8 (n, H, W, 3); for each time the last frame displayed at or before it.

        Videos that must be rotated or mirrored are left to PyAV: some versions of TorchCodec return them as stored, and
        others rotate but do not mirror them.
        """
        if _is_turned(content, name):
            return PyAV(self.threads).frames(content, name, span, times, size)
        import torch

        decoders = _library()
        place = str(content.absolute()) if hasattr(content, "absolute") else content
        try:
            decoder = decoders.VideoDecoder(place, dimension_order="NCHW", num_ffmpeg_threads=self.threads)
            facts = decoder.metadata
            # A fraction of a tick makes up for rounding of times that are multiples of a tick.
            seconds = [facts.begin_stream_seconds + time + 1e-3 * span.tick for time in times]
            early = [time for time in seconds if time < facts.end_stream_seconds]
            played = iter(decoder.get_frames_played_at(early).data) if early else iter(())
            # TorchCodec has no frame at or after its end, but a last frame without a duration is still on the screen.
            last: Any = decoder.get_frame_at(len(decoder) - 1).data if len(early) < len(seconds) else None
            pictures = torch.stack([next(played) if time < facts.end_stream_seconds else last for time in seconds])
        except (RuntimeError, ValueError, IndexError) as error:
            raise UnreadableClipError(name, f"cannot be decoded ({str(error).splitlines()[0]})") from None
        width, height = resized(pictures.shape[3], pictures.shape[2], size)
        if (height, width) != tuple(pictures.shape[2:]):
            from torch.nn.functional import interpolate

            pictures = interpolate(pictures, (height, width), mode="bilinear", antialias=True)
        return np.ascontiguousarray(pictures.permute(0, 2, 3, 1).numpy())


def _is_turned(content: Content, name: str) -> bool:
    with opened(content, name) as (container, stream):
        first = next(container.decode(stream), None)
        return first is not None and display_matrix(first) is not None
