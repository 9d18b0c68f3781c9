"""Bring what several stores hold together in another one, after all of it was held against one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import StoreError
from . import records
from .layout import IMAGES, PARTIAL, PREDICTIONS, UnitName, parse_unit, read_document
from .predictions import asked_from
from .schema import TOP_COLUMNS
from .store import Store
from .unit_file import numbers_of

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int, int], None]

_TOLERANCE = 1e-3
"""How far confidences and numbers of one prediction may be apart, because machines round differently."""

_EXAMPLES = 5

_FIRST_TO_LAST = (IMAGES, records.TASKS, records.MODELS, records.TRUTHS, records.MANIFESTS)
"""Order in which documents are written, before the units; records of runs, which give names their meaning, follow."""


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        units: Units that were copied.
        documents: Records, lists of images and truths that were written.
        present: Files of the stores that the target had already, or has in a larger unit.
        disagreements: Lines on what the stores say otherwise, where the first one was preferred.
        damaged: Lines on files that were damaged in one store and taken from another.
    """

    units: int
    documents: int
    present: int
    disagreements: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Held:
    """A file of one of the stores.

    Attributes:
        name: Path below the store.
        store: Which.
    """

    name: str
    store: Store

    @property
    def path(self) -> str:
        return self.store.folder.path(self.name)


def merge(
    sources: Sequence[Store], target: Store, keep_first: bool = False, progress: Progress | None = None
) -> Merged:
    """Copy what several stores hold into one; they themselves are only read.

    Everything is checked before the first file is written. Files appear whole, and records of runs come last: a merge
    that is interrupted leaves a sound store, and the same command completes it.

    Args:
        sources: Stores of this schema. Of what several have, the first's is taken.
        target: Where to; what it holds already goes before all others.
        keep_first: Whether to go on where stores contradict one another, with what the first of them says.
        progress: Told how many files are done, and of how many; each is read to be checked and again to be copied.

    Raises:
        StoreError: A store that is not there or is the target too, files that are damaged in every store that has them,
            or contradictions; nothing was written then.
    """
    _check_places(sources, target)
    units, documents = _contents([target, *sources])
    total = 2 * sum(map(len, (*units.values(), *documents.values())))
    done = 0

    def count(files: int) -> None:
        nonlocal done
        done += files
        if progress is not None:
            progress(done, total)

    disagreements: list[str] = []
    damaged: list[tuple[str, bool]] = []  # with whether it is nowhere else
    written: dict[str, Mapping[str, Any]] = {}
    copied: list[_Held] = []
    for name, holders in documents.items():
        sound = _sound(holders, lambda held: read_document(held.store.folder, held.name), damaged)
        if sound:
            document, lines = _joined(name, sound)
            disagreements += lines
            if not (sound[0][0].store is target and document == sound[0][1]):
                written[name] = document
        count(len(holders))
    for members in units.values():
        sound = _sound(members, lambda held: held.store.checked(held.name), damaged)
        best, lines = _best(sound)
        disagreements += lines
        copied += [held for held in best if held.store is not target]
        count(len(members))
    gone = [line for line, only in damaged if only]
    if gone:
        raise StoreError(
            f"{_counted(gone, 'damaged file')}, which no other store has; nothing was written:{_listed(gone)}\n"
            "`bench results prune --damaged --yes --store STORE` removes such files."
        )
    if disagreements and not keep_first:
        raise StoreError(
            f"The stores contradict one another ({_counted(disagreements, 'file')}); nothing was written:"
            f"{_listed(disagreements)}\nRemove what is wrong with `bench results prune`, or add --keep-first to take "
            "what the store named first says."
        )
    target.prepare()
    folders = {folder: rank for rank, folder in enumerate(_FIRST_TO_LAST)}
    ordered = sorted(written, key=lambda name: folders.get(name.partition("/")[0], len(folders)))
    runs = [name for name in ordered if name.startswith(f"{records.RUNS}/")]
    for name in ordered[: len(ordered) - len(runs)]:
        records.write(target, name, written[name])
    for held in copied:
        target.folder.write(held.name, held.store.folder.read(held.name))
        _remove_smaller(target, held.name)
        count(1)
    for name in runs:
        records.write(target, name, written[name])
    count(total - done)
    there = sum(held.store is not target for held in (h for hs in (*units.values(), *documents.values()) for h in hs))
    present = there - len(copied) - len(written)
    return Merged(len(copied), len(written), max(0, present), tuple(disagreements), tuple(line for line, _ in damaged))


def _check_places(sources: Sequence[Store], target: Store) -> None:
    places: dict[str, str] = {}
    for store in (target, *sources):
        local = store.folder.local
        place = str(local.resolve()) if local is not None else store.location.rstrip("/")
        if place in places:
            role = "both a source and the target" if places[place] == "target" else "named twice"
            raise StoreError(f"The store {store.location} is {role}; name each store once.")
        places[place] = "target" if store is target else "source"
    for store in sources:
        if not store.exists():
            raise StoreError(f"There is no store at {store.location}; `bench run` makes one.")


_Units = dict[tuple[str, str, int], list[_Held]]


def _contents(stores: Sequence[Store]) -> tuple[_Units, dict[str, list[_Held]]]:
    """Units by task, model and first image, and documents by name, in the order of the stores."""
    units: _Units = defaultdict(list)
    documents: dict[str, list[_Held]] = defaultdict(list)
    for store in stores:
        for unit, entry in store.unit_entries():
            units[(unit.task, unit.model, unit.start)].append(_Held(entry.name, store))
        for folder in records.DOCUMENTS:
            for name in store.folder.names(folder):
                if name.endswith((".json", ".json.gz")) and not name.startswith("."):
                    documents[f"{folder}/{name}"].append(_Held(f"{folder}/{name}", store))
    return units, documents


