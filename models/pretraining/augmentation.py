"""The settings of the random views, as recipes give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from ...decoding import Share, check
from ...errors import VitobenchError


@dataclass(frozen=True)
class Augmentation:
    """VITO's crop and the colour set of BYOL (Grill et al. 2020, appendix B), whose two views differ.

    Attributes:
        min_area: Smallest share of the frame that a crop covers; 0.4 because video frames are not object-centred.
        aspect: Largest aspect ratio of a crop, either way.
        flip: Probability of a horizontal flip.
        jitter: Probability of colour jitter.
        brightness: Jitter strength.
        contrast: Jitter strength.
        saturation: Jitter strength.
        hue: Jitter strength, in turns of the colour circle.
        grey: Probability of greyscale.
        blur: Probability of Gaussian blur, in the first and in the second view.
        sigma: Range of the blur's standard deviation, in pixels of a 224-pixel view; scaled to the view's size.
        solarise: Probability of solarisation at one half, in the first and in the second view.
    """

    min_area: Annotated[float, Meta(gt=0, le=1)] = 0.4
    aspect: Annotated[float, Meta(ge=1)] = 4.0 / 3.0
    flip: Share = 0.5
    jitter: Share = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey: Share = 0.2
    blur: tuple[Share, Share] = (1.0, 0.1)
    sigma: tuple[float, float] = (0.1, 2.0)
    solarise: tuple[Share, Share] = (0.0, 0.2)

    def __post_init__(self) -> None:
        check(self, "augmentation")
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise VitobenchError(f"augmentation.sigma = {self.sigma} must be a rising pair above 0")
