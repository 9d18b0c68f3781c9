"""Labelled images to fit a head on, and others to measure it with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import DataError, VitobenchError
from ...files import home_path
from ...identity import digest
from ...tasks.data.hashing import Progress
from ...tasks.data.image_folder import ImageFolder
from ...tasks.data.microworld.sets import GENERATOR_VERSION, MicroSet
from ...tasks.data.source import ImageSource
from ...tasks.data.walking import Seen
from ..zoo_card import LABEL_SPACES

MICROWORLD = "microworld"
FOLDER = "imagefolder="
TRAIN_IMAGES = 4096
HELD_OUT_IMAGES = 2000
HELD_OUT_FIRST = 100_000
"""Held-out images of the micro-world come from beyond those that the tasks ask about."""

_EVERY = 5


@dataclass(frozen=True)
class Part:
    """Some of the images of a set.

    Attributes:
        source: The set.
        indices: int64 (n,), positions in it.
    """

    source: ImageSource
    indices: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (n,) classes."""
        return np.asarray(self.source.labels[self.indices])

    @cached_property
    def digest(self) -> str:
        """Hash of everything that decides pixels and labels."""
        ids = self.source.image_ids
        return digest([self.source.digest, [ids[i] for i in self.indices.tolist()]])

    def head(self, count: int | None) -> Part:
        """The first images, which are a fair sample; all of them for None."""
        return self if count is None else Part(self.source, self.indices[:count])


@dataclass(frozen=True)
class ProbeData:
    """What a head is fitted and measured on.

    Attributes:
        train: For the fit.
        held_out: For the accuracy that is reported.
        label_space: A key of `vitobench.models.zoo_card.LABEL_SPACES`.
        description: For the card.
        notes: Lines for people about what was left out of a folder.
    """

    train: Part
    held_out: Part
    label_space: str
    description: str
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes of the label space."""
        return LABEL_SPACES[self.label_space]


def open_data(
    name: str,
    train: int | None = None,
    held_out: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ProbeData:
    """Open a data set.

    Args:
        name: ``"microworld"``, or ``"imagefolder=DIR"``: class folders named by WordNet ids, in DIR itself (a fifth of
            the images is then held out) or in ``DIR/train`` and ``DIR/val``.
        train: At most this many images for the fit; None takes 4096 of the micro-world, all of a folder.
        held_out: At most this many held-out images; None takes 2000 of the micro-world, all of a folder.
        seed: Seed of the micro-world.
        cache: Folder for the hashes of image files.
        progress: Told while files are hashed.

    Raises:
        VitobenchError: Another name, or less than one image.
        DataError: A folder that is missing or of another form.
    """
    for option, count in (("--train", train), ("--held-out", held_out)):
        if count is not None and count < 1:
            raise VitobenchError(f"{option} {count} leaves no images; give 1 or more.")
    if name == MICROWORLD:
        return _microworld(train or TRAIN_IMAGES, held_out or HELD_OUT_IMAGES, seed)
    if not name.startswith(FOLDER) or name == FOLDER:
        raise VitobenchError(f"Invalid --data {name!r}; write {MICROWORLD} or {FOLDER}DIR.")
    root = home_path(name.removeprefix(FOLDER))
    data = _folder(root, cache, progress)
    return replace(data, train=data.train.head(train), held_out=data.held_out.head(held_out))


def _microworld(train: int, held_out: int, seed: int) -> ProbeData:
    last = HELD_OUT_FIRST + held_out
    return ProbeData(
        Part(MicroSet("train", train, seed), np.arange(train)),
        Part(MicroSet("val", last, seed), np.arange(HELD_OUT_FIRST, last)),
        MicroSet.label_space,
        f"{train} images of the micro-world (set train, seed {seed}, generator {GENERATOR_VERSION})",
    )


def _folder(root: Path, cache: Path | None, progress: Progress | None) -> ProbeData:
    seen: Seen = {}  # a folder that is in train/ and in val/ would be learned from and measured on

    def source(folder: Path) -> ImageFolder:
        kept = None if cache is None else cache / f"files-{digest(str(folder.absolute()))[:16]}.json"
        return ImageFolder(folder, root.name, kept, progress, seen)

    if (root / "train").is_dir() and (root / "val").is_dir():
        sources = [source(root / name) for name in ("train", "val")]
        train, held_out = (Part(found, np.arange(len(found))) for found in sources)
    else:
        whole = source(root)
        sources = [whole]
        # The order is that of hashed names, so every fifth image is a random fifth, the same one every time.
        last = np.arange(len(whole)) % _EVERY == _EVERY - 1
        train, held_out = Part(whole, np.flatnonzero(~last)), Part(whole, np.flatnonzero(last))
    if not len(train) or not len(held_out):
        raise DataError(f"{root} has too few images to fit a head and measure it; at least {_EVERY} are needed.")
    description = f"{len(train)} images of the folder {root.name}"
    notes = tuple(line for found in sources if (line := found.left_out.line(str(found.root))))
    return ProbeData(train, held_out, ImageFolder.label_space, description, notes)
