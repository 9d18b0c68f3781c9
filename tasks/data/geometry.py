"""The geometric half of preprocessing: which pixels of a photograph a model sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Interpolation = Literal["bilinear", "bicubic"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)

CropMode = Literal["center", "squash", "border"]
CROP_MODES: tuple[str, ...] = get_args(CropMode)
"""How a photograph becomes a square, with timm's names and timm's meaning (``timm.data.create_transform``):

- ``"center"``: resize the shorter side, cut the square out of the centre. What lies beyond it is not seen.
- ``"squash"``: resize both sides to the same length, whatever the proportions were, then cut the centre.
- ``"border"``: resize the longer side, fill what is missing with one colour, then cut the centre.
"""


@dataclass(frozen=True)
class Geometry:
    """Resize, then cut a square out of the centre.

    Models that agree on these values share decoded images.

    Attributes:
        size: Side of the square that is kept, in pixels.
        resize: Length of a side before the cut, in pixels; at least ``size``. `CROP_MODES` says of which side.
        interpolation: ``"bilinear"`` or ``"bicubic"``: Pillow's filters, which antialias when shrinking.
        crop_mode: One of `CROP_MODES`.
        fill: Red, green and blue (0 to 255) of the border; black in the other modes, which have none.

    Raises:
        ValueError: A side that is not positive, a cut larger than the resized image, or an unknown interpolation or
            crop mode.
    """

    size: int
    resize: int
    interpolation: str
    crop_mode: str = "center"
    fill: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.size < 1 or self.resize < self.size:
            raise ValueError(f"a geometry needs 1 <= size <= resize, not size={self.size} and resize={self.resize}")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation is one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}")
        if self.crop_mode not in CROP_MODES:
            raise ValueError(f"crop_mode is one of {', '.join(CROP_MODES)}, not {self.crop_mode!r}")

    @property
    def whole(self) -> Geometry:
        """The same without a margin: images that were cut before are only resized."""
        return replace(self, resize=self.size)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of an image after the resize, before the cut.

        The rounding is that of the transforms that published numbers were made with: torchvision's ``Resize``, which
        truncates, and for a border timm's ``ResizeKeepRatio``, which rounds half to even. A side may come out as 0.

        Args:
            width: Of the image, in pixels.
            height: Likewise.
        """
        if self.crop_mode == "squash":
            return self.resize, self.resize
        if self.crop_mode == "border":
            ratio = max(height / self.resize, width / self.resize)
            return round(width / ratio), round(height / ratio)
        short, long = min(width, height), max(width, height)
        longer = int(self.resize * long / short)
        return (self.resize, longer) if width <= height else (longer, self.resize)

    def start(self, length: int) -> int:
        """Where the cut begins along a side of the resized image, in pixels; 0 or less where a border is needed.

        Half pixels are rounded to even, as in torchvision's ``CenterCrop``; of an odd border the smaller half comes
        first, as there.

        Args:
            length: Of the side.
        """
        missing = self.size - length
        return -(missing // 2) if missing > 0 else round((length - self.size) / 2)
