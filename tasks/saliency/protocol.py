"""What a saliency task compares: the reference maps, the maps of a model, and the baselines that see no image.

Importing this loads no numerical library: listings of tasks read the declarations alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .preparation import Preparation

CLICKME_CEILING = 0.65753
"""How well people's maps on ClickMe agree with one another, Spearman; the constant of the reference's code."""

MEASURES: Mapping[str, tuple[float, float]] = {"spearman": (-1.0, 1.0), "dice": (0.0, 1.0), "iou": (0.0, 1.0)}
"""What is stored of each map and image, with the smallest and the largest value."""

CENTRE = "centre"
MEAN_MAP = "mean map"
OBSERVERS = {CENTRE: "centre@1", MEAN_MAP: "mean-map@1"}
"""Baselines that do not use the image, and their versions; the number is raised when the baseline changes."""

GRADIENT = "gradient"
SMOOTHED = "smoothgrad"

SMOOTHGRAD_SAMPLES = 16
"""Default number of noisy copies of an image for SmoothGrad."""

_EXPLAINER = 1
"""Version of a model's maps; raised when gradients or attention masks are computed in another way."""


@dataclass(frozen=True)
class MapProtocol:
    """How a model's maps are computed and what they are compared with.

    Attributes:
        title: Of the images, for captions.
        reference: What the maps are that a model's are compared with.
        preparation: How those maps are made ready.
        exact: The maps are masks; see `agreement.reference_of`.
        ceiling: What the alignment score divides the mean Spearman correlation by.
        samples: Noisy copies of each image, for SmoothGrad; 0 asks for gradients and attention masks.
    """

    title: str
    reference: str
    preparation: Preparation
    exact: bool
    ceiling: float
    samples: int = 0

    @property
    def main_map(self) -> str:
        """The map that every model has."""
        return SMOOTHED if self.samples else GRADIENT

    def facts(self, images: int | None) -> dict[str, Any]:
        """What a task's identity covers. The ceiling is left out, because stored numbers do not depend on it.

        Args:
            images: Number of images of the task, whose mean map is one of the baselines.
        """
        return {
            "explainer": f"{'smoothgrad' if self.samples else 'maps'}-{_EXPLAINER}",
            "samples": self.samples,
            "images": images,
            "preparation": asdict(self.preparation),
            "exact": self.exact,
        }


PEOPLE = MapProtocol("ClickMe", "people's map", Preparation(), exact=False, ceiling=CLICKME_CEILING)
"""The protocol of ClickMe."""

MASKS = MapProtocol(
    "Micro-world, validation scenes",
    "object mask",
    # Nothing to be compatible with: the kernel is centred, nothing favours the middle, and the result has the size of
    # the images.
    Preparation(side=64, centred=True, renormalised=True),
    exact=True,
    # A mask is exact, so nothing keeps a model from agreeing with it wholly.
    ceiling=1.0,
)
"""That of the micro-world, against exact object masks."""
