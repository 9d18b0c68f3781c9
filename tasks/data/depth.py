"""Read depth maps of photographs from disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ...errors import DataError
from .geometry import Geometry
from .images import open_image

EXTENSIONS = (".npy", ".png")
_MOST_PNG = 65535
_ASPECT_TOLERANCE = 0.02  # depth networks round their output size, often to a multiple of 32 pixels
_EXPECTED = (
    "Expected the folders and names of the images, with the extension .npy (float, (H, W)) or .png (16 bits, one "
    "channel):\n  {root}/\n    n01440764/\n      ILSVRC2012_val_00000293.npy\n      ..."
)


class DepthFolder:
    """Depth maps in the same class folders as their images: ``n01440764/xyz.npy`` belongs to ``n01440764/xyz.JPEG``.

    There are two formats. ``.npy`` contains floats ``(H, W)``: the distance along the optical axis in any unit,
    `numpy.inf` for the sky. Inverse depth, which many networks return, must be inverted first. ``.png`` has one channel
    of 16 bits: the value divided by `png_scale` is the depth, 65535 is infinite, and 0 is a hole, which the corruptions
    reject.

    A map may have another resolution than its image, but must show the same field of view.

    Attributes:
        root: The folder that contains the class folders.
        images: The folder of the images, to compare the maps with; may be None.
        png_scale: Values per unit in 16-bit files.
    """

    def __init__(self, root: Path, *, images: Path | None = None, png_scale: float = 1000.0) -> None:
        """Remember where the maps are; `load` reads them.

        Args:
            root: Folder of depth maps.
            images: Folder of the images. If given, a map with another aspect ratio than its image is an error: it was
                computed from a crop or a squashed copy, and would not align with the image.
            png_scale: Values per unit in 16-bit files: 1000 (the default) for millimetres, 256 for KITTI, 5000 for TUM.

        Raises:
            DataError: The folder is missing.
            ValueError: The scale is not positive.
        """
        self.root, self.images, self.png_scale = Path(root), images, png_scale
        if not self.root.is_dir():
            raise DataError(f"The folder of depth maps {self.root} does not exist.\n{_EXPECTED.format(root=self.root)}")
        if not png_scale > 0:
            raise ValueError(f"png_scale must be positive, not {png_scale!r}")

    def load(self, image_ids: Sequence[str], geometry: Geometry) -> np.ndarray:
        """Read depth maps, and resize and crop them like their images.

        Args:
            image_ids: Paths of the images below their folder, with forward slashes.
            geometry: Geometry of the images. Its interpolation is not used: depth is resized to the nearest pixel. At
                the edge of an object, an average of two depths would be a depth at which there is nothing, and any
                average with infinity is infinite.

        Returns:
            float32 ``(len(image_ids), size, size)``.

        Raises:
            DataError: A map is missing, cannot be read, has an unexpected form, or another aspect ratio than its image.
        """
        depths = np.empty((len(image_ids), geometry.size, geometry.size), np.float32)
        for position, image_id in enumerate(image_ids):
            path = self.path(image_id)
            depth = self._read(path)
            if self.images is not None:
                _compare(path, depth, self.images / image_id)
            depths[position] = centre(depth, geometry)
        return depths

    def path(self, image_id: str) -> Path:
        """Path of an image's map.

        Raises:
            DataError: There is none.
        """
        relative = PurePosixPath(image_id)
        if relative.is_absolute() or ".." in relative.parts:
            raise DataError(f"{image_id!r} is not the path of an image below a folder.")
        cases = (*EXTENSIONS, *(extension.upper() for extension in EXTENSIONS))
        candidates = [self.root / relative.with_suffix(extension) for extension in cases]
        for path in candidates:
            if path.is_file() or path.is_symlink():  # a broken link counts as a map that cannot be read at the moment
                return path
        raise DataError(
            f"There is no depth map for image {image_id!r}: neither {candidates[0]} nor {candidates[1].name}.\n"
            f"{_EXPECTED.format(root=self.root)}"
        )

    def _read(self, path: Path) -> np.ndarray:
        try:
            if path.suffix.lower() == ".npy":
                depth = np.load(path, allow_pickle=False)
            else:
                with Image.open(path, formats=("PNG",)) as image:
                    depth = np.asarray(image)
        except Exception as error:  # numpy and Pillow raise many kinds of errors for damaged files
            raise DataError(f"{path} cannot be read as a depth map: {error}") from error
        if depth.ndim != 2 or 0 in depth.shape:
            raise DataError(f"{path} has the shape {depth.shape}; a depth map has one value a pixel, (H, W).")
        if path.suffix.lower() == ".npy":
            if not np.issubdtype(depth.dtype, np.floating):
                raise DataError(f"{path} holds {depth.dtype}; a .npy depth map holds floats.")
            with np.errstate(over="ignore"):
                return depth.astype(np.float32)
        if depth.dtype not in (np.uint16, np.int32):  # some versions of Pillow widen 16 bits to 32
            raise DataError(f"{path} is not a 16-bit file; 8 bits are too few for depth.")
        return np.where(depth >= _MOST_PNG, np.inf, depth / self.png_scale).astype(np.float32)


def centre(depth: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Resize a depth map, float32 ``(H, W)``, and crop its centre, with the rounding of `images.decode`.

    Returns:
        float32 ``(size, size)``.

    Raises:
        DataError: The geometry adds a border, which has no depth.
    """
    height, width = depth.shape
    columns, rows = geometry.resized(width, height)
    top, left = geometry.start(rows), geometry.start(columns)
    if min(rows, columns) < geometry.size:
        raise DataError(
            "The border around an image has no depth: 3D corruptions cannot be run for a model with the crop_mode "
            "'border'."
        )
    offsets = np.arange(geometry.size)
    return depth[np.ix_(_nearest(top + offsets, rows, height), _nearest(left + offsets, columns, width))]


def _nearest(positions: np.ndarray, resized: int, size: int) -> np.ndarray:
    """For each pixel of the resized axis, the pixel of the original axis of ``size`` that its centre is in."""
    return np.minimum((positions + 0.5) * size / resized, size - 1).astype(np.int64)


def _compare(path: Path, depth: np.ndarray, image_path: Path) -> None:
    try:
        with open_image(image_path.read_bytes()) as image:
            width, height = image.size
    except Exception as error:  # Pillow's plugins raise many kinds of errors for damaged files
        raise DataError(f"{image_path}, the image of {path}, cannot be read: {error}") from error
    rows, columns = depth.shape
    if abs(rows * width / (columns * height) - 1) > _ASPECT_TOLERANCE:
        raise DataError(
            f"{path} is {columns} x {rows} pixels, but its image is {width} x {height}: the aspect ratios differ, so "
            "the map would not align with the image. Resize the map to the image's aspect ratio."
        )
