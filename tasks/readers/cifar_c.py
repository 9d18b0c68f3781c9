"""CIFAR-10-C and CIFAR-100-C: one numpy file per corruption, five severities one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...errors import DataError
from ..images.folders import first, load_each
from ..images.geometry import Geometry
from ..images.hashing import Hashed, is_unchanged, stamp_of
from ..images.reading import CHANGED, UndecodableImageError, fit
from ..images.source import FolderSource, LoadFailure

if TYPE_CHECKING:
    from ..datasets.conditions import ArrayForm
    from ..datasets.record import DataSet, Opening

_SEVERITIES = 5
_SIDE = 32
_LABELS = "labels.npy"


def classes_in(path: Path) -> int:
    """How many classes a file of labels has, if each of them from 0 on is there; otherwise 0."""
    try:
        labels = np.unique(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception:  # numpy meets damaged headers with ValueError, EOFError, SyntaxError, ...
        return 0
    return len(labels) if labels.dtype.kind in "iu" and np.array_equal(labels, np.arange(len(labels))) else 0


class CifarC(FolderSource):
    """The test images of CIFAR under corruptions, read from memory-mapped files.

    Attributes:
        root: The folder with the numpy files.
        label_space: ``"cifar-10"`` or ``"cifar-100"``.
        conditions: Keys of the conditions that were asked for, ``"fog/3"``.
        missing: Those without a file.
        image_ids: ``"00000"`` and so on, in the order of CIFAR's test set, which is a random one.
        labels: int64 array of shape (n,).
    """

    def __init__(self, published: DataSet, form: ArrayForm, opening: Opening) -> None:
        """Read the labels and check the files' shapes; pixels are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its label space and the number of classes.
            opening: A folder with ``labels.npy`` and one ``corruption.npy`` per corruption. Only the files of the
                conditions that are asked for enter the digest.

        Raises:
            DataError: The folder or a file is missing, or is not of the expected form.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self.label_space = form.label_space
        self._hashed: dict[str, Hashed] | None = None
        self._arrays: dict[str, np.ndarray] = {}
        self._verified: dict[str, int] = {}  # stamps under which files were found to be those that were hashed
        published.check_folder(self.root)
        there = sorted(p.stem for p in self.root.glob("*.npy") if p.name != _LABELS and not p.name.startswith("."))
        if not there:
            raise published.error(f"{self.root} has no arrays of corrupted images.", self.root)
        every = [f"{corruption}/{severity}" for corruption in there for severity in range(1, _SEVERITIES + 1)]
        self.conditions = tuple(every if opening.conditions is None else dict.fromkeys(opening.conditions))
        self.missing = tuple(key for key in self.conditions if key not in every)
        self._files = sorted({key.partition("/")[0] for key in self.conditions if key not in self.missing})
        if not self._files:
            raise published.error(
                f"{self.root} has none of the conditions {first(self.conditions)}; it has {first(every)}.", self.root
            )
        readable = [corruption for corruption in self._files if self._is_readable(corruption)] or self._files
        try:
            self.labels = self._read_labels(readable[0], form.classes)
            for corruption in readable:
                self._check(corruption)
        except DataError as error:
            raise published.error(str(error), self.root) from error.__cause__

    def _is_readable(self, corruption: str) -> bool:
        """Whether a file can be opened; if not, its own conditions fail when they are loaded."""
        try:
            with (self.root / f"{corruption}.npy").open("rb"):
                return True
        except OSError:
            return False

    def _read_labels(self, corruption: str, classes: int) -> np.ndarray:
        """int64 (n,) labels of one severity, from a file that has them once or five times over."""
        path = self.root / _LABELS
        labels = self._open(_LABELS)
        if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
            actual = f"shape {labels.shape} and type {labels.dtype}"
            raise DataError(f"{path} has {actual}, not one whole number per image.")
        if labels.min() < 0 or labels.max() >= classes:
            actual = f"labels {labels.min()} to {labels.max()}"
            raise DataError(f"{path} has {actual}, not 0 to {classes - 1}.")
        if self._open(f"{corruption}.npy").shape[:1] == labels.shape and len(labels) % _SEVERITIES == 0:
            parts = labels.reshape(_SEVERITIES, -1)
            if not (parts == parts[0]).all():
                raise DataError(f"{path} does not have the same labels for all severities.")
            labels = parts[0]
        return np.array(labels, dtype=np.int64)

    def _check(self, corruption: str) -> None:
        array = self._open(f"{corruption}.npy")
        expected = (_SEVERITIES * len(self.labels), _SIDE, _SIDE, 3)
        if array.shape != expected or array.dtype != np.uint8:
            raise DataError(
                f"{self.root / corruption}.npy has shape {array.shape} and type {array.dtype}, not {expected} and "
                f"uint8: five severities of the {len(self.labels)} images that {_LABELS} has labels for."
            )

    def _open(self, file: str) -> np.ndarray:
        path = self.root / file
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist.") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
        except Exception as error:  # numpy meets damaged headers with ValueError, EOFError, SyntaxError, ...
            raise DataError(f"{path} is not a plain numpy array: {error}") from error
        if not isinstance(array, np.ndarray):
            raise DataError(f"{path} is an archive of arrays, not an array.")
        return array

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """One id per image, the same under every condition."""
        return tuple(f"{n:05d}" for n in range(len(self.labels)))

    def _facts(self) -> Any:
        """The files, the label space and the conditions; a file that cannot be read counts as in `FileSource`."""
        return ["cifar-c", self.label_space, sorted(self.conditions), list(self.manifest().items())]

    def manifest(self) -> dict[str, str]:
        """Names of the files, sorted, each with the SHA-256 of its content or `UNREADABLE`."""
        if self._hashed is None:
            names = sorted([_LABELS, *(f"{corruption}.npy" for corruption in self._files)])
            self._hashed = self._hash_files(names)
        return {name: entry.sha256 for name, entry in sorted(self._hashed.items())}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        # With size and resize 32 the pixels are those of the file.
        assert condition is not None
        corruption, _, severity = condition.partition("/")
        path = self.root / f"{corruption}.npy"
        reason, transient = (f"the folder has no {condition}", False)
        array = None
        if condition not in self.missing:
            array, reason = self._array(corruption)
            transient = True

        def one(index: int) -> np.ndarray:
            if array is None:
                raise UndecodableImageError(path, reason, transient)
            pixels = np.asarray(array[(int(severity) - 1) * len(self) + range(len(self))[index]])
            return fit(Image.fromarray(pixels), geometry)

        return load_each(indices, geometry, one)

    def _array(self, corruption: str) -> tuple[np.ndarray | None, str]:
        """The open file of a corruption, or why it cannot be opened at the moment."""
        name = f"{corruption}.npy"
        try:
            stamp = stamp_of((self.root / name).stat())
            if self._hashed is not None and self._verified.get(name) != stamp:
                if not is_unchanged(self.root / name, self._hashed[name]):
                    return None, CHANGED
                self._verified[name] = stamp  # where the bytes had to decide, once is enough
            if corruption not in self._arrays:
                self._check(corruption)
                self._arrays[corruption] = self._open(name)
        except OSError as error:
            return None, error.strerror or str(error)
        except DataError:
            return None, CHANGED
        return self._arrays[corruption], ""

    def _own_state(self) -> dict[str, Any]:
        own = ("label_space", "conditions", "missing", "labels", "_files", "_hashed")
        fresh: dict[str, Any] = {"_verified": {}, "_arrays": {}}  # every process maps the files for itself
        return {name: getattr(self, name) for name in own} | fresh
