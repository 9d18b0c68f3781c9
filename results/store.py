"""The result store: per-image predictions in Parquet, one file per unit and model; `records` describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .folder import Entry, open_folder
from .layout import (
    IMAGES,
    MARK,
    PARTIAL,
    PREDICTIONS,
    SALIENCY,
    UnitName,
    parse_unit,
    read_document,
    safe_name,
    unit_file,
    write_document,
)
from .schema import SCHEMA_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

    from .predictions import Asked, Predictions

_READERS = 4


@dataclass(frozen=True)
class Coverage:
    """The finished units of one model and task.

    Attributes:
        stops: For each first position, where the units that begin there end.
    """

    stops: Mapping[int, tuple[int, ...]]

    def covering(self, start: int, stop: int) -> int | None:
        """The end of the shortest unit that begins at ``start`` and reaches ``stop``; None if there is none.

        A unit of more images holds those of a smaller ``--limit``.
        """
        return min((end for end in self.stops.get(start, ()) if end >= stop), default=None)

    def has(self, start: int, stop: int) -> bool:
        """Whether those images are done."""
        return self.covering(start, stop) is not None


class Store:
    """A folder of results.

    Layout: ``predictions/TASK@DIGEST/MODEL@DIGEST/START-STOP.parquet``, the same below ``partial/`` for units in which
    a condition or an image could not be computed, and the records of `records`. `docs/store.md` describes all of it.

    Args:
        location: A folder, made when first written to, or a URL that fsspec opens.

    Raises:
        StoreError: The folder is something else, or of a schema that this version does not read.
    """

    def __init__(self, location: str | Path) -> None:
        self.folder = open_folder(location)
        self._asked: dict[str, Asked | str] = {}
        local = self.folder.local
        if local is not None and local.exists() and not local.is_dir():
            raise StoreError(f"The store {local} is a file; name a folder with --store.")
        version = self.version()
        if version is not None and version != SCHEMA_VERSION:
            way_out = (
                f"`bench results migrate --store {self.location}` brings it up to date"
                if 1 <= version < SCHEMA_VERSION
                else "use the version of vitobench that wrote it"
            )
            raise StoreError(
                f"The store {self.location} has schema {version}; this version reads {SCHEMA_VERSION}: {way_out}, or "
                "name another folder with --store."
            )
        if version is not None and self.folder.files(SALIENCY):
            raise StoreError(
                f"The store {self.location} has results of `bench saliency` in the form of an earlier version, in "
                f"{SALIENCY}/: `bench results migrate --store {self.location}` brings them up to date, or name another "
                "folder with --store."
            )

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.folder.location

    def version(self) -> int | None:
        """Schema version of the folder; None where nothing was written yet.

        Raises:
            StoreError: The mark is damaged.
        """
        return read_version(self.location)

    def exists(self) -> bool:
        """Whether anything was written here."""
        return self.folder.exists(MARK)

    def prepare(self) -> None:
        """Make the folder and mark it, before the first write.

        Raises:
            StoreError: It cannot be written.
        """
        if not self.exists():
            self.folder.write(MARK, json.dumps({"schema": SCHEMA_VERSION}).encode())
            return
        # Better refused now than after the first pass.
        probe = ".writable"
        self.folder.write(probe, b"")
        self.folder.remove(probe)

    def unit_name(self, task: str, model: str, start: int, stop: int, tree: str = PREDICTIONS) -> str:
        """Where the predictions of one model for images start..stop-1 of a task lie, below the store.

        Args:
            task: Task identity.
            model: Model identity.
            start: First position in the task's order of images.
            stop: One past the last.
            tree: `PREDICTIONS` or `PARTIAL`.
        """
        return f"{tree}/{safe_name(task)}/{safe_name(model)}/{unit_file(start, stop)}"

    def coverage(self, task: str, model: str, tree: str = PREDICTIONS) -> Coverage:
        """Which units of one model and task are there; one listing, whatever their number."""
        below = f"{tree}/{safe_name(task)}/{safe_name(model)}"
        stops: dict[int, tuple[int, ...]] = {}
        for name in self.folder.names(below):
            unit = parse_unit(f"{below}/{name}")
            if unit is not None:
                stops[unit.start] = (*stops.get(unit.start, ()), unit.stop)
        return Coverage(stops)

    def has(self, task: str, model: str, start: int, stop: int) -> bool:
        """Whether just that unit is there; `coverage` answers for many at once."""
        return self.folder.exists(self.unit_name(task, model, start, stop))

    def write_unit(
        self, task: str, model: str, start: int, stop: int, columns: Mapping[str, Any], partial: bool = False
    ) -> None:
        """Store a unit.

        Args:
            task: Task identity.
            model: Model identity.
            start: First position.
            stop: One past the last.
            columns: As for `unit_file.table_of`, image by image.
            partial: Something in it should be tried again: it is kept apart, scored, and counted as missing.

        Raises:
            StoreError: It cannot be written.
        """
        from .unit_file import encode, table_of

        name = self.unit_name(task, model, start, stop, PARTIAL if partial else PREDICTIONS)
        self.folder.write(name, encode(table_of(task, model, columns), name))
        if partial:
            return
        # A whole unit stands for the pieces of it that earlier runs left.
        for tree in (PARTIAL, PREDICTIONS):
            for end in self.coverage(task, model, tree).stops.get(start, ()):
                if end < stop or (tree == PARTIAL and end == stop):
                    self.folder.remove(self.unit_name(task, model, start, end, tree))

    def read(
        self, task: str, model: str, ranges: Sequence[tuple[int, int]], absent_because: str = "were not run"
    ) -> tuple[Predictions, list[str]]:
        """Read some units of one model and task.

        Args:
            task: Task identity.
            model: Model identity.
            ranges: (start, stop) of each, in order.
            absent_because: How the line about images without predictions ends.

        Returns:
            Their rows, and a line for whatever is missing or cannot be trusted. A damaged file, or one that contradicts
            what its task asks, is left out and reported with its name, and never stops the others.
        """
        from .predictions import gather

        if ranges:
            self.asked(safe_name(task), max(stop for _, stop in ranges))

        located = self.locate(task, model, ranges)
        decoded = iter(self._decoded([name for name in located if name is not None]))
        tables, most, problems = [], [], []
        absent: list[tuple[int, int]] = []  # neighbours are told as one
        for (start, stop), name in zip(ranges, located, strict=True):
            found = next(decoded) if name is not None else None
            if name is not None and isinstance(found, str) and not self.folder.exists(name):
                # A larger unit has taken its place since it was listed.
                (name,) = self.locate(task, model, [(start, stop)])
                found = self.read_file(name) if name is not None else None
            if isinstance(found, str):
                problems.append(found)
            elif found is not None:
                tables.append(found)
                most.append(stop - start)
                if name is not None and name.startswith(f"{PARTIAL}/"):
                    problems.append(f"images {start} to {stop - 1} are incomplete; repeat the run to complete them")
            elif absent and absent[-1][1] == start:
                absent[-1] = (absent[-1][0], stop)
            else:
                absent.append((start, stop))
        problems += [f"images {start} to {stop - 1} {absent_because}" for start, stop in absent]
        return gather(tables, most), problems

    def locate(self, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> list[str | None]:
        """For each range the file that holds it, a finished one if there is; None where there is none."""
        trees = [(tree, self.coverage(task, model, tree)) for tree in (PREDICTIONS, PARTIAL)]
        located: list[str | None] = []
        for start, stop in ranges:
            ends = ((tree, coverage.covering(start, stop)) for tree, coverage in trees)
            names = (self.unit_name(task, model, start, end, tree) for tree, end in ends if end is not None)
            located.append(next(names, None))
        return located

    def fingerprint(self, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
        """The files that `read` would read, without decoding them.

        Returns:
            For each range the name of its file and the SHA-256 of its bytes; both empty where there is none.

        Raises:
            OSError: One of them cannot be read.
        """
        located = self.locate(task, model, ranges)
        names = [name for name in located if name is not None]

        def digest(name: str) -> str:
            return hashlib.sha256(self.folder.read(name)).hexdigest()

        if len(names) < 2 * _READERS:
            digests = [digest(name) for name in names]
        else:
            with ThreadPoolExecutor(_READERS) as pool:
                digests = list(pool.map(digest, names))
        known = dict(zip(names, digests, strict=True))
        return [("", "") if name is None else (name, known[name]) for name in located]

    def fingerprint_asked(self, task: str) -> str:
        """SHA-256 of the file behind `asked`, by the folder of the task's identity; empty where there is none.

        Raises:
            OSError: It cannot be read.
        """
        try:
            return hashlib.sha256(self.folder.read(f"{IMAGES}/{task}.json.gz")).hexdigest()
        except FileNotFoundError:
            return ""

    def _decoded(self, names: Sequence[str]) -> list[pa.Table | str]:
        if len(names) < 2:
            return [self.read_file(name) for name in names]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self.read_file, names))

    def read_file(self, name: str) -> pa.Table | str:
        """One unit's table, or a line that says why it cannot be trusted and what to do."""
        try:
            return self.checked(name)
        except StoreError as error:
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
        return f"{self.folder.path(name)} cannot be read ({reason}); {self.way_out}, and the next run makes it again"

    @property
    def way_out(self) -> str:
        """What to do about a damaged file, as the middle of a sentence."""
        return f"`bench results prune --damaged --yes --store {self.location}` removes it"

    def checked(self, name: str) -> pa.Table:
        """One unit's table, held against its digest, its name and what its task asks.

        Args:
            name: Of a unit's file below the store.

        Raises:
            StoreError: It is damaged or contradicts them; the message says how.
            OSError: It cannot be read.
        """
        from .predictions import contradictions
        from .unit_file import decode

        table = decode(self.folder.read(name), name)
        unit = parse_unit(name)
        if unit is None:
            raise StoreError("this is not a unit's name")
        asked = self.asked(unit.task, unit.stop)
        known = None if isinstance(asked, str) else asked
        place = (unit.task, unit.model, unit.start, unit.stop)
        reason = next(contradictions(table, *place, known, name.startswith(f"{PREDICTIONS}/")), None)
        if reason is not None:
            raise StoreError(reason)
        return table

    def asked(self, task: str, images: int = 0) -> Asked | str:
        """What a task asks; read once.

        Args:
            task: Folder of the task's identity.
            images: Number of images of which something should be known; where fewer are, it is read again.

        Returns:
            That, or a line that says why it is not known and what to do.
        """
        from .predictions import asked_from

        known = self._asked.get(task)
        if known is None or (not isinstance(known, str) and len(known.image_ids) < images):
            name = f"{IMAGES}/{task}.json.gz"
            try:
                document = read_document(self.folder, name)
                known = "it does not exist" if document is None else asked_from(document)
            except StoreError as error:
                known = str(error)
            if isinstance(known, str):
                known = (
                    f"{self.folder.path(name)}, by which images and labels are checked, cannot be read ({known}); the "
                    "next run with these images writes it again"
                )
            self._asked[task] = known
        return known

    def keep_asked(self, task: str, asked: Asked) -> None:
        """Keep what a task asks; what is there already stays where it says the same of more images.

        Args:
            task: Task identity.
            asked: As its images tell it now.

        Raises:
            StoreError: It cannot be written.
        """
        folder = safe_name(task)
        self._asked.pop(folder, None)
        known = self.asked(folder)
        if isinstance(known, str) or not known.covers(asked):
            self._asked.pop(folder, None)
            write_document(self.folder, f"{IMAGES}/{folder}.json.gz", asked.document())

    def unit_entries(self) -> list[tuple[UnitName, Entry]]:
        """Every unit in the store, partial ones too, sorted by name."""
        found = []
        for tree in (PREDICTIONS, PARTIAL):
            for entry in self.folder.files(tree):
                unit = parse_unit(entry.name)
                if unit is not None:
                    found.append((unit, entry))
        return found


def read_version(location: str | Path) -> int | None:
    """Schema version of a store, whatever it is; None where nothing was written yet.

    Raises:
        StoreError: The mark is damaged.
    """
    folder = open_folder(location)
    try:
        content = folder.read(MARK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"{folder.path(MARK)} cannot be read: {error.strerror or error}.") from None
    try:
        return int(json.loads(content)["schema"])
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            f'{folder.path(MARK)} is damaged; write {{"schema": {SCHEMA_VERSION}}} into it if the store was made by '
            "this version, or name another folder with --store."
        ) from None
