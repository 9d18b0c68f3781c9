"""The geometric half of preprocessing: which pixels of a photograph a model sees."""

from __future__ import annotations

from dataclasses import dataclass

INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class Geometry:
    """Resize the shorter side, then cut a square out of the centre.

    Models that agree on these three values share decoded images.

    Attributes:
        size: Side of the square that is kept, in pixels.
        resize: Length of the shorter side before the cut, in pixels; at least ``size``.
        interpolation: ``"bilinear"`` or ``"bicubic"``: Pillow's filters, which antialias when shrinking.

    Raises:
        ValueError: A side that is not positive, a cut larger than the resized image, or an unknown interpolation.
    """

    size: int
    resize: int
    interpolation: str

    def __post_init__(self) -> None:
        if self.size < 1 or self.resize < self.size:
            raise ValueError(f"a geometry needs 1 <= size <= resize, not size={self.size} and resize={self.resize}")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation is one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}")
