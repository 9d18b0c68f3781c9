"""Maps of where people look: reading them from files, and ClickMe."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DataError
from .classes import NUM_CLASSES
from .folders import ImageFolder, load_each, shuffling_key
from .geometry import Geometry
from .hashing import Hashed, Progress, hash_with_cache, is_unchanged, stamp_of
from .reading import CHANGED, UndecodableImageError, decode_content, open_image
from .source import ImageSource, LoadFailure
from .tfrecord import Feature, parse_example, read_record, read_records
from .walking import NOTHING, LeftOut, walk

if TYPE_CHECKING:
    from ..datasets.record import DataSet, Opening


# The interface of a set of images with saliency maps, and reading such maps from files.


MAP_EXTENSIONS = (".npz", ".npy", ".png")
_PREFERRED = ("heatmap", "map", "arr_0")
_ASPECT_TOLERANCE = 0.02
_WITHOUT_MAP = np.zeros((2, 2), np.float32)


class MapSource(ImageSource):
    """A set whose images have maps, by people or by construction; its digest covers them.

    Attributes:
        notes: What a person should know of this copy of the set, a line each.
    """

    notes: Sequence[str] = ()

    @abstractmethod
    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Maps of the central square of the images.

        Args:
            indices: Positions in `image_ids`.

        Returns:
            A float32 (H, H) per image, with any H and larger values where the image matters more; and the reason for
            each position in ``indices`` without a map (its map is then 2 x 2 zeros).
        """


