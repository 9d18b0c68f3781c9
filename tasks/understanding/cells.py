"""Where the cells of a feature map are in their picture: what tasks of points and of dense numbers share.

Places are shares of the picture, float64 (n, 2), across and down from the upper left corner: the middle of pixel j of W
is (j + 0.5) / W, and that of cell c of w is (c + 0.5) / w. A map that covers its picture needs no other numbers,
whatever size the picture was encoded at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from .protocol import Encoder


def encoded_size(height: int, width: int, longer: int, unit: int) -> tuple[int, int]:
    """The size at which a picture is encoded: both sides the multiples of a unit that are nearest to it.

    Args:
        height: Of the picture in pixels.
        width: Likewise.
        longer: The longer side that it is brought to, in proportion; 0 keeps its own size.
        unit: Side of a patch, or the stride of a map, so that cells are whole.

    Raises:
        DataError: A side has no room for a unit.
    """
    scale = longer / max(height, width) if longer else 1.0
    size = (round(height * scale / unit) * unit, round(width * scale / unit) * unit)
    if not all(size):
        raise DataError(f"a picture of {width} x {height} pixels has no room for cells of {unit}")
    return size


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture, uint8 (H, W, 3), brought to a height and width bicubically."""
    import numpy as np
    from PIL import Image

    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def maps_of(
    encoder: Encoder, pictures: Iterable[np.ndarray], longer: int, within: int, stride: int
) -> dict[int, Tensor | DataError]:
    """Feature maps of pictures, each encoded once, those of equal size together.

    Args:
        encoder: The model.
        pictures: uint8 (H, W, 3) each, of any sizes; an array that comes twice is one picture.
        longer: See `encoded_size`.
        within: See `Encoder.maps`.
        stride: At which networks with stages are read; transformers have that of their patches.

    Returns:
        float32 (C, h, w), by the `id` of a picture; of one that is too small or whose features are not all finite why.
    """
    import numpy as np

    maps: dict[int, Tensor | DataError] = {}
    by_size: dict[tuple[int, int], dict[int, np.ndarray]] = {}
    for picture in pictures:
        height, width = picture.shape[:2]
        unit = encoder.patch(height, width) or stride
        try:
            size = encoded_size(height, width, longer, unit)
        except DataError as error:
            maps[id(picture)] = error
            continue
        by_size.setdefault(size, {}).setdefault(id(picture), picture)
    for size, group in by_size.items():
        batch = np.stack([resized(picture, size) for picture in group.values()])
        found = encoder.maps(batch, within, encoder.patch(*size) or stride)
        for place, own in zip(group, found, strict=True):
            maps[place] = own if bool(own.isfinite().all()) else DataError("its features are not all finite")
    return maps


def sampled(features: Tensor, places: np.ndarray) -> Tensor:
    """Features at places: float32 (n, C), bilinear between the middles of cells, at the edge those of the last cell.

    Args:
        features: float32 (C, h, w).
        places: float (n, 2), shares of the picture.
    """
    import torch

    grid = torch.from_numpy(2.0 * places - 1.0).to(features)[None, None]
    # Without align_corners -1 and 1 are the picture's edges; with it they would be the middles of the outer cells.
    found = torch.nn.functional.grid_sample(features[None], grid, padding_mode="border", align_corners=False)
    return found[0, :, 0].T


def nearest_cells(queries: Tensor, features: Tensor) -> np.ndarray:
    """Where the cell is that is most similar to each query, by cosine: the middle of it, as float64 (n, 2) shares.

    Args:
        queries: float32 (n, C).
        features: float32 (C, h, w), of which every cell is compared; the first of equals is taken.
    """
    import torch

    height, width = features.shape[1:]
    cells = torch.nn.functional.normalize(features.flatten(1), dim=0)
    best = (torch.nn.functional.normalize(queries, dim=1) @ cells).argmax(dim=1).cpu().numpy()
    return middles(best % width, best // width, height, width)


def own_cells(places: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of the cell that each place is in, of a map of height x width cells: the nearest place it can name."""
    import numpy as np

    across, down = (np.clip((places[:, n] * of).astype(np.int64), 0, of - 1) for n, of in ((0, width), (1, height)))
    return middles(across, down, height, width)


def middles(across: np.ndarray, down: np.ndarray, height: int, width: int) -> np.ndarray:
    """float64 (n, 2): the middles of cells, from their numbers."""
    import numpy as np

    return np.column_stack([(across + 0.5) / width, (down + 0.5) / height])


def cells_of_pixels(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """The cell of each pixel, the one that its middle is in: int64 (height, width), numbered row by row."""
    import numpy as np

    row, column = (((np.arange(of) + 0.5) * n / of).astype(np.int64) for n, of in ((rows, height), (columns, width)))
    return row[:, None] * columns + column[None, :]


def cell_means(values: np.ndarray, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over the pixels of each cell that have a value, and the share of the cell's pixels that have one.

    Args:
        values: float (H, W); NaN where there is none.
        rows: Cells along the height.
        columns: Likewise.

    Returns:
        float64 (rows, columns) twice; the mean is 0 where no pixel has a value.
    """
    import numpy as np

    height, width = values.shape
    cells = cells_of_pixels(height, width, rows, columns).ravel()
    there = np.isfinite(values).ravel()
    count = rows * columns
    area, known = np.bincount(cells, minlength=count), np.bincount(cells[there], minlength=count)
    total = np.bincount(cells[there], weights=values.ravel()[there], minlength=count)
    means, shares = total / np.maximum(known, 1), known / np.maximum(area, 1)
    return means.reshape(rows, columns), shares.reshape(rows, columns)


def enlarged(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map of numbers, float64 (h, w), brought to a size bilinearly between the middles of cells."""
    import torch

    whole = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], (height, width), mode="bilinear", align_corners=False
    )
    found: np.ndarray = whole[0, 0].numpy()
    return found
