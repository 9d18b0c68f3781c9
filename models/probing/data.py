"""Labelled images to fit a head on, and others to evaluate it on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from ...errors import DataError, VitobenchError
from ...files import home_path
from ...identity import digest
from ...tasks.images.folders import ImageFolder
from ...tasks.images.hashing import Progress
from ...tasks.images.source import ImageSource
from ...tasks.images.walking import Seen
from ...tasks.microworld.sets import GENERATOR_VERSION, MicroSet
from ..zoo_card import LABEL_SPACES

MICROWORLD = "microworld"
FOLDER = "imagefolder="
TRAIN_IMAGES = 4096
HELD_OUT_IMAGES = 2000
HELD_OUT_FIRST = 100_000
"""First held-out image of the micro-world, beyond those that the tasks use."""

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
        """Hash of everything that determines pixels and labels."""
        ids = self.source.image_ids
        return digest([self.source.digest, [ids[i] for i in self.indices.tolist()]])

    def head(self, count: int | None) -> Part:
        """The first images, which are a random sample; all of them for None."""
        return self if count is None else Part(self.source, self.indices[:count])


@dataclass(frozen=True)
class ProbeData:
    """The data to fit a head on and to evaluate it on.

    Attributes:
        train: Images for the fit.
        held_out: Images for the reported accuracy.
        label_space: A key of `vitobench.models.zoo_card.LABEL_SPACES`.
        description: Description of the data for the card.
        notes: Messages about what the listing of a folder left out.
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
        train: Maximum number of images for the fit; by default 4096 of the micro-world, all of a folder.
        held_out: Maximum number of held-out images; by default 2000 of the micro-world, all of a folder.
        seed: Seed of the micro-world.
        cache: Folder for the hashes of image files.
        progress: Called while files are hashed.

    Raises:
        VitobenchError: The name or a number of images is invalid.
        DataError: A folder is missing or has an unexpected form.
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
    seen: Seen = {}  # shared, so that a folder linked from train/ and val/ is not used for both

    def source(folder: Path) -> ImageFolder:
        hash_file = None if cache is None else cache / f"files-{digest(str(folder.absolute()))[:16]}.json"
        return ImageFolder(folder, root.name, hash_file, progress, seen)

    if (root / "train").is_dir() and (root / "val").is_dir():
        sources = [source(root / name) for name in ("train", "val")]
        train, held_out = (Part(images, np.arange(len(images))) for images in sources)
    else:
        everything = source(root)
        sources = [everything]
        # Images are sorted by the hash of their names, so every fifth image is a random fifth, always the same one.
        last = np.arange(len(everything)) % _EVERY == _EVERY - 1
        train, held_out = Part(everything, np.flatnonzero(~last)), Part(everything, np.flatnonzero(last))
    if not len(train) or not len(held_out):
        raise DataError(f"{root} has too few images to fit a head and measure it; at least {_EVERY} are needed.")
    description = f"{len(train)} images of the folder {root.name}"
    notes = tuple(line for images in sources if (line := images.left_out.line(str(images.root))))
    return ProbeData(train, held_out, ImageFolder.label_space, description, notes)
