"""Actions: what happens in a clip, read by linear heads from an encoder's frozen features of its frames.

Four heads are fitted to the same features, which are read once. Two see a single frame and one the average of all: what
these know, appearance tells. The last one sees the order of the frames.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import DataError
from ...identity import digest
from .protocol import FeatureProtocol, Numbers

if TYPE_CHECKING:
    import numpy as np

    from ..images.source import ImageSource
    from .linear_heads import Fitting, Head
    from .protocol import Encoder

HEADS = ("first", "middle", "averaged", "ordered")
"""What the heads see: the first frame, the middle one, the average of all, and all in order."""

TRUE = "true"

MEASURES = {"class": (0.0, 10_000.0)}
"""What is stored of each clip: the class that each head names, such as ``"ordered class"``, and ``"true class"``."""

COLOURS = "colours of 8 x 8 cells"
OBSERVERS = {COLOURS: "colours-8@1"}
"""Baselines without an encoder, and their versions: the mean colours of cells in place of features."""

_CELLS_OF_COLOURS = 8

_KEPT = 128
"""Encoders whose heads are kept: a run asks all its models for some clips, then all for the next, and heads that are
lost are fitted again. Those of a ResNet-50 for three splits of 101 classes take 25 MB, less than the network, which is
kept as well."""

_VERSION = 1
"""Raised when numbers of the same settings change."""


class LabelledClips(Protocol):
    """A source of clips with classes; each of its positions is a clip.

    Attributes:
        learning: The clips from which heads are fitted; never those that are judged.
        fitted: Heads that were fitted to these clips, by encoder and settings; kept for the next images of a run.
        digest: Names the clips and their classes.
    """

    learning: LabelledClips
    fitted: dict[tuple[str, str], Any]
    digest: str

    def __len__(self) -> int: ...

    def action_of(self, position: int) -> int:
        """Class of a clip, 0, 1, ..."""
        ...

    def group_of(self, position: int) -> int:
        """Number of the footage that a clip is from: clips of one number are held out together, or not at all."""
        ...

    def splits_of(self, position: int) -> tuple[int, ...]:
        """Splits, from 0, for whose heads a clip is used; of a clip that is judged the one that it is judged in."""
        ...

    def clip(self, position: int) -> np.ndarray:
        """uint8 (T, H, W, 3), RGB: the frames in order, of one number T for all clips.

        Raises:
            DataError: It cannot be read, or has no frames.
        """
        ...


@dataclass(frozen=True)
class Recognising(FeatureProtocol):
    """How the frames of a clip become the input of heads.

    Attributes:
        classes: Names of the classes, in the order of their numbers.
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride; 0 for its own.
        cells: A frame's map is averaged over this many parts along each side, and over the parts of `regions` to see
            how it moves.
        regions: Parts along each side for which shifts from frame to frame are averaged separately.
        splits: Names of the splits into clips for fitting and clips to be judged, where a set has several: heads are
            fitted for each. The id of a clip then begins with the number of its split, from 1, and ``/``.
    """

    classes: tuple[str, ...]
    within: int = 16
    stride: int = 16
    cells: int = 2
    regions: int = 3
    splits: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        from .linear_heads import HELD_OUT, PENALTIES

        settings = [list(PENALTIES), HELD_OUT]
        facts = {"recognising": _VERSION, "heads": list(HEADS), "settings": settings, **asdict(self)}
        if not self.splits:  # tasks without splits are the same tasks as before there were any
            del facts["splits"]
        return facts

    def learns(self, source: ImageSource) -> int:
        """See `FeatureProtocol.learns`."""
        return len(source.learning)  # type: ignore[attr-defined]

    def brief(self) -> Recognising:
        """See `FeatureProtocol.brief`."""
        return _Timed(**{field.name: getattr(self, field.name) for field in fields(self)})

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """Each clip by itself."""
        return [[position] for position in positions]

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> ActionExaminer:
        """See `FeatureProtocol.examiner`."""
        if not hasattr(source, "action_of"):
            raise ValueError(f"the images of {source.name} are not clips with classes")
        return ActionExaminer(self, encoder, source)  # type: ignore[arg-type]


class _Timed(Recognising):
    """The same without heads, to time a few clips: fitting would read all the others."""

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> ActionExaminer:
        examiner = super().examiner(encoder, source)
        examiner.fits = False
        return examiner


class ActionExaminer:
    """One encoder or baseline on clips; see `protocol.LearningExaminer`.

    Attributes:
        fits: Whether heads are fitted. Without them each clip is read and encoded, and called the first class.
    """

    fits = True

    def __init__(self, how: Recognising, encoder: Encoder | str, clips: LabelledClips) -> None:
        self._how, self._encoder, self._clips = how, encoder, clips

    def learn(self, told: Callable[[str, int, int], None]) -> None:
        """Fit heads, unless that was done.

        Raises:
            DataError: As in `numbers`.
        """
        if self.fits:
            self.heads(told)

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """The class that each head names, and the true one.

        Raises:
            DataError: A clip from which heads are fitted cannot be used; they would be other heads without it.
        """
        import numpy as np

        from ..images.source import LoadFailure

        splits = self.heads() if self.fits else ()
        rows: list[list[float]] = []
        read: list[int] = []
        failed = {}
        for position in positions:
            try:
                seen = self._seen(self._clips, position)
                (split,) = self._clips.splits_of(position)
                heads = splits[split] if self.fits else {}
                named = [heads[name].classes(_joined(seen[name]))[0] if self.fits else 0 for name in HEADS]
            except DataError as error:
                failed[position] = LoadFailure(str(error), transient=False)
                continue
            rows.append([*named, self._clips.action_of(position)])
            read.append(position)
        columns = np.array(rows, dtype=np.float64).reshape(len(rows), len(HEADS) + 1).T
        values = {f"{name} class": column for name, column in zip((*HEADS, TRUE), columns, strict=True)}
        return Numbers(np.array(read, dtype=np.int64), values if read else {}, failed)

    def heads(
        self, told: Callable[[str, int, int], None] = lambda stage, done, total: None
    ) -> Sequence[Mapping[str, Head]]:
        """For each split the heads of this encoder by name, fitted once for the clips and settings."""
        clips = self._clips.learning
        who = f"baseline {self._encoder}" if isinstance(self._encoder, str) else self._encoder.identity
        key = (who, digest([clips.digest, self._how.facts()]))
        if key not in clips.fitted:
            found = self._fitted(clips, told)
            while len(clips.fitted) >= _KEPT:
                clips.fitted.pop(next(iter(clips.fitted)))
            clips.fitted[key] = found
        heads: Sequence[Mapping[str, Head]] = clips.fitted[key]
        return heads

    def _fitted(self, clips: LabelledClips, told: Callable[[str, int, int], None]) -> tuple[dict[str, Head], ...]:
        """Heads of all splits; a clip is encoded once, in however many of them it is used."""
        import numpy as np

        from .linear_heads import Fitting, held_out

        classes, positions = len(self._how.classes), range(len(clips))
        actions, groups = (
            np.array([ask(position) for position in positions], dtype=np.int64)
            for ask in (clips.action_of, clips.group_of)
        )
        splits = [clips.splits_of(position) for position in positions]
        apart: list[dict[int, bool]] = []
        for split in range(len(self._how.splits) or 1):
            own = np.array([position for position in positions if split in splits[position]], dtype=np.int64)
            apart.append(dict(zip(own.tolist(), held_out(actions[own], groups[own], classes).tolist(), strict=True)))
        fits: list[dict[str, Fitting]] = [{} for _ in apart]
        for position in positions:
            told("Clips to learn from", position, len(clips))
            try:
                seen = self._seen(clips, position)
            except DataError as error:
                raise DataError(f"a clip that heads are fitted to cannot be used: {error}") from None
            for name, blocks in seen.items():
                row = np.concatenate(blocks)
                for split in splits[position]:
                    if name not in fits[split]:
                        fits[split][name] = Fitting([len(block) for block in blocks], classes)
                    fits[split][name].add(row, int(actions[position]), apart[split][position])
        told("Clips to learn from", len(clips), len(clips))
        return tuple({name: own.pop(name).head() for name in HEADS} for own in fits)

    def _seen(self, clips: LabelledClips, position: int) -> dict[str, list[np.ndarray]]:
        import numpy as np

        frames = clips.clip(position)
        if isinstance(self._encoder, str):
            maps = _colours(frames)
        else:
            height, width = frames.shape[1:3]
            patch = self._encoder.patch(height, width)
            if patch:
                height, width = height // patch * patch, width // patch * patch
                if not (height and width):
                    raise DataError(f"frames of {frames.shape[1]} x {frames.shape[2]} have no room for patches")
            frames = frames[:, :height, :width]
            maps = self._encoder.maps(frames, self._how.within, patch or self._how.stride).cpu().numpy()
        seen = inputs(maps, self._how.cells, self._how.regions)
        if not all(np.isfinite(block).all() for blocks in seen.values() for block in blocks):
            raise DataError(f"features of the clip at position {position} are not all finite")
        return seen


def _colours(frames: np.ndarray) -> np.ndarray:
    """float32 (T, 3, 8, 8), the mean colours of cells."""
    import torch

    pixels = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
    return torch.nn.functional.adaptive_avg_pool2d(pixels, _CELLS_OF_COLOURS).numpy()


# What heads see of a clip.


def inputs(maps: np.ndarray, cells: int, regions: int) -> dict[str, list[np.ndarray]]:
    """What each head sees, in blocks of numbers that count alike.

    The head that sees order has the average of the frames; the slope of a straight line in time through each of their
    numbers; how far they move from each frame to the next (Euclidean); and the `shifts` in the first and in the second
    half of the clip.

    Args:
        maps: float32 (T, C, h, w), of at least three frames.
        cells: Parts along each side of a map over which it is averaged.
        regions: As in `shifts`.

    Returns:
        float32 (numbers,) for each block, by head.

    Raises:
        DataError: The clip has fewer than three frames.
    """
    import numpy as np

    count = len(maps)
    if count < 3:
        raise DataError(f"a clip has {count} frames; the order of frames needs three or more")
    frames = _parts(maps, cells).reshape(count, -1).astype(np.float64)
    # Added with their mirror images first: a clip and its reversal have the same average to the last bit.
    average = (frames + frames[::-1]).sum(axis=0) / (2 * count)
    middle = (frames[(count - 1) // 2] + frames[count // 2]) / 2
    since = np.arange(count) - (count - 1) / 2
    slope = since @ frames / (since @ since)
    steps = np.linalg.norm(np.diff(frames, axis=0), axis=1)
    moved = shifts(maps, regions)
    early, late = (half.mean(axis=0).ravel() for half in (moved[: count // 2], moved[(count - 1) // 2 :]))
    blocks = {
        "first": [frames[0]],
        "middle": [middle],
        "averaged": [average],
        "ordered": [average, slope, steps, early, late],
    }
    return {name: [block.astype(np.float32) for block in own] for name, own in blocks.items()}


def shifts(maps: np.ndarray, regions: int) -> np.ndarray:
    """Where features go from one frame to the next: how similar cells are to the nine around their place.

    Each cell, less the clip's mean, is compared by its cosine with the cell at the same place in the next frame, and
    with the eight around that; cells at the edge are left out. Similarities are averaged over regions. A map that moves
    by one cell has 1 at that shift.

    Args:
        maps: float32 (T, C, h, w).
        regions: Along each side; fewer where the map has fewer cells without its edge.

    Returns:
        float32 (T - 1, 9, regions, regions); no numbers where a map is smaller than 3 x 3. Shifts go down, then right,
        from (-1, -1) to (1, 1).
    """
    import numpy as np

    count, _, height, width = maps.shape
    if min(height, width) < 3:
        return np.empty((count - 1, 0, 1, 1), np.float32)
    centred = maps - maps.mean(axis=(0, 2, 3), keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    now, after = unit[:-1, :, 1:-1, 1:-1], unit[1:]
    similar = [
        (now * after[:, :, down : height - 2 + down, right : width - 2 + right]).sum(axis=1)
        for down in range(3)
        for right in range(3)
    ]
    return _parts(np.stack(similar, axis=1), min(regions, height - 2, width - 2))


def _parts(maps: np.ndarray, count: int) -> np.ndarray:
    """float32 (T, C, count, count): means over parts of maps."""
    import torch

    return torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), count).numpy()


def _joined(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """float64 (1, numbers) of the blocks of one clip."""
    import numpy as np

    return np.concatenate(blocks).astype(np.float64)[None]
