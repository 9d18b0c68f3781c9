"""Photographs with the depth of each pixel in a file beside them: NYUv2's official split as folders of PNG files."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .masks import AnnotatedFiles

_PHOTOGRAPH, _DEPTH = "rgb_", "sync_depth_"
_MILLIMETRES = 1000.0
_ROWS, _COLUMNS, _SIZE = slice(45, 471), slice(41, 601), (480, 640)
"""The crop of Eigen et al., of frames of this height and width."""

_NEAREST, _FARTHEST = 1e-3, 10.0
"""Metres between which depth is asked, both exclusive."""


class NyuDepth(AnnotatedFiles):
    """NYUv2: the pictures of one folder, and those of another that probes are fitted to.

    Depth is asked inside the crop of Eigen et al., where the file has a value, and below 10 m; of the pictures that
    probes are fitted to as well.

    Attributes:
        image_ids: Folder of the scene, ``/`` and the number of the picture; ordered by a hash, so that a prefix is a
            fair sample.
        learning_ids: Likewise, of the other folder, sorted.
    """

    def __init__(
        self, root: Path, name: str, parts: tuple[str, str], cache: Path | None = None, progress: Any = None
    ) -> None:
        """List the pictures.

        Args:
            root: The folder of both parts.
            name: Of the data set.
            parts: Folders below it: of the pictures that are judged, and of those that probes are fitted to.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: A part has no pictures, or a picture no depth.
        """
        super().__init__(root, name, cache, progress)
        self._place: dict[str, str] = {}
        found: list[list[str]] = []
        for part in parts:
            pictures = sorted((self.root / part).glob(f"*/{_PHOTOGRAPH}*.jpg"))
            if not pictures:
                raise DataError(f"there are no pictures in {part}/SCENE/{_PHOTOGRAPH}*.jpg")
            names = [f"{path.parent.name}/{path.stem.removeprefix(_PHOTOGRAPH)}" for path in pictures]
            twice = [one for one in names if one in self._place]
            if twice:
                raise DataError(f"{len(twice)} pictures are in both {' and '.join(parts)}, such as {twice[0]}")
            self._place |= dict.fromkeys(names, part)
            lacking = [one for one in names if not (self.root / self._file(one, _DEPTH)).is_file()]
            if lacking:
                raise DataError(
                    f"{len(lacking)} pictures of {part} have no depth, such as {self._file(lacking[0], _DEPTH)}"
                )
            found.append(names)
        self._asked, self.learning_ids = (tuple(names) for names in found)
        self.files = tuple(sorted(self._file(one, what) for one in self._place for what in (_PHOTOGRAPH, _DEPTH)))

    def _own_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_place", "_asked", "learning_ids", "files", "_contents")}

    def _protocol(self) -> Any:
        crop = [_ROWS.start, _ROWS.stop, _COLUMNS.start, _COLUMNS.stop]
        return ["nyu-depth", self.learning_ids, crop, _NEAREST, _FARTHEST]

    def _file(self, image_id: str, what: str) -> str:
        scene, _, number = image_id.rpartition("/")
        return f"{self._place[image_id]}/{scene}/{what}{number}{'.jpg' if what == _PHOTOGRAPH else '.png'}"

    @cached_property
    def fitted(self) -> dict[tuple[str, str], Any]:
        """See `DepthImages.fitted`."""
        return {}

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(sorted(self._asked, key=lambda name: hashlib.sha256(name.encode()).hexdigest()))

    def picture(self, image_id: str) -> np.ndarray:
        """See `DepthImages.picture`."""
        return self.photograph(self._file(image_id, _PHOTOGRAPH))

    def depth_of(self, image_id: str) -> np.ndarray:
        """See `DepthImages.depth_of`: in metres."""
        file = self._file(image_id, _DEPTH)
        with self._opened(file) as image:
            if not image.mode.startswith("I"):
                raise DataError(f"{file} is no PNG of 16 bits in grey (mode {image.mode}), with depth in millimetres")
            depth = np.asarray(image).astype(np.float64) / _MILLIMETRES
        if depth.shape != _SIZE:
            rows, columns = depth.shape
            raise DataError(f"{file} has {columns} x {rows} pixels; the crop of Eigen et al. is of 640 x 480")
        inside = np.zeros(_SIZE, dtype=bool)
        inside[_ROWS, _COLUMNS] = True
        return np.where(inside & (depth > _NEAREST) & (depth < _FARTHEST), depth, np.nan)

    def object_of(self, image_id: str) -> np.ndarray:
        """See `DepthImages.object_of`; no object is marked."""
        raise DataError(f"{self.name} marks no object")
