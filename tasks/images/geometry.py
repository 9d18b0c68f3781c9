"""The geometric half of preprocessing: which pixels of a photograph a model sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

Interpolation = Literal["bilinear", "bicubic"]
INTERPOLATIONS: tuple[str, ...] = get_args(Interpolation)

CropMode = Literal["center", "squash", "border", "center-down"]
CROP_MODES: tuple[str, ...] = get_args(CropMode)
"""How a photograph becomes a square. The first three have timm's names and meaning (``timm.data.create_transform``):

- ``"center"``: resize the shorter side, then crop the centre. The model does not see the rest.
- ``"squash"``: resize both sides to the same length, whatever the aspect ratio, then crop the centre.
- ``"border"``: resize the longer side, fill the missing part with one colour, then crop the centre.
- ``"center-down"``: as ``"center"``, but a crop that begins on half a pixel is rounded down, as the image processors of
  transformers do it.

A few of timm's models resize to less than they crop (``crop_pct`` over 1): what is missing then is black.
"""


@dataclass(frozen=True)
class Geometry:
    """Resize, then crop a square from the centre.

    Models with equal values share decoded images.

    Attributes:
        size: Side of the cropped square, in pixels.
        resize: Length of a side before the crop, in pixels. `CROP_MODES` says which side. Less than ``size`` frames the
            image.
        interpolation: ``"bilinear"`` or ``"bicubic"``: Pillow's filters, which antialias when shrinking.
        crop_mode: One of `CROP_MODES`.
        fill: Red, green and blue (0 to 255) of the border; black in the other modes.

    Raises:
        ValueError: A side is not positive, or the interpolation or crop mode is unknown.
    """

    size: int
    resize: int
    interpolation: str
    crop_mode: str = "center"
    fill: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.size < 1 or self.resize < 1:
            raise ValueError(f"a geometry needs sides of 1 or more, not size={self.size} and resize={self.resize}")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation is one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}")
        if self.crop_mode not in CROP_MODES:
            raise ValueError(f"crop_mode is one of {', '.join(CROP_MODES)}, not {self.crop_mode!r}")

    @property
    def whole(self) -> Geometry:
        """The same without a margin, for images that are already cropped: they are only resized."""
        return replace(self, resize=self.size)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of an image after the resize, before the crop.

        The rounding is that of the transforms behind published numbers: torchvision's ``Resize``, which truncates, and
        for a border timm's ``ResizeKeepRatio``, which rounds half to even. A side can become 0.
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
        """Where the crop begins along a side of the resized image, in pixels; negative if a border is needed.

        As in torchvision's ``CenterCrop``, half pixels are rounded to even, and the smaller half of an odd border comes
        first; ``"center-down"`` rounds half pixels down.
        """
        missing = self.size - length
        if self.crop_mode == "center-down" and missing < 0:
            return -missing // 2
        return -(missing // 2) if missing > 0 else round((length - self.size) / 2)
