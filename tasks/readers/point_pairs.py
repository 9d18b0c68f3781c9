"""Pairs of photographs with key points that people marked in both: SPair-71k's folder."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..understanding.correspondence import Pair
from .masks import AnnotatedFiles

PAIRS, PICTURES = "PairAnnotation", "JPEGImages"

_PADDING = -1
"""Coordinate of a point that is none: loaders fill lists up with them."""

_LATTICE = 32
"""Places along each side of a box, where the object is taken to be."""


class SpairPairs(AnnotatedFiles):
    """Pairs of one split of SPair-71k; each position is a pair.

    A key point at pixel (x, y) is the middle of that pixel. Boxes are left, top, right and bottom, as published.

    Attributes:
        image_ids: The pair's file without its class, ``/`` and the class; ordered by a hash, so that a prefix is a fair
            sample.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        split: str,
        classes: tuple[str, ...],
        cache: Path | None = None,
        progress: Any = None,
    ) -> None:
        """List the pairs and the photographs that they name.

        Args:
            root: The folder ``SPair-71k``.
            name: Of the data set.
            split: ``"test"``, ``"val"`` or ``"trn"``.
            classes: That a pair may have.
            cache: JSON file in which content hashes are kept.
            progress: Called with ``(done, total)`` of the files while they are hashed.

        Raises:
            DataError: The folder of the split is absent or empty, or a pair is of an unknown class.
        """
        super().__init__(root, name, cache, progress)
        self._split, self._classes = split, classes
        folder = f"{PAIRS}/{split}"
        found = sorted(path.name for path in (self.root / folder).glob("*.json"))
        if not found:
            raise DataError(f"there are no pairs (*.json) in {folder}")
        self._files: dict[str, str] = {}
        for file in found:
            pair, mark, kind = file.removesuffix(".json").rpartition(":")
            if not mark or kind not in classes:
                form = f"NUMBER-FIRST-SECOND:CLASS.json, with one of the {len(classes)} classes"
                raise DataError(f"{folder}/{file} is not named {form}")
            self._files[f"{pair}/{kind}"] = f"{folder}/{file}"
        pictures = {
            file
            for kind in classes
            if (self.root / PICTURES / kind).is_dir()
            for file in (f"{PICTURES}/{kind}/{path.name}" for path in (self.root / PICTURES / kind).glob("*.jpg"))
        }
        if not pictures:
            raise DataError(f"there are no images in {PICTURES}/CLASS/*.jpg")
        self.files = tuple(sorted({*self._files.values(), *pictures}))

    def _own_state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("_split", "_classes", "_files", "files", "_contents")}

    def _protocol(self) -> Any:
        return ["spair", self._split, _LATTICE]

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(sorted(self._files, key=lambda name: hashlib.sha256(name.encode()).hexdigest()))

    def pair(self, position: int) -> Pair:
        """See `PointPairs.pair`; points of -1 are left out."""
        image_id = self.image_ids[position]
        file, kind = self._files[image_id], image_id.rpartition("/")[2]
        told = self._told(file)
        first, second = (self.photograph(f"{PICTURES}/{kind}/{told[key]}") for key in ("src_imname", "trg_imname"))
        points, truth = (np.array(told[key], dtype=np.float64).reshape(-1, 2) for key in ("src_kps", "trg_kps"))
        for key, picture in (("src_imsize", first), ("trg_imsize", second)):
            width, height = told[key][:2]
            if picture.shape[:2] != (height, width):
                rows, columns = picture.shape[:2]
                raise DataError(f"{file} says {key} {width} x {height}, the image has {columns} x {rows} pixels")
        known = ~((points == _PADDING).any(axis=1) | (truth == _PADDING).any(axis=1))
        left, top, right, bottom = box = np.array(told["trg_bndbox"], dtype=np.float64)
        steps = (np.arange(_LATTICE) + 0.5) / _LATTICE
        across, down = np.meshgrid(left + steps * (right - left), top + steps * (bottom - top))
        around = np.column_stack([across.ravel(), down.ravel()])
        return Pair(first, second, points[known] + 0.5, truth[known] + 0.5, box, around)

    def _told(self, file: str) -> dict[str, Any]:
        """The content of a pair's file, of the form that it has to have.

        Raises:
            DataError: It cannot be read, or lacks a field or has one of another form.
        """
        content = self.content(file)
        try:
            told: dict[str, Any] = json.loads(content)
            names = all(isinstance(told[key], str) and "/" not in told[key] for key in ("src_imname", "trg_imname"))
            lists = (np.array(told[key], dtype=np.float64) for key in ("src_kps", "trg_kps", "trg_bndbox"))
            points, truth, box = lists
            sizes = all(len(told[key]) >= 2 for key in ("src_imsize", "trg_imsize"))
            good = names and sizes and points.shape == truth.shape and points.ndim == 2 and points.shape[1] == 2
        except (ValueError, KeyError, TypeError):
            good = False
        if not (good and box.shape == (4,) and all(np.isfinite(one).all() for one in (points, truth, box))):
            raise DataError(
                f"{file} has not the form of a pair: JSON with src_imname, trg_imname, src_imsize, trg_imsize, "
                "src_kps and trg_kps (as many pairs of numbers), and trg_bndbox (4 numbers)"
            )
        return told
