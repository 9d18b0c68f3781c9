"""Depth maps, and photographs together with theirs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from ...errors import DataError
from .folders import ImageFolder
from .geometry import Geometry
from .hashing import Hashed, Progress, hash_with_cache, is_unchanged
from .reading import CHANGED, open_image
from .source import ImageSource, LoadFailure

# Read depth maps of photographs from disk.


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
    """Resize a depth map, float32 ``(H, W)``, and crop its centre, with the rounding of `reading.decode`.

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
            "'border', or one that resizes to less than its input size."
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


# Photographs together with their depth maps, for corruptions that need both.


class PhotographsWithDepth(ImageSource):
    """The photographs of one folder with the depth maps of another.

    Photographs without a map are part of the set, too: conditions that need no depth use them.

    Args:
        images: Folder of photographs, see `ImageFolder`.
        depths: Folder of depth maps, see `DepthFolder`.
        caches: Two JSON files that cache content hashes, of the images and of the maps.
        progress: Called with ``(done, total)`` while files are hashed.

    Raises:
        DataError: A folder is missing or has an unexpected form, or no photograph has a map.
    """

    label_space = "imagenet-1k"
    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(
        self, images: Path, depths: Path, caches: tuple[Path | None, Path | None], progress: Progress | None = None
    ) -> None:
        self.name = "imagenet-with-depth"
        self._set_images(ImageFolder(images, "imagenet", caches[0], progress))
        # Absolute, because another process may have another working directory.
        self._depths = DepthFolder(Path(depths).absolute(), images=Path(images).absolute())
        self._cache, self._progress = caches[1], progress
        self._files: dict[str, str] = {}  # image id to map
        for image_id in self.image_ids:
            with suppress(DataError):
                self._files[image_id] = self._depths.path(image_id).relative_to(self._depths.root).as_posix()
        if not self._files:
            self._depths.path(self.image_ids[0])  # raises with an explanation

    def _set_images(self, images: ImageFolder) -> None:
        self._images = images
        self.image_ids, self.labels, self.left_out = images.image_ids, images.labels, images.left_out

    def __getstate__(self) -> dict[str, Any]:
        own = {key: value for key, value in self.__dict__.items() if key not in ("image_ids", "labels", "left_out")}
        return own | {"_progress": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_images(self._images)

    @cached_property
    def _maps(self) -> dict[str, Hashed]:
        return hash_with_cache(self._depths.root, sorted(set(self._files.values())), self._cache, self._progress)

    def _facts(self) -> Any:
        """The images, and the maps that are there."""
        return ["with depth", self._images.digest, [(file, entry.sha256) for file, entry in self._maps.items()]]

    def manifest(self) -> dict[str, str]:
        """Content hashes of the images by id, and of the maps by ``depth/`` and their path."""
        return self._images.manifest() | {f"depth/{file}": entry.sha256 for file, entry in self._maps.items()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return self._images.load(indices, geometry)

    def depths(self, indices: Sequence[int], geometry: Geometry) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Depth maps of the photographs; see `DepthSource.depths` and `DepthFolder.load`.

        Once the digest is computed, a map that has changed since then is reported, as in `FileSource`.
        """
        depth_maps = np.ones((len(indices), geometry.size, geometry.size), np.float32)
        failed: dict[int, LoadFailure] = {}
        for position, index in enumerate(indices):
            image_id = self.image_ids[index]
            if image_id not in self._files:
                failed[position] = LoadFailure("it has no depth map", transient=False)
                continue
            try:
                if self._changed(image_id):
                    failed[position] = LoadFailure(f"its depth map {CHANGED}", transient=True)
                else:
                    depth_maps[position] = self._depths.load([image_id], geometry)[0]
            except OSError as error:
                failed[position] = LoadFailure(f"its depth map: {error.strerror or error}", transient=True)
            except DataError as error:
                failed[position] = LoadFailure(self._without_paths(error), transient=False)
        return depth_maps, failed

    def _changed(self, image_id: str) -> bool:
        if "_maps" not in self.__dict__:  # not hashed yet: nothing to differ from
            return False
        file = self._files[image_id]
        return not is_unchanged(self._depths.root / file, self._maps[file])

    def _without_paths(self, error: DataError) -> str:
        """The first line of an error, without paths: it is stored with the predictions, which outlive the folders."""
        line = str(error).partition("\n")[0]
        for folder in (self._depths.root, self._depths.images):
            line = line.replace(f"{folder}{os.sep}", "")
        return f"its depth map cannot be used: {line}"
