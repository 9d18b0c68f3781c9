"""Published images under conditions (ImageNet-C, ImageNet-C-bar, ImageNet-3DCC, LAION-C), one folder per condition."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ..images.folders import first, images_in_classes, list_folders, load_each, shuffling_key
from ..images.geometry import Geometry
from ..images.hashing import UNREADABLE, Hashed, Progress, check_readable, hash_with_cache
from ..images.reading import UndecodableImageError, decode
from ..images.source import FolderSource, LoadFailure
from ..images.walking import Seen, names_in

if TYPE_CHECKING:
    from ..datasets.conditions import ConditionFolderForm
    from ..datasets.record import DataSet, Opening

_OTHER_SEVERITY = re.compile(r"\d+\.\d+")


class ConditionFolders(FolderSource):
    """The same images under every condition, in folders ``corruption/severity/class``.

    Most were cropped to 224 pixels before they were corrupted, so they are shown whole: nothing is resized for a model
    of 224 pixels, and for another they are resized to its input, never to its larger ``resize``. The form says so.

    Missing files are reported and never ignored: a condition without a folder is in `missing`, and an image that
    some condition lacks is a failure when it is loaded from there.

    Attributes:
        root: The folder.
        label_space: ``"imagenet-1k"``, or that of the set's own classes.
        conditions: Keys of the conditions that were asked for, ``"fog/3"``, in the order they were asked for.
        missing: Those without a folder.
        image_ids: ``"n01440764/ILSVRC2012_val_00000293.JPEG"``: every image of any condition, ordered by hash as in
            `ImageFolder`, so that the first ones are the same images as there.
        labels: int64 array of shape (n,), classes of the label space.
        left_out: What the listing left out under these conditions; a pickled copy does not know it.
    """

    image_ids: tuple[str, ...]

    def __init__(self, published: DataSet, form: ConditionFolderForm, opening: Opening) -> None:
        """List the images; their contents are read when `digest` or `load` asks for them.

        Args:
            published: The set, for its name and for errors.
            form: Its classes, and what its folders and files are called.
            opening: A folder with ``corruption/severity/class/image``, or with folders of several corruptions in
                between. Only the conditions that are asked for enter the digest; each has a cache of its own.

        Raises:
            DataError: The folder is missing, is not of the expected form, or has none of the conditions.
        """
        super().__init__(opening.root, published.name, opening.cache, opening.progress)
        self.label_space = form.label_space
        self._classes = form.labels
        self._renaming, self._shown = form.renaming, form.shown
        self._ends: dict[str, str] = {}
        there = _find(self.root, published, form)
        self.conditions = tuple(sorted(there) if opening.conditions is None else dict.fromkeys(opening.conditions))
        self._places = {key: there[key] for key in self.conditions if key in there}
        self.missing = tuple(key for key in self.conditions if key not in there)
        if not self._places:
            raise published.error(
                f"{self.root} has none of the conditions {first(self.conditions)}; it has {first(sorted(there))}.",
                self.root,
            )
        numbers: dict[str, int] = {}
        rows = []
        seen: Seen = {}  # a folder that counts for two conditions would be a silent error in one of them
        for key, place in self._places.items():  # numbers, for as text the names of some sets fill half a gigabyte
            listed = self._without_end(key, self._list(place, published, seen), published)
            rows.append(np.array([numbers.setdefault(i, len(numbers)) for i in listed], dtype=np.int64))
        self._set_ids(list(numbers))
        self._present = np.zeros((len(rows), len(self)), dtype=bool)
        place_of = np.empty(len(self), dtype=np.int64)
        place_of[[numbers[i] for i in self.image_ids]] = np.arange(len(self))
        for row, listed_numbers in enumerate(rows):
            self._present[row, place_of[listed_numbers]] = True
        self._check_names(published)
        self._beginnings: np.ndarray | None = None  # uint64 (conditions, n): the first digits of each file's hash
        self._combined: bytes | None = None  # 32 per image, in the order of `image_ids`
        self._unread: frozenset[int] = frozenset()  # positions of images that were never read under some condition

    def _list(self, place: str, published: DataSet, seen: Seen) -> list[str]:
        folder = self.root / place
        classes = list_folders(folder, published.expected(self.root))
        strange = sorted(set(classes) - set(self._classes))
        if strange:
            whose = "ImageNet-1k" if self.label_space == "imagenet-1k" else published.title
            raise published.error(f"{folder} has folders that are not classes of {whose}: {first(strange)}.", self.root)
        listing = images_in_classes(folder, classes, seen=seen)
        if not listing.files:
            raise published.error(f"{folder} has class folders but no images in them.", self.root)
        self.left_out += listing.left_out.below(place)
        return listing.files

    def _without_end(self, key: str, files: Sequence[str], published: DataSet) -> Sequence[str]:
        """Image ids of the files of a condition: their names without what they end in for it, if they do."""
        if self._renaming is None:
            return files
        ends = {(match[0] if (match := self._renaming.search(Path(file).stem)) else "") for file in files}
        if len(ends) > 1:
            raise published.error(
                f"The images of {key} have names that end in different ways: {first(sorted(map(repr, ends)))}.",
                self.root,
            )
        self._ends[key] = end = ends.pop()
        return [_cut(file, end) for file in files]

    def _check_names(self, published: DataSet) -> None:
        """Conditions whose images share no name with any other would look as if all others lacked them."""
        if self._renaming is None or len(self._present) == 1:
            return
        shared = self._present[:, self._present.sum(axis=0) > 1].any(axis=1)
        if not shared.all():
            key = list(self._places)[int(np.flatnonzero(~shared)[0])]
            example = self._file(key, self.image_ids[int(np.flatnonzero(self._present[self._row(key)])[0])])
            raise published.error(
                f"No image of {key} has the name of an image of another condition, such as {example}; the same "
                "photograph must have the same name under all conditions, but for what a condition adds at its end.",
                self.root,
            )

    def _file(self, key: str, image_id: str) -> str:
        """Name of the file of an image below the folder of a condition."""
        end = self._ends.get(key, "")
        stem, dot, extension = image_id.rpartition(".")
        return f"{stem}{end}{dot}{extension}" if end else image_id

    def _set_ids(self, image_ids: Sequence[str]) -> None:
        self.image_ids = tuple(sorted(image_ids, key=shuffling_key))
        self.labels = np.array([self._classes[i.split("/", 1)[0]] for i in self.image_ids], dtype=np.int64)

    def absent(self, condition: str) -> int:
        """Number of images that a condition lacks.

        Args:
            condition: One of `conditions`.
        """
        if condition not in self._places:
            return len(self)
        return int((~self._present[self._row(condition)]).sum())

    def _row(self, condition: str) -> int:
        return list(self._places).index(condition)

    def _facts(self) -> Any:
        """Ids and contents under every condition.

        Neither the place of the folder nor the folders of several corruptions in between enter. A file that cannot be
        read counts as in `FileSource`.
        """
        facts = ["condition-folders", sorted(self.conditions), list(self.manifest().items())]
        return facts if self.label_space == "imagenet-1k" else [*facts, self.label_space, self._classes, self._shown]

    def manifest(self) -> dict[str, str]:
        """Image ids, sorted, each with a SHA-256 over its contents under all conditions.

        If one of the files could never be read, `UNREADABLE` and a colon precede it.

        Raises:
            DataError: Not one of the files can be read.
        """
        self._hash()
        combined = self._combined or b""
        marks = {n: f"{UNREADABLE}:" for n in self._unread}
        rows = ((i, marks.get(n, "") + combined[32 * n : 32 * n + 32].hex()) for n, i in enumerate(self.image_ids))
        return dict(sorted(rows))

    def _hash(self) -> None:
        """Hash condition after condition; of millions of files, only what load and digest need is kept."""
        if self._combined is not None:
            return
        beginnings = np.zeros((len(self._places), len(self)), dtype=np.uint64)
        unread: set[int] = set()
        hashers = [hashlib.sha256() for _ in self.image_ids]
        total, done = int(self._present.sum()), 0
        sample: dict[str, Hashed] = {}  # of every condition a file that can be read, if there is one
        for key in sorted(self.conditions):
            if key not in self._places:
                continue
            row = self._row(key)
            rows = np.flatnonzero(self._present[row])
            names = [self._file(key, self.image_ids[n]) for n in rows]
            report = self._progress

            def progress(part: int, _: int, before: int = done, report: Progress | None = report) -> None:
                if report:
                    report(before + part, total)

            entries = hash_with_cache(self.root / self._places[key], names, self._cache_of(key), progress)
            lost = [n for n, name in zip(rows.tolist(), names, strict=True) if entries[name].sha256 == UNREADABLE]
            unread.update(lost)
            best = next((name for name in names if entries[name].sha256 != UNREADABLE), names[0])
            sample[f"{self._places[key]}/{best}"] = entries[best]
            beginnings[row, rows] = [_beginning(entries[name].sha256) for name in names]
            for n, image_id in enumerate(self.image_ids):
                entry = entries.get(self._file(key, image_id))
                hashers[n].update(f"{key} {entry.sha256 if entry else 'absent'}\n".encode())
            done += len(names)
        check_readable(self.root, sample)
        self._beginnings, self._combined = beginnings, b"".join(hasher.digest() for hasher in hashers)
        self._unread = frozenset(unread)

    def _cache_of(self, key: str) -> Path | None:
        cache = self._manifest_cache
        return cache.with_name(f"{cache.stem}-{key.replace('/', '-')}{cache.suffix}") if cache is not None else None

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        assert condition is not None
        fitted = geometry if self._shown == "crop" else geometry.whole
        if self._shown == "squash":
            fitted = replace(fitted, crop_mode="squash")
        folder = self.root / self._places[condition] if condition in self._places else None
        row = self._row(condition) if folder else 0

        def one(index: int) -> np.ndarray:
            image_id = self.image_ids[index]
            if folder is None:
                raise UndecodableImageError(self.root, f"the folder has no {condition}")
            path = folder / self._file(condition, image_id)
            if not self._present[row, index]:
                raise UndecodableImageError(path, f"{condition} has no such image")
            hashed_as = f"{int(self._beginnings[row, index]):016x}" if self._beginnings is not None else None
            return decode(path, fitted, hashed_as)

        return load_each(indices, fitted, one)

    def _own_state(self) -> dict[str, Any]:
        own = ("label_space", "conditions", "missing", "_places", "_combined", "_beginnings", "_unread",
               "_classes", "_renaming", "_shown", "_ends")  # fmt: skip
        return {name: getattr(self, name) for name in own} | {
            "ids": zlib.compress("\0".join(sorted(self.image_ids)).encode("utf-8", "surrogateescape")),
            "present": zlib.compress(np.packbits(self._present).tobytes()),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        ids, present = state.pop("ids"), state.pop("present")
        super().__setstate__(state)
        self._set_ids(zlib.decompress(ids).decode("utf-8", "surrogateescape").split("\0"))
        shape = (len(self._places), len(self))
        bits = np.unpackbits(np.frombuffer(zlib.decompress(present), np.uint8), count=shape[0] * shape[1])
        self._present = bits.astype(bool).reshape(shape)


def _beginning(sha256: str) -> int:
    """The first 64 bits of a hash, enough to notice another file; no file has the 0 of `UNREADABLE`."""
    return 0 if sha256 == UNREADABLE else int(sha256[:16], 16)


def _cut(file: str, end: str) -> str:
    """A file's name without the end of its stem."""
    if not end:
        return file
    stem, dot, extension = file.rpartition(".")
    return f"{stem.removesuffix(end)}{dot}{extension}"