def _sound(
    holders: Sequence[_Held], read: Callable[[_Held], Any], damaged: list[tuple[str, bool]]
) -> list[tuple[_Held, Any]]:
    """Those files that can be trusted, with their content; the others are added to ``damaged``."""
    sound, lines = [], []
    for held in holders:
        try:
            content = read(held)
        except StoreError as error:
            lines.append(f"{held.path}: {error}")
        except OSError as error:
            lines.append(f"{held.path}: {error.strerror or error}")
        else:
            if content is not None:
                sound.append((held, content))
    damaged += [(line, not sound) for line in lines]
    return sound


# Documents: the same name in several stores.


def _joined(name: str, sound: Sequence[tuple[_Held, Any]]) -> tuple[Mapping[str, Any], list[str]]:
    """What stands for all documents of one name, and lines on those that contradict it."""
    (first, document), *others = sound
    folder = name.partition("/")[0]
    lines = []
    for held, other in others:
        if other == document:
            continue
        line = f"{held.path} and {first.path} differ"
        if folder == IMAGES:
            own, more = asked_from(document), asked_from(other)
            if more.covers(own):
                document = other
            elif not own.covers(more):
                lines.append(f"{line}: they list other images or labels for one task")
        elif folder == records.MODELS:
            # Its name holds the digest of what decides its predictions; the rest is remarks.
            document = other | document | {"extra": other.get("extra", {}) | document.get("extra", {})}
        elif folder == records.RUNS:
            document = other if document.get("status") == "running" else document
        elif folder == records.TRUTHS and (both := records.joined(document, other)):
            document = both  # each tells of some of the images
        elif folder != records.TASKS:
            lines.append(f"{line}: they say other things about one set of images")
    return document, lines


# Units: the same images of one task and model in several stores.


def _best(sound: Sequence[tuple[_Held, pa.Table]]) -> tuple[list[_Held], list[str]]:
    """The units that stand for all that begin at one image, and lines on those that contradict them."""
    if not sound:
        return [], []

    def rank(entry: tuple[_Held, pa.Table]) -> tuple[int, int]:
        held, table = entry
        unit = parse_unit(held.name)
        assert isinstance(unit, UnitName)
        # Of unfinished units, the one with the most answers.
        return unit.stop, table.column("error").null_count if held.name.startswith(f"{PARTIAL}/") else 0

    trees: dict[str, list[tuple[_Held, pa.Table]]] = {PREDICTIONS: [], PARTIAL: []}
    for entry in sound:
        trees[entry[0].name.partition("/")[0]].append(entry)
    best = [max(entries, key=rank) for entries in trees.values() if entries]  # of equals, `max` gives the first
    if len(best) == 2 and rank(best[1])[0] <= rank(best[0])[0]:
        best = best[:1]
    first, table = best[0]
    lines = []
    for held, other in sound:
        differing, common = _disagreement(table, other) if held is not first else (0, 0)
        if differing:
            lines.append(f"{held.path} and {first.path} differ in {differing} of {common} predictions")
    return [held for held, _ in best], lines


def _disagreement(one: pa.Table, other: pa.Table) -> tuple[int, int]:
    """On how many of the predictions that both units have an answer for they differ, and the number of those."""
    left, right = _rows(one), _rows(other)
    common = [(left[key], right[key]) for key in left.keys() & right.keys()]
    if not common:
        return 0, 0
    mine, theirs = np.array(common).T
    wrong = np.zeros(len(common), dtype=bool)
    for name in ("label", TOP_COLUMNS[0]):
        wrong |= one.column(name).to_numpy()[mine] != other.column(name).to_numpy()[theirs]
    for name in ("confidence", *(set(numbers_of(one.schema)) & set(numbers_of(other.schema)))):
        a, b = one.column(name).to_numpy()[mine], other.column(name).to_numpy()[theirs]
        wrong |= ~np.isclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)
    return int(wrong.sum()), len(common)


def _rows(table: pa.Table) -> dict[tuple[str, str, int], int]:
    """Rows with an answer, by image, condition and severity."""
    names = ("image_id", "condition", "severity", "error")
    columns: Iterator[Any] = zip(*(table.column(name).to_pylist() for name in names), strict=True)
    return {(i, c, s): row for row, (i, c, s, error) in enumerate(columns) if error is None}


def _remove_smaller(target: Store, name: str) -> None:
    """As `Store.write_unit`: a whole unit stands for its pieces."""
    unit = parse_unit(name)
    if unit is None or not name.startswith(f"{PREDICTIONS}/"):
        return
    for tree in (PREDICTIONS, PARTIAL):
        for end in target.coverage(unit.task, unit.model, tree).stops.get(unit.start, ()):
            if end < unit.stop or (tree == PARTIAL and end == unit.stop):
                target.folder.remove(target.unit_name(unit.task, unit.model, unit.start, end, tree))


def _counted(lines: Sequence[str], what: str) -> str:
    return f"{len(lines)} {what}{'' if len(lines) == 1 else 's'}"


def _listed(lines: Sequence[str]) -> str:
    more = [f"… and {len(lines) - _EXAMPLES} more"] if len(lines) > _EXAMPLES else []
    return "".join(f"\n  {line}" for line in [*lines[:_EXAMPLES], *more])
