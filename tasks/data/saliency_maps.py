"""What a set of images with maps of what matters in them has to offer, and reading such maps from files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...errors import DataError
from .images import open_image
from .source import ImageSource, LoadFailure

MAP_EXTENSIONS = (".npz", ".npy", ".png")
_PREFERRED = ("heatmap", "map", "arr_0")
_ASPECT_TOLERANCE = 0.02
_WITHOUT_MAP = np.zeros((2, 2), np.float32)


class MapSource(ImageSource, Protocol):
    """An `ImageSource` whose images have maps, by people or by construction; its digest covers them."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of this copy of the set, a line each."""

    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Maps of the central square of the images.

        Args:
            indices: Positions in `image_ids`.

        Returns:
            A float32 (H, H) each, of any H, larger where more matters; and for each position in ``indices`` that has
            none why (its map is then 2 x 2 zeros).
        """


def collect_maps(maps: Sequence[np.ndarray | LoadFailure]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
    """What `MapSource.maps` returns, from a map or a failure for each image."""
    failed = {position: found for position, found in enumerate(maps) if isinstance(found, LoadFailure)}
    return [_WITHOUT_MAP if isinstance(found, LoadFailure) else found for found in maps], failed


def central_square(map_: np.ndarray) -> np.ndarray:
    """The largest square in the middle of (H, W)."""
    height, width = map_.shape
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return map_[top : top + side, left : left + side]


def grey(content: bytes) -> np.ndarray:
    """Decode an image of one channel, or the luminance of one with colours, to float32 (H, W) with its own values.

    Raises:
        ValueError: It is no image.
    """
    try:
        with open_image(content) as image:
            # 16 bits of one channel would be cut off at 255 by a conversion to grey.
            found = np.asarray(image if image.mode.startswith(("I", "F")) else image.convert("L"), np.float32)
    except Exception as error:  # Pillow's plugins meet damaged files with SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"no image that can be read ({error})") from error
    return found


def read_map(path: Path) -> np.ndarray:
    """Read a map.

    Args:
        path: ``.npz`` with an array called heatmap or map, or with one array; ``.npy``; or an image of one channel.

    Returns:
        float32 (H, W), finite.

    Raises:
        DataError: It cannot be read or is not of this form.
    """
    try:
        if path.suffix.lower() == ".png":
            found = grey(path.read_bytes())
        else:
            loaded = np.load(path, allow_pickle=False)
            found = loaded if isinstance(loaded, np.ndarray) else _only(loaded)
        found = np.asarray(found, np.float32)
    except Exception as error:  # numpy meets damaged files with many kinds
        raise DataError(f"{path} cannot be read as a map: {error}") from error
    if found.ndim != 2 or min(found.shape) < 2 or not np.isfinite(found).all():
        what = f"has the shape {found.shape}" if found.ndim != 2 or min(found.shape) < 2 else "holds NaN or infinity"
        raise DataError(f"{path} {what}; a map has one finite number a pixel, (H, W).")
    return found


def _only(loaded: Any) -> np.ndarray:
    with loaded:
        names = [name for name in _PREFERRED if name in loaded.files] or list(loaded.files)
        if len(names) != 1:
            raise ValueError(f"it holds {', '.join(names) or 'nothing'}; call the map 'heatmap'")
        array: np.ndarray = loaded[names[0]]
        return array


def same_field(map_: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a map (H, W) has the proportions of an image of (width, height)."""
    height, width = map_.shape
    return abs(np.log(width / height) - np.log(size[0] / size[1])) <= _ASPECT_TOLERANCE