def _find(root: Path, published: DataSet, form: ConditionFolderForm) -> dict[str, str]:
    """Keys of the conditions that are there, each with its folder below the root."""
    expected = published.expected(root)
    places: dict[str, str] = {}
    levels = {severity: form.folder(severity) for severity in form.severities}
    first_level, last_level = form.severities[0], form.severities[-1]
    any_level = re.compile(re.escape(form.level).replace(re.escape("{severity}"), r"\d+"))

    def add(corruption: str, place: str) -> bool:
        named = {name for name in _names(root / place) if any_level.fullmatch(name)} if form.shared else set()
        beyond = sorted(named - set(levels.values()))
        if beyond:  # the first levels of the larger of two sets would be read as if they were the smaller one
            raise published.error(
                f"{root / place} has {first(beyond)}, and {published.title} has {levels[first_level]} to "
                f"{levels[last_level]} alone: this is another set.",
                root,
            )
        graded = [severity for severity, level in levels.items() if (root / place / level).is_dir()]
        for severity in graded:
            key = f"{corruption}/{severity}"
            if key in places:
                raise published.error(f"{root} has {key} twice: {places[key]} and {place}/{levels[severity]}.", root)
            places[key] = f"{place}/{levels[severity]}"
        return bool(graded)

    folders = list_folders(root, expected)
    inner: list[str] = []
    for folder in folders:
        if not add(folder, folder):
            inner += [f"{folder}/{name}" for name in _names(root / folder)]
    for place in inner:
        add(place.rpartition("/")[2], place)
    if places:
        return places
    hint = ""
    if set(folders) & set(levels.values()):
        hint = f" Did you mean {root.absolute().parent}?"
    elif any(_OTHER_SEVERITY.fullmatch(place.rpartition("/")[2]) for place in inner):
        hint = f" Severities are numbered {first_level} to {last_level}, not by the strength of the effect."
    elif deeper := next(
        (p for p in inner if any(set(_names(root / p / c)) & set(levels.values()) for c in _names(root / p))), ""
    ):
        hint = f" Did you mean {root / deeper.partition('/')[0]}?"
    raise DataError(
        f"{root} has no folders of corruptions with severities {first_level} to {last_level}.{hint}\n{expected}"
    )


def _names(folder: Path) -> list[str]:
    try:
        return names_in(folder)[0]
    except OSError:
        return []
