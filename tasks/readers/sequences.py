"""ImageNet-P: videos in which one perturbation of a photograph grows, and the set of all perturbations."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...cores import usable_cores
from ...errors import DataError
from ..clips.container import OPTIONS
from ..clips.decoding import upright
from ..images.classes import imagenet_wnids
from ..images.folders import first, images_in_classes, list_folders, load_each, shuffling_key
from ..images.geometry import Geometry
from ..images.hashing import UNREADABLE, Hashed, check_readable, hash_with_cache, is_unchanged
from ..images.reading import CHANGED, UndecodableImageError, fit
from ..images.source import FolderSource, ImageSource, LoadFailure

if TYPE_CHECKING:
    from ..datasets.conditions import SequenceForm
    from ..datasets.record import DataSet, Opening


# ImageNet-P: short videos in which one perturbation of a photograph grows, or noise is drawn again for every frame.


_VIDEOS = frozenset({".mp4"})


class PerturbationSequences(FolderSource):
    """The frames of the sequences of one perturbation.

    The measure is how often the answer changes along a sequence: from one frame to the next, or, for noise, from the
    first frame to each other one; averaged over sequences. The photographs were cropped to 224 pixels before they were
    perturbed: as with `ConditionFolders`, nothing is cut, and nothing resized for a model of 224 pixels.

    Attributes:
        root: The folder with the perturbations.
        name: ``"imagenet-p/brightness"``.
        perturbation: ``"brightness"``.
        image_ids: ``"n01440764/ILSVRC2012_val_00000293.mp4/007"``, sequence by sequence, frames in the order of time;
            sequences are ordered by the hash of their names.
        labels: int64 array of shape (n,), class indices 0..999. Stability does not need them.
        sequences: For each sequence the int64 positions of its frames in `image_ids`.
        compare_with_first: Whether the protocol compares every frame with the first of its sequence (noise), and not
            with the one before.
    """

    image_ids: tuple[str, ...]

    def __init__(self, published: DataSet, form: SequenceForm, opening: Opening) -> None:
        """List the videos and count their frames, which opens each of them.

        A video that cannot be opened is listed with one frame, which fails to load.

        Args:
            published: The set, for its name and for errors.
            form: Its label space.
            opening: A folder with ``perturbation/class/name.mp4``, or with folders of several perturbations in between;
                its one condition is the perturbation to read.

        Raises:
            DataError: The folder is missing or not of the expected form, or PyAV is not installed.
        """
        (perturbation,) = opening.conditions or ()
        super().__init__(opening.root, f"{published.name}/{perturbation}", opening.cache, opening.progress)
        self.label_space, self.perturbation = form.label_space, perturbation
        self._hashed: dict[str, Hashed] | None = None
        _av()
        there = list_folders(self.root, published.expected(self.root))
        places = [self.root / perturbation, *(self.root / family / perturbation for family in there)]
        folders = [place for place in places if place.is_dir()]
        if not folders:
            raise published.error(f"{self.root} has no folder {perturbation!r}; it has {first(there)}.", self.root)
        if len(folders) > 1:
            raise published.error(f"{self.root} has {perturbation} twice: {folders[0]} and {folders[1]}.", self.root)
        self._folder = folders[0]
        wnids = list_folders(self._folder, published.expected(self.root))
        strange = sorted(set(wnids) - set(imagenet_wnids()))
        if strange:
            raise published.error(
                f"{self._folder} has folders that are not classes of ImageNet: {first(strange)}.", self.root
            )
        listing = images_in_classes(self._folder, wnids, _VIDEOS)
        videos, self.left_out = listing.files, listing.left_out.below(self._folder.relative_to(self.root).as_posix())
        if not videos:
            raise published.error(f"{self._folder} has class folders but no videos in them.", self.root)
        with ThreadPoolExecutor(min(8, usable_cores())) as pool:
            counts = dict(zip(videos, pool.map(lambda video: _count(self._folder / video), videos), strict=True))
        self._unopened = frozenset(video for video, count in counts.items() if count is None)
        self._set_videos({video: count or 1 for video, count in counts.items()})

    def _set_videos(self, counts: dict[str, int]) -> None:
        self._counts = {video: counts[video] for video in sorted(counts, key=shuffling_key)}
        frames = [(video, n) for video, count in self._counts.items() for n in range(count)]
        index = {wnid: position for position, wnid in enumerate(imagenet_wnids())}
        self.image_ids = tuple(f"{video}/{n:03d}" for video, n in frames)
        self.labels = np.array([index[video.split("/", 1)[0]] for video, _ in frames], dtype=np.int64)
        ends = np.cumsum(list(self._counts.values()))
        self.sequences = tuple(
            np.arange(end - count, end, dtype=np.int64) for end, count in zip(ends, self._counts.values(), strict=True)
        )
        self._starts = ends - np.array(list(self._counts.values()))
        self._videos = tuple(self._counts)

    @property
    def compare_with_first(self) -> bool:
        """Whether the sequences are noise, drawn again for every frame."""
        return "noise" in self.perturbation

    @property
    def real_folder(self) -> Path:
        """The folder of the perturbation, where links lead to."""
        return self._folder.resolve()

    @property
    def frames(self) -> dict[str, int]:
        """Number of frames of each video, in the order of the sequences."""
        return dict(self._counts)

    def _facts(self) -> Any:
        """Every video's name and content, and the perturbation."""
        return ["imagenet-p", self.perturbation, list(self.manifest().items())]

    def manifest(self) -> dict[str, str]:
        """Names of the videos, sorted, each with the SHA-256 of its content or `UNREADABLE`.

        What a video held before does not help where it cannot be read now: the number of its frames is not known.

        Raises:
            DataError: Not one of the videos can be read.
        """
        if self._hashed is None:
            hashes = hash_with_cache(self._folder, self._videos, self._manifest_cache, self._progress)
            unread = {name for name, entry in hashes.items() if entry.stamp is None} | self._unopened
            hashes |= dict.fromkeys(unread, Hashed(None, UNREADABLE))
            check_readable(self._folder, hashes)
            self._hashed = hashes
        return {name: entry.sha256 for name, entry in sorted(self._hashed.items())}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        # Every video is decoded once per call: ask for whole sequences.
        whole = geometry.whole
        wanted: dict[int, set[int]] = {}
        places = [self._place(index) for index in indices]
        for video, frame in places:
            wanted.setdefault(video, set()).add(frame)
        decoded: dict[int, dict[int, np.ndarray] | UndecodableImageError] = {}
        for video, frames in wanted.items():
            try:
                decoded[video] = self._decode(self._videos[video], frames, whole)
            except UndecodableImageError as error:
                decoded[video] = error

        def one(position: int) -> np.ndarray:
            video, frame = places[position]
            video_frames = decoded[video]
            if isinstance(video_frames, UndecodableImageError):
                raise video_frames
            if frame not in video_frames:
                raise UndecodableImageError(self._folder / self._videos[video], f"no frame {frame} can be decoded")
            return video_frames[frame]

        return load_each(range(len(places)), whole, one)

    def _place(self, index: int) -> tuple[int, int]:
        index = range(len(self))[index]
        video = int(np.searchsorted(self._starts, index, side="right")) - 1
        return video, int(index - self._starts[video])

    def _decode(self, video: str, frames: set[int], geometry: Geometry) -> dict[int, np.ndarray]:
        path = self._folder / video
        images: dict[int, np.ndarray] = {}
        try:
            if self._hashed is not None and not is_unchanged(path, self._hashed[video]):
                raise UndecodableImageError(path, CHANGED, transient=True)
            with path.open("rb") as handle, _av().open(handle, mode="r", options=OPTIONS) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    if number in frames:
                        images[number] = fit(Image.fromarray(upright(np.asarray(frame.to_image()), frame)), geometry)
                    if number >= max(frames):
                        break
        except UndecodableImageError:
            raise
        except Exception as error:  # PyAV meets damaged files with errors of many kinds
            transient = _of_the_moment(error)
            if transient or not images:  # else the frames before the damage are good
                reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
                raise UndecodableImageError(path, reason, transient) from error
        return images

    def _own_state(self) -> dict[str, Any]:
        return {
            "_folder": self._folder.absolute(),
            "label_space": self.label_space,
            "perturbation": self.perturbation,
            "_hashed": self._hashed,
            "_unopened": self._unopened,
            "videos": zlib.compress("\0".join(sorted(self._counts)).encode("utf-8", "surrogateescape")),
            "counts": [self._counts[video] for video in sorted(self._counts)],
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        videos = zlib.decompress(state.pop("videos")).decode("utf-8", "surrogateescape").split("\0")
        counts = state.pop("counts")
        super().__setstate__(state)
        self._set_videos(dict(zip(videos, counts, strict=True)))


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise DataError("ImageNet-P consists of videos, and reading them needs PyAV: pip install av") from error
    return av


def _of_the_moment(error: Exception) -> bool:
    """Whether the system caused an error and not the file; some of PyAV's errors are OSErrors, too."""
    of_the_system = isinstance(error, OSError) and error.errno is not None
    return (of_the_system and not type(error).__module__.startswith("av")) or isinstance(error, MemoryError)


def _count(path: Path) -> int | None:
    """How many frames a video has: 1 for a damaged one, so that it is listed and fails when it is loaded.

    None for one that cannot be opened for now.
    """
    try:
        with path.open("rb") as handle, _av().open(handle, mode="r", options=OPTIONS) as container:
            stream = container.streams.video[0]
            return stream.frames or max(1, sum(1 for _ in container.decode(stream)))
    except Exception as error:  # PyAV meets damaged files with errors of many kinds
        return None if _of_the_moment(error) else 1


# ImageNet-P as one set: the same sequences under every perturbation.


class PerturbationSet(ImageSource):
    """The sequences that all perturbations have, frame by frame; its conditions are the perturbations.

    Opening it counts the frames of every video, which at the published size, 50,000 videos under ten perturbations,
    takes many minutes; ``bench run --limit`` does not shorten that.

    Attributes:
        conditions: Names of the perturbations that were asked for.
        missing: Those of them that are not there.
        image_ids: ``"n01440764/ILSVRC2012_val_00000293.mp4/007"``, sequence by sequence.
        labels: int64 (n,). Stability does not need them.
        frames: Number of frames of each sequence, by its name.
    """

    image_ids: Sequence[str]
    labels: np.ndarray

    def __init__(self, published: DataSet, form: SequenceForm, opening: Opening) -> None:
        """Open each perturbation.

        Args:
            published: The set, for its name and for errors.
            form: Its label space.
            opening: A folder with ``perturbation/class/name.mp4``, and the perturbations to read; one without a folder
                is a missing value. Each has a cache of its own.

        Raises:
            DataError: The folder is missing, has none of the perturbations, or they share no sequence.
        """
        root, perturbations = opening.root, opening.conditions or ()
        there = set(list_folders(root, published.expected(root)))
        self.name, self.label_space = published.name, form.label_space
        self.conditions = tuple(perturbations)
        self.missing = tuple(p for p in perturbations if p not in there)
        present = [p for p in perturbations if p in there]
        if not present:
            raise published.error(f"{root} has none of the perturbations {', '.join(perturbations)}.", root)
        self._parts = {}
        places: dict[Path, str] = {}
        for p in present:
            cache = opening.cache.with_stem(f"{opening.cache.stem}-{p}") if opening.cache else None
            self._parts[p] = PerturbationSequences(published, form, replace(opening, conditions=[p], cache=cache))
            self.left_out += self._parts[p].left_out
            other = places.setdefault(self._parts[p].real_folder, p)
            if other != p:
                raise published.error(f"{p} and {other} in {root} are the same folder, through a link.", root)
        self._index()
        if not self.image_ids:
            raise published.error(f"The perturbations in {root} have no sequence in common.", root)

    def _index(self) -> None:
        counts = [part.frames for part in self._parts.values()]
        shared = [video for video in counts[0] if all(video in other for other in counts[1:])]
        self.frames = {video: min(count[video] for count in counts) for video in shared}
        self.image_ids = tuple(f"{video}/{n:03d}" for video, count in self.frames.items() for n in range(count))
        self._positions = {}
        for perturbation, part in self._parts.items():
            starts = dict(zip(part.frames, np.cumsum([0, *part.frames.values()])[:-1].tolist(), strict=True))
            places = [np.arange(starts[video], starts[video] + count) for video, count in self.frames.items()]
            self._positions[perturbation] = np.concatenate(places) if places else np.empty(0, np.int64)
        first = next(iter(self._parts))
        self.labels = self._parts[first].labels[self._positions[first]]

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "label_space", "conditions", "missing", "_parts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index()

    def _facts(self) -> Any:
        """The videos under all perturbations."""
        return ["imagenet-p", {p: part.digest for p, part in self._parts.items()}]

    def manifest(self) -> dict[str, str]:
        """Videos with the SHA-256 of their content, by perturbation and name."""
        return {f"{p}/{video}": sha for p, part in self._parts.items() for video, sha in part.manifest().items()}

    def _load(
        self, indices: Sequence[int], geometry: Geometry, condition: str | None
    ) -> tuple[np.ndarray, dict[int, LoadFailure]]:
        if condition in self._parts:
            return self._parts[condition].load(self._positions[condition][list(indices)].tolist(), geometry)
        pixels = np.zeros((len(indices), geometry.size, geometry.size, 3), np.uint8)
        reason = LoadFailure(f"the folder has no {condition}", transient=False)
        return pixels, dict.fromkeys(range(len(indices)), reason)
