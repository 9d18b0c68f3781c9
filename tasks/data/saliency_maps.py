"""The interface of a set of images with saliency maps, and reading such maps from files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .images import open_image
from .source import ImageSource, LoadFailure

MAP_EXTENSIONS = (".npz", ".npy", ".png")
_PREFERRED = ("heatmap", "map", "arr_0")
_ASPECT_TOLERANCE = 0.02
_WITHOUT_MAP = np.zeros((2, 2), np.float32)


class MapSource(ImageSource):
    """A set whose images have maps, by people or by construction; its digest covers them.

    Attributes:
        notes: What a person should know of this copy of the set, a line each.
    """

    notes: Sequence[str] = ()

    @abstractmethod
    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Maps of the central square of the images.

        Args:
            indices: Positions in `image_ids`.

        Returns:
            A float32 (H, H) per image, with any H and larger values where the image matters more; and the reason for
            each position in ``indices`` without a map (its map is then 2 x 2 zeros).
        """


def collect_maps(maps: Sequence[np.ndarray | LoadFailure]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
    """The result of `MapSource.maps`, from a map or a failure for each image."""
    failed = {position: result for position, result in enumerate(maps) if isinstance(result, LoadFailure)}
    return [_WITHOUT_MAP if isinstance(result, LoadFailure) else result for result in maps], failed


def central_square(map_: np.ndarray) -> np.ndarray:
    """The largest central square of (H, W)."""
    height, width = map_.shape
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return map_[top : top + side, left : left + side]


def grey(content: bytes) -> np.ndarray:
    """Decode an image with one channel, or the luminance of a colour image, to float32 (H, W) without rescaling.

    Raises:
        ValueError: It is not an image.
    """
    try:
        with open_image(content) as image:
            # Converting 16-bit grey to "L" would clip it at 255.
            values = np.asarray(image if image.mode.startswith(("I", "F")) else image.convert("L"), np.float32)
    except Exception as error:  # for damaged files, Pillow's plugins raise SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"no image that can be read ({error})") from error
    return values


def read_map(path: Path) -> np.ndarray:
    """Read a map.

    Args:
        path: ``.npz`` with an array named heatmap or map, or with a single array; ``.npy``; or a one-channel image.

    Returns:
        float32 (H, W), finite.

    Raises:
        DataError: It cannot be read or does not have this form.
    """
    try:
        if path.suffix.lower() == ".png":
            values = grey(path.read_bytes())
        else:
            loaded = np.load(path, allow_pickle=False)
            values = loaded if isinstance(loaded, np.ndarray) else _only(loaded)
        values = np.asarray(values, np.float32)
    except Exception as error:  # numpy raises many kinds of errors for damaged files
        raise DataError(f"{path} cannot be read as a map: {error}") from error
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        problem = (
            f"has the shape {values.shape}" if values.ndim != 2 or min(values.shape) < 2 else "holds NaN or infinity"
        )
        raise DataError(f"{path} {problem}; a map has one finite number a pixel, (H, W).")
    return values


def _only(loaded: Any) -> np.ndarray:
    with loaded:
        names = [name for name in _PREFERRED if name in loaded.files] or list(loaded.files)
        if len(names) != 1:
            raise ValueError(f"it holds {', '.join(names) or 'nothing'}; call the map 'heatmap'")
        array: np.ndarray = loaded[names[0]]
        return array


def same_field(map_: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a map (H, W) has the aspect ratio of an image of (width, height)."""
    height, width = map_.shape
    return abs(np.log(width / height) - np.log(size[0] / size[1])) <= _ASPECT_TOLERANCE
