"""Published judgements of similarity: the triplets of THINGS and those of NIGHTS, with or without their pictures."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from ...text_files import NotTextError, read_text
from ..images.folders import FileSource, first, images_below, shuffling_key
from ..similarity.triplets import Judged, TripletSource

if TYPE_CHECKING:
    from ..datasets.record import DataSet, Opening

THINGS_JUDGED = ("test_triplets.csv", "triplets.csv")
THINGS_HELD_OUT = ("trainset.txt", "train_90.txt", "train_triplets.csv")
THINGS_NAMES = "item_names.tsv"
_FIRST_PICTURE = "_01b"  # what the first of a concept's pictures is called in THINGS, the one that people judged

THINGS_FITTED, NIGHTS_FITTED = 20_000, 2_000
"""Judgements that a transform is fitted on at most: those of THINGS share their pictures, those of NIGHTS do not."""

_NIGHTS_COLUMNS = ("id", "left_vote", "right_vote", "votes", "ref_path", "left_path", "right_path", "split")
_UNANIMOUS = 6  # votes that a triplet of NIGHTS needs, as its authors take them


class Pictures(FileSource):
    """Pictures below a folder, which have no class."""

    label_space = "triplets"

    def __init__(self, root: Path, name: str, files: Iterable[str], opening: Opening) -> None:
        super().__init__(root, name, opening.cache, opening.progress)
        self._set_ids(files)

    def _labels_of(self, image_ids: Sequence[str]) -> np.ndarray:
        return np.full(len(image_ids), -1, dtype=np.int64)

    def _order(self, image_ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(image_ids))

    def manifest(self) -> dict[str, str]:
        """As `FileSource`; nothing where there are only judgements and no pictures."""
        return super().manifest() if self.image_ids else {}


class _FromFolder(TripletSource):
    """What both sets share: judgements by names of pictures become positions, absent pictures holes."""

    def __init__(self, published: DataSet, kind: str, root: Path) -> None:
        self.name, self.kind, self.root, self._published = published.name, kind, root, published
        published.check_folder(root)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_published"}

    def _error(self, problem: str) -> DataError:
        return self._published.error(problem, self.root)

    def _text(self, names: Sequence[str]) -> tuple[str, str] | None:
        """Name and content of the first of some files that is there."""
        name = next((name for name in names if (self.root / name).is_file()), None)
        if name is None:
            return None
        try:
            return name, read_text(self.root / name)
        except (OSError, NotTextError) as error:
            raise self._error(f"{self.root / name} cannot be read: {error}.") from error

    def _table(self, name: str, text: str, delimiter: str = ",") -> tuple[Collection[str], list[dict[str, Any]]]:
        """Names of the columns of a table, and its rows."""
        reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        try:
            return reader.fieldnames or (), list(reader)
        except csv.Error as error:
            raise self._error(f"{self.root / name}, row {reader.line_num}: {error}.") from error

    def _fill(
        self,
        rows: Mapping[str, tuple[tuple[str, str, str], Sequence[float]]],
        held_out: Sequence[tuple[tuple[str, str, str], Sequence[float]]],
        files: Mapping[str, str],
        opening: Opening,
    ) -> None:
        """Set everything.

        Args:
            rows: By id of triplet, the names of its pictures and the votes.
            held_out: Names and votes.
            files: File of each picture that is there, by name.
            opening: For the cache of content hashes.
        """
        self.image_ids = tuple(sorted(rows, key=shuffling_key))
        used = {name for names, _ in (*rows.values(), *held_out) for name in names}
        self.pictures = Pictures(self.root, f"{self.name}, pictures", [files[n] for n in used if n in files], opening)
        place = {file: n for n, file in enumerate(self.pictures.image_ids)}
        name_of = {files[name]: name for name in used if name in files}
        self.picture_names = tuple(name_of[file] for file in self.pictures.image_ids)

        def judged(part: Sequence[tuple[tuple[str, str, str], Sequence[float]]]) -> Judged:
            triplets = [[place.get(files.get(name, ""), -1) for name in names] for names, _ in part]
            votes = np.array([list(votes) for _, votes in part], dtype=np.float64).reshape(-1, 3)
            return Judged(np.array(triplets, dtype=np.int64).reshape(-1, 3), votes)

        ordered = [rows[i] for i in self.image_ids]
        self.judged, self.held_out = judged(ordered), judged(held_out)
        self.names = tuple(names for names, _ in ordered)
        self.held_out_names = tuple(names for names, _ in held_out)


class ThingsTriplets(_FromFolder):
    """Odd one out among the concepts of THINGS.

    Rows have the three concepts, counted from 1 in the order of the list of names, and the position of the odd one from
    1 to 3; more columns, such as the person, are passed over. Rows of three numbers alone, as published for training,
    count concepts from 0 and have the odd one last. Rows of the same three concepts in any order are one triplet.
    """

    def __init__(self, published: DataSet, opening: Opening) -> None:
        """Read the judgements and list the pictures.

        Args:
            published: The record, for its name and for errors.
            opening: The folder.

        Raises:
            DataError: A file is absent, a row is of another form or a concept is not in the list of names.
        """
        super().__init__(published, "odd-one-out", opening.root)
        concepts = self._concepts()
        judged, fitted = self._text(THINGS_JUDGED), self._text(THINGS_HELD_OUT)
        if judged is None:
            raise self._error(f"{self.root} has no {' or '.join(THINGS_JUDGED)}.")
        rows = self._rows(*judged, len(concepts))
        votes: dict[tuple[int, int, int], list[float]] = {}
        for a, b, c, odd in rows.tolist():
            key = tuple(sorted((a, b, c)))
            votes.setdefault(key, [0.0, 0.0, 0.0])[key.index((a, b, c)[odd])] += 1.0
        named = {"+".join(concepts[n] for n in key): (self._names(key, concepts), v) for key, v in votes.items()}
        held_out = []
        if fitted is not None:
            more = self._rows(*fitted, len(concepts))
            more = more[~np.isin(_without_order(more), _without_order(rows))]
            taken = np.unique(np.linspace(0, len(more) - 1, min(THINGS_FITTED, len(more))).astype(np.int64))
            held_out = [(self._names(row[:3], concepts), np.eye(3)[row[3]]) for row in more[taken].tolist()]
        self._fill(named, held_out, self._files(concepts), opening)

    @staticmethod
    def _names(places: Sequence[int], concepts: Sequence[str]) -> tuple[str, str, str]:
        a, b, c = (concepts[n] for n in places)
        return a, b, c

    def _concepts(self) -> list[str]:
        found = self._text((THINGS_NAMES,))
        if found is None:
            raise self._error(f"{self.root} has no {THINGS_NAMES}, which names the concepts.")
        _, table = self._table(*found, delimiter="\t")
        names = [str(row.get("uniqueID") or "").strip() for row in table]
        if not names or not all(names):
            raise self._error(f"{self.root / THINGS_NAMES} has no column uniqueID with a name in each row.")
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise self._error(f"{self.root / THINGS_NAMES} has names twice: {first(twice)}.")
        return names

    def _rows(self, name: str, text: str, concepts: int) -> np.ndarray:
        """int64 (n, 4): three concepts from 0, and the position of the odd one from 0."""
        table: array[int] = array("q")  # published files have millions of rows
        for number, line in enumerate(text.splitlines(), 1):
            cells = line.replace(",", " ").replace(";", " ").split()
            if not cells:
                continue
            try:
                values = [int(cell) if "." not in cell else _whole(cell) for cell in cells[:4]]
            except ValueError:
                raise self._error(
                    f"{self.root / name}, row {number}: {line.strip()!r} is not made of whole numbers."
                ) from None
            if len(values) < 3:
                raise self._error(f"{self.root / name}, row {number}: {len(values)} numbers; give three or more.")
            row = [*values, 2] if len(values) == 3 else [*(value - 1 for value in values[:3]), values[3] - 1]
            if len(set(row[:3])) < 3 or not all(0 <= value < concepts for value in row[:3]):
                raise self._error(
                    f"{self.root / name}, row {number}: {line.strip()!r} has to name three of the {concepts} concepts."
                )
            if not 0 <= row[3] <= 2:
                raise self._error(f"{self.root / name}, row {number}: the odd one is at 1, 2 or 3, not {values[3]}.")
            table.extend(row)
        if not table:
            raise self._error(f"{self.root / name} has no rows.")
        return np.array(table, dtype=np.int64).reshape(-1, 4)

    def _files(self, concepts: Collection[str]) -> dict[str, str]:
        """The picture of each concept that has one: ``NAME.jpg`` or ``NAME_01b.jpg``, or either in a folder NAME."""
        folder = self.root / "images"
        if not folder.is_dir():
            return {}
        known, files = set(concepts), dict[str, str]()
        listing = images_below(folder)
        for path in sorted(listing.files):
            stem = Path(path).stem
            name = stem if stem in known else stem.removesuffix(_FIRST_PICTURE)
            if name not in known or (name == stem and "/" in path and Path(path).parent.name != name):
                continue
            if name in files:
                raise self._error(f"{folder} has two pictures of {name}: {files[name]} and images/{path}; keep one.")
            files[name] = f"images/{path}"
        return files


def _whole(cell: str) -> int:
    """A whole number that is written as ``3.0``."""
    value = float(cell)
    if not value.is_integer():
        raise ValueError(cell)
    return int(value)


def _without_order(rows: np.ndarray) -> np.ndarray:
    """int64 (n,), equal for rows of the same three concepts in any order."""
    a, b, c = np.sort(rows[:, :3], axis=1).T
    return (a << 42) + (b << 21) + c


class NightsTriplets(_FromFolder):
    """Which of two pictures is more like a reference; every triplet of NIGHTS was judged alike by six people or more.

    The triplets of the split ``test`` are scored, those of ``train`` fitted on. Each counts as one judgement.
    """

    def __init__(self, published: DataSet, opening: Opening) -> None:
        """Read the judgements and look for the pictures.

        Args:
            published: The record, for its name and for errors.
            opening: The folder.

        Raises:
            DataError: The table is absent, lacks a column or has a row of another form.
        """
        super().__init__(published, "2afc", opening.root)
        found = self._text(("data.csv",))
        if found is None:
            raise self._error(f"{self.root} has no data.csv.")
        columns, table = self._table(*found)
        lacking = [name for name in _NIGHTS_COLUMNS if name not in columns]
        if lacking:
            raise self._error(f"{self.root / 'data.csv'} lacks the columns {', '.join(lacking)}.")
        parts: dict[str, dict[str, tuple[tuple[str, str, str], Sequence[float]]]] = {"test": {}, "train": {}}
        for number, row in enumerate(table, 2):
            if any(row[name] is None for name in _NIGHTS_COLUMNS):
                raise self._error(f"{self.root / 'data.csv'}, row {number}: fewer cells than the first row has.")
            part = parts.get(row["split"])
            if part is None or self._number(row, "votes", number) < _UNANIMOUS:
                continue
            left, right = self._number(row, "left_vote", number), self._number(row, "right_vote", number)
            if not (0 <= left <= 1 and 0 <= right <= 1 and abs(left + right - 1) < 1e-6):
                raise self._error(
                    f"{self.root / 'data.csv'}, row {number}: left_vote {left:g} and right_vote {right:g} are no "
                    "shares of all votes."
                )
            if row["id"] in part:
                raise self._error(f"{self.root / 'data.csv'}, row {number}: the id {row['id']} occurs twice.")
            names = (row["ref_path"], row["left_path"], row["right_path"])
            part[row["id"]] = names, (0.0, right, left)  # whoever takes the left one leaves out the right one
        if not parts["test"]:
            raise self._error(f"{self.root / 'data.csv'} has no row of the split test with {_UNANIMOUS} votes.")
        train = [parts["train"][i] for i in sorted(parts["train"], key=shuffling_key)[:NIGHTS_FITTED]]
        used = {name for names, _ in (*parts["test"].values(), *train) for name in names}
        outside = sorted(name for name in used if name.startswith("/") or ".." in Path(name).parts)
        if outside:
            raise self._error(f"{self.root / 'data.csv'} names pictures outside of the folder: {first(outside)}.")
        files = {name: name for name in used if (self.root / name).is_file()}
        self._fill({f"nights/{i}": row for i, row in parts["test"].items()}, train, files, opening)

    def _number(self, row: Mapping[str, str], name: str, number: int) -> float:
        try:
            value = float(row[name])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self._error(f"{self.root / 'data.csv'}, row {number}: {name} is {row[name]!r}, which is no number.")
        return value
