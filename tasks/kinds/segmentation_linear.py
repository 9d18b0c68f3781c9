"""Tasks that give each pixel of an image a class by a linear head, and count pixels: measured as by retrieval."""

from __future__ import annotations

from ..understanding.pixel_head import OBSERVERS
from .segmentation import Segmentation


class LinearSegmentation(Segmentation):
    """As `Segmentation`, with a head on colour and place as a baseline more."""

    name = "segmentation-linear"
    observers = OBSERVERS


KIND = LinearSegmentation()
