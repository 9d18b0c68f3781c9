"""The result store: per-image predictions in Parquet, one file per unit and model; `records` describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StoreError
from .folder import Entry, Folder, open_folder
from .layers import SHIPPED, LayeredFolder, ReadOnlyFolder, open_layer, same_place
from .layout import (
    IMAGES,
    MARK,
    PARTIAL,
    PREDICTIONS,
    SALIENCY,
    UnitName,
    marked_version,
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
        also: Stores that are read where this one lacks something, in this order, and never written to. One that cannot
            be read is skipped; `layer_problems` says why.

    Attributes:
        folder: Where files are: this store's, then its layers'.
        below: The layers.
        own: This store without its layers.

    Raises:
        StoreError: The folder is something else, or of a schema that this version does not read; or a layer is this
            store, or needs a package that is not installed.
    """

    def __init__(self, location: str | Path | Folder, also: Sequence[str | Path] = ()) -> None:
        self.folder: Folder = open_folder(location) if isinstance(location, (str, Path)) else location
        self.own = self
        self.below: tuple[Store, ...] = ()
        self._layers: tuple[ReadOnlyFolder, ...] = ()
        self._skipped: list[str] = []
        self._trusted: set[str] = set()
        self._asked: dict[str, Asked | str] = {}
        self._check()
        also = list(dict.fromkeys(also))
        for location in also:
            if same_place(location, self.location):
                raise StoreError(
                    f"{location} is both the store that is written (--store) and a layer (--also), which is only read; "
                    "leave one of them out."
                )
        opened = [open_layer(location) for location in also]
        self._skipped = [line for line in opened if isinstance(line, str)]
        self._put_over([layer for layer in opened if isinstance(layer, ReadOnlyFolder)])

    def _put_over(self, layers: Sequence[ReadOnlyFolder]) -> None:
        if layers:
            self.own = Store(self.folder)
            self._layers = tuple(layers)
            self.below = tuple(map(Store, layers))
            self.folder = LayeredFolder(self.folder, layers)

    def _check(self) -> None:
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
        return _read_version(self.own.folder)

    def exists(self) -> bool:
        """Whether anything was written here, or a layer was named."""
        return self.asking is not self.own or self.own.folder.exists(MARK)

    @property
    def asking(self) -> Store:
        """The store whose records say what there is to score where a person names nothing.

        A layer has answers to questions and asks none: only where nothing was written yet, those that a person named
        are asked for all that they have.
        """
        if not self.below or self.own.folder.exists(MARK):
            return self.own
        named = [layer for layer in self._layers if layer.location != str(SHIPPED)]
        if not named:
            return self.own
        store = Store(self.own.folder)
        store._put_over(named)
        return store

    @property
    def layer_problems(self) -> list[str]:
        """A line for each layer that was skipped or has files that are left out."""
        lines = list(self._skipped)
        for layer in self._layers:
            if layer.gone:
                lines.append(f"The layer {layer.location} cannot be read any more ({layer.gone}).")
            elif layer.hidden:
                count = "A file" if len(layer.hidden) == 1 else f"{len(layer.hidden)} files"
                first = next(iter(layer.hidden.values()))
                lines.append(f"{count} of the layer {layer.location} left out: {first}.")
        return lines

    def prepare(self) -> None:
        """Make the folder and mark it, before the first write.

        Raises:
            StoreError: It cannot be written.
        """
        if not self.own.folder.exists(MARK):
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

    def trusted(self, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> Coverage:
        """As `coverage`, without units of layers that cannot be trusted, so that they are computed again.

        What this store has itself is trusted: `read` reports it if it is damaged.

        Args:
            task: Task identity.
            model: Model identity.
            ranges: (start, stop) of the units that are wanted.
        """
        coverage = self.coverage(task, model)
        if not self.below or not ranges:
            return coverage
        self.asked(safe_name(task), max(stop for _, stop in ranges))  # once, before several threads want it
        while True:
            mine = self.own.coverage(task, model).stops
            ends = ((start, coverage.covering(start, stop)) for start, stop in ranges)
            units = [(start, end) for start, end in ends if end is not None and end not in mine.get(start, ())]
            names = sorted({self.unit_name(task, model, start, end) for start, end in units} - self._trusted)
            tables = dict(zip(names, self._decoded(names), strict=True))
            damaged = {name: table for name, table in tables.items() if isinstance(table, str)}
            self._trusted |= tables.keys() - damaged.keys()
            if not damaged:
                return coverage
            for name, reason in damaged.items():
                self._hide(name, reason)
            coverage = self.coverage(task, model)

    def _hide(self, name: str, reason: str) -> bool:
        """Leave a damaged file of a layer out; False where it is this store's own."""
        layer = self.folder.layer_of(name) if isinstance(self.folder, LayeredFolder) else None
        if layer is not None:
            layer.hide(name, reason)
        return layer is not None

    def layers_of(self, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> list[Store]:
        """The layers from which some units of a model and task are read, each once."""
        if not isinstance(self.folder, LayeredFolder):
            return []
        names = [name for name in self.locate(task, model, ranges) if name is not None]
        used = {layer.location for name in names if (layer := self.folder.layer_of(name)) is not None}
        return [layer for layer in self.below if layer.location in used]

    def has(self, task: str, model: str, start: int, stop: int) -> bool:
        """Whether this store itself has just that unit; `coverage` answers for many at once."""
        return self.own.folder.exists(self.unit_name(task, model, start, stop))

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
            for end in self.own.coverage(task, model, tree).stops.get(start, ()):
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
            table = next(decoded) if name is not None else None
            if name is not None and isinstance(table, str):
                name, table = self._instead(task, model, start, stop, name, table)
            if isinstance(table, str):
                problems.append(table)
            elif table is not None:
                tables.append(table)
                most.append(stop - start)
                if name is not None and name.startswith(f"{PARTIAL}/"):
                    problems.append(f"images {start} to {stop - 1} are incomplete; repeat the run to complete them")
            elif absent and absent[-1][1] == start:
                absent[-1] = (absent[-1][0], stop)
            else:
                absent.append((start, stop))
        problems += [f"images {start} to {stop - 1} {absent_because}" for start, stop in absent]
        return gather(tables, most), problems

    def _instead(
        self, task: str, model: str, start: int, stop: int, name: str, reason: str
    ) -> tuple[str | None, pa.Table | str | None]:
        """What else holds the images of a unit that could not be read, and its rows or why there are none."""
        table: pa.Table | str | None = reason
        for _ in range(len(self.below) + 2):
            hidden = self._hide(name, str(table))
            if not hidden and self.folder.exists(name):
                break
            # It was damaged in a layer, or a larger unit has taken its place since it was listed.
            (other,) = self.locate(task, model, [(start, stop)])
            if other is None:
                return (name, table) if hidden else (None, None)
            name, table = other, self.read_file(other)
            if not isinstance(table, str):
                break
        return name, table

    def locate(self, task: str, model: str, ranges: Sequence[tuple[int, int]]) -> list[str | None]:
        """For each range the file that holds it, a finished one if there is; None where there is none."""
        trees = [(tree, self.coverage(task, model, tree)) for tree in (PREDICTIONS, PARTIAL)]
        located: list[str | None] = []
        for start, stop in ranges:
            ends = ((tree, coverage.covering(start, stop)) for tree, coverage in trees)
            names = (self.unit_name(task, model, start, end, tree) for tree, end in ends if end is not None)
            located.append(next(names, None))
        return located

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
        layer = self.folder.layer_of(name) if isinstance(self.folder, LayeredFolder) else None
        if layer is not None:
            return f"{layer.path(name)} cannot be read ({reason}); a run into {self.location} computes it again"
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
        known = self._asked.get(task)
        # A run that plans with layers asks before it has written what is asked.
        if known is None or isinstance(known, str) or len(known.image_ids) < images:
            known = self._asked_in(self.own.folder, task)
            for layer in self._layers:
                # Identities are the same, so one that lists more images says the same of the first ones.
                if isinstance(known, str) or len(known.image_ids) < images:
                    more = self._asked_in(layer, task)
                    if not isinstance(more, str) and (isinstance(known, str) or more.covers(known)):
                        known = more
            self._asked[task] = known
        return known

    @staticmethod
    def _asked_in(folder: Folder, task: str) -> Asked | str:
        from .predictions import asked_from

        name = f"{IMAGES}/{task}.json.gz"
        try:
            document = read_document(folder, name)
            known = "it does not exist" if document is None else asked_from(document)
        except StoreError as error:
            known = str(error)
        if isinstance(known, str):
            return (
                f"{folder.path(name)}, by which images and labels are checked, cannot be read ({known}); the "
                "next run with these images writes it again"
            )
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
        known = self._asked_in(self.own.folder, folder)
        if isinstance(known, str) or not known.covers(asked):
            write_document(self.folder, f"{IMAGES}/{folder}.json.gz", asked.document())

    def unit_entries(self) -> list[tuple[UnitName, Entry]]:
        """Every unit in the store, partial ones too, sorted by name."""
        entries = []
        for tree in (PREDICTIONS, PARTIAL):
            for entry in self.folder.files(tree):
                unit = parse_unit(entry.name)
                if unit is not None:
                    entries.append((unit, entry))
        return entries


def read_version(location: str | Path) -> int | None:
    """Schema version of a store, whatever it is; None where nothing was written yet.

    Raises:
        StoreError: The mark is damaged.
    """
    return _read_version(open_folder(location))


def _read_version(folder: Folder) -> int | None:
    try:
        return marked_version(folder)
    except OSError as error:
        raise StoreError(f"{folder.path(MARK)} cannot be read: {error.strerror or error}.") from None
    except StoreError as error:
        raise StoreError(
            f'{error}; write {{"schema": {SCHEMA_VERSION}}} into it if the store was made by this version, or name '
            "another folder with --store."
        ) from None
