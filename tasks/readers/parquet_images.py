"""Reader of images and their classes in Parquet files, as Hugging Face's data sets have them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ..images.folders import first, load_each, shuffling_key
from ..images.geometry import Geometry
from ..images.hashing import Hashed, check_readable, is_unchanged, stamp_of
from ..images.reading import CHANGED, UndecodableImageError, decode_content
from ..images.source import FolderSource, LoadFailure

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ..datasets.hard import ParquetForm
    from ..datasets.record import DataSet, Opening

_PART = re.compile(r"-(\d{5})-of-(\d{5})")
_IMAGE, _LABEL = "image", "label"


class ParquetImages(FolderSource):
    """Images in a column ``image`` of Parquet files, with the accepted classes of ImageNet-1k in a column ``label``.

    Files are read a row group at a time, because a single row cannot be read; the order is that of row groups by hash,
    so that a prefix is a sample of whole row groups.

    Attributes:
        root: The folder with the files, or with a folder ``data`` that has them.
        label_space: ``"imagenet-1k"``.
        image_ids: ``"00000"`` and so on, by place in the files in the order of their names.
        labels: int64 array of shape (n,), the first of the accepted classes, -1 without any. Not to be scored against.
        accepted: For each image the class indices that count as right.
    """

    label_space = "imagenet-1k"
    image_ids: tuple[str, ...]

    def __init__(self, published: DataSet, form: ParquetForm, opening: Opening) -> None:
        """Read the labels; images are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: How many images there are.
            opening: The folder.

        Raises:
            DataError: The folder or one of several parts is missing, a file is damaged or has other columns, or there
                are more or fewer images than the set has.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        published.check_folder(self.root)
        self._hashed: dict[str, Hashed] | None = None
        self._verified: dict[str, int] = {}
        try:
            self._files = _find(self.root)
            accepted, self._groups = self._read_labels()
        except DataError as error:
            raise published.error(str(error), self.root) from error.__cause__
        if len(accepted) != form.images:
            raise published.error(
                f"{self.root} has {len(accepted):,} images and {published.title} has {form.images:,}: files of another "
                "revision, or not all of them.",
                self.root,
            )
        groups = zip(self._groups, [*self._groups[1:], len(accepted)], strict=True)
        order = sorted(groups, key=lambda group: shuffling_key(f"{group[0]:05d}"))
        self._rows = np.concatenate([np.arange(start, stop) for start, stop in order])
        self._set(accepted)

    def _set(self, accepted: Sequence[frozenset[int]]) -> None:
        self.image_ids = tuple(f"{row:05d}" for row in self._rows)
        self.accepted = tuple(accepted[row] for row in self._rows.tolist())
        self.labels = np.array([min(classes, default=-1) for classes in self.accepted], dtype=np.int64)

    def _read_labels(self) -> tuple[list[frozenset[int]], list[int]]:
        """The accepted classes of every row, and the first row of every row group."""
        accepted: list[frozenset[int]] = []
        starts: list[int] = []
        self._places: list[tuple[str, int]] = []
        for name in self._files:
            path = self.root / name
            with _opened(path) as file:
                _check_columns(path, file)
                for group in range(file.num_row_groups):
                    starts.append(len(accepted))
                    self._places.append((name, group))
                    for row in _column(path, file, group, _LABEL).to_pylist():
                        classes = row if isinstance(row, list) else [row]
                        if not all(isinstance(c, int) and 0 <= c < 1000 for c in classes):
                            raise DataError(f"{path}, row group {group}: {row!r} are no classes of ImageNet-1k.")
                        accepted.append(frozenset(classes))
        return accepted, starts

    def _facts(self) -> Any:
        """The contents of the files in their order; what they are called does not matter."""
        return ["parquet", self.label_space, list(self.manifest().values())]

    def manifest(self) -> dict[str, str]:
        """Names of the files, sorted, each with the SHA-256 of its content.

        Raises:
            DataError: Not one of the files can be read.
        """
        if self._hashed is None:
            entries = self._hash_files(self._files)
            check_readable(self.root, entries)
            self._hashed = entries
        return {name: self._hashed[name].sha256 for name in self._files}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        groups: dict[int, Any] = {}

        def one(index: int) -> np.ndarray:
            row = int(self._rows[range(len(self._rows))[index]])
            number = bisect_right(self._groups, row) - 1
            name, group = self._places[number]
            path = self.root / name
            if number not in groups:
                groups.clear()  # one group at a time: it may hold hundreds of megabytes
                groups[number] = self._read_group(name, group)
            content = groups[number][row - self._groups[number]].as_py()
            if not content:
                raise UndecodableImageError(path, f"row {row} has no image")
            return decode_content(content, path, geometry)

        # Neighbours in the order asked for may be of several groups; each is read once.
        by_group = sorted(range(len(indices)), key=lambda n: int(self._rows[range(len(self._rows))[indices[n]]]))
        pixels, failed = load_each([indices[n] for n in by_group], geometry, one)
        back = np.empty(len(indices), dtype=np.int64)
        back[by_group] = np.arange(len(indices))
        return pixels[back], {by_group[n]: failure for n, failure in failed.items()}

    def _read_group(self, name: str, group: int) -> Any:
        """The files of the images of a row group, as a column of bytes."""
        path = self.root / name
        try:
            stamp = stamp_of(path.stat())
            if self._hashed is not None and self._verified.get(name) != stamp:
                if not is_unchanged(path, self._hashed[name]):
                    raise UndecodableImageError(path, CHANGED, transient=True)
                self._verified[name] = stamp
            with _opened(path) as file:
                return _column(path, file, group, _IMAGE).combine_chunks().field("bytes")
        except UndecodableImageError:
            raise
        except OSError as error:
            raise UndecodableImageError(path, error.strerror or str(error), transient=True) from error
        except DataError as error:
            raise UndecodableImageError(path, str(error), transient=True) from error

    def _own_state(self) -> dict[str, Any]:
        own = ("_files", "_places", "_groups", "_rows", "_hashed", "image_ids", "accepted", "labels")
        return {name: getattr(self, name) for name in own} | {"_verified": {}}


