"""Photographs together with their depth maps, for corruptions that need both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .depth import DepthFolder
from .geometry import Geometry
from .hashing import Hashed, Progress, hash_with_cache, is_unchanged
from .image_folder import ImageFolder
from .images import CHANGED
from .source import ImageSource, LoadFailure


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
