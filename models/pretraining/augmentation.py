"""The settings of the random views, as recipes give them."""

from __future__ import annotations

from dataclasses import dataclass

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

    min_area: float = 0.4
    aspect: float = 4.0 / 3.0
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey: float = 0.2
    blur: tuple[float, float] = (1.0, 0.1)
    sigma: tuple[float, float] = (0.1, 2.0)
    solarise: tuple[float, float] = (0.0, 0.2)

    def __post_init__(self) -> None:
        shares = {key: (getattr(self, key),) for key in ("flip", "jitter", "grey", "min_area")}
        for key, values in (shares | {"blur": self.blur, "solarise": self.solarise}).items():
            if not all(0 <= value <= 1 for value in values):
                raise VitobenchError(f"augmentation.{key} = {getattr(self, key)} must be from 0 to 1")
        if self.min_area == 0 or self.aspect < 1 or not 0 < self.sigma[0] <= self.sigma[1]:
            raise VitobenchError(
                "augmentation: min_area must be more than 0, aspect 1 or more, and sigma a rising pair above 0"
            )