def collect_maps(maps: Sequence[np.ndarray | LoadFailure]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
    """The result of `MapSource.maps`, from a map or a failure for each image."""
    failed = {position: result for position, result in enumerate(maps) if isinstance(result, LoadFailure)}
    return [_WITHOUT_MAP if isinstance(result, LoadFailure) else result for result in maps], failed


def central_square(map_: np.ndarray) -> np.ndarray:
    """The largest central square of (H, W)."""
    height, width = map_.shape
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return map_[top : top + side, left : left + side]


def grey(content: bytes) -> np.ndarray:
    """Decode an image with one channel, or the luminance of a colour image, to float32 (H, W) without rescaling.

    Raises:
        ValueError: It is not an image.
    """
    try:
        with open_image(content) as image:
            # Converting 16-bit grey to "L" would clip it at 255.
            values = np.asarray(image if image.mode.startswith(("I", "F")) else image.convert("L"), np.float32)
    except Exception as error:  # for damaged files, Pillow's plugins raise SyntaxError, struct.error, zlib.error, ...
        raise ValueError(f"no image that can be read ({error})") from error
    return values


def read_map(path: Path) -> np.ndarray:
    """Read a map.

    Args:
        path: ``.npz`` with an array named heatmap or map, or with a single array; ``.npy``; or a one-channel image.

    Returns:
        float32 (H, W), finite.

    Raises:
        DataError: It cannot be read or does not have this form.
    """
    try:
        if path.suffix.lower() == ".png":
            values = grey(path.read_bytes())
        else:
            loaded = np.load(path, allow_pickle=False)
            values = loaded if isinstance(loaded, np.ndarray) else _only(loaded)
        values = np.asarray(values, np.float32)
    except Exception as error:  # numpy raises many kinds of errors for damaged files
        raise DataError(f"{path} cannot be read as a map: {error}") from error
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        problem = (
            f"has the shape {values.shape}" if values.ndim != 2 or min(values.shape) < 2 else "holds NaN or infinity"
        )
        raise DataError(f"{path} {problem}; a map has one finite number a pixel, (H, W).")
    return values


def _only(loaded: Any) -> np.ndarray:
    with loaded:
        names = [name for name in _PREFERRED if name in loaded.files] or list(loaded.files)
        if len(names) != 1:
            raise ValueError(f"it holds {', '.join(names) or 'nothing'}; call the map 'heatmap'")
        array: np.ndarray = loaded[names[0]]
        return array


def same_field(map_: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a map (H, W) has the aspect ratio of an image of (width, height)."""
    height, width = map_.shape
    return abs(np.log(width / height) - np.log(size[0] / size[1])) <= _ASPECT_TOLERANCE


# ClickMe: ImageNet photographs with maps of what people found important for the class, as TFRecords or a folder.


def open_maps(data_set: DataSet, opening: Opening) -> MapSource:
    """Open a folder of either form.

    Args:
        data_set: The record of the set.
        opening: The folder.

    Raises:
        DataError: The folder is missing, has neither form, or contains a damaged shard.
    """
    root = opening.root
    if not root.is_dir():
        raise data_set.error(f"The folder {root} does not exist.", root)
    if (root / "images").is_dir() and (root / "maps").is_dir():
        return MapFolder(data_set, opening)
    listing = walk(root, (".tfrecord", ".tfrecords"))
    shards = sorted((root / name for name in listing.files), key=_natural)
    if not shards:
        raise data_set.error(f"{root} holds neither.", root)
    return ClickMeRecords(root, shards, opening.cache, opening.progress, listing.left_out)


def _natural(path: Path) -> tuple[list[int], str]:
    """val-2 before val-10."""
    return [int(number) for number in re.findall(r"\d+", path.name)], str(path)


class ClickMeRecords(MapSource):
    """The published TFRecords: every record of every shard has an ``image``, a ``heatmap`` and a ``label``.

    Image ids consist of the shard and the number of the record in it, in an order in which every prefix is a random
    sample. Opening reads every record once, to find its offset and label and to verify its checksum.
    """

    name = "clickme"
    label_space = "imagenet-1k"
    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(
        self,
        root: Path,
        shards: Sequence[Path],
        manifest_cache: Path | None,
        progress: Progress | None,
        left_out: LeftOut = NOTHING,
    ) -> None:
        self.left_out = left_out
        self._root, self._cache, self._progress = root, manifest_cache, progress
        self._shards = [path.relative_to(root).as_posix() for path in shards]
        self._verified: dict[Path, int] = {}  # stamps of shards that have been compared with their hashes
        places: dict[str, tuple[Path, int, int]] = {}
        for path, shard in zip(shards, self._shards, strict=True):
            for number, record in enumerate(read_records(path)):
                where = f"{path}, byte {record.offset}: this record"
                label = _label(parse_example(record.content, where), where)
                places[f"{shard.rpartition('.')[0]}/{number:05d}"] = path, record.offset, label
        if not places:
            raise DataError(f"The {len(shards)} shards in {root} are empty.")
        self.image_ids = tuple(sorted(places, key=shuffling_key))
        self._places = [places[image_id] for image_id in self.image_ids]
        self.labels = np.array([label for _, _, label in self._places], dtype=np.int64)
        self.notes = (f"{len(shards)} shards, {len(places):,} images",)

    def manifest(self) -> dict[str, str]:
        """Shards, each with the SHA-256 of its content."""
        return {name: entry.sha256 for name, entry in sorted(self._hashed.items())}

    @cached_property
    def _hashed(self) -> dict[str, Hashed]:
        return hash_with_cache(self._root, self._shards, self._cache, self._progress)

    def _facts(self) -> Any:
        """Every shard's name and content."""
        return ["clickme-records", list(self.manifest().items())]

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        def one(index: int) -> np.ndarray:
            content, path = self._feature(index, "image")
            return decode_content(content, path, geometry)

        return load_each(indices, geometry, one)

    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Decode heatmaps; see `MapSource.maps`."""

        def one(index: int) -> np.ndarray | LoadFailure:
            try:
                return central_square(grey(self._feature(index, "heatmap")[0]))
            except UndecodableImageError as error:
                return LoadFailure(error.reason, error.transient)
            except ValueError as error:
                return LoadFailure(f"heatmap: {error}", transient=False)

        return collect_maps([one(index) for index in indices])

    def _feature(self, index: int, name: str) -> tuple[bytes, Path]:
        path, offset, _ = self._places[index]
        self._check_unchanged(path)
        try:
            values = parse_example(read_record(path, offset), str(path)).get(name, [])
        except DataError as error:
            raise UndecodableImageError(path, "its record changed on disk; run again", transient=True) from error
        if len(values) != 1 or not isinstance(values[0], bytes):
            raise UndecodableImageError(path, f"its record has no {name}")
        return values[0], path

    def _check_unchanged(self, path: Path) -> None:
        """Reject a shard that has changed since it was hashed; another shard may have a record at the same offset."""
        if "_hashed" not in self.__dict__:
            return
        try:
            stamp = stamp_of(path.stat())
            if self._verified.get(path) != stamp:
                if not is_unchanged(path, self._hashed[path.relative_to(self._root).as_posix()]):
                    raise UndecodableImageError(path, CHANGED, transient=True)
                self._verified[path] = stamp  # `is_unchanged` may have had to read the whole shard: do that only once
        except OSError as error:
            raise UndecodableImageError(path, error.strerror or str(error), transient=True) from error


def _label(example: dict[str, Feature], where: str) -> int:
    values = example.get("label", [])
    if len(values) != 1 or not isinstance(values[0], int) or not 0 <= values[0] < NUM_CLASSES:
        names = ", ".join(sorted(example)) or "nothing"
        raise DataError(f"{where} has no label of 0 to {NUM_CLASSES - 1}; it holds {names}.")
    return values[0]


class MapFolder(MapSource):
    """Photographs in ``images/``, as in `ImageFolder`, and their maps in ``maps/`` with the same names.

    Photographs without a map are not part of the set.
    """

    name = "clickme"
    label_space = "imagenet-1k"
    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(self, data_set: DataSet, opening: Opening) -> None:
        root, manifest_cache, progress = opening.root, opening.cache, opening.progress
        self._root = root
        self._images = ImageFolder(root / "images", self.name, manifest_cache, progress)
        self._map_cache = manifest_cache.with_name(f"{manifest_cache.stem}-maps.json") if manifest_cache else None
        self._progress = progress
        map_of: dict[int, str] = {}
        cases = (*MAP_EXTENSIONS, *(extension.upper() for extension in MAP_EXTENSIONS))
        for position, image_id in enumerate(self._images.image_ids):
            stem = f"maps/{image_id.rpartition('.')[0]}"
            places = [(stem + e, root / (stem + e)) for e in cases]
            # A broken link counts as a map that cannot be read at the moment: its disk may be missing.
            name = next((name for name, path in places if path.is_file() or path.is_symlink()), None)
            if name is not None:
                map_of[position] = name
        if not map_of:
            raise data_set.error(f"No photograph in {root / 'images'} has a map.", root)
        self._positions, self._maps = list(map_of), list(map_of.values())
        self.image_ids = tuple(self._images.image_ids[position] for position in self._positions)
        self.labels = self._images.labels[self._positions]
        without_map = len(self._images.image_ids) - len(map_of)
        self.left_out = self._images.left_out.below("images")
        self.notes = (
            f"{len(map_of):,} images with a map" + (f", {without_map:,} without one left out" if without_map else ""),
        )

    def manifest(self) -> dict[str, str]:
        """Images and maps, each with the SHA-256 of its content."""
        images = self._images.manifest()
        photographs = {f"images/{image_id}": images[image_id] for image_id in self.image_ids}
        return dict(sorted((photographs | {name: entry.sha256 for name, entry in self._hashed.items()}).items()))

    @cached_property
    def _hashed(self) -> dict[str, Hashed]:
        return hash_with_cache(self._root, self._maps, self._map_cache, self._progress)

    def _facts(self) -> Any:
        """Names and contents of images and maps."""
        return ["map-folder", list(self.manifest().items())]

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        return self._images.load([self._positions[index] for index in indices], geometry)

    def maps(self, indices: Sequence[int]) -> tuple[list[np.ndarray], dict[int, LoadFailure]]:
        """Read maps; see `MapSource.maps`."""

        def one(index: int) -> np.ndarray | LoadFailure:
            path, photograph = self._root / self._maps[index], self._root / "images" / self.image_ids[index]
            try:
                if "_hashed" in self.__dict__ and not is_unchanged(path, self._hashed[self._maps[index]]):
                    return LoadFailure(f"its map {CHANGED}", transient=True)
                map_ = read_map(path)
                with open_image(photograph.read_bytes()) as image:
                    size = image.size
            except (DataError, OSError) as error:
                cause = error.__cause__ or error
                # Only errors of the operating system have a number; they may go away, unlike a damaged file.
                of_the_moment = isinstance(cause, OSError) and cause.errno is not None
                return LoadFailure("its map or image cannot be read", of_the_moment)
            if not same_field(map_, size):
                shape = f"{map_.shape[1]} x {map_.shape[0]}"
                return LoadFailure(f"its map ({shape}) has a different aspect ratio than the image", transient=False)
            return central_square(map_)

        return collect_maps([one(index) for index in indices])
