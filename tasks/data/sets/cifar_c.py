"""CIFAR-10-C and CIFAR-100-C: one numpy file per corruption, five severities one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ....errors import DataError
from ....identity import digest
from ...datasets.record import ArrayForm, DataSet
from ...datasets.registry import of_form
from ..files import first, load_each
from ..geometry import Geometry
from ..hashing import Hashed, Progress, hash_with_cache, is_unchanged, stamp_of
from ..images import CHANGED, UndecodableImageError, fit
from ..source import LoadFailure

_SEVERITIES = 5
_SIDE = 32
_LABELS = "labels.npy"


class CifarC:
    """The test images of CIFAR under corruptions, read from memory-mapped files.

    Attributes:
        root: The folder with the numpy files.
        name: What the data set is called in tables.
        set_name: ``"cifar-10-c"`` or ``"cifar-100-c"``.
        label_space: ``"cifar-10"`` or ``"cifar-100"``.
        conditions: Keys of the conditions that were asked for, ``"fog/3"``.
        missing: Those without a file.
        image_ids: ``"00000"`` and so on, in the order of CIFAR's test set, which is a random one.
        labels: int64 array of shape (n,).
    """

    def __init__(
        self,
        root: Path,
        set_name: str = "cifar-10-c",
        conditions: Sequence[str] | None = None,
        name: str | None = None,
        manifest_cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Read the labels and check the files' shapes; pixels are read when `digest` or `load` asks for them.

        Args:
            root: Folder with ``labels.npy`` and one ``corruption.npy`` per corruption.
            set_name: ``"cifar-10-c"`` or ``"cifar-100-c"``.
            conditions: Keys of the conditions to read, only whose files enter the digest; None takes all there are.
            name: What the data set is called; None calls it by the set's name.
            manifest_cache: JSON file in which content hashes are kept.
            progress: Told ``(done, total)`` in files while they are hashed.

        Raises:
            DataError: The folder or a file is missing, or is not of the expected form.
            UnknownNameError: No such set.
        """
        published, form = of_form(set_name, ArrayForm)
        self.root = Path(root)
        self.set_name = set_name
        self.name = name or set_name
        self.label_space = form.label_space
        self._manifest_cache = manifest_cache
        self._progress = progress
        self._hashed: dict[str, Hashed] | None = None
        self._arrays: dict[str, np.ndarray] = {}
        self._verified: dict[str, int] = {}  # stamps under which files were found to be those that were hashed
        if not self.root.is_dir():
            problem = "is a file, not a folder" if self.root.exists() else "does not exist"
            raise published.error(f"{self.root} {problem}.", self.root)
        there = sorted(p.stem for p in self.root.glob("*.npy") if p.name != _LABELS and not p.name.startswith("."))
        if not there:
            raise published.error(f"{self.root} has no arrays of corrupted images.", self.root)
        every = [f"{corruption}/{severity}" for corruption in there for severity in range(1, _SEVERITIES + 1)]
        self.conditions = tuple(dict.fromkeys(conditions)) if conditions is not None else tuple(every)
        self.missing = tuple(key for key in self.conditions if key not in every)
        self._files = sorted({key.partition("/")[0] for key in self.conditions if key not in self.missing})
        if not self._files:
            raise published.error(
                f"{self.root} has none of the conditions {first(self.conditions)}; it has {first(every)}.", self.root
            )
        readable = [corruption for corruption in self._files if self._is_readable(corruption)] or self._files
        self.labels = self._read_labels(readable[0], published)
        for corruption in readable:
            self._check(corruption, published)

    def _is_readable(self, corruption: str) -> bool:
        """Whether a file can be opened; one that cannot costs its own conditions, when they are loaded."""
        try:
            with (self.root / f"{corruption}.npy").open("rb"):
                return True
        except OSError:
            return False

    def _read_labels(self, corruption: str, published: DataSet) -> np.ndarray:
        """int64 (n,) labels of one severity, from a file that has them once or five times over."""
        path = self.root / _LABELS
        labels = self._open(_LABELS, published)
        if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
            found = f"shape {labels.shape} and type {labels.dtype}"
            raise published.error(f"{path} has {found}, not one whole number per image.", self.root)
        classes = of_form(self.set_name, ArrayForm)[1].classes
        if labels.min() < 0 or labels.max() >= classes:
            found = f"labels {labels.min()} to {labels.max()}"
            raise published.error(f"{path} has {found}, not 0 to {classes - 1}.", self.root)
        if self._open(f"{corruption}.npy", published).shape[:1] == labels.shape and len(labels) % _SEVERITIES == 0:
            parts = labels.reshape(_SEVERITIES, -1)
            if not (parts == parts[0]).all():
                raise published.error(f"{path} does not have the same labels for all severities.", self.root)
            labels = parts[0]
        return np.array(labels, dtype=np.int64)

    def _check(self, corruption: str, published: DataSet) -> None:
        array = self._open(f"{corruption}.npy", published)
        expected = (_SEVERITIES * len(self.labels), _SIDE, _SIDE, 3)
        if array.shape != expected or array.dtype != np.uint8:
            raise published.error(
                f"{self.root / corruption}.npy has shape {array.shape} and type {array.dtype}, not {expected} and "
                f"uint8: five severities of the {len(self.labels)} images that {_LABELS} has labels for.",
                self.root,
            )

    def _open(self, file: str, published: DataSet) -> np.ndarray:
        path = self.root / file
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise published.error(f"{path} does not exist.", self.root) from error
        except OSError as error:
            raise published.error(f"{path} cannot be read: {error.strerror or error}.", self.root) from error
        except Exception as error:  # numpy meets damaged headers with ValueError, EOFError, SyntaxError, ...
            raise published.error(f"{path} is not a plain numpy array: {error}", self.root) from error
        if not isinstance(found, np.ndarray):
            raise published.error(f"{path} is an archive of arrays, not an array.", self.root)
        return found

    @cached_property
    def image_ids(self) -> tuple[str, ...]:
        """One id per image, the same under every condition."""
        return tuple(f"{n:05d}" for n in range(len(self.labels)))

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """Identity of the data: 64 hexadecimal digits over the files, the label space and the conditions.

        A file that cannot be read counts as in `FileSource.digest`.
        """
        return digest(["cifar-c", self.label_space, sorted(self.conditions), list(self.manifest().items())])

    def manifest(self) -> dict[str, str]:
        """Names of the files, sorted, each with the SHA-256 of its content or `UNREADABLE`."""
        if self._hashed is None:
            names = sorted([_LABELS, *(f"{corruption}.npy" for corruption in self._files)])
            self._hashed = hash_with_cache(self.root, names, self._manifest_cache, self._progress)
        return {name: entry.sha256 for name, entry in sorted(self._hashed.items())}

    def load(
        self, indices: Sequence[int], geometry: Geometry, condition: str
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        """Read some of the images under one condition.

        Args:
            indices: Positions in `image_ids`, in any order.
            geometry: The model's; with size and resize 32 the pixels are those of the file.
            condition: One of `conditions`.

        Returns:
            uint8 array of shape (len(indices), size, size, 3), zeros where an image could not be read, and
            ``{position in indices: why}`` for those images.

        Raises:
            ValueError: A condition that was not asked for.
        """
        if condition not in self.conditions:
            raise ValueError(f"{condition!r} is not one of the conditions {first(self.conditions)}")
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
                published, _ = of_form(self.set_name, ArrayForm)
                self._check(corruption, published)
                self._arrays[corruption] = self._open(name, published)
        except OSError as error:
            return None, error.strerror or str(error)
        except DataError:
            return None, CHANGED
        return self._arrays[corruption], ""

    def __getstate__(self) -> dict[str, Any]:
        cache = self._manifest_cache
        return {
            **{key: value for key, value in self.__dict__.items() if key not in ("digest", "image_ids")},
            "root": self.root.absolute(),
            "_manifest_cache": cache.absolute() if cache is not None else None,
            "_progress": None,
            "_verified": {},
            "_arrays": {},  # every process maps the files for itself
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