def _find(root: Path) -> list[str]:
    """Names of the Parquet files below a folder, sorted.

    Raises:
        DataError: There are none, or parts of a set are missing.
    """
    for folder in ("", "data/"):
        names = sorted(f"{folder}{path.name}" for path in (root / folder).glob("*.parquet") if path.name[0] != ".")
        if names:
            break
    else:
        raise DataError(f"{root} has no Parquet files.")
    parts = {int(match[1]): int(match[2]) for name in names if (match := _PART.search(name))}
    if parts and (len(set(parts.values())) > 1 or sorted(parts) != list(range(max(parts.values())))):
        total = max(parts.values())
        lacking = [f"{n:05d}-of-{total:05d}" for n in range(total) if n not in parts]
        detail = f"lacks {first(lacking)}" if lacking else "has parts of two revisions"
        raise DataError(f"{root} {detail}; it has {first(names)}.")
    return names


def _opened(path: Path) -> pq.ParquetFile:
    """Open a Parquet file.

    Raises:
        DataError: It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a whole Parquet file: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _column(path: Path, file: pq.ParquetFile, group: int, name: str) -> pa.ChunkedArray:
    """A column of a row group.

    Raises:
        DataError: It cannot be read, as where the file is damaged.
    """
    import pyarrow as pa

    try:
        return file.read_row_group(group, columns=[name]).column(0)
    except (OSError, pa.ArrowInvalid) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}, row group {group}: the column {name} cannot be read: {reason}") from error


def _check_columns(path: Path, file: pq.ParquetFile) -> None:
    import pyarrow as pa

    schema = file.schema_arrow
    image = schema.field(_IMAGE).type if _IMAGE in schema.names else None
    if image is None or not pa.types.is_struct(image) or "bytes" not in {field.name for field in image}:
        raise DataError(f"{path} has no column {_IMAGE} with the bytes of images; it has {first(schema.names)}.")
    label = schema.field(_LABEL).type if _LABEL in schema.names else None
    if label is None or not pa.types.is_integer(getattr(label, "value_type", label)):
        raise DataError(f"{path} has no column {_LABEL} with indices of classes; it has {first(schema.names)}.")
