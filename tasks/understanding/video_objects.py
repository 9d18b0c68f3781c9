"""Video object segmentation: the first mask of a clip is carried along by an encoder's features, and held to the truth.

Frames are read, encoded and judged one after the other, so that memory does not grow with the length of a clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ...errors import DataError
from .propagation import DINO, VFS, Propagation
from .protocol import FeatureProtocol, Numbers, Seen

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..images.source import ImageSource
    from .protocol import Encoder

MEASURES = {"j": (0.0, 1.0), "f": (0.0, 1.0)}
"""What is stored of each object and frame, under names such as ``"017 j"``, with the smallest and the largest value."""

UNMOVED = "unmoved mask"
CEILINGS = {"true masks at stride 8": 8, "true masks at stride 16": 16}
OBSERVERS = {UNMOVED: "unmoved-mask@1"} | {name: f"cells-{stride}@1" for name, stride in CEILINGS.items()}
"""Baselines without an encoder, and their versions: the first mask as it is, and what cells of a size can show."""

_VERSION = 1
"""Raised when numbers of the same settings change."""


class ObjectClips(Protocol):
    """A source of clips with masks of objects; each of its positions is one object of one clip."""

    def object_at(self, position: int) -> tuple[str, int]:
        """The clip of a position, and the value of its object in the clip's masks, from 1."""
        ...

    def length_of(self, clip: str) -> int:
        """Frames of a clip."""
        ...

    def objects(self, clip: str) -> int:
        """Objects of a clip: the largest value of its first mask."""
        ...

    def frame(self, clip: str, number: int) -> np.ndarray:
        """uint8 (H, W, 3), RGB.

        Raises:
            DataError: It cannot be read.
        """
        ...

    def mask(self, clip: str, number: int) -> np.ndarray:
        """uint8 (H, W): 0 is the background, 1.. the objects.

        Raises:
            DataError: It cannot be read, or is no mask of the frame.
        """
        ...


@dataclass(frozen=True)
class Carrying(FeatureProtocol):
    """How masks are carried.

    Attributes:
        within: Networks with stages are read at the last one whose own stride is at most this ...
        stride: ... computed at this stride.
        shorter: Length of a frame's shorter side in pixels, to which it is resized; 0 for frames as they are.
        patches: Settings for transformers of patches.
        stages: Settings for networks with stages.
        soft: Whether the first mask becomes the share of each cell; else the cell's middle pixel decides.
    """

    within: int = 16
    stride: int = 8
    shorter: int = 480
    patches: Propagation = DINO
    stages: Propagation = VFS
    soft: bool = False
    shows_maps: ClassVar[bool] = True

    def facts(self) -> dict[str, Any]:
        """See `FeatureProtocol.facts`."""
        return {"carrying": _VERSION, **asdict(self)}

    def together(self, source: ImageSource, positions: Sequence[int]) -> list[list[int]]:
        """The objects of each clip."""
        clips: dict[str, list[int]] = {}
        for position in positions:
            clips.setdefault(_clips(source).object_at(position)[0], []).append(position)
        return list(clips.values())

    def examiner(self, encoder: Encoder | str, source: ImageSource) -> ClipExaminer:
        """See `FeatureProtocol.examiner`."""
        return ClipExaminer(self, encoder, _clips(source))

    def input_size(self, height: int, width: int, patch: int) -> tuple[int, int]:
        """Size at which a frame is encoded: its shorter side as declared; for patches, whole ones along both sides.

        DINO's published code cuts the longer side to a multiple of 64.

        Args:
            height: Of the frame, in pixels.
            width: Likewise.
            patch: Side of the model's patches; 0 if it has none.
        """
        scale = self.shorter / min(height, width) if self.shorter else 1.0
        sides = [round(side * scale) for side in (height, width)]
        if patch:
            longer = 64 if self.shorter and 64 % patch == 0 else patch
            short = min(sides)
            sides = [side // patch * patch if side == short else side // longer * longer for side in sides]
            if min(sides) < patch:
                raise DataError(f"frames of {height} x {width} pixels have no room for patches of {patch}")
        return sides[0], sides[1]


def _clips(source: ImageSource) -> ObjectClips:
    if not hasattr(source, "object_at"):
        raise ValueError(f"the images of {source.name} are not clips with masks of objects")
    return source  # type: ignore[return-value]


class ClipExaminer:
    """One encoder or baseline on clips; see `protocol.Examiner`."""

    def __init__(self, how: Carrying, encoder: Encoder | str, clips: ObjectClips) -> None:
        self._how, self._encoder, self._clips = how, encoder, clips

    def numbers(self, positions: Sequence[int]) -> Numbers:
        """J and F of the objects of one clip in every frame but the first and the last, which nothing is asked of."""
        import numpy as np

        from ..images.source import LoadFailure
        from .davis import boundary_accuracy, region_similarity

        clip = self._clips.object_at(positions[0])[0]
        objects = [self._clips.object_at(position)[1] for position in positions]
        values: dict[str, np.ndarray] = {}
        try:
            for number, carried in self.masks(clip):
                truth = self._clips.mask(clip, number)
                if truth.shape != carried.shape:
                    (rows, columns), (height, width) = truth.shape, carried.shape
                    raise DataError(
                        f"frame {number} of {clip}, counted from 0, has {columns} x {rows} pixels, the first one "
                        f"{width} x {height}"
                    )
                pairs = [(carried == one, truth == one) for one in objects]
                values[f"{number:03d} j"] = np.array([region_similarity(*pair) for pair in pairs])
                values[f"{number:03d} f"] = np.array([boundary_accuracy(*pair) for pair in pairs])
        except DataError as error:
            failure = LoadFailure(str(error), transient=False)
            return Numbers(np.empty(0, np.int64), {}, dict.fromkeys(positions, failure))
        return Numbers(np.array(positions, dtype=np.int64), values)

    def seen(self, position: int) -> list[Seen]:
        """An object in the middle frame of its clip, and in the last one that is judged.

        Raises:
            DataError: A frame or mask cannot be used.
        """
        import numpy as np

        from .davis import boundary_accuracy, region_similarity

        clip, own = self._clips.object_at(position)
        last = self._clips.length_of(clip) - 2
        found = []
        for number, carried in self.masks(clip):
            if number in (last // 2 + 1, last):
                pair = carried == own, self._clips.mask(clip, number) == own
                value = f"J {100 * region_similarity(*pair):.0f}, F {100 * boundary_accuracy(*pair):.0f}"
                mask, truth = (np.where(one, own, 0).astype(np.uint8) for one in pair)
                found.append(Seen(f"frame {number}", self._clips.frame(clip, number), truth, mask, value))
        return found

    def masks(self, clip: str) -> Iterator[tuple[int, np.ndarray]]:
        """The carried mask of each frame that is judged, as the clip's own masks are.

        Args:
            clip: Of the source.

        Yields:
            The number of a frame, from 1 to the last but one, and its mask, uint8 (H, W).

        Raises:
            DataError: A frame or the first mask cannot be used.
        """
        import numpy as np

        frames = self._clips.length_of(clip)
        if frames < 3:
            raise DataError(f"the clip {clip} has {frames} frames; the first and the last are not judged")
        first, objects = self._clips.mask(clip, 0), self._clips.objects(clip)
        if objects < 1:
            raise DataError(f"the first mask of {clip} has no object")
        if isinstance(self._encoder, str):
            for number in range(1, frames - 1):
                yield number, self._without(self._encoder, clip, number, first, objects)
            return
        for number, carried in enumerate(self._carried(self._encoder, clip, frames, first, objects), 1):
            yield number, carried.astype(np.uint8)

    def _without(self, baseline: str, clip: str, number: int, first: np.ndarray, objects: int) -> np.ndarray:
        """The mask of a baseline."""
        import numpy as np

        if baseline == UNMOVED:
            return first
        from torch.nn.functional import interpolate

        truth = self._clips.mask(clip, number)
        height, width = truth.shape
        stride = CEILINGS[baseline]
        shares = _shares(truth, objects, -(-height // stride), -(-width // stride), soft=True)
        whole = interpolate(shares[None], (height, width), mode="bilinear", align_corners=False)[0]
        return whole.argmax(dim=0).numpy().astype(np.uint8)

    def _carried(
        self, encoder: Encoder, clip: str, frames: int, first: np.ndarray, objects: int
    ) -> Iterator[np.ndarray]:
        import numpy as np
        import torch

        from .propagation import Carrier, stretched

        height, width = first.shape
        patch = encoder.patch(*self._how.input_size(height, width, 0))
        size = self._how.input_size(height, width, patch)
        rows, columns = (_nearest(side, of) for side, of in ((height, size[0]), (width, size[1])))
        carrier: Carrier | None = None
        for number in range(frames - 1):
            frame = _resized(self._clips.frame(clip, number), size)
            features = encoder.maps(frame[None], self._how.within, patch or self._how.stride)[0]
            if carrier is None:
                cells = (features.shape[1], features.shape[2])
                labels = _shares(first, objects, *cells, self._how.soft).to(features.device)
                carrier = Carrier(features, labels, self._how.patches if patch else self._how.stages)
                continue
            with torch.inference_mode():
                found = stretched(carrier.step(features), *size).cpu().numpy()
            yield found[np.ix_(rows, columns)]


def _shares(mask: np.ndarray, objects: int, rows: int, columns: int, soft: bool) -> Tensor:
    """float32 (1 + objects, rows, columns): how much of each cell is background and each object."""
    import numpy as np
    import torch

    one_hot = torch.from_numpy(mask[None] == np.arange(objects + 1, dtype=np.uint8)[:, None, None]).float()
    if soft:
        return torch.nn.functional.adaptive_avg_pool2d(one_hot, (rows, columns))
    picked = np.ix_(_nearest(rows, mask.shape[0]), _nearest(columns, mask.shape[1]))
    return one_hot[:, torch.from_numpy(picked[0]), torch.from_numpy(picked[1])]


def _nearest(count: int, of: int) -> np.ndarray:
    """int64 (count,): of pixels along a side, those in the middle of equal parts."""
    import numpy as np

    return ((np.arange(count) + 0.5) * of / count).astype(np.int64)


def _resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    import numpy as np
    from PIL import Image

    if frame.shape[:2] == size:
        return frame
    return np.asarray(Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling.BICUBIC))
